//! What is wrong with a file or a key has a code and a place, and never a value.

use syncline_core::reason::Reason;
use syncline_render::sops::{Keys, SopsError, decrypt};

use super::{fixture, keys, open, refusal};

fn changed(name: &str, change: impl Fn(String) -> String) -> SopsError {
    let text = String::from_utf8(fixture(&format!("encrypted/{name}"))).expect("UTF-8");
    let changed = change(text.clone());
    assert_ne!(text, changed);
    refusal(decrypt(name, changed.as_bytes(), &keys(&["age.agekey"])))
}

/// The line and the text of the only line with this in it.
fn line<'a>(text: &'a str, with: &str) -> (usize, &'a str) {
    let mut found = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(with));
    let (index, line) = found.next().expect("a line with it");
    (index + 1, line)
}

fn no_key(entries: &[(&str, &[u8])]) -> SopsError {
    match Keys::from_secret(entries.iter().copied()) {
        Err(error) => error,
        Ok(keys) => panic!("they were read: {keys:?}"),
    }
}

#[test]
fn a_key_that_is_for_others_names_both_sides_by_their_public_parts() {
    let error = refusal(open("other.yaml"));
    assert_eq!(
        (error.code, error.reason()),
        ("sops.no_key", Reason::DecryptFailed)
    );
    assert_eq!(error.file.as_deref(), Some("other.yaml"));
    let public = |name: &str| {
        let keys = keys(&[name]);
        keys.public_parts()[0].to_owned()
    };
    let (ours, theirs) = (public("age.agekey"), public("other.agekey"));
    let wanted =
        format!("no key of the Secret fits: the file is for {theirs}; the Secret has {ours}");
    assert_eq!(error.message, wanted);
    assert_eq!(
        error.to_string(),
        format!("other.yaml: {wanted} (sops.no_key)")
    );
    let error = refusal(open("curve.yaml"));
    assert!(error.message.contains(&public("curve.asc")), "{error}");
}

#[test]
fn too_few_key_groups_are_counted() {
    let error = refusal(open("groups.yaml"));
    assert_eq!(error.code, "sops.no_key");
    let wanted = "the file needs 2 of its 3 key groups and the keys of the Secret open 1";
    assert!(error.message.starts_with(wanted), "{error}");
}

#[test]
fn a_file_for_a_cloud_service_only_is_refused_as_not_supported() {
    let error = refusal(open("kms.yaml"));
    assert_eq!(error.code, "sops.kms");
    assert!(
        error
            .message
            .contains("kms only: cloud key services are not supported yet"),
        "{error}"
    );
}

#[test]
fn a_changed_plain_value_breaks_the_mac() {
    for (name, from, to) in [
        ("partial.yaml", "name: db", "name: dbx"),
        ("partial.yaml", "a/b", "a/c"),
        ("partial.yaml", "    app: \"1\"\n", ""),
        (
            "types.json",
            "\"k_unencrypted\": [\n\t\t5",
            "\"k_unencrypted\": [\n\t\t6",
        ),
        ("settings.env", "pl\\nain", "pl\\nane"),
    ] {
        let error = changed(name, |text| text.replacen(from, to, 1));
        assert_eq!(error.code, "sops.mac", "{name} {from}: {error}");
    }
}

#[test]
fn a_removed_value_or_document_breaks_the_mac() {
    let error = changed("types.yaml", |text| {
        let (_, gone) = line(&text, "literal: ENC");
        text.replacen(&format!("{gone}\n"), "", 1)
    });
    assert_eq!(error.code, "sops.mac");
    let error = changed("documents.yaml", |text| {
        let (kept, _) = text.rsplit_once("\n---\n").expect("documents");
        format!("{kept}\n")
    });
    assert_eq!(error.code, "sops.mac");
}

#[test]
fn a_mac_or_time_of_another_file_is_refused() {
    let error = changed("partial.yaml", |text| {
        let other = String::from_utf8(fixture("encrypted/mac-only-encrypted.yaml")).expect("UTF-8");
        text.replacen(line(&text, "    mac: ").1, line(&other, "    mac: ").1, 1)
    });
    assert_eq!(error.code, "sops.mac");
    let error = changed("partial.yaml", |text| {
        text.replacen(
            line(&text, "    lastmodified").1,
            "    lastmodified: \"2020-01-01T00:00:00Z\"",
            1,
        )
    });
    assert_eq!(error.code, "sops.mac");
}

