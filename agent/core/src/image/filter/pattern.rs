//! Regular expressions as users of Flux write them: those of Go (RE2), found anywhere in a tag.
//!
//! Classes such as `\d` and `\w` are those of ASCII, as in Go. What would silently mean something
//! else here than in Go is refused. Time is linear in the length of the tag, and the size of the
//! compiled expression is bounded.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::reason::Reason;

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 512;
/// The largest compiled expression, in bytes.
const MAX_COMPILED: usize = 64 * 1024;
/// How deep groups may stand in each other.
const MAX_NESTING: u32 = 24;

/// A regular expression. Two are equal when their texts are.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
    outline: Outline,
}

/// Why a text is not a regular expression that is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing is there.
    #[error("the regular expression is empty; leave the field away")]
    Empty,
    /// It is over a limit.
    #[error("the regular expression is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// It becomes too large, for instance by repetitions in repetitions.
    #[error("the regular expression becomes too large: use smaller repetitions")]
    TooLarge,
    /// It does not follow the syntax.
    #[error("the regular expression does not read: {0}")]
    Syntax(String),
    /// An operator on classes, which Go does not have.
    #[error("`{0}` inside of brackets has a meaning of its own; write `\\{single}` for the character", single = &.0[..1])]
    ClassOperator(&'static str),
}

impl PatternError {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        Reason::InvalidRegex
    }
}

/// What is seen of an expression without compiling it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outline {
    from_start: bool,
    to_end: bool,
    /// It has alternatives outside of all groups, so that an anchor binds only one of them.
    alternatives: bool,
}

