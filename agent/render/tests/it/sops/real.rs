//! What the real `sops` wrote and what it makes of it.

use serde_json::{Value, json};
use syncline_render::sops::{Format, decrypt, looks_encrypted};

use super::{documents, fixture, keys, open, text};

fn expected(name: &str) -> String {
    String::from_utf8(fixture(&format!("decrypted/{name}"))).expect("UTF-8")
}

/// Numbers as floats: `1000` and `1e+3` are one value.
fn same_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(items) => items.iter_mut().for_each(same_numbers),
        Value::Object(map) => map.values_mut().for_each(same_numbers),
        _ => {}
    }
}

fn assert_same_documents(ours: &str, theirs: &str) {
    // What the other parser takes for no value of JSON is compared as text.
    let as_text = |text: &str| {
        let text = text.replace(" .inf", " inf").replace(" -.inf", " -inf");
        text.replace("!!binary", "!!str")
    };
    let (mut ours, mut theirs) = (documents(&as_text(ours)), documents(&as_text(theirs)));
    ours.iter_mut().chain(&mut theirs).for_each(same_numbers);
    assert_eq!(ours, theirs);
}

/// Each line without encryption is the same line in the decrypted file, at the same number.
fn assert_in_place(name: &str) {
    let before = String::from_utf8(fixture(&format!("encrypted/{name}"))).expect("UTF-8");
    let after = text(open(name).expect("it opens"));
    assert_eq!(before.lines().count(), after.lines().count(), "{name}");
    let mut in_metadata = false;
    for (before, after) in before.lines().zip(after.lines()) {
        in_metadata = before == "sops:" || in_metadata && before.starts_with(' ');
        if in_metadata {
            assert!(matches!(after, "" | "null"), "{name}: {after}");
        } else if let Some((start, _)) = before.split_once("ENC[") {
            let start = start.trim_end_matches([' ', '-']);
            assert!(after.starts_with(start), "{name}: {after} after {start}");
        } else {
            assert_eq!(before, after, "{name}");
        }
    }
}

#[test]
fn yaml_of_every_type_reads_as_sops_decrypts_it() {
    let ours = text(open("types.yaml").expect("it opens"));
    assert_same_documents(&ours, &expected("types.yaml"));
    assert_in_place("types.yaml");
}

#[test]
fn every_type_is_written_so_that_it_stays_that_type() {
    let ours = text(open("types.yaml").expect("it opens"));
    for line in [
        "    octal: 493",
        "    \"yes\": \"yes\"",
        "    float: 1.5",
        "    minus: -0.0",
        "    inf: .inf",
        "    ninf: -.inf",
        "    date: 2001-12-14T00:00:00Z",
        "    t: true",
        "    F: false",
        "    empty: \"\"",
        "literal: \"line one\\nline two # no comment\\n\"",
        "octets: !!binary \"/wD+\"",
        "word: \"123\"",
        "null-word: \"null\"",
        "number-word: \"1e3\"",
        "template: \"{{ .Values.x }} ${VAR} #no\"",
        "ünï: \"ñandú 🎉\"",
        "# The first comment",
        "    # in the list",
        "    - # at a nested item",
        "# the very end",
    ] {
        assert!(ours.lines().any(|found| found == line), "{line}\n{ours}");
    }
    assert!(!ours.contains("ENC["), "{ours}");
    assert!(!ours.contains("sops:"), "{ours}");
}

#[test]
fn documents_keep_their_numbers_and_lines() {
    let ours = text(open("documents.yaml").expect("it opens"));
    let parts: Vec<Vec<Value>> = ours.split("\n---\n").map(documents).collect();
    assert_eq!(parts[0], [json!({"first": "one"})]);
    assert_eq!(parts[1], [] as [Value; 0], "a comment and a null");
    assert_eq!(parts[2][0]["stringData"]["password"], "drei");
    assert_eq!(parts[3], [json!({"last": 4})]);
    assert!(
        ours.contains("# a document without anything\nnull\n"),
        "{ours}"
    );
    assert_in_place("documents.yaml");
}

