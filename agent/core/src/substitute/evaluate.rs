//! Works the expressions of a string out, inside bounds of length and time.

use std::collections::BTreeMap;

use super::expression::{Case, End, Expression, Extent, Operator, Part, Place, Size, When, parts};
use super::glob::Glob;
use super::{MOST_OBJECT_BYTES, MOST_SCALAR_BYTES, MOST_STEPS, Undeclared};
use crate::redacted::Redacted;

/// Why a string cannot be worked out. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The variable has no value.
    Undeclared(String),
    /// The author demands a value, and says why.
    Required { name: String, message: String },
    /// The outcome is over a limit.
    TooLong,
    /// The work is over the limit.
    TooMuch,
    /// Expressions stand too deep inside each other.
    TooDeep,
}

/// A string that was worked out.
pub(super) struct Made {
    pub(super) text: String,
    /// Whether it was one expression with a value, and nothing else.
    pub(super) single: bool,
}

/// The work on one object.
pub(super) struct Evaluation<'a> {
    variables: &'a BTreeMap<String, Redacted>,
    steps: usize,
    bytes: usize,
}

/// Most characters of an author's message that are shown.
const MOST_MESSAGE: usize = 200;

impl<'a> Evaluation<'a> {
    pub(super) fn new(variables: &'a BTreeMap<String, Redacted>) -> Self {
        Self {
            variables,
            steps: MOST_STEPS,
            bytes: MOST_OBJECT_BYTES,
        }
    }

    /// Works a string out; fails with all that is missing in it.
    pub(super) fn string(
        &mut self,
        text: &str,
        undeclared: Undeclared,
    ) -> Result<Made, Vec<Fault>> {
        let parts = parts(text, &mut self.steps).map_err(|fault| vec![fault])?;
        let single = match parts.as_slice() {
            [Part::Variable(expression)] => !self.is_kept(expression, undeclared),
            _ => false,
        };
        let mut line = Line {
            work: self,
            undeclared,
            faults: Vec::new(),
        };
        let mut made = String::new();
        match line.word(&parts, &mut made) {
            Ok(()) if line.faults.is_empty() => {}
            Ok(()) => return Err(line.faults),
            Err(fault) => return Err(vec![fault]),
        }
        match self.bytes.checked_sub(made.len()) {
            Some(rest) => self.bytes = rest,
            None => return Err(vec![Fault::TooLong]),
        }
        Ok(Made { text: made, single })
    }

    /// Whether the expression stays as it is written.
    fn is_kept(&self, expression: &Expression<'_>, undeclared: Undeclared) -> bool {
        let has_word = matches!(
            expression.operator,
            Operator::Default(..) | Operator::Instead(..)
        );
        undeclared == Undeclared::Keep && !has_word && !self.variables.contains_key(expression.name)
    }
}

/// The work on one string.
struct Line<'a, 'b> {
    work: &'b mut Evaluation<'a>,
    undeclared: Undeclared,
    faults: Vec<Fault>,
}