impl Pattern {
    /// Reads and compiles an expression.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let outline = outline(text)?;
        let regex = RegexBuilder::new(text)
            .unicode(false)
            .size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTING)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                other => PatternError::Syntax(last_line(&other.to_string())),
            })?;
        Ok(Self {
            text: text.to_owned(),
            regex,
            outline,
        })
    }

    /// Whether it is found in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }

    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// What follows from it not being bound to both ends of a tag; `None` where it is.
    pub(super) fn open_ends(&self) -> Option<&'static str> {
        let Outline {
            from_start,
            to_end,
            alternatives,
        } = self.outline;
        match (from_start, to_end) {
            _ if alternatives => {
                Some("`^` and `$` bind one alternative only: put all into `^(...)$`")
            }
            (true, true) => None,
            (true, false) => {
                Some("what follows it in the tag may be anything; `$` at its end binds it")
            }
            (false, true) => Some("what stands before it in the tag may be anything; `^` binds it"),
            (false, false) => Some("`^` and `$` bind it to the whole tag"),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// The last line of an error of the parser, which says what is wrong; the others draw where.
fn last_line(error: &str) -> String {
    let line = error.lines().next_back().unwrap_or_default();
    let line = line.trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Goes through an expression once, for anchors and for operators on classes.
fn outline(text: &str) -> Result<Outline, PatternError> {
    const OPERATORS: [&str; 3] = ["&&", "--", "~~"];
    let bytes = text.as_bytes();
    let start = text.strip_prefix("(?i)").unwrap_or(text);
    let mut outline = Outline {
        from_start: start.starts_with('^') || start.starts_with(r"\A"),
        ..Outline::default()
    };
    let (mut at, mut depth) = (0_usize, 0_usize);
    while at < bytes.len() {
        let last = at + 1 == bytes.len();
        match bytes[at] {
            b'\\' => {
                outline.to_end = at + 2 == bytes.len() && bytes[at + 1] == b'z';
                at += 1;
            }
            b'[' => {
                at += 1;
                at += usize::from(bytes.get(at) == Some(&b'^'));
                // A bracket that comes first stands for itself.
                at += usize::from(bytes.get(at) == Some(&b']'));
                while at < bytes.len() && bytes[at] != b']' {
                    let rest = &bytes[at..];
                    let operator = OPERATORS
                        .into_iter()
                        .find(|o| rest.starts_with(o.as_bytes()));
                    if let Some(operator) = operator {
                        return Err(PatternError::ClassOperator(operator));
                    }
                    let named = rest.starts_with(b"[:");
                    let end = rest.windows(2).position(|two| two == b":]");
                    at += match (named, end) {
                        (true, Some(end)) => end + 2,
                        _ if bytes[at] == b'\\' => 2,
                        _ => 1,
                    };
                }
            }
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => outline.alternatives = true,
            b'$' if last => outline.to_end = true,
            _ => {}
        }
        at += 1;
    }
    Ok(outline)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn the_expressions_of_flux_and_its_users_read_and_match() {
        for (text, tag, expected) in [
            (r"^v?(\d+)\.(\d+)\.(\d+)$", "v1.22.3", true),
            ("^main-[a-f0-9]+-(?P<ts>[0-9]+)", "main-0ab12-17000", true),
            (
                "^main-[a-f0-9]{7,40}-(?P<ts>[1-9][0-9]*)$",
                "main-0ab12cd-17",
                true,
            ),
            (
                "^(?P<semver>.*)-debian-11-r[0-9]+$",
                "1.2.3-debian-11-r4",
                true,
            ),
            (
                r"RELEASE\.(?P<timestamp>.*)Z$",
                "RELEASE.2024-01-01T00-00-00Z",
                true,
            ),
            ("(?i)^RC", "rc1", true),
            ("^[[:digit:]]+$", "123", true),
            ("^[^]x]$", "a", true),
            (r"^\w+$", "a-b", false),
            (r"^[0-9]\z", "1", true),
        ] {
            assert_eq!(pattern(text).is_match(tag), expected, "{text}");
        }
    }

    #[test]
    fn bad_b57_an_expression_that_does_not_read_is_refused_with_its_code() {
        for text in [
            "(", "[a", "a{2,1}", "*", "(?P<n>a", r"\Qa", "(?=a)", r"(a)\1", "[z-a]",
        ] {
            let error = Pattern::parse(text).expect_err(text);
            assert!(matches!(error, PatternError::Syntax(_)), "{text}: {error}");
            assert_eq!(error.reason().row().code, "policy.regex");
            let message = error.to_string();
            assert!(
                !message.contains('\n') && !message.ends_with('.'),
                "{message}"
            );
        }
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse(&"a".repeat(513)), Err(PatternError::TooLong));
    }

    #[test]
    fn bad_b57_an_expression_that_explodes_is_refused_or_takes_linear_time() {
        for text in [
            "(a{1,1000}){1,1000}",
            "((a{100}){100}){100}",
            "[a-z]{1000}{10}",
        ] {
            let begun = Instant::now();
            assert_eq!(Pattern::parse(text), Err(PatternError::TooLarge), "{text}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        assert!(Pattern::parse(&deep).is_err());
        let begun = Instant::now();
        let evil = pattern("^(a+)+$");
        let text = format!("{}b", "a".repeat(127));
        for _ in 0..1000 {
            assert!(!evil.is_match(&text));
        }
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn what_go_reads_otherwise_is_refused() {
        for (text, operator) in [("[a-z--b]", "--"), ("[a&&b]", "&&"), ("^x[0-9~~]$", "~~")] {
            assert_eq!(
                Pattern::parse(text),
                Err(PatternError::ClassOperator(operator)),
                "{text}"
            );
        }
        assert!(pattern(r"^[a-z\-]--x$").is_match("a--x"));
        let message = PatternError::ClassOperator("--").to_string();
        assert!(message.contains(r"`\-`"), "{message}");
    }

    #[test]
    fn an_expression_that_is_not_bound_to_both_ends_is_noted() {
        for text in ["^a$", r"\Aa\z", "(?i)^a$", "^(a|b)$", "^[|]$"] {
            assert_eq!(pattern(text).open_ends(), None, "{text}");
        }
        for (text, word) in [
            ("^a", "follows"),
            ("a$", "before"),
            ("a", "whole tag"),
            ("^a|b$", "alternative"),
            (r"^a\$", "follows"),
        ] {
            let note = pattern(text).open_ends().unwrap_or_default();
            assert!(note.contains(word), "{text}: {note}");
        }
    }
}
