//! How a scalar is written, and when it needs quotes.

use crate::manifest::yaml::tree::Style;

/// A value in a notation. The values of this module have neither quotes nor backslashes in them.
pub(super) fn write(style: Style, value: &str) -> String {
    match style {
        Style::Plain | Style::Block => value.to_owned(),
        Style::SingleQuoted => format!("'{value}'"),
        Style::DoubleQuoted => format!("\"{value}\""),
    }
}

/// The notation for a new value: the old one, with quotes where a plain text would be read as
/// something else than a string.
pub(super) fn style_for(style: Style, value: &str) -> Style {
    match style {
        Style::Plain if !is_plain_string(value) => Style::DoubleQuoted,
        style => style,
    }
}

/// Whether every reader of YAML, 1.1 or 1.2, takes the plain text for a string.
///
/// When in doubt it says no: quotes too many do no harm, `1.10` read as 1.1 does.
pub(super) fn is_plain_string(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", "",
    ];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return false;
    }
    let digits = lower.replace('_', "");
    let base = |prefix: &str, valid: fn(u8) -> bool| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.bytes().all(valid))
    };
    let number = digits.parse::<f64>().is_ok()
        || base("0x", |b| b.is_ascii_hexdigit())
        || base("0o", |b| b.is_ascii_digit())
        || base("0b", |b| b.is_ascii_digit());
    // Dates of YAML 1.1 and numbers to the base of 60: digits with `-` or `:` between them.
    let date = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.'));
    !(number || date && digits.bytes().any(|b| matches!(b, b'-' | b':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_some_reader_takes_for_something_else_is_no_plain_string() {
        for text in [
            "1.10",
            "1",
            "0755",
            "1_000",
            "1e3",
            "12e45",
            "0x1f",
            "0b1",
            "0o7",
            "1.",
            "yes",
            "No",
            "on",
            "y",
            "null",
            "NULL",
            "true",
            "2026-11-21",
            "12:30",
            "12:30.5",
            "inf",
            "nan",
        ] {
            assert!(!is_plain_string(text), "{text}");
        }
        for text in [
            "1.2.3",
            "v1",
            "1.10-alpine",
            "2026.02.03",
            "1e3f",
            "app:1.10",
            "a.io/b:1",
        ] {
            assert!(is_plain_string(text), "{text}");
        }
    }
}
