//! What is taken out of a tag: text with `$1`, `$name` and `${name}`, as Go expands it.
//!
//! A name is as long as it can be: `$1_$2` asks for a group that is called `1_`. Go puts nothing
//! there; here a group that the expression does not have is refused.

use std::borrow::Cow;
use std::fmt;

use super::pattern::Pattern;
use crate::reason::Reason;

/// The longest template, in bytes.
const MAX_LENGTH: usize = 128;

/// What is put together from the groups of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Why a text is not a template for its expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Nothing is there.
    #[error("the template is empty; leave the field away to compare the whole tag")]
    Empty,
    /// It is over a limit.
    #[error("the template is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// It asks for a group that is not there.
    #[error("`${name}` names no group of the expression{hint}")]
    UnknownGroup {
        /// The name.
        name: String,
        /// What was probably meant.
        hint: String,
    },
    /// A `$` without a name.
    #[error("a `$` needs the number or name of a group behind it; `$$` is the character")]
    Dollar,
}

impl TemplateError {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        Reason::InvalidRegex
    }
}

impl Template {
    /// Reads a template for an expression.
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(TemplateError::TooLong);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            push_text(&mut pieces, &rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                push_text(&mut pieces, "$");
                rest = after;
                continue;
            }
            let braced = rest.strip_prefix('{');
            let body = braced.unwrap_or(rest);
            let length = body
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(body.len());
            let (name, after) = body.split_at(length);
            rest = match braced {
                Some(_) => after.strip_prefix('}').ok_or(TemplateError::Dollar)?,
                None => after,
            };
            if name.is_empty() {
                return Err(TemplateError::Dollar);
            }
            pieces.push(Piece::Group(group(name, pattern)?));
        }
        push_text(&mut pieces, rest);
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// What it makes of a text; `None` where the expression does not match.
    pub(super) fn expand<'a>(&self, pattern: &Pattern, text: &'a str) -> Option<Cow<'a, str>> {
        let regex = pattern.regex();
        let mut found = regex.capture_locations();
        regex.captures_read(&mut found, text.as_bytes())?;
        // A tag is ASCII, so that no end of a group is inside of a character.
        let part = |group: usize| {
            let (from, to) = found.get(group)?;
            text.get(from..to)
        };
        if let [Piece::Group(group)] = self.pieces[..] {
            return Some(Cow::Borrowed(part(group).unwrap_or_default()));
        }
        let mut value = String::new();
        for piece in &self.pieces {
            value.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => part(*group).unwrap_or_default(),
            });
        }
        Some(Cow::Owned(value))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// The number of a group by its number or name.
fn group(name: &str, pattern: &Pattern) -> Result<usize, TemplateError> {
    let regex = pattern.regex();
    let found = if name.bytes().all(|b| b.is_ascii_digit()) {
        let number = name.parse().ok();
        number.filter(|number| *number < regex.captures_len())
    } else {
        let mut names = regex.capture_names();
        names.position(|known| known == Some(name))
    };
    found.ok_or_else(|| TemplateError::UnknownGroup {
        name: name.to_owned(),
        hint: hint(name, pattern),
    })
}

/// What was probably meant: a shorter name that is a group, in braces.
fn hint(name: &str, pattern: &Pattern) -> String {
    let regex = pattern.regex();
    let known = |short: &str| {
        let number = short.parse::<usize>().ok();
        number.is_some_and(|number| number < regex.captures_len())
            || regex.capture_names().any(|known| known == Some(short))
    };
    let shorter = (1..name.len()).rev().map(|end| name.split_at(end));
    let meant = shorter.into_iter().find(|(short, _)| known(short));
    match meant {
        Some((short, rest)) => {
            format!(": a name is as long as it can be; write `${{{short}}}{rest}`")
        }
        None => match regex.captures_len() {
            1 => ": it has none".to_owned(),
            count => format!(": it has {} of them", count - 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(pattern: &str, template: &str, text: &str) -> Option<String> {
        let pattern = Pattern::parse(pattern).unwrap();
        let template = Template::parse(template, &pattern).unwrap();
        template.expand(&pattern, text).map(Cow::into_owned)
    }

    #[test]
    fn groups_are_put_in_by_number_and_name() {
        let dates = r"^(\d{4})-(?P<month>\d\d)-(\d\d)(-x)?$";
        for (template, expected) in [
            ("$1", "2026"),
            ("$month", "02"),
            ("${1}${month}${3}", "20260203"),
            ("$1.$month.$3", "2026.02.03"),
            ("$0", "2026-02-03"),
            ("a$$b", "a$b"),
            ("v$1+$3", "v2026+03"),
            // A group that did not take part is nothing.
            ("$1$4", "2026"),
        ] {
            let value = expand(dates, template, "2026-02-03");
            assert_eq!(value.as_deref(), Some(expected), "{template}");
        }
        assert_eq!(expand(dates, "$1", "x"), None);
    }

    #[test]
    fn a_name_that_swallows_what_follows_is_refused_with_the_way_to_write_it() {
        let pattern = Pattern::parse(r"^(\d+)-(?P<n>\d+)$").unwrap();
        for (template, fix) in [
            ("$1_$2", "`${1}_`"),
            ("$nx", "`${n}x`"),
            ("$1a$2", "`${1}a`"),
        ] {
            let error = Template::parse(template, &pattern).expect_err(template);
            assert_eq!(error.reason().row().code, "policy.regex");
            assert!(error.to_string().contains(fix), "{error}");
        }
    }

    #[test]
    fn a_group_that_is_not_there_and_a_lone_dollar_are_refused() {
        let pattern = Pattern::parse(r"^(\d+)$").unwrap();
        for (template, word) in [
            ("$2", "it has 1 of them"),
            ("$version", "names no group"),
            ("$", "`$$`"),
            ("${1", "`$$`"),
            ("${}", "`$$`"),
            ("a$-b", "`$$`"),
            ("", "empty"),
        ] {
            let error = Template::parse(template, &pattern).expect_err(template);
            assert!(error.to_string().contains(word), "{template}: {error}");
        }
        let long = Template::parse(&"a".repeat(129), &pattern);
        assert_eq!(long, Err(TemplateError::TooLong));
    }
}
