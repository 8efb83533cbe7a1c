//! Markers: which values they name, and what is wrong with them.

use super::tests::{digest, files, image, version, web, written};
use super::*;

fn policy() -> Name {
    Name::new("apps", "web")
}

fn policies() -> BTreeMap<Name, ImageName> {
    BTreeMap::from([
        (policy(), web()),
        (
            Name::new("apps", "other"),
            image("registry.example.com/other"),
        ),
    ])
}

fn marked(text: &str) -> Found {
    let (image, policy, policies) = (web(), policy(), policies());
    let wanted = Wanted {
        image: &image,
        policy: Some(&policy),
        policies: Some(&policies),
    };
    find("web.yaml", text.as_bytes(), &wanted)
}

fn details(found: &Found) -> Vec<String> {
    found.refusals.iter().map(ToString::to_string).collect()
}

#[test]
fn a_marker_names_the_whole_reference_or_a_part_of_it() {
    let new = digest('b');
    for (before, after) in [
        (
            "image: registry.example.com/roar-web:1.0.0 # {\"$imagepolicy\": \"apps:web\"}\n".to_owned(),
            "image: registry.example.com/roar-web:1.10 # {\"$imagepolicy\": \"apps:web\"}\n".to_owned(),
        ),
        (
            "v: registry.example.com/roar-web  # {\"$imagepolicy\": \"apps:web\"}\n".into(),
            "v: registry.example.com/roar-web:1.10  # {\"$imagepolicy\": \"apps:web\"}\n".into(),
        ),
        (
            "a:\n- 'registry.example.com/roar-web:1.0.0' # {\"$imagepolicy\": \"apps:web\"}\n".into(),
            "a:\n- 'registry.example.com/roar-web:1.10' # {\"$imagepolicy\": \"apps:web\"}\n".into(),
        ),
        (
            "anything: v1 # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
            "anything: \"1.10\" # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
        ),
        (
            "tag: '' # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
            "tag: '1.10' # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
        ),
        (
            "images:\n- name: x\n  newName: registry.example.com/roar-web # {\"$imagepolicy\": \"apps:web:name\"}\n  newTag: v1 # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
            "images:\n- name: x\n  newName: registry.example.com/roar-web # {\"$imagepolicy\": \"apps:web:name\"}\n  newTag: \"1.10\" # {\"$imagepolicy\": \"apps:web:tag\"}\n".into(),
        ),
    ] {
        let found = marked(&before);
        assert_eq!((details(&found), found.sites.len()), (vec![], 1), "{before}");
        assert_eq!(found.sites[0].by, By::Marker(policy()));
        assert!(found.marked);
        assert_eq!(written(&before, &found, "1.10"), after);
    }
    let before = format!(
        "tag: v1 # {{\"$imagepolicy\": \"apps:web:tag\"}}\ndigest: {} # {{\"$imagepolicy\": \"apps:web:digest\"}}\n",
        digest('a')
    );
    let found = marked(&before);
    let kinds: Vec<Kind> = found.sites.iter().map(|site| site.kind).collect();
    assert_eq!(kinds, [Kind::Tag, Kind::Digest]);
    let after = written(&before, &found, &format!("v2@{new}"));
    assert_eq!(
        after,
        before.replace("v1", "v2").replace(&digest('a'), &new)
    );
    let refusal = edit(before.as_bytes(), &found.sites[1], &version("v2")).unwrap_err();
    assert_eq!(refusal.cause, Cause::Digest);
}

#[test]
fn a_value_with_a_marker_is_matched_by_no_name() {
    let text = "a:\n  image: registry.example.com/roar-web:1.0.0 # {\"$imagepolicy\": \"apps:web\"}\nb:\n  image: registry.example.com/roar-web:1.0.0\n\
                c:\n  image: registry.example.com/roar-web:1.0.0 # {\"$imagepolicy\": \"apps:other\"}\n\
                d:\n  repository: registry.example.com/roar-web\n  tag: v1 # {\"$imagepolicy\": \"apps:other:tag\"}\n";
    let image = web();
    let found = find("web.yaml", text.as_bytes(), &Wanted::named(&image));
    let paths: Vec<&str> = found.sites.iter().map(|site| site.path.as_str()).collect();
    assert_eq!(paths, ["b.image"]);
    let causes: Vec<(Cause, usize)> = found.refusals.iter().map(|r| (r.cause, r.line)).collect();
    let another = Cause::MarkedForAnother;
    assert_eq!(causes, [(another, 2), (another, 6), (another, 9)]);
    assert_eq!(found.blocking().count(), 0);
    assert!(details(&found)[1].contains("policy `apps/other`"));
}

#[test]
fn a_policy_with_a_marker_anywhere_means_its_markers_alone() {
    let files = files(&[
        ("a.yaml", "image: registry.example.com/roar-web:1.0.0\n"),
        (
            "b.yaml",
            "x: registry.example.com/roar-web:1.0.0 # {\"$imagepolicy\": \"apps:web\"}\n",
        ),
    ]);
    let (image, policy, policies) = (web(), policy(), policies());
    let mut wanted = Wanted {
        image: &image,
        policy: Some(&policy),
        policies: Some(&policies),
    };
    let sites = |wanted: &Wanted<'_>| -> Vec<String> {
        let found = find_in(&files, wanted);
        found.sites.into_iter().map(|site| site.file).collect()
    };
    assert_eq!(sites(&wanted), ["b.yaml"]);
    let unmarked = Name::new("apps", "second");
    wanted.policy = Some(&unmarked);
    wanted.policies = None;
    assert_eq!(sites(&wanted), ["a.yaml"]);
}

