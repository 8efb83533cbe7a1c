//! Texts with `*` for anything, compared without regard to case.

/// A text that others are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What stands between the stars, in lower case; one part where there is no star.
    parts: Vec<String>,
}

impl Pattern {
    /// The whole text must fit.
    pub(super) fn whole(text: &str) -> Self {
        Self {
            parts: text.to_lowercase().split('*').map(str::to_owned).collect(),
        }
    }

    /// The beginning of a text must fit.
    pub(super) fn beginning(text: &str) -> Self {
        Self::whole(&format!("{text}*"))
    }

    /// It may be anywhere in a text.
    pub(super) fn inside(text: &str) -> Self {
        Self::whole(&format!("*{text}*"))
    }

    /// Whether a text fits.
    pub(super) fn fits(&self, text: &str) -> bool {
        let lower = if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            std::borrow::Cow::Borrowed(text)
        } else {
            std::borrow::Cow::Owned(text.to_lowercase())
        };
        let Some((first, others)) = self.parts.split_first() else {
            return true;
        };
        let Some((last, middle)) = others.split_last() else {
            return lower == first.as_str();
        };
        let Some(mut rest) = lower.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        for (pattern, fitting, other) in [
            ("pay", &["pay", "PAY"][..], &["pays", "", "a-pay"][..]),
            ("pay*", &["pay", "payments"], &["a-pay"]),
            ("*pay", &["pay", "a-pay"], &["pays"]),
            ("a*b*c", &["abc", "a1b2c", "abcbc"], &["ab", "acb", "abcd"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("*", &["", "x"], &[]),
            ("", &[""], &["x"]),
            ("a.c", &["a.c"], &["abc"]),
        ] {
            let pattern = Pattern::whole(pattern);
            assert!(fitting.iter().all(|text| pattern.fits(text)), "{pattern:?}");
            assert!(!other.iter().any(|text| pattern.fits(text)), "{pattern:?}");
        }
        assert!(Pattern::inside("GRÜN").fits("immergrün"));
        assert!(Pattern::beginning("0a1").fits("0a1b2"));
    }
}
