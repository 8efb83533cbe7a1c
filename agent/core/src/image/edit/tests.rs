//! Fixtures and refusals of the edit.

use super::splice::{prove, splices};
use super::*;
use crate::image::reference::Digest;
use crate::reason::Reason;

pub(super) fn image(text: &str) -> ImageName {
    ImageName::parse(text).unwrap()
}

pub(super) fn web() -> ImageName {
    image("registry.example.com/roar-web")
}

/// A tag, perhaps with a digest.
pub(super) fn version(text: &str) -> Version {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(Digest::parse(digest).unwrap())),
        None => (text, None),
    };
    Version {
        tag: Tag::parse(tag).unwrap(),
        digest,
    }
}

/// A digest of one letter.
pub(super) fn digest(letter: char) -> String {
    format!("sha256:{}", String::from(letter).repeat(64))
}

pub(super) fn search(text: &str) -> Found {
    find("web.yaml", text.as_bytes(), &Wanted::named(&web()))
}

/// Edits all places; the text must have no refusal.
fn edited(text: &str, new: &str) -> String {
    let found = search(text);
    assert_eq!(found.blocking().next(), None, "{text}");
    written(text, &found, new)
}

/// The text with a version at all places.
pub(super) fn written(text: &str, found: &Found, new: &str) -> String {
    let version = version(new);
    let edits: Vec<_> = found.sites.iter().map(|site| (site, &version)).collect();
    String::from_utf8(edit_all(text.as_bytes(), &edits).unwrap().bytes).unwrap()
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
        assert_eq!(found.blocking().next(), None, "{name}");
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
        (site.value(), site.kind, &site.by),
        ("1.0.0".to_owned(), Kind::Reference, &By::Name)
    );
    let edit = edit(text.as_bytes(), site, &version("1.0.1")).unwrap();
    let change = &edit.changes[0];
    assert_eq!(edit.file, "web.yaml");
    assert_eq!(
        (change.line, change.old.to_string(), change.new.to_string()),
        (
            5,
            "registry.example.com/roar-web:1.0.0".into(),
            "1.0.1".into()
        )
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
    let found = find("a.yaml", text.as_bytes(), &Wanted::named(&redis));
    let paths: Vec<&str> = found.sites.iter().map(|site| site.path.as_str()).collect();
    assert_eq!(paths, ["image", "sidecarImage"]);
    let env = "env: [{name: WEB, value: registry.example.com/roar-web:1.0.0}]\n";
    assert_eq!(search(env).sites[0].path, "env[0].value");
    let other = "image: other.example.com/roar-web:1.0.0\nb: registry.example.com/roar-web2:1\n";
    assert_eq!(search(other), Found::default());
}

#[test]
fn a_place_that_cannot_be_edited_exactly_is_refused_with_its_line() {
    for (text, expected) in [
        ("image: registry.example.com/roar-web\n", (Cause::NoTag, 1)),
        (
            "repository: registry.example.com/roar-web\n",
            (Cause::NoTag, 1),
        ),
        (
            "a: 1\nrepository: registry.example.com/roar-web\ntag: ''\n",
            (Cause::NoTag, 3),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: a b\n",
            (Cause::NotATag, 2),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ndigest: sha256:1\n",
            (Cause::NotATag, 2),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ntag: v2\n",
            (Cause::DuplicateKey, 3),
        ),
        (
            "images:\n- name: registry.example.com/roar-web\n  digest: sha256:1\n",
            (Cause::NotATag, 3),
        ),
        (
            "images:\n- name: x\n  newName: registry.example.com/roar-web\n",
            (Cause::NoTag, 2),
        ),
        (
            "image: \"registry.example.com/roar-web\\\n  :1.0.0\"\n",
            (Cause::Notation, 1),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: |\n  1.0.0\n",
            (Cause::NotATag, 3),
        ),
        (
            "args: --image=registry.example.com/roar-web:1.0.0\n",
            (Cause::Text, 1),
        ),
        (
            "image: \"registry.example.com/roar\\x2dweb:1.0.0\" # roar-web\n",
            (Cause::Notation, 1),
        ),
        (
            "image: !x registry.example.com/roar-web:1.0.0\n",
            (Cause::Notation, 1),
        ),
        (
            "v: &v v1\na: {repository: registry.example.com/roar-web, tag: *v}\n",
            (Cause::Shared, 2),
        ),
        (
            "a: {repository: registry.example.com/roar-web, tag: &v v1}\n\
             b: {repository: mysql, tag: *v}\n",
            (Cause::Shared, 1),
        ),
        (
            "image: registry.example.com/roar-web:1\nb: [\n",
            (Cause::Syntax, 3),
        ),
        (
            "image: registry.example.com/roar-web:1\n{{- if .x }}\nb: 1\n",
            (Cause::Template, 2),
        ),
    ] {
        let found = search(text);
        assert_eq!(found.sites, [], "{text}");
        let here = causes(text);
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
        &Wanted::named(&web()),
    );
    assert_eq!(found.refusals[0].reason(), Reason::YamlEncoding);
}

