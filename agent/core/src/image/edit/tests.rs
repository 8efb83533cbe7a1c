//! Fixtures, refusals and properties of the edit.

use proptest::prelude::*;

use super::*;

fn image(text: &str) -> ImageName {
    ImageName::parse(text).unwrap()
}

fn web() -> ImageName {
    image("registry.example.com/roar-web")
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn search(text: &str) -> Found {
    find("web.yaml", text.as_bytes(), &web())
}

/// Edits all places; the text must have no refusal.
fn edited(text: &str, new: &str) -> String {
    let found = search(text);
    assert_eq!(found.refusals, [], "{text}");
    let edit = edit_all(text.as_bytes(), &found.sites, &tag(new)).unwrap();
    String::from_utf8(edit.bytes).unwrap()
}

/// The causes of all refusals with their lines.
fn causes(text: &str) -> Vec<(Cause, usize)> {
    search(text)
        .refusals
        .iter()
        .map(|refusal| (refusal.cause, refusal.line))
        .collect()
}

macro_rules! case {
    ($name:literal, $tag:literal, $paths:expr) => {
        (
            $name,
            $tag,
            &$paths[..],
            include_str!(concat!("cases/", $name, "/before.yaml")),
            include_str!(concat!("cases/", $name, "/after.yaml")),
        )
    };
}

#[test]
fn each_fixture_becomes_its_other_half_and_finds_its_places() {
    let cases: [(&str, &str, &[&str], &str, &str); 6] = [
        case!(
            "deployment",
            "1.3.0",
            [
                "spec.template.spec.initContainers[0].image",
                "spec.template.spec.containers[0].image",
                "spec.template.spec.containers[2].image"
            ]
        ),
        case!(
            "kustomize",
            "1.10",
            ["images[0].newTag", "images[1].newTag"]
        ),
        case!(
            "helm-values",
            "v1.3.0",
            ["image.tag", "web.image.tag", "web.flow.tag"]
        ),
        case!("documents", "1.0.1", ["spec.image"]),
        case!("anchors", "1.0.1", ["x-image", "one.tag", "three.tag"]),
        case!("template", "2.0.0", ["spec.image"]),
    ];
    for (name, new, paths, before, after) in cases {
        let found = search(before);
        let here: Vec<&str> = found.sites.iter().map(|site| site.path.as_str()).collect();
        assert_eq!(here, paths, "{name}");
        assert_eq!(found.refusals, [], "{name}");
        for text in [
            before.to_owned(),
            before.replace('\n', "\r\n"),
            format!("\u{feff}{before}"),
        ] {
            let expected = if text.contains('\r') {
                after.replace('\n', "\r\n")
            } else if text.starts_with('\u{feff}') {
                format!("\u{feff}{after}")
            } else {
                after.to_owned()
            };
            assert_eq!(edited(&text, new), expected, "{name}");
        }
        let cut = before.trim_end_matches(['\n', ' ']);
        assert_eq!(
            edited(cut, new),
            after.trim_end_matches(['\n', ' ']),
            "{name}, no last newline"
        );
    }
}

#[test]
fn a_place_says_where_it_is() {
    let text = "---\na: é\n---\nspec:\n  é: {image: registry.example.com/roar-web:1.0.0}\n";
    let site = &search(text).sites[0];
    assert_eq!((site.document, site.line, site.column), (2, 5, 14));
    assert_eq!(site.path, "spec[\"é\"].image");
    assert_eq!(
        (site.current.as_str(), site.kind),
        ("1.0.0", Kind::Reference)
    );
    let edit = edit(text.as_bytes(), site, &tag("1.0.1")).unwrap();
    let change = &edit.changes[0];
    assert_eq!(edit.file, "web.yaml");
    assert_eq!(
        (change.line, change.old.as_str(), change.new.as_str()),
        (5, "1.0.0", "1.0.1")
    );
}

#[test]
fn a_value_that_would_change_its_type_is_quoted() {
    let values = "repository: registry.example.com/roar-web\ntag: v1 # c\n";
    for (new, written) in [
        ("1.10", "\"1.10\""),
        ("1e3", "\"1e3\""),
        ("0755", "\"0755\""),
        ("on", "\"on\""),
        ("2026-11-21", "\"2026-11-21\""),
        ("1.2.3", "1.2.3"),
        ("1.10-alpine", "1.10-alpine"),
    ] {
        assert_eq!(edited(values, new), values.replace("v1", written), "{new}");
    }
    let by_tag = "repository: registry.example.com/roar-web\ntag: !!str v1\n";
    assert_eq!(edited(by_tag, "1.10"), by_tag.replace("v1", "1.10"));
    let reference = "image: registry.example.com/roar-web:1.9\n";
    assert_eq!(edited(reference, "1.10"), reference.replace("1.9", "1.10"));
}

#[test]
fn an_address_is_not_taken_for_an_image() {
    let redis = image("redis");
    let text = "REDIS_ADDR: redis:6379\nimage: redis:7.0.1\nsidecarImage: redis:7.0.1\n";
    let found = find("a.yaml", text.as_bytes(), &redis);
    let paths: Vec<&str> = found.sites.iter().map(|site| site.path.as_str()).collect();
    assert_eq!(paths, ["image", "sidecarImage"]);
    let env = "env: [{name: WEB, value: registry.example.com/roar-web:1.0.0}]\n";
    assert_eq!(search(env).sites[0].path, "env[0].value");
    let other = "image: other.example.com/roar-web:1.0.0\nb: registry.example.com/roar-web2:1\n";
    assert_eq!(search(other), Found::default());
}

#[test]
fn a_place_that_cannot_be_edited_exactly_is_refused_with_its_line() {
    let digest = format!("@sha256:{}", "a".repeat(64));
    for (text, expected) in [
        (
            format!("image: registry.example.com/roar-web:1{digest}\n"),
            (Cause::Digest, 1),
        ),
        (
            format!("x: 1\nimage: registry.example.com/roar-web{digest}\n"),
            (Cause::Digest, 2),
        ),
        (
            "image: registry.example.com/roar-web\n".into(),
            (Cause::NoTag, 1),
        ),
        (
            "repository: registry.example.com/roar-web\n".into(),
            (Cause::NoTag, 1),
        ),
        (
            "a: 1\nrepository: registry.example.com/roar-web\ntag: ''\n".into(),
            (Cause::NoTag, 3),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: a b\n".into(),
            (Cause::NotATag, 2),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ndigest: sha256:1\n".into(),
            (Cause::Digest, 1),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ntag: v2\n".into(),
            (Cause::DuplicateKey, 3),
        ),
        (
            "images:\n- name: registry.example.com/roar-web\n  digest: sha256:1\n".into(),
            (Cause::Digest, 2),
        ),
        (
            "images:\n- name: x\n  newName: registry.example.com/roar-web\n".into(),
            (Cause::NoTag, 2),
        ),
        (
            "image: >-\n  registry.example.com/roar-web:1.0.0\n".into(),
            (Cause::Notation, 2),
        ),
        (
            "image: \"registry.example.com/roar\\x2dweb:1.0.0\" # roar-web\n".into(),
            (Cause::Notation, 1),
        ),
        (
            "image: !x registry.example.com/roar-web:1.0.0\n".into(),
            (Cause::Notation, 1),
        ),
        (
            "v: &v v1\na: {repository: registry.example.com/roar-web, tag: *v}\n".into(),
            (Cause::Shared, 2),
        ),
        (
            "a: {repository: registry.example.com/roar-web, tag: &v v1}\n\
             b: {repository: mysql, tag: *v}\n"
                .into(),
            (Cause::Shared, 1),
        ),
        (
            "image: registry.example.com/roar-web:1\nb: [\n".into(),
            (Cause::Syntax, 3),
        ),
        (
            "image: registry.example.com/roar-web:1\n{{- if .x }}\nb: 1\n".into(),
            (Cause::Template, 2),
        ),
    ] {
        let found = search(&text);
        assert_eq!(found.sites, [], "{text}");
        let here = causes(&text);
        assert_eq!(
            here.iter().map(|c| c.0).collect::<Vec<_>>(),
            [expected.0],
            "{text}"
        );
        if expected.0 != Cause::Syntax && expected.0 != Cause::Template {
            assert_eq!(here[0].1, expected.1, "{text}");
        }
        let shown = found.refusals[0].to_string();
        assert!(shown.starts_with("web.yaml:"), "{shown}");
        assert_eq!(
            found.refusals[0].failure().reason,
            found.refusals[0].reason()
        );
    }
    let found = find(
        "a.yaml",
        b"image: registry.example.com/roar-web:1\xff\n",
        &web(),
    );
    assert_eq!(found.refusals[0].reason(), Reason::YamlEncoding);
}

#[test]
fn a_template_or_a_missing_tag_is_a_note_and_blocks_nothing() {
    let note = search("image: registry.example.com/roar-web\n");
    assert_eq!((note.refusals.len(), note.blocking().count()), (1, 0));
    let digest = search("repository: registry.example.com/roar-web\ntag: v1@sha256:0\n");
    assert_eq!(digest.blocking().count(), 1);
    let policy =
        "apiVersion: syncline.dev/v1alpha1\nspec: {image: registry.example.com/roar-web}\n";
    assert_eq!(search(policy), Found::default());
}

#[test]
fn a_broken_file_that_does_not_name_the_image_is_nobodys_business_here() {
    let text = "name: roar-web-config\nb: [\n";
    let team = image("registry.example.com/team/roar-web");
    assert_eq!(find("a.yaml", text.as_bytes(), &team), Found::default());
    assert_eq!(find("a.yaml", b"\xff\xfe", &team), Found::default());
}

#[test]
fn a_file_that_changed_since_the_search_is_not_edited() {
    let text = "image: registry.example.com/roar-web:1.0.0\n";
    let site = &search(text).sites[0];
    for other in [
        "image: registry.example.com/roar-web:1.0.1\n",
        "",
        "# x\nimage: a:1\n",
    ] {
        let refusal = edit(other.as_bytes(), site, &tag("2.0.0")).unwrap_err();
        assert_eq!(
            (refusal.cause, refusal.reason()),
            (Cause::Stale, Reason::EditRefused)
        );
    }
}

#[test]
fn a_change_beside_the_value_is_not_proved() {
    let text = "image: registry.example.com/roar-web:1.0.0\nother: 1\n";
    let site = &search(text).sites[0];
    let new = tag("2.0.0");
    let good = text.replace("1.0.0", "2.0.0");
    assert_eq!(
        prove(text.as_bytes(), good.as_bytes(), &[site], &new),
        Ok(())
    );
    for bad in [
        good.replace("other: 1", "other: 2"),
        good.replace("other", "others"),
        good.replace("other: 1", "other: \"1\""),
        good.replace("\nother: 1", ""),
        good.replace("2.0.0", "3.0.0"),
        good.replace("other: 1", "other: ["),
        text.to_owned(),
    ] {
        let refusal = prove(text.as_bytes(), bad.as_bytes(), &[site], &new).unwrap_err();
        assert_eq!(refusal.cause, Cause::Unproved, "{bad}");
    }
}

#[test]
fn editing_to_the_same_tag_changes_no_byte() {
    let text = "image: registry.example.com/roar-web:1.0.0\n";
    assert_eq!(edited(text, "1.0.0"), text);
    assert_eq!(edit_all(b"x", &[], &tag("1")).unwrap().bytes, b"x");
}

/// A scalar in one of three notations.
fn notation(value: &str, style: u8) -> String {
    match style % 3 {
        0 => value.to_owned(),
        1 => format!("'{value}'"),
        _ => format!("\"{value}\""),
    }
}

fn any_tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "v?[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}(-rc\\.[0-9])?",
    ]
}