#[test]
fn bad_b60_a_marker_that_cannot_be_obeyed_is_reported_with_file_and_line() {
    let m = "# {\"$imagepolicy\": \"apps:web\"}";
    let t = "# {\"$imagepolicy\": \"apps:web:tag\"}";
    for (text, line, expected) in [
        (
            "a: 1\nb: x:1 # {\"$imagepolicy\": \"apps:web\"\n".to_owned(),
            2,
            "not one JSON object",
        ),
        (
            "b: x:1 # {\"$imagepolicy\": \"apps:gone\"}\n".into(),
            1,
            "policy `apps/gone`, which does not exist",
        ),
        (
            "b: x:1 # {\"$imagepolicy\": \"apps:web\"} {\"$imagepolicy\": \"apps:other\"}\n".into(),
            1,
            "several policies",
        ),
        (
            format!("b: registry.example.com/other:1 {m}\n"),
            1,
            "which is for registry.example.com/roar-web, and the image here is `registry.example.com/other`",
        ),
        (format!("b: not an image {m}\n"), 1, "stands at no image"),
        (
            format!("repository: registry.example.com/other\ntag: 1.0.0 {t}\n"),
            2,
            "and the image here is `registry.example.com/other`",
        ),
        (
            format!("images:\n- name: other\n  newTag: 1.0.0 {t}\n"),
            3,
            "the image here is `other`",
        ),
        (
            format!(
                "newName: registry.example.com/other {}\n",
                "# {\"$imagepolicy\": \"apps:web:name\"}"
            ),
            1,
            "the image here is",
        ),
        (format!("tag: a b {t}\n"), 1, "is not a tag"),
        (
            format!("a: &a registry.example.com/roar-web:1 {m}\nb: *a\n"),
            1,
            "shared through an anchor",
        ),
        (
            format!("a: &a registry.example.com/roar-web:1\nb: *a {m}\n"),
            2,
            "is an alias",
        ),
        (
            format!("image: >- {m}\n  registry.example.com/roar-web:1\n"),
            1,
            "stands at a block",
        ),
        (
            format!("image: {m}\n  registry.example.com/roar-web:1\n"),
            1,
            "stands at no value",
        ),
        (
            format!("{m}\nimage: registry.example.com/roar-web:1\n"),
            1,
            "stands at no value",
        ),
        (
            format!("a: {{image: registry.example.com/roar-web:1, b: 2}} {m}\n"),
            1,
            "behind several values",
        ),
        (
            format!("image: !x registry.example.com/roar-web:1 {m}\n"),
            1,
            "YAML tag",
        ),
        (
            format!("tag: v1 {t}\ndigest: {}\n", digest('a')),
            1,
            "`digest` beside it has none",
        ),
        (
            format!("image: registry.example.com/roar-web:1 {m}\nb: [\n"),
            3,
            "",
        ),
    ] {
        let found = marked(&text);
        assert_eq!(found.sites, [], "{text}");
        let blocking: Vec<&Refusal> = found.blocking().collect();
        assert_eq!(blocking.len(), 1, "{text}{:?}", details(&found));
        let (shown, refusal) = (blocking[0].to_string(), blocking[0]);
        assert!(shown.contains(expected), "{shown}\n{text}");
        assert!(shown.starts_with(&format!("web.yaml:{line}:")), "{shown}");
        if !expected.is_empty() {
            assert_eq!(refusal.reason(), crate::reason::Reason::SetterMarker);
            assert_eq!(refusal.reason().row().code, "setter.marker");
        }
    }
}

#[test]
fn a_marker_that_somebody_else_has_to_correct_does_not_stop_the_others() {
    let text = "a: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"}\nb: x # {\"$imagepolicy\": \"apps:gone\"}\n";
    let found = marked(text);
    assert_eq!((found.sites.len(), found.refusals.len()), (1, 1));
    let image = web();
    let offline = find("web.yaml", text.as_bytes(), &Wanted::named(&image));
    assert_eq!(
        offline.blocking().count(),
        0,
        "which policies exist is not known"
    );
}

#[test]
fn text_that_only_looks_like_a_marker_is_none() {
    for text in [
        "a: |\n  image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"}\n",
        "a: 'x # {\"$imagepolicy\": \"apps:web\"}'\n",
        "# How $imagepolicy markers look is in the handbook\na: 1\n",
    ] {
        let found = marked(text);
        assert_eq!(
            (found.sites.len(), found.blocking().count()),
            (0, 0),
            "{text}"
        );
        assert!(!found.marked);
    }
}

#[test]
fn many_comments_before_a_marker_do_no_harm() {
    let text = format!(
        "{}image: registry.example.com/roar-web:1.0.0 # {{\"$imagepolicy\": \"apps:web\"}}\n",
        "# a comment\n".repeat(500)
    );
    assert_eq!(marked(&text).sites.len(), 1);
}
