//! Plain YAML scalars as the MAC sees them, and the text of numbers, booleans and times.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{ScalarStyle, Tag};

use super::leaf::Content;

/// What the tag of a scalar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    No,
    Text,
    Binary,
    /// Another tag of YAML, such as `!!int`.
    Core,
}

/// Resolves a scalar as the YAML library of SOPS does.
pub(super) fn resolve(text: &str, quoting: Quoting, tagged: Tagged) -> Content {
    match (tagged, quoting) {
        (Tagged::Text, _) | (Tagged::No, Quoting::Quoted) => Content::Text(text.into()),
        (Tagged::Binary, _) => {
            let digits: String = text.split_ascii_whitespace().collect();
            Content::Text(STANDARD.decode(digits).unwrap_or_else(|_| text.into()))
        }
        (Tagged::Core, _) | (Tagged::No, Quoting::Plain) => plain(text),
    }
}

/// Whether a scalar has quotes, or is a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    Plain,
    Quoted,
}

/// Whether a scalar counts as plain.
pub(super) fn quoting(style: ScalarStyle) -> Quoting {
    match style {
        ScalarStyle::Plain => Quoting::Plain,
        _ => Quoting::Quoted,
    }
}

/// What a tag means here.
pub(super) fn tagged(tag: Option<&Tag>) -> Tagged {
    match tag {
        None => Tagged::No,
        Some(tag) => match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
            Some("binary") => Tagged::Binary,
            Some("str") | None => Tagged::Text,
            Some(_) => Tagged::Core,
        },
    }
}

fn plain(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Other(boolean_text(true).into()),
        "false" | "False" | "FALSE" => return Content::Other(boolean_text(false).into()),
        ".nan" | ".NaN" | ".NAN" => return Content::Other(float_text(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Content::Other(float_text(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Content::Other(float_text(f64::NEG_INFINITY)),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Content::Text(text.into());
    }
    let digits = text.replace('_', "");
    time(text)
        .or_else(|| integer(&digits).map(|number| number.to_string()))
        .or_else(|| float(&digits).map(float_text))
        .map_or_else(|| Content::Text(text.into()), Content::Other)
}

/// An integer in any of the notations, also `0755` as eight octal digits of YAML 1.1.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    let number = if negative { -number } else { number };
    let range = i128::from(i64::MIN)..=i128::from(u64::MAX);
    range.contains(&number).then_some(number)
}

/// A decimal number with the digits that YAML asks for: no `inf`, no `1e`, no `.`.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    let fits = exponent_fits && has_digits && all_digits(whole) && all_digits(fraction);
    fits.then(|| text.parse().ok()).flatten()
}

/// A float as SOPS writes it inside the encryption.
pub(super) fn go_float(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => float(text),
    }
}

/// A boolean as SOPS, in any of its versions, writes it inside the encryption.
pub(super) fn go_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The shortest digits that give the number again, never with an exponent.
pub(super) fn float_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "+Inf" } else { "-Inf" }.into()
    } else {
        number.to_string()
    }
}

pub(super) fn boolean_text(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A time or date, normalised to RFC 3339 without zeros at the end of the fraction.
pub(super) fn time(text: &str) -> Option<String> {
    let (year, rest) = digits(text, 4, 4)?;
    let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let is_spaced = rest.starts_with(' ');
    let (hour, rest) = digits(rest.strip_prefix(['T', 't', ' '])?, 1, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 1, 2)?;
    let (second, rest) = digits(rest.strip_prefix(':')?, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.bytes().take_while(u8::is_ascii_digit).count();
            if end == 0 || end > 9 {
                return None;
            }
            (rest[..end].trim_end_matches('0'), &rest[end..])
        }
        None => ("", rest),
    };
    let zone = match (zone, is_spaced) {
        ("", true) | ("Z", false) => "Z".to_owned(),
        (zone, false) => {
            let sign = zone.get(..1).filter(|sign| matches!(*sign, "+" | "-"))?;
            let (hours, rest) = digits(&zone[1..], 2, 2)?;
            let (minutes, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
            if !rest.is_empty() || hours > 24 || minutes > 59 {
                return None;
            }
            if hours == 0 && minutes == 0 {
                "Z".to_owned()
            } else {
                format!("{sign}{hours:02}:{minutes:02}")
            }
        }
        _ => return None,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"
    ))
}

/// A number of so many digits, and what follows.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}
