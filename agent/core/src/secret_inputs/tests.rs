//! Secrets in texts, values and encodings; a canary never gets out.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn secrets(values: &[&str]) -> SecretInputs {
    let mut secrets = SecretInputs::default();
    for value in values {
        secrets.add(&Redacted::new(*value));
    }
    secrets
}

#[test]
fn every_occurrence_in_a_text_becomes_stars() {
    let secrets = secrets(&["hunter22", "s3cr"]);
    for (text, masked) in [
        ("", ""),
        ("nothing", "nothing"),
        ("hunter22", "***"),
        ("--password=hunter22 --user=a", "--password=*** --user=a"),
        ("s3cr/hunter22/s3cr", "***/***/***"),
        ("hunter22hunter22", "***"),
        ("aHVudGVyMjI=", "***"),
        ("xhunter22", "x***"),
        (
            "3Bhc3N3b3JkLWlzLWh1bnRlcjIyLW9r",
            "3Bhc3N3b3JkLWlzLW***LW9r",
        ),
    ] {
        assert_eq!(secrets.mask_text(text), masked, "{text}");
    }
}

#[test]
fn the_longest_secret_is_hidden_where_one_is_the_start_of_another() {
    let secrets = secrets(&["pass", "password-of-the-database"]);
    assert_eq!(secrets.mask_text("x=password-of-the-database"), "x=***");
    let secrets = self::secrets(&["abcdef", "cdef123", "zzzz"]);
    assert_eq!(
        secrets.mask_text("<abcdef123>"),
        "<***>",
        "also where they overlap"
    );
    assert_eq!(secrets.mask_text("<abcdefzzzz>"), "<***>", "or touch");
}

#[test]
fn what_is_common_is_not_hidden() {
    let secrets = secrets(&["", "abc", "true", "False", "null", "8080", "65535", "   "]);
    assert!(secrets.is_empty());
    assert_eq!(secrets.mask_text("true 8080 abc"), "true 8080 abc");
    assert!(!self::secrets(&["123456"]).is_empty());
}

#[test]
fn inv_i30_a_secret_inside_what_is_encoded_is_found_at_every_offset() {
    let secrets = secrets(&["hunter22?>"]);
    for before in ["", "u", "us", "user:", "user1:"] {
        for after in ["", "@", "@h", "@host"] {
            let text = format!("{before}hunter22?>{after}");
            for encoded in [
                BASE64_STANDARD.encode(&text),
                BASE64_URL_SAFE_NO_PAD.encode(&text),
            ] {
                assert!(secrets.is_in(&encoded), "{text}");
                let masked = secrets.mask_text(&encoded);
                assert!(masked.len() <= encoded.len() - 8, "{masked}");
            }
        }
    }
}

#[test]
fn inv_i30_whole_scalars_and_keys_with_a_secret_are_hidden_in_a_value() {
    let secrets = secrets(&[
        "hunter22",
        "12345678",
        "line one of the key\nline two of the key\n",
    ]);
    let value = json!({
        "url": "postgres://app:hunter22@db/shop",
        "number": 12_345_678,
        "small": 5,
        "args": ["--a", "--b=hunter22"],
        "file": "key: |\n  line one of the key\n  line two of the key\n",
        "json": "{\"key\":\"line one of the key\\nline two of the key\\n\"}",
        "of hunter22": true,
    });
    assert_eq!(
        secrets.mask_value(&value),
        json!({"url": "***", "number": "***", "small": 5, "args": ["--a", "***"], "file": "***",
               "json": "***", "***": true})
    );
    let json = "{\"key\":\"line one of the key\\nline two of the key\\n\"}";
    assert_eq!(secrets.mask_text(json), "{\"key\":\"***\"}");
}

#[test]
fn neither_debug_nor_a_copy_shows_or_loses_a_secret() {
    let mut first = secrets(&["hunter22"]);
    assert!(!format!("{first:?}").contains("hunter"));
    let mut second = first.clone();
    assert_eq!(second.mask_text("hunter22"), "***");
    second.add(&Redacted::new("swordfish"));
    assert_eq!(second.mask_text("hunter22 swordfish"), "*** ***");
    assert_eq!(first.mask_text("swordfish"), "swordfish");
    first.extend(&second);
    assert_eq!(first.mask_text("swordfish"), "***");
    assert_eq!(first, second);
}

proptest! {
    #[test]
    fn inv_i30_a_canary_never_gets_out(
        before in any::<String>(), after in any::<String>(), more in "[ -~]{4,12}",
    ) {
        let canary = "canary-7f3a91";
        let secrets = secrets(&[canary, &more]);
        let texts = [
            format!("{before}{canary}{after}"),
            BASE64_STANDARD.encode(format!("{before}{canary}{after}")),
            json!({ "a": format!("{before}{canary}{after}") }).to_string(),
        ];
        for text in &texts {
            let masked = secrets.mask_text(text);
            prop_assert!(!masked.contains(canary));
            let decoded = BASE64_STANDARD.decode(masked.as_bytes()).unwrap_or_default();
            let shown = String::from_utf8_lossy(&decoded).contains(canary);
            prop_assert!(!shown);
            let value = secrets.mask_value(&json!({ "x": [text], text.as_str(): 1 }));
            prop_assert!(!value.to_string().contains(canary));
        }
    }

    #[test]
    fn a_text_without_a_secret_is_lent_and_not_copied(text in "[a-m ]{0,40}") {
        let secrets = secrets(&["zzzz-secret"]);
        prop_assert!(matches!(secrets.mask_text(&text), Cow::Borrowed(same) if same == text));
    }
}
