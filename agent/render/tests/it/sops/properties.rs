//! Random trees come back; random damage is refused without a panic or a leak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};
use syncline_render::sops::{Keys, decrypt, looks_encrypted};

use super::encrypt::{Encrypter, Tree};
use super::{documents, fixture, keys, text};

fn leaf() -> impl Strategy<Value = Tree> {
    prop_oneof![
        "[ -~]{0,12}".prop_map(Tree::Text),
        "\\PC{0,6}".prop_map(Tree::Text),
        any::<String>().prop_map(Tree::Text),
        proptest::sample::select(vec![
            "yes", "null", "~", "1e3", "0755", "# no", "a: b", "- a", "ENC[x]", "${VAR}", "---",
            "\n", "\r\n", "\t", "\u{85}", "\u{feff}", "!!x", "&a", "*a", "{", "'", "\"", "\\n",
        ])
        .prop_map(|text| Tree::Text(text.into())),
        any::<i64>().prop_map(Tree::Integer),
        prop::num::f64::NORMAL.prop_map(Tree::Float),
        any::<bool>().prop_map(Tree::Boolean),
        Just(Tree::Null),
    ]
}

fn map_of(value: impl Strategy<Value = Tree> + Clone) -> impl Strategy<Value = Tree> {
    let key = prop_oneof!["[a-z]{1,6}", "\\PC{1,4}"];
    vec((key, value), 0..5).prop_map(|entries| {
        let mut seen = std::collections::BTreeSet::new();
        let is_new = |(key, _): &(String, Tree)| {
            key != "sops" && !key.ends_with("_unencrypted") && seen.insert(key.clone())
        };
        Tree::Map(entries.into_iter().filter(is_new).collect())
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let node = leaf().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![map_of(inner.clone()), vec(inner, 0..4).prop_map(Tree::List)].boxed()
    });
    map_of(node)
}

fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Text(text) => Value::String(text.clone()),
        Tree::Integer(number) => Value::from(*number),
        Tree::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Tree::Boolean(value) => Value::Bool(*value),
        Tree::Null => Value::Null,
        Tree::List(items) => Value::Array(items.iter().map(value).collect()),
        Tree::Map(entries) => {
            let entries = entries.iter().map(|(key, tree)| (key.clone(), value(tree)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// Equal but for the notation of numbers: a whole float may come back as an integer, and the
/// parser of the test reads the last digit of a float as it likes.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            let close = |a: f64, b: f64| (a - b).abs() <= b.abs() * 1e-14;
            let floats = || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| close(a, b));
            a == b || !(a.is_i64() && b.is_i64()) && floats()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

fn encrypter() -> Encrypter {
    Encrypter::new(&fixture("keys/age.agekey"))
}

fn our_keys() -> Keys {
    keys(&["age.agekey", "curve.asc"])
}

/// The message of PGP in a file without its armour, and what stands around it.
fn pgp_message(text: &str) -> (String, Vec<u8>, String) {
    let (before, rest) = text
        .split_once("-----BEGIN PGP MESSAGE-----")
        .expect("a message");
    let (armoured, after) = rest
        .split_once("-----END PGP MESSAGE-----")
        .expect("its end");
    let lines = armoured.lines().map(str::trim);
    let body: String = lines.filter(|line| !line.starts_with('=')).collect();
    let bytes = STANDARD.decode(body).expect("base64");
    (before.into(), bytes, after.into())
}

fn with_pgp_message(before: &str, message: &[u8], after: &str) -> String {
    let body = STANDARD.encode(message);
    let start = "-----BEGIN PGP MESSAGE-----\n\n            ";
    format!("{before}{start}{body}\n            -----END PGP MESSAGE-----{after}")
}

#[test]
fn a_pgp_message_without_its_checksum_opens() {
    let text = String::from_utf8(fixture("encrypted/curve.yaml")).expect("UTF-8");
    let (before, message, after) = pgp_message(&text);
    let text = with_pgp_message(&before, &message, &after);
    assert!(decrypt("a.yaml", text.as_bytes(), &our_keys()).is_ok());
}

/// Values that stand in no encrypted fixture by chance.
const SECRETS: [&str; 4] = ["correct horse", "aHVudGVyMg==", "port: 5432", "ñandú"];

fn damaged(path: &str, content: &[u8], keys: &Keys) -> Result<(), TestCaseError> {
    let _ = looks_encrypted(path, content);
    if let Err(error) = decrypt(path, content, keys) {
        let printed = format!("{error} {error:?}");
        for secret in SECRETS {
            prop_assert!(!printed.contains(secret), "{}", printed);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back_from_yaml(trees in vec(tree(), 1..3)) {
        let encrypted = encrypter().yaml(&trees);
        let decrypted = decrypt("a.yaml", encrypted.as_bytes(), &our_keys());
        let decrypted = decrypted.map_err(|error| {
            TestCaseError::fail(format!("{error}\n{encrypted}"))
        })?;
        let decrypted = text(decrypted);
        prop_assert_eq!(encrypted.lines().count(), decrypted.lines().count());
        let found = documents(&decrypted);
        let wanted: Vec<Value> = trees.iter().map(value).collect();
        // A document without a value is null, or is not there at all at the end of a file.
        let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        let found: Vec<_> = found.iter().filter(|value| !is_empty(value)).collect();
        let wanted: Vec<_> = wanted.iter().filter(|value| !is_empty(value)).collect();
        prop_assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!(same(found, wanted), "{}\n{}\n{}", found, wanted, decrypted);
        }
    }

    #[test]
    fn any_tree_comes_back_from_json(tree in tree(), place in 0_usize..4) {
        let encrypted = encrypter().json(&tree, place);
        for path in ["a.json", "a.yaml"] {
            let decrypted = decrypt(path, encrypted.as_bytes(), &our_keys());
            let decrypted = decrypted.map_err(|error| {
                TestCaseError::fail(format!("{path} {error}\n{encrypted}"))
            })?;
            let found = if path == "a.json" {
                serde_json::from_str(&text(decrypted)).expect("JSON")
            } else {
                documents(&text(decrypted)).pop().unwrap_or(Value::Null)
            };
            prop_assert!(same(&found, &value(&tree)), "{}\n{}", found, value(&tree));
        }
    }

    #[test]
    fn random_bytes_never_panic(
        name in proptest::sample::select(vec!["a.yaml", "a.json", "a.env", "a.ini", "a"]),
        content in vec(any::<u8>(), 0..200),
    ) {
        let keys = our_keys();
        damaged(name, &content, &keys)?;
        let mut marked = b"sops: ENC[AES256_GCM,\nsops:\n{\"sops\"".to_vec();
        marked.extend(&content);
        damaged(name, &marked, &keys)?;
        let entries = [("a.agekey", &content[..]), ("a.asc", &content[..]), ("id_rsa", &content[..])];
        for entry in entries {
            prop_assert!(Keys::from_secret(std::iter::once(entry)).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_never_panics_and_no_error_holds_a_value(
        name in proptest::sample::select(vec![
            "types.yaml", "documents.yaml", "partial.yaml", "types.json", "settings.env", "logo.bin",
            "curve.yaml",
        ]),
        at in 0.0..1.0_f64,
        change in prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            "[ -~\\n]{0,8}".prop_map(String::into_bytes),
            "(\\*x|&x|\\{|\\[|- |#|: |\\|\\n|---\\n)".prop_map(String::into_bytes),
        ],
        length in 0_usize..40,
    ) {
        let mut content = fixture(&format!("encrypted/{name}"));
        let start = (content.len() as f64 * at) as usize;
        let end = (start + length).min(content.len());
        content.splice(start..end, change);
        damaged(name, &content, &our_keys())?;
        content.truncate(start);
        damaged(name, &content, &our_keys())?;
    }
    #[test]
    fn a_damaged_pgp_message_never_panics(
        at in 0.0..1.0_f64,
        change in vec(any::<u8>(), 0..4),
        length in 0_usize..4,
    ) {
        let text = String::from_utf8(fixture("encrypted/curve.yaml")).expect("UTF-8");
        let (before, mut bytes, after) = pgp_message(&text);
        let start = (bytes.len() as f64 * at) as usize;
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, change);
        let text = with_pgp_message(&before, &bytes, &after);
        damaged("a.yaml", text.as_bytes(), &our_keys())?;
    }
}
