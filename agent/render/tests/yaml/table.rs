//! Every rule of scalars and maps, one by one.

use crate::oracle::ask;

/// Scalars, one on each line, each read as a value, as an item and as a key.
const SCALARS: &str = include_str!("scalars.txt");

/// Documents that show one rule each, as JSON strings.
const DOCUMENTS: &str = include_str!("documents.json");

/// Where the two readers are not one; `docs/rendering.md` says why that is right.
const DIFFERENCES: &[&str] = &[
    // JSON has these escapes, and `kubectl` reads JSON with another reader.
    "a: \"\\/\"\n",
    "a: \"\\ud83d\\ude00\"\n",
    // The text behind the end of the document is not dropped silently.
    "[a,b]c",
    // Tabs that stand in nobody's way.
    "\ta: b\n",
    "-\ta\n",
    "- a\n-\tb\n",
    // The version of a directive changes nothing.
    "%YAML 1.2\n---\na: y\n",
    // A tag or anchor with such marks is more likely text that wants quotes.
    "a: !a,b 1\n",
    "- !a,b 1\n",
    "a: [!a,b 1]\n",
    "!a,b 1: a\n",
    // Bytes that are no text: `kubectl` puts other letters in their place.
    "a: !!binary /w==\n",
    // A comment begins behind a blank.
    "a: 'x'#y\n",
    "a: |#y\n  x\n",
    // A line of quoted text is indented.
    "a:\n  b: 'x\n c'\n",
    "a: 'x\nc'\n",
    // A key that stands twice: `kubectl` takes the last one.
    "a: 1\na: 2\n",
    "{a: 1, b: 2, a: 3}",
    "1: a\n'1': b\n",
    "0x1: a\n1: b\n",
    "y: 1\n'true': 2\n",
    // These ended a line in YAML 1.1 only.
    "a: \u{85}b\n",
    "a: b\u{2028}c\n",
    // In brackets `?`, `:` and a tag without a value are read as in YAML 1.2.
    "a: [?a]\n",
    "a: [:a]\n",
    "a: [!!str]\n",
    "a: [!!null]\n",
    "a: [!!binary]\n",
];

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    let rows = SCALARS.lines().flat_map(|scalar| {
        [
            format!("a: {scalar}\n"),
            format!("- {scalar}\n"),
            format!("a: [{scalar}]\n"),
            format!("{scalar}: a\n"),
        ]
    });
    compare(rows.collect());
}

#[test]
fn documents_mean_what_they_mean_to_kubectl() {
    compare(serde_json::from_str(DOCUMENTS).unwrap());
}

fn compare(documents: Vec<String>) {
    let mut unexpected = String::new();
    for both in ask(documents) {
        let known = DIFFERENCES.contains(&both.document.as_str());
        if both.agree() == known {
            unexpected.push_str(&both.explain());
        }
    }
    assert!(unexpected.is_empty(), "{unexpected}");
}