/// Lines of YAML that a place can stand among, at an indentation.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "# [ -~]{0,20}",
        "k[a-z]{1,5}: [a-zA-Z0-9][a-zA-Z0-9./é-]{0,12}( {1,3}# [ -~]{0,10})?",
        "k[a-z]{1,5}: '[a-z #:{}é]{0,10}'",
        "k[a-z]{1,5}: \"[a-z #:{}\\[\\],é]{0,10}\"  ",
        "k[a-z]{1,5}: \\[ [a-z]{1,3},[a-z]{1,3} , \\]",
        "k[a-z]{1,5}: \\{ [a-z]{1,3}: 1, 'b' : \"2\" \\}",
        Just("ktext: |\n      literal # no comment  \n\n      image: roar-web:1".to_owned()),
        Just("kfold: >-\n      folded text\n      goes on".to_owned()),
    ]
}

proptest! {
    #[test]
    fn only_the_bytes_of_the_scalar_change(
        lines in proptest::collection::vec(noise(), 0..6),
        more in proptest::collection::vec(noise(), 0..6),
        old in any_tag(),
        new in any_tag(),
        style in any::<u8>(),
        shape in 0u8..4,
        gap in 1usize..4,
        comment in "( {1,3}# [ -~]{0,12})?",
        anchor in prop_oneof![Just(""), Just("&a "), Just("!!str ")],
        newline in prop_oneof![Just("\n"), Just("\r\n")],
        end in any::<bool>(),
    ) {
        let gap = " ".repeat(gap);
        let name = "registry.example.com/roar-web";
        // What stands before the scalar, the part of it before the tag, and what follows.
        let (head, prefix, tail) = match shape {
            0 => (format!("  image:{gap}{anchor}"), format!("{name}:"), comment),
            1 => (format!("  repository: {name}\n  tag:{gap}{anchor}"), String::new(), comment),
            2 => (format!("  i: {{a: [1], image:{gap}{anchor}"), format!("{name}:"), format!(" , b: 2}}{comment}")),
            _ => (format!("  images:\n  - newTag:{gap}{anchor}"), String::new(), format!("{comment}\n    name: {name}")),
        };
        let indented = |lines: &[String]| -> String {
            lines.iter().flat_map(|line| ["  ", line, "\n"]).collect()
        };
        let before = format!("top:\n{}{head}", indented(&lines));
        let after = format!("{tail}\n{}", indented(&more));
        let after = if end { after } else { after.trim_end_matches('\n').to_owned() };
        let before = before.replace('\n', newline);
        let after = after.replace('\n', newline);
        let old_scalar = notation(&format!("{prefix}{old}"), style);
        let text = format!("{before}{old_scalar}{after}");

        let found = search(&text);
        prop_assert_eq!(&found.refusals, &[], "{}", text);
        prop_assert_eq!(found.sites.len(), 1, "{}", text);
        prop_assert_eq!(found.sites[0].current.as_str(), old.as_str());
        let edit = edit(text.as_bytes(), &found.sites[0], &tag(&new));
        prop_assert!(edit.is_ok(), "{:?}\n{}", edit, text);
        let bytes = String::from_utf8(edit.unwrap().bytes).unwrap();
        let middle = bytes.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&after));
        let same = notation(&format!("{prefix}{new}"), style);
        let quoted = notation(&format!("{prefix}{new}"), 2);
        prop_assert!(
            middle == Some(&same) || (style % 3 == 0 && middle == Some(&quoted)),
            "{:?}", middle
        );
        // Found again, it is the new tag at the same path, and edited back it is the old file
        // again, save for quotes that had to come.
        let again = search(&bytes);
        prop_assert_eq!(&again.sites[0].path, &found.sites[0].path);
        prop_assert_eq!(again.sites[0].current.as_str(), new.as_str());
    }

    #[test]
    fn no_text_makes_the_search_or_the_edit_fail_badly(text in "[ -~é\n\t]{0,200}") {
        let text = format!("image: registry.example.com/roar-web:1.0.0\n{text}");
        let found = search(&text);
        if !found.sites.is_empty() {
            let new = tag("1.0.1");
            if let Ok(edit) = edit_all(text.as_bytes(), &found.sites, &new) {
                prop_assert_eq!(edit.bytes.len(), text.len());
            }
        }
    }
}