#[test]
fn a_template_or_a_missing_tag_is_a_note_and_blocks_nothing() {
    let note = search("image: registry.example.com/roar-web\n");
    assert_eq!((note.refusals.len(), note.blocking().count()), (1, 0));
    let bad = search("repository: registry.example.com/roar-web\ntag: v1@sha256:0\n");
    assert_eq!(bad.blocking().count(), 1);
    let policy =
        "apiVersion: syncline.dev/v1alpha1\nspec: {image: registry.example.com/roar-web}\n";
    assert_eq!(search(policy), Found::default());
}

#[test]
fn a_broken_file_that_does_not_name_the_image_is_nobodys_business_here() {
    let text = "name: roar-web-config\nb: [\n";
    let team = image("registry.example.com/team/roar-web");
    let team = Wanted::named(&team);
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
        let refusal = edit(other.as_bytes(), site, &version("2.0.0")).unwrap_err();
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
    let new = version("2.0.0");
    let splices = splices(text.as_bytes(), &[(site, &new)]).unwrap();
    let good = text.replace("1.0.0", "2.0.0");
    assert_eq!(prove(text.as_bytes(), good.as_bytes(), &splices), Ok(()));
    for bad in [
        good.replace("other: 1", "other: 2"),
        good.replace("other", "others"),
        good.replace("other: 1", "other: \"1\""),
        good.replace("\nother: 1", ""),
        good.replace("2.0.0", "3.0.0"),
        good.replace("other: 1", "other: ["),
        text.to_owned(),
    ] {
        let refused = prove(text.as_bytes(), bad.as_bytes(), &splices).unwrap_err();
        assert_eq!(refused.refusal.cause, Cause::Unproved, "{bad}");
    }
}

#[test]
fn editing_to_the_same_tag_changes_no_byte() {
    let text = "image: registry.example.com/roar-web:1.0.0\n";
    assert_eq!(edited(text, "1.0.0"), text);
    assert_eq!(edit_all(b"x", &[]).unwrap().bytes, b"x");
}

