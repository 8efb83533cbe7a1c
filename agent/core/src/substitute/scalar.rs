//! Reads a text as `kubectl` reads a plain YAML scalar: numbers, booleans and null of YAML 1.1.

use serde_json::{Number, Value};

/// The number, the boolean or the null that the text is; nothing where it is text.
///
/// White space around it does not count, as in YAML. Infinity and NaN have no form in JSON and stay
/// text.
pub(super) fn typed(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Value::Bool(false));
        }
        _ => {}
    }
    // No number is longer, and a value may be.
    if text.len() > 512 || !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    if text.starts_with('.') {
        return float(text);
    }
    let plain = text.replace('_', "");
    integer(&plain).map(Value::Number).or_else(|| float(&plain))
}

/// An integer with the prefix of its base: `0x`, `0o`, `0b`, or `0` alone for octal.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("+", &text[1..]),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return None;
    }
    match sign {
        "-" => i64::from_str_radix(&format!("-{digits}"), base)
            .ok()
            .map(Number::from),
        // Beyond i64 only a number without a sign is one.
        "+" => i64::from_str_radix(digits, base).ok().map(Number::from),
        _ => u64::from_str_radix(digits, base).ok().map(Number::from),
    }
}

fn float(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && !digits.starts_with(['e', 'E', '+', '-']);
    if !number {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    Number::from_f64(float).map(Value::Number)
}