impl<'a> Line<'a, '_> {
    fn word(&mut self, parts: &[Part<'_>], into: &mut String) -> Result<(), Fault> {
        for part in parts {
            match part {
                Part::Text(text) => self.push(text, into)?,
                Part::Variable(expression) => self.expression(expression, into)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str, into: &mut String) -> Result<(), Fault> {
        self.spend(text.len())?;
        if into.len() + text.len() > MOST_SCALAR_BYTES {
            return Err(Fault::TooLong);
        }
        into.push_str(text);
        Ok(())
    }

    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        let left = self.work.steps.checked_sub(steps.max(1));
        self.work.steps = left.ok_or(Fault::TooMuch)?;
        Ok(())
    }

    fn expression(&mut self, expression: &Expression<'_>, into: &mut String) -> Result<(), Fault> {
        if self.work.is_kept(expression, self.undeclared) {
            return self.push(expression.source, into);
        }
        let name = expression.name;
        let value: Option<&'a str> = self.work.variables.get(name).map(Redacted::expose);
        let missing = |when: When| match when {
            When::Unset => value.is_none(),
            When::UnsetOrEmpty => value.is_none_or(str::is_empty),
        };
        match &expression.operator {
            Operator::Default(when, word) if missing(*when) => return self.word(word, into),
            Operator::Instead(when, word) => {
                return if missing(*when) {
                    Ok(())
                } else {
                    self.word(word, into)
                };
            }
            Operator::Required(when, message) if missing(*when) => {
                self.faults.push(Fault::Required {
                    name: name.to_owned(),
                    message: shown(message),
                });
                return Ok(());
            }
            _ => {}
        }
        let Some(value) = value else {
            self.faults.push(Fault::Undeclared(name.to_owned()));
            return Ok(());
        };
        // Whatever is done with it, all of it is looked at.
        self.spend(value.len())?;
        match &expression.operator {
            Operator::None
            | Operator::Default(..)
            | Operator::Instead(..)
            | Operator::Required(..) => self.push(value, into),
            Operator::Length => self.push(&value.chars().count().to_string(), into),
            Operator::Slice(offset, length) => self.push(slice(value, *offset, *length), into),
            Operator::Trim(end, size, word) => {
                let mut pattern = String::new();
                self.word(word, &mut pattern)?;
                let glob = Glob::new(&pattern);
                self.spend(value.len().saturating_mul(glob.cost()))?;
                self.push(trim(value, &glob, *end, *size), into)
            }
            Operator::Replace(place, old, new) => {
                let (mut from, mut to) = (String::new(), String::new());
                self.word(old, &mut from)?;
                self.word(new, &mut to)?;
                self.replace(value, *place, (&from, &to), into)
            }
            Operator::Case(case, extent) => self.case(value, *case, *extent, into),
        }
    }

    /// The words are text, as in envsubst, not patterns.
    fn replace(
        &mut self,
        value: &str,
        place: Place,
        (old, new): (&str, &str),
        into: &mut String,
    ) -> Result<(), Fault> {
        match place {
            Place::At(End::Front) => match value.strip_prefix(old) {
                Some(rest) => {
                    self.push(new, into)?;
                    self.push(rest, into)
                }
                None => self.push(value, into),
            },
            Place::At(End::Back) => match value.strip_suffix(old) {
                Some(rest) => {
                    self.push(rest, into)?;
                    self.push(new, into)
                }
                None => self.push(value, into),
            },
            Place::First | Place::All if old.is_empty() => self.push(value, into),
            Place::First | Place::All => {
                let most = if place == Place::All { usize::MAX } else { 2 };
                for (index, piece) in value.splitn(most, old).enumerate() {
                    if index > 0 {
                        self.push(new, into)?;
                    }
                    self.push(piece, into)?;
                }
                Ok(())
            }
        }
    }

    fn case(
        &mut self,
        value: &str,
        case: Case,
        extent: Extent,
        into: &mut String,
    ) -> Result<(), Fault> {
        let first = value.chars().next().map_or(0, char::len_utf8);
        let (changed, rest) = match extent {
            Extent::AllLetters => (value, ""),
            Extent::FirstLetter => value.split_at(first),
        };
        let changed = match case {
            Case::Upper => changed.to_uppercase(),
            Case::Lower => changed.to_lowercase(),
        };
        self.push(&changed, into)?;
        self.push(rest, into)
    }
}

/// An author's message, as it is written: the variables in it are not replaced.
fn shown(message: &str) -> String {
    message
        .chars()
        .take(MOST_MESSAGE)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn trim<'v>(value: &'v str, glob: &Glob, end: End, size: Size) -> &'v str {
    match end {
        End::Front => &value[glob.front(value, size)..],
        End::Back => &value[..value.len() - glob.back(value, size)],
    }
}

/// Characters from an offset on; a negative offset counts from the end, a negative length leaves out
/// so many at the end. What lies outside is cut.
fn slice(value: &str, offset: i64, length: Option<i64>) -> &str {
    let count = value.chars().count() as i64;
    let start = if offset < 0 {
        count.saturating_add(offset).max(0)
    } else {
        offset.min(count)
    };
    let end = match length {
        None => count,
        Some(length) if length < 0 => count.saturating_add(length),
        Some(length) => start.saturating_add(length).min(count),
    };
    if end <= start {
        return "";
    }
    let byte = |index: i64| {
        let mut places = value.char_indices().map(|(at, _)| at);
        places.nth(index as usize).unwrap_or(value.len())
    };
    &value[byte(start)..byte(end)]
}
