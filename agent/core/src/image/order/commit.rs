//! Tags that name a commit: its id, or the beginning of it, perhaps behind `sha-`.

use std::borrow::Cow;

/// The fewest digits of an id that are taken for one.
const MIN_DIGITS: usize = 7;
/// The digits of a whole id.
const MAX_DIGITS: usize = 40;

/// The id in a value, in lower case; `None` where it is none.
pub(crate) fn id_of(value: &str) -> Option<Cow<'_, str>> {
    let id = value.strip_prefix("sha-").unwrap_or(value);
    let is_id =
        (MIN_DIGITS..=MAX_DIGITS).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| {
        if id.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(id.to_ascii_lowercase())
        } else {
            Cow::Borrowed(id)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_seven_to_forty_hexadecimal_digits() {
        assert_eq!(id_of("0a1b2c3").as_deref(), Some("0a1b2c3"));
        assert_eq!(id_of("sha-0A1B2C3").as_deref(), Some("0a1b2c3"));
        assert_eq!(id_of(&"f".repeat(40)).map(|id| id.len()), Some(40));
        for text in ["0a1b2c", "latest", "main-0a1b2c3", "0a1b2c3g", ""] {
            assert_eq!(id_of(text), None, "{text}");
        }
        assert_eq!(id_of(&"f".repeat(41)), None);
    }
}