#[test]
fn a_changed_or_cut_encrypted_value_is_named_by_path_and_line() {
    let text = String::from_utf8(fixture("encrypted/partial.yaml")).expect("UTF-8");
    let (number, old) = line(&text, "    password: ENC");
    let (start, rest) = old.split_once("data:").expect("data");
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    for new in [
        format!("{start}data:{other}{}", &rest[1..]),
        format!("{start}data:{}", &rest[4..]),
        format!("{start}data:{}", &rest[3..]),
        old[..old.len() - 1].to_owned(),
        old.replace("type:str", "type:int"),
        old.replace("type:str", "type:other"),
        "    password: added".to_owned(),
        "    password: 5".to_owned(),
    ] {
        let error = changed("partial.yaml", |text| text.replacen(old, &new, 1));
        assert_eq!(
            (error.code, error.line),
            ("sops.value", Some(number)),
            "{new}: {error}"
        );
        assert!(error.message.contains("`stringData.password`"), "{error}");
    }
}

#[test]
fn two_swapped_values_do_not_decrypt() {
    for (name, first, second) in [
        ("partial.yaml", "    user: ", "    password: "),
        ("settings.env", "A=", "QUOTED="),
        ("types.json", "\t\"a\": ", "\t\"c\": "),
    ] {
        let error = changed(name, |text| {
            let (a, b) = (line(&text, first).1, line(&text, second).1);
            let (a_value, b_value) = (&a[first.len()..], &b[second.len()..]);
            text.replacen(a, &format!("{first}{b_value}"), 1).replacen(
                b,
                &format!("{second}{a_value}"),
                1,
            )
        });
        assert_eq!(error.code, "sops.value", "{name}: {error}");
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    for name in ["partial.yaml", "types.json", "settings.env", "logo.bin"] {
        let content = fixture(&format!("encrypted/{name}"));
        for length in [content.len() / 4, content.len() / 2, content.len() - 40] {
            let error = refusal(decrypt(name, &content[..length], &keys(&["age.agekey"])));
            assert!(
                matches!(error.code, "sops.format" | "sops.mac"),
                "{name} {length}: {error}"
            );
        }
    }
}

#[test]
fn a_damaged_data_key_names_its_recipient() {
    let error = changed("partial.yaml", |text| {
        let (_, old) = line(&text, "YWdlLWVuY3J5cHRpb24");
        text.replacen(old, "            YWdlLWVuY3J5cHRpb24ub3JnL3YxCg==", 1)
    });
    assert_eq!(error.code, "sops.format");
    assert!(error.message.contains("is damaged"), "{error}");
}

#[test]
fn ini_and_files_without_metadata_are_refused() {
    let error = refusal(open("settings.ini"));
    assert_eq!(error.code, "sops.format");
    assert!(error.message.contains("INI"), "{error}");
    let error = refusal(decrypt("a.yaml", b"a: b\n", &keys(&["age.agekey"])));
    assert_eq!(
        (error.code, error.reason()),
        ("sops.format", Reason::DecryptFailed)
    );
}

#[test]
fn an_application_without_keys_says_where_they_belong() {
    let error = SopsError::not_configured("apps/secret.yaml");
    assert_eq!(error.reason(), Reason::DecryptNotConfigured);
    assert_eq!(
        error.to_string(),
        "apps/secret.yaml: the file is encrypted by SOPS and `spec.decrypt` names no keys \
         (sops.not_configured)"
    );
}

#[test]
fn an_entry_of_the_secret_that_is_no_key_is_refused_with_what_is_understood() {
    let error = no_key(&[("password", b"hunter2")]);
    assert_eq!(error.code, "sops.key");
    assert!(
        error
            .message
            .starts_with("`password` names no key that is understood"),
        "{error}"
    );
    assert!(
        error
            .message
            .contains("`*.agekey`, `age.txt` and `keys.txt`"),
        "{error}"
    );
    assert_eq!(no_key(&[]).code, "sops.key");
    assert_eq!(no_key(&[("passphrase", b"x")]).code, "sops.key");
}

#[test]
fn a_key_that_cannot_be_used_says_why_and_shows_nothing_of_it() {
    let quantum = fixture("keys/quantum.agekey");
    let locked = fixture("keys/locked.asc");
    let age = String::from_utf8(fixture("keys/age.agekey")).expect("UTF-8");
    let secret = line(&age, "AGE-SECRET").1;
    let cut = &secret[..secret.len() - 2];
    let public = line(&age, "public")
        .1
        .rsplit(' ')
        .next()
        .expect("a recipient");
    let with_text = format!("# comment\n\n{secret}\nhunter2\n");
    let cases: [(&str, &[u8], &str); 9] = [
        ("a.agekey", &quantum, "post-quantum"),
        (
            "a.agekey",
            b"AGE-PLUGIN-YUBIKEY-1QQQ",
            "line 1 is an identity of a plugin",
        ),
        ("a.agekey", cut.as_bytes(), "line 1 is not an age identity"),
        (
            "a.agekey",
            public.as_bytes(),
            "is a recipient, the public half",
        ),
        (
            "keys.txt",
            with_text.as_bytes(),
            "line 4 is not an age identity",
        ),
        ("a.agekey", b"# nothing\n", "holds no age identity"),
        ("a.agekey", b"\xff", "is not text"),
        ("a.asc", b"hunter2", "is not a PGP secret key"),
        ("locked.asc", &locked, "has a passphrase"),
    ];
    for (name, content, wanted) in cases {
        let error = no_key(&[(name, content)]);
        assert_eq!(error.code, "sops.key", "{name}");
        assert!(error.message.contains(wanted), "{error}");
        assert!(error.message.contains(name), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
        assert!(!error.message.contains(&secret[20..40]), "{error}");
    }
    let error = no_key(&[("locked.asc", &locked), ("passphrase", b"wrong horse")]);
    assert!(
        error.message.contains("does not open with the passphrase"),
        "{error}"
    );
    assert!(!error.message.contains("horse"), "{error}");
}

#[test]
fn several_keys_are_read_from_one_entry_and_printed_by_their_public_parts() {
    let mut both = fixture("keys/age.agekey");
    both.extend(fixture("keys/other.agekey"));
    let keys = Keys::from_secret([("keys.txt", &both[..])].into_iter()).expect("they are read");
    assert_eq!(keys.public_parts().len(), 2);
    assert!(decrypt("a.yaml", &fixture("encrypted/groups.yaml"), &keys).is_ok());
    let printed = format!("{keys:?}");
    assert!(printed.starts_with("Keys([\"age1"), "{printed}");
    assert!(!printed.contains("SECRET"), "{printed}");
}

#[test]
fn bad_b04_aliases_that_multiply_are_refused() {
    let long = "x".repeat(100_000);
    for (start, item, times) in [
        (format!("a: &x {long}\n"), "*x", 100),
        (
            "a: &x [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned(),
            "*x",
            60_000,
        ),
    ] {
        let error = changed("partial.yaml", |text| {
            format!("{start}b: [{}]\n{text}", vec![item; times].join(", "))
        });
        assert_eq!(
            (error.code, error.line),
            ("sops.format", Some(2)),
            "{error}"
        );
    }
    let error = changed("partial.yaml", |text| {
        let bomb: Vec<String> = (1..20)
            .map(|n| {
                format!(
                    "a{n}: &a{n} [{}]\n",
                    vec![format!("*a{}", n - 1); 9].join(", ")
                )
            })
            .collect();
        format!("a0: &a0 x\n{}{text}", bomb.concat())
    });
    assert_eq!(error.code, "sops.format", "{error}");
}

#[test]
fn bad_b05_nesting_without_end_is_refused() {
    for (name, open, close) in [
        ("a.yaml", "[", "]"),
        ("a.yaml", "{a: ", "}"),
        ("a.json", "[", "]"),
        ("a.json", "{\"a\": ", "}"),
    ] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let content = format!(
            "{{\"a\": {deep}, \"sops\": {{\"mac\": \"ENC[AES256_GCM,data:,iv:,tag:,type:str]\"}}}}"
        );
        let error = refusal(decrypt(name, content.as_bytes(), &keys(&["age.agekey"])));
        assert_eq!(
            (error.code, error.line),
            ("sops.format", Some(1)),
            "{error}"
        );
    }
}

#[test]
fn a_leaf_at_the_bottom_of_a_deep_map_costs_no_more_than_another() {
    let deep = 90;
    let leaves = vec!["1"; 400_000].join(",");
    let content = format!(
        "{}[{leaves}]{}",
        "{\"abcdefgh\": ".repeat(deep),
        "}".repeat(deep)
    );
    let content = format!(
        "{{\"a\": {content}, \"sops\": {{\"mac\": \"ENC[AES256_GCM,data:,iv:,tag:,type:str]\"}}}}"
    );
    let error = refusal(decrypt(
        "a.json",
        content.as_bytes(),
        &keys(&["age.agekey"]),
    ));
    assert!(error.message.contains("`lastmodified`"), "{error}");
}

#[test]
fn keys_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&keys(&["age.agekey", "curve.asc", "id_ed25519"]));
}