#[test]
fn a_place_with_a_digest_is_written_with_one_and_never_without() {
    let (old, new) = (digest('a'), digest('b'));
    let cases = [
        (
            format!("image: registry.example.com/roar-web:1@{old} # c\n"),
            format!("image: registry.example.com/roar-web:2@{new} # c\n"),
        ),
        (
            format!("image: registry.example.com/roar-web@{old}\n"),
            format!("image: registry.example.com/roar-web:2@{new}\n"),
        ),
        (
            format!("images:\n- name: registry.example.com/roar-web\n  digest: {old}\n"),
            format!("images:\n- name: registry.example.com/roar-web\n  digest: {new}\n"),
        ),
        (
            format!(
                "images: [{{name: x, newName: registry.example.com/roar-web, digest: '{old}', newTag: \"1\"}}]\n"
            ),
            format!(
                "images: [{{name: x, newName: registry.example.com/roar-web, digest: '{new}', newTag: \"2\"}}]\n"
            ),
        ),
        (
            format!("repository: registry.example.com/roar-web\ntag: v1@{old}\n"),
            format!("repository: registry.example.com/roar-web\ntag: 2@{new}\n"),
        ),
        (
            format!("repository: registry.example.com/roar-web\ntag: v1\ndigest: {old}\n"),
            format!("repository: registry.example.com/roar-web\ntag: \"2\"\ndigest: {new}\n"),
        ),
    ];
    for (before, after) in cases {
        let found = search(&before);
        assert_eq!(
            (found.sites.len(), &found.refusals[..]),
            (1, &[][..]),
            "{before}"
        );
        assert_eq!(written(&before, &found, &format!("2@{new}")), after);
        let refusal = edit(before.as_bytes(), &found.sites[0], &version("2")).unwrap_err();
        assert_eq!(refusal.cause, Cause::Digest, "{refusal}");
        assert!(
            refusal.to_string().contains("pinned by digest"),
            "{refusal}"
        );
    }
    for (before, after) in [
        (
            "image: registry.example.com/roar-web:1\n",
            format!("image: registry.example.com/roar-web:2@{new}\n"),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\n",
            format!("repository: registry.example.com/roar-web\ntag: 2@{new}\n"),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ndigest: ''\n",
            format!("repository: registry.example.com/roar-web\ntag: \"2\"\ndigest: '{new}'\n"),
        ),
        (
            "repository: registry.example.com/roar-web\ntag: v1\ndigest:\n",
            format!("repository: registry.example.com/roar-web\ntag: 2@{new}\ndigest:\n"),
        ),
        (
            "images: [{name: registry.example.com/roar-web, newTag: v1}]\n",
            format!("images: [{{name: registry.example.com/roar-web, newTag: 2@{new}}}]\n"),
        ),
    ] {
        let found = search(before);
        assert_eq!(written(before, &found, &format!("2@{new}")), after);
    }
}

#[test]
fn a_block_that_is_exactly_the_value_is_edited() {
    for before in [
        "image: >-\n  registry.example.com/roar-web:1.0.0\nb: 1\n",
        "image: |-\n    registry.example.com/roar-web:1.0.0\n\n# c\nb: 1\n",
        "image: |-  # c\n  registry.example.com/roar-web:1.0.0",
        "a:\n- image: >2-\n    registry.example.com/roar-web:1.0.0\n  b: 1\n",
    ] {
        assert_eq!(edited(before, "1.10"), before.replace("1.0.0", "1.10"));
    }
    let clipped = search("image: |\n  registry.example.com/roar-web:1.0.0\n");
    assert_eq!(clipped.sites, []);
    let text = search("a: |-\n  image: registry.example.com/roar-web:1.0.0\n  b: 1\n");
    assert_eq!((text.sites, text.refusals[0].cause), (vec![], Cause::Text));
}

#[test]
fn an_image_without_a_tag_comes_with_the_exact_line_to_add() {
    for (text, expected) in [
        (
            "spec:\n  - image: registry.example.com/roar-web # c\n",
            "write line 2 as `  - image: registry.example.com/roar-web:1.10 # c`",
        ),
        (
            "a: {image: 'registry.example.com/roar-web', b: 1}\n",
            "write line 1 as `a: {image: 'registry.example.com/roar-web:1.10', b: 1}`",
        ),
        (
            "web:\n  image:\n    registry: registry.example.com\n    repository: roar-web\n    x: 1\n",
            "add `    tag: \"1.10\"` below line 4",
        ),
        (
            "images:\n  - name: x\n    newName: registry.example.com/roar-web\n",
            "add `    newTag: \"1.10\"` below line 3",
        ),
        (
            "repository: registry.example.com/roar-web\ntag: \"\"  # from the chart\n",
            "write line 2 as `tag: \"1.10\"  # from the chart`",
        ),
        (
            "a: {repository: registry.example.com/roar-web}\n",
            "write one",
        ),
    ] {
        let found = search(text);
        let advice = found.refusals[0].advice(&version("1.10"));
        assert!(advice.ends_with(expected), "{advice}");
        assert_eq!(found.blocking().count(), 0);
    }
}