#[test]
fn a_partly_encrypted_file_is_decrypted_in_place_by_each_rule() {
    for name in [
        "partial.yaml",
        "unencrypted-suffix.yaml",
        "encrypted-suffix.yaml",
        "unencrypted-regex.yaml",
        "comment-regex.yaml",
    ] {
        let ours = text(open(name).unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_same_documents(&ours, &expected(name));
        assert_in_place(name);
    }
}

#[test]
fn a_mac_over_encrypted_values_only_lets_the_others_change() {
    let ours = text(open("mac-only-encrypted.yaml").expect("it opens"));
    assert_same_documents(&ours, &expected("partial.yaml"));
    let changed = String::from_utf8(fixture("encrypted/mac-only-encrypted.yaml")).expect("UTF-8");
    let changed = changed.replace("name: db", "name: other");
    let keys = keys(&["age.agekey"]);
    let ours = decrypt("a.yaml", changed.as_bytes(), &keys).expect("it opens");
    assert!(text(ours).contains("name: other"));
}

#[test]
fn one_of_several_recipients_is_enough() {
    for key in ["age.agekey", "other.agekey", "curve.asc"] {
        let ours = decrypt(
            "a.yaml",
            &fixture("encrypted/recipients.yaml"),
            &keys(&[key]),
        );
        assert_same_documents(&text(ours.expect(key)), &expected("partial.yaml"));
    }
}

#[test]
fn keys_of_pgp_and_ssh_open_files() {
    for (name, key) in [
        ("rsa.yaml", "rsa.asc"),
        ("rsa.yaml", "binary.gpg"),
        ("curve.yaml", "curve.asc"),
        ("ssh.yaml", "id_ed25519"),
    ] {
        let ours = decrypt(name, &fixture(&format!("encrypted/{name}")), &keys(&[key]));
        let ours = text(ours.unwrap_or_else(|error| panic!("{key}: {error}")));
        assert_same_documents(&ours, &expected("partial.yaml"));
    }
}

#[test]
fn a_pgp_key_with_a_passphrase_opens_files() {
    let key = fixture("keys/locked.asc");
    let entries = [("locked.asc", &key[..]), ("passphrase", b"open sesame\n")];
    let keys = syncline_render::sops::Keys::from_secret(entries.into_iter()).expect("it is read");
    let ours = decrypt("a.yaml", &fixture("encrypted/locked.yaml"), &keys).expect("it opens");
    assert_same_documents(&text(ours), &expected("partial.yaml"));
}

#[test]
fn any_two_of_three_key_groups_are_enough() {
    for pair in [
        ["age.agekey", "other.agekey"],
        ["age.agekey", "curve.asc"],
        ["other.agekey", "curve.asc"],
    ] {
        let keys = keys(&pair);
        let ours = decrypt("a.yaml", &fixture("encrypted/groups.yaml"), &keys).expect("it opens");
        assert_same_documents(&text(ours), &expected("partial.yaml"));
        let ours = decrypt("a.env", &fixture("encrypted/groups.env"), &keys).expect("it opens");
        assert_eq!(text(ours), expected("settings.env"));
    }
}

#[test]
fn json_is_decrypted_in_place() {
    let ours = text(open("types.json").expect("it opens"));
    let mut theirs: Value = serde_json::from_str(&expected("types.json")).expect("JSON");
    let mut found: Value = serde_json::from_str(&ours).expect("JSON");
    same_numbers(&mut theirs);
    same_numbers(&mut found);
    assert_eq!(found, theirs);
    let before = fixture("encrypted/types.json");
    let lines = |bytes: &[u8]| bytes.split(|&b| b == b'\n').count();
    assert_eq!(lines(&before), lines(ours.as_bytes()));
}

#[test]
fn dotenv_and_binary_files_are_byte_for_byte_what_sops_makes_of_them() {
    for name in ["settings.env", "logo.bin"] {
        let ours = open(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            ours.content,
            fixture(&format!("decrypted/{name}")),
            "{name}"
        );
    }
}

#[test]
fn a_name_that_says_nothing_is_read_by_its_content() {
    let keys = keys(&["age.agekey"]);
    for name in ["settings.env", "types.json", "partial.yaml", "logo.bin"] {
        let content = fixture(&format!("encrypted/{name}"));
        let ours = decrypt("some/file.enc", &content, &keys).expect(name);
        assert_eq!(ours.content, open(name).expect(name).content, "{name}");
    }
}

#[test]
fn secrets_are_the_values_that_were_encrypted() {
    let decrypted = open("partial.yaml").expect("it opens");
    let secrets: Vec<&str> = decrypted
        .secrets
        .iter()
        .map(|secret| secret.expose())
        .collect();
    assert_eq!(
        secrets,
        [
            "admin",
            "correct horse battery staple",
            "host: db\nport: 5432\n",
            "aHVudGVyMg=="
        ]
    );
    assert_eq!(format!("{decrypted:?}"), "Decrypted { secrets: 4, .. }");
}

#[test]
fn only_a_file_with_metadata_of_sops_looks_encrypted() {
    for (name, format) in [
        ("types.yaml", Some(Format::Yaml)),
        ("types.json", Some(Format::Json)),
        ("settings.env", Some(Format::Dotenv)),
        ("settings.ini", Some(Format::Ini)),
        ("logo.bin", Some(Format::Binary)),
    ] {
        assert_eq!(
            looks_encrypted(name, &fixture(&format!("encrypted/{name}"))),
            format,
            "{name}"
        );
        assert_eq!(
            looks_encrypted(name, &fixture(&format!("plain/{name}"))),
            None,
            "{name}"
        );
    }
    let text = String::from_utf8(fixture("encrypted/partial.yaml")).expect("UTF-8");
    let nested = text.replace('\n', "\n    ");
    assert_eq!(
        looks_encrypted("a.yaml", format!("data:\n    {nested}").as_bytes()),
        None
    );
    assert_eq!(
        looks_encrypted("README.md", b"sops writes `ENC[AES256_GCM,...]`"),
        None
    );
}

#[test]
fn neither_line_ends_of_windows_nor_a_flow_map_are_in_the_way() {
    let keys = keys(&["age.agekey"]);
    let text_of = |name: &str| String::from_utf8(fixture(name)).expect("UTF-8");
    let windows = text_of("encrypted/unencrypted-suffix.yaml").replace('\n', "\r\n");
    let ours = decrypt("a.yaml", windows.as_bytes(), &keys).expect("it opens");
    assert_same_documents(&text(ours), &expected("unencrypted-suffix.yaml"));
    let windows = text_of("encrypted/settings.env").replace('\n', "\r\n");
    let ours = decrypt("a.env", windows.as_bytes(), &keys);
    assert!(ours.is_ok() || ours.is_err_and(|error| error.code == "sops.mac"));
    let json = text_of("encrypted/types.json");
    for json in [json.clone(), json.replace('\t', "  ")] {
        let ours = decrypt("a.yaml", json.as_bytes(), &keys).expect("JSON is YAML");
        assert_same_documents(&text(ours), &expected("types.json"));
    }
}
