//! What a scalar means: the rules of YAML 1.1, as `kubectl` applies them.

use std::borrow::Cow;

use granit_parser::{ScalarStyle, Tag};
use serde_json::Value;

/// Where the tags of YAML itself live (`!!int`).
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Larger than any [`Scalar::Integer`].
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// What is wrong with a scalar, for people; holds nothing of it.
pub(super) type Problem = &'static str;

impl Scalar<'_> {
    /// The scalar as a value of an object. Whole numbers are integers, as the API server keeps
    /// them.
    pub(super) fn into_value(self) -> Result<Value, Problem> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Boolean(flag) => Value::Bool(flag),
            Self::Integer(number) => Value::from(number),
            Self::Unsigned(number) => Value::from(number),
            Self::Float(number) if !number.is_finite() => {
                return Err("a number is infinite or not a number; quote it if it is text");
            }
            // What it is written as decides, as it does on its way through JSON.
            Self::Float(number) if number.fract() == 0.0 => {
                let integer = number.to_string().parse::<i64>();
                integer.map_or_else(|_| Value::from(number), Value::from)
            }
            Self::Float(number) => Value::from(number),
            Self::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The scalar as the key of a map; `y: 1` has the key `true`.
    pub(super) fn into_key(self) -> Result<String, Problem> {
        Ok(match self {
            Self::Null => return Err("a key is empty; quote it if it is text"),
            Self::Boolean(flag) => flag.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Unsigned(_) => return Err("a key is too large a number; quote it"),
            Self::Float(number) => short(number),
            Self::Text(text) => text.into_owned(),
        })
    }
}

/// The key that a plain scalar becomes; the scalar as it is where it can be none.
pub(super) fn plain_key(text: &str) -> String {
    untagged(text.into())
        .into_key()
        .unwrap_or_else(|_| text.to_owned())
}

/// Whether a key brings in the entries of other maps.
pub(super) fn is_merge(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<"
        && match tag {
            None => style == ScalarStyle::Plain,
            Some(tag) => is_bare(tag) || yaml_type(tag).as_deref() == Some("merge"),
        }
}

/// The meaning of a scalar that is written in this way.
pub(super) fn resolve<'a>(
    text: Cow<'a, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Scalar<'a>, Problem> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => untagged(text),
            _ => Scalar::Text(text),
        });
    };
    let kind = yaml_type(tag);
    let Some(kind @ ("null" | "bool" | "int" | "float" | "binary")) = kind.as_deref() else {
        return Ok(Scalar::Text(text));
    };
    if kind == "binary" {
        return binary(&text);
    }
    match (kind, untagged(text)) {
        ("null", found @ Scalar::Null)
        | ("bool", found @ Scalar::Boolean(_))
        | ("int", found @ (Scalar::Integer(_) | Scalar::Unsigned(_)))
        | ("float", found @ Scalar::Float(_)) => Ok(found),
        ("float", Scalar::Integer(number)) => Ok(Scalar::Float(number as f64)),
        _ => Err("a value does not have the type that its tag names"),
    }
}

fn yaml_type(tag: &Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace(YAML_TAGS)
}

/// Whether it is the tag `!`, which says nothing.
fn is_bare(tag: &Tag) -> bool {
    matches!(tag.parts(), ("!", "") | ("", "!"))
}

fn binary(text: &str) -> Result<Scalar<'static>, Problem> {
    use base64::Engine as _;
    let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .map_err(|_| "the value of `!!binary` is not base64")?;
    String::from_utf8(bytes)
        .map(|text| Scalar::Text(text.into()))
        .map_err(|_| "the value of `!!binary` is not text, which JSON cannot hold")
}

/// The meaning of a plain scalar.
fn untagged(text: Cow<'_, str>) -> Scalar<'_> {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Boolean(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Boolean(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => without_underscores(&text).and_then(|text| float(&text)),
        b'+' | b'-' | b'0'..=b'9' if text.contains('_') => number(&text.replace('_', "")),
        b'+' | b'-' | b'0'..=b'9' => number(&text),
        _ => None,
    };
    number.unwrap_or(Scalar::Text(text))
}

fn number(text: &str) -> Option<Scalar<'static>> {
    integer(text).or_else(|| float(text)).or_else(|| {
        // A sign behind the prefix.
        let digits = text.strip_prefix("0b")?;
        i64::from_str_radix(digits, 2).ok().map(Scalar::Integer)
    })
}

fn integer(text: &str) -> Option<Scalar<'static>> {
    let (sign, digits) = match text.as_bytes().first()? {
        sign @ (b'+' | b'-') => (*sign, &text[1..]),
        _ => (b' ', text),
    };
    let magnitude = magnitude(digits)?;
    if sign == b'-' {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Integer);
    }
    match i64::try_from(magnitude) {
        Ok(number) => Some(Scalar::Integer(number)),
        Err(_) if sign == b' ' => Some(Scalar::Unsigned(magnitude)),
        Err(_) => None,
    }
}

/// `0x1F`, `0o17`, `017` and `0b1`; 64 bits at most.
fn magnitude(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // The parser below takes a sign, which does not belong here.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// Digits with a point, an exponent or neither; what is beyond all numbers is text.
fn float(text: &str) -> Option<Scalar<'static>> {
    let known = |b: u8| matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E');
    if !text.bytes().all(known) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Scalar::Float(number))
}

/// The text without underscores, if each stands between two digits.
fn without_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let digit = |b: &u8| b.is_ascii_digit();
    let bytes = text.as_bytes();
    let between = bytes
        .windows(3)
        .filter(|three| three[1] == b'_' && digit(&three[0]) && digit(&three[2]));
    (between.count() == text.matches('_').count()).then(|| text.replace('_', "").into())
}

/// A number as the key that `kubectl` makes of it: in single precision, with an exponent where it
/// has more than six digits before the point.
fn short(number: f64) -> String {
    let number = number as f32;
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