#[test]
fn an_application_names_images_in_its_values_and_in_overrides() {
    let text = "apiVersion: syncline.dev/v1alpha1\nkind: Application\nspec:\n  helm:\n    values:\n      \
                image: {repository: registry.example.com/roar-web, tag: 1.0.0}\n  kustomize:\n    images:\n    \
                - roar=registry.example.com/roar-web:1.0.0\n    - \"registry.example.com/roar-web:1.0.0\"\n    \
                - roar-web:1.0.0\n    - registry.example.com/other:1.0.0\n";
    let found = search(text);
    let paths: Vec<&str> = found.sites.iter().map(|site| site.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.helm.values.image.tag",
            "spec.kustomize.images[0]",
            "spec.kustomize.images[1]"
        ]
    );
    let after = written(text, &found, "1.0.1");
    assert!(
        after.contains("- roar=registry.example.com/roar-web:1.0.1\n"),
        "{after}"
    );
    assert_eq!(after.matches("1.0.1").count(), 3);
}

#[test]
fn two_updates_of_one_value_are_refused_unless_they_agree() {
    let text = "image: registry.example.com/roar-web:1.0.0\n";
    let site = &search(text).sites[0];
    let (one, two) = (version("1.0.1"), version("1.0.2"));
    let refusal = edit_all(text.as_bytes(), &[(site, &one), (site, &two)]).unwrap_err();
    assert_eq!(refusal.cause, Cause::Contested);
    let agreed = edit_all(text.as_bytes(), &[(site, &one), (site, &one)]).unwrap();
    assert_eq!((agreed.changes.len(), agreed.bytes.len()), (1, text.len()));
}

#[test]
fn every_edit_that_cannot_be_made_is_named_and_of_a_contradiction_both() {
    let pinned = format!(
        "image: registry.example.com/roar-web:1.0.0@{}\n",
        digest('a')
    );
    let files = files(&[
        ("a.yaml", &pinned),
        ("b.yaml", "image: registry.example.com/roar-web:1.0.0\n"),
        ("c.yaml", &format!("# two\n{pinned}other:\n  {pinned}")),
    ]);
    let sites = find_in(&files, &Wanted::named(&web())).sites;
    let (one, two) = (version("1.0.1"), version("1.0.2"));
    let mut edits: Vec<(&Site, &Version)> = sites.iter().map(|site| (site, &one)).collect();
    edits.push((&sites[1], &two));
    let refused = edit_files(&files, &edits).unwrap_err();
    let named: Vec<_> = refused
        .iter()
        .map(|it| {
            (
                it.edit,
                it.refusal.cause,
                it.refusal.file.as_str(),
                it.refusal.line,
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            (0, Cause::Digest, "a.yaml", 1),
            (1, Cause::Contested, "b.yaml", 1),
            (2, Cause::Digest, "c.yaml", 2),
            (3, Cause::Digest, "c.yaml", 4),
            (4, Cause::Contested, "b.yaml", 1),
        ]
    );
    // The others go on without them.
    let edited = edit_files(&files, &edits[1..2]).unwrap();
    assert_eq!((edited.len(), edited[0].file.as_str()), (1, "b.yaml"));
}

#[test]
fn a_place_says_what_it_names_with_another_version() {
    let (old, new) = (digest('a'), digest('b'));
    for (text, expected) in [
        (
            "image: registry.example.com/roar-web:1\n".to_owned(),
            format!("2@{new}"),
        ),
        (
            format!("images: [{{name: registry.example.com/roar-web, digest: '{old}'}}]\n"),
            format!("@{new}"),
        ),
        (
            format!("repository: registry.example.com/roar-web\ntag: v1\ndigest: {old}\n"),
            format!("2@{new}"),
        ),
    ] {
        let site = &search(&text).sites[0];
        let version = version(&format!("2@{new}"));
        assert_eq!(site.value_with(&version), expected, "{text}");
        let edited = edit(text.as_bytes(), site, &version).unwrap();
        let edited = String::from_utf8(edited.bytes).unwrap();
        assert_eq!(search(&edited).sites[0].value(), expected, "{text}");
    }
}

/// Files by their paths.
pub(super) fn files(files: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    let owned = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    owned.collect()
}
