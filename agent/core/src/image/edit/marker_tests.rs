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
fn a_file_with_markers_becomes_its_other_half() {
    let before = include_str!("cases/markers/before.yaml");
    let after = include_str!("cases/markers/after.yaml");
    let found = marked(before);
    assert_eq!(
        details(&found),
        ["web.yaml:11:24: the marker names policy `apps/proxy`, which does not exist"]
    );
    let lines: Vec<usize> = found.sites.iter().map(|site| site.line).collect();
    assert_eq!(lines, [9, 19, 26, 31]);
    let new = format!("1.10@{}", digest('b'));
    assert_eq!(written(before, &found, &new), after);
    let crlf = before.replace('\n', "\r\n");
    assert_eq!(
        written(&crlf, &marked(&crlf), &new),
        after.replace('\n', "\r\n")
    );
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
            2,
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

#[test]
fn a_broken_file_or_marker_of_a_policy_does_not_let_names_take_over() {
    let unmarked = "image: registry.example.com/roar-web:1.0.0\n";
    for broken in [
        "image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"}\nb: [\n",
        "image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"\n",
        "# {\"$imagepolicy\": \"apps:web\"}\nimage: registry.example.com/roar-web:1\n",
    ] {
        let files = files(&[("a.yaml", broken), ("b.yaml", unmarked)]);
        let (image, policy, policies) = (web(), policy(), policies());
        let wanted = Wanted {
            image: &image,
            policy: Some(&policy),
            policies: Some(&policies),
        };
        let found = find_in(&files, &wanted);
        assert_eq!((found.sites, found.marked), (vec![], true), "{broken}");
        assert!(
            found
                .refusals
                .iter()
                .all(|refusal| refusal.file == "a.yaml")
        );
        assert_eq!(found.refusals.len(), 1, "{broken}");
    }
    let other =
        "a: x:1 # {\"$imagepolicy\": \"apps:web-2\"\nb: x:1 # {\"$imagepolicy\": \"my-apps:web\"\n";
    assert!(!marked(other).marked);
}

#[test]
fn a_repository_without_its_registry_does_not_contradict_a_marker() {
    let text = "repository: roar-web\ntag: v1 # {\"$imagepolicy\": \"apps:web:tag\"}\n";
    assert_eq!(marked(text).sites.len(), 1);
    let text = "repository: web\ntag: v1 # {\"$imagepolicy\": \"apps:web:tag\"}\n";
    assert_eq!(marked(text).sites.len(), 0);
}

#[test]
fn a_search_by_an_index_finds_what_a_search_of_every_file_finds() {
    let texts = [
        "image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:web\"}\n",
        "image: registry.example.com/roar-web:1 # {\"$imagepolicy\": \"apps:other\"}\n",
        "tag: v1 # {\"$imagepolicy\": \"apps:web:tag\"}\n",
        "tag: v1 # {\"$imagepolicy\": \"apps:gone:tag\"}\n",
        "# {\"$imagepolicy\": \"apps:web\"}\n",
        "image: registry.example.com/roar-web:1\n",
        "a: 'registry.example.com/roar-web:1'\n",
        "x: roar-web\n",
        "b: [ registry.example.com/roar-web:1\n",
        "nothing: 1\n",
    ];
    let (image, policies) = (web(), policies());
    let (first, second) = (policy(), Name::new("apps", "other"));
    for start in 0..texts.len() {
        let named: Vec<(String, &str)> = (0..3)
            .map(|n| (format!("{n}.yaml"), texts[(start + n * 3) % texts.len()]))
            .collect();
        let named: Vec<(&str, &str)> = named.iter().map(|(n, t)| (n.as_str(), *t)).collect();
        let files = files(&named);
        for policy in [None, Some(&first), Some(&second)] {
            let wanted = Wanted {
                image: &image,
                policy,
                policies: Some(&policies),
            };
            let mut every = Found::default();
            for (file, bytes) in &files {
                let here = search(file, bytes, &wanted, &charts::OfFile::default());
                every.marked |= here.marked;
                every.sites.extend(here.sites);
                every.refusals.extend(here.refusals);
            }
            assert_eq!(find_in(&files, &wanted), every.markers_first(), "{files:?}");
        }
    }
}
