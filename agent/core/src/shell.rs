//! Text as one word of a POSIX shell, for commands that people copy.

use std::borrow::Cow;

/// The text as one word: what anybody wrote runs nothing when it is pasted.
pub fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:@/".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    // A control character would end the line or move the cursor.
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_one_word_and_runs_nothing() {
        for (text, expected) in [
            ("shop/web", "shop/web"),
            ("1.2.3-rc.1@sha256:ab", "1.2.3-rc.1@sha256:ab"),
            ("", "''"),
            ("it broke", "'it broke'"),
            ("1;$(id)", "'1;$(id)'"),
            ("1'`id`", r"'1'\''`id`'"),
            ("one\ntwo", "'one two'"),
        ] {
            assert_eq!(word(text), expected);
        }
    }
}
