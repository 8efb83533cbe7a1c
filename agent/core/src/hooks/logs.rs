//! The log of a hook that failed, as it may be kept and shown: masked, and not longer than a bound.

use std::sync::LazyLock;

use regex::Regex;

use crate::secret_inputs::{MASK, SecretInputs};

/// What is taken out of a text before anybody looks for a secret in it: colours and the like.
static CONTROLS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"));

/// The end of a key of which the beginning may have been cut off.
pub(crate) static KEY_END: LazyLock<Regex> =
    LazyLock::new(|| pattern("-----END [A-Z ]*PRIVATE KEY-----"));

/// What gives a value away as a secret, whatever it is; `$1` stays.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let sources = [
        r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s]*@",
        r"(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{4,}",
        r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
        concat!(
            r#"(?i)([a-z0-9_.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key"#,
            r#"|access[_-]?key|private[_-]?key|credential)s?[a-z0-9_.-]*\\?["']?\s*[=:]>?\s*)"#,
            r#"(?:\\?"[^"\n]*"?|'[^'\n]*'?|[^\s,;&]+)"#,
        ),
    ];
    sources.into_iter().map(pattern).collect()
});

pub(crate) fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the patterns are constants that a test compiles")
}

/// The end of a log: at most so many lines and bytes, with `***` in place of the secrets of the
/// render and of whatever looks like a password, a token, a key or the user of a URL. A line that
/// does not fit whole is cut at its beginning.
pub fn shorten(log: &str, secrets: &SecretInputs, lines: usize, bytes: usize) -> String {
    let plain = plain(log);
    // Before anything is cut: half a secret would not be found.
    let mut masked = secrets.mask_text(&plain).into_owned();
    if let Some(found) = KEY_END.find(&masked)
        && !masked[..found.start()].contains("-----BEGIN")
    {
        masked = format!("{MASK}{}", &masked[found.end()..]);
    }
    masked = without_likely_secrets(masked);
    let written: Vec<&str> = masked
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut room = bytes;
    for line in written.iter().rev().take(lines) {
        if line.len() > room {
            if kept.is_empty() {
                kept.push(&line[line.ceil_char_boundary(line.len() - room)..]);
            }
            break;
        }
        room = room.saturating_sub(line.len() + 1);
        kept.push(line);
    }
    kept.reverse();
    kept.join("\n")
}

/// A log without colours and other controls; a carriage return ends a line.
pub(crate) fn plain(log: &str) -> String {
    let plain = CONTROLS.replace_all(log, "");
    plain
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// The text with `***` in place of whatever looks like a password, a token, a key or the user of a
/// URL.
pub(crate) fn without_likely_secrets(mut text: String) -> String {
    for pattern in SECRETS.iter() {
        let with = |found: &regex::Captures<'_>| {
            let end = if found[0].ends_with('@') { "@" } else { "" };
            format!("{}{MASK}{end}", &found[1])
        };
        if let std::borrow::Cow::Owned(masked) = pattern.replace_all(&text, with) {
            text = masked;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redacted::Redacted;

    fn masked(log: &str) -> String {
        shorten(log, &SecretInputs::default(), 100, 16 * 1024)
    }

    #[test]
    fn what_looks_like_a_secret_is_masked_in_a_log() {
        for (written, shown) in [
            ("password=hunter2 next", "password=*** next"),
            ("DB_PASSWORD: \"a b c\", x", "DB_PASSWORD: ***, x"),
            (
                r#"{"password":"hunter2","user":"a"}"#,
                r#"{"password":***,"user":"a"}"#,
            ),
            ("--api-key 'k'; api_key='k'", "--api-key 'k'; api_key=***"),
            (
                "dial postgres://app:p@ss/w@db:5432/shop: refused",
                "dial postgres://app:***@db:5432/shop: refused",
            ),
            ("GET http://db:80/a is fine", "GET http://db:80/a is fine"),
            (
                "Authorization: Bearer abc.def-1",
                "Authorization: Bearer ***",
            ),
            (
                "got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln now",
                "got *** now",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nend",
                "-----BEGIN RSA PRIVATE KEY-----***\nend",
            ),
            ("MIIabc\n-----END PRIVATE KEY-----\nend", "***\nend"),
            ("pass\u{1b}[31mword=x\u{1b}[0m", "password=***"),
            (
                "relation \"users\" does not exist",
                "relation \"users\" does not exist",
            ),
        ] {
            assert_eq!(masked(written), shown, "{written}");
        }
    }

    #[test]
    fn secrets_of_the_render_are_masked_before_a_log_is_cut() {
        let mut secrets = SecretInputs::default();
        secrets.add(&Redacted::new("correct-horse-battery"));
        let log = "one\ntwo correct-horse-battery";
        // A cut in the middle of the secret.
        for bytes in 0..30 {
            let shown = shorten(log, &secrets, 10, bytes);
            assert!(!shown.contains("battery"), "{shown}");
            assert!(shown.len() <= bytes, "{shown}");
        }
    }

    #[test]
    fn a_log_keeps_its_last_lines_within_both_bounds() {
        let secrets = SecretInputs::default();
        let log = "a\nbb\n\nccc\r\ndddd\n";
        assert_eq!(shorten(log, &secrets, 2, 100), "ccc\ndddd");
        assert_eq!(shorten(log, &secrets, 100, 8), "ccc\ndddd");
        assert_eq!(shorten(log, &secrets, 100, 7), "dddd");
        assert_eq!(shorten("äöü", &secrets, 100, 3), "ü");
        assert_eq!(shorten("", &secrets, 100, 3), "");
    }
}
