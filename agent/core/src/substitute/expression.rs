//! Reads the expressions of a string: `${NAME}` with its operators, and the escape `$${`.

use super::DEEPEST;
use super::evaluate::Fault;

/// A piece of a string.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// Text as it is.
    Text(&'a str),
    /// A variable.
    Variable(Expression<'a>),
}

/// Text that may hold variables again: a default, a pattern, a replacement.
pub(super) type Word<'a> = Vec<Part<'a>>;

/// One `${...}`.
#[derive(Debug, PartialEq)]
pub(super) struct Expression<'a> {
    /// As it is written, from `$` to `}`.
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    pub(super) operator: Operator<'a>,
}

/// When a word is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The variable has no value.
    Unset,
    /// It has none, or an empty one: the operator has a colon.
    UnsetOrEmpty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Shortest,
    Longest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    All,
    At(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    FirstLetter,
    AllLetters,
}

#[derive(Debug, PartialEq)]
pub(super) enum Operator<'a> {
    /// `${NAME}`
    None,
    /// `${#NAME}`
    Length,
    /// `${NAME:-word}`, `${NAME:=word}`
    Default(When, Word<'a>),
    /// `${NAME:+word}`
    Instead(When, Word<'a>),
    /// `${NAME:?message}`: the message as it is written.
    Required(When, &'a str),
    /// `${NAME:offset:length}`
    Slice(i64, Option<i64>),
    /// `${NAME#pattern}`, `##`, `%`, `%%`
    Trim(End, Size, Word<'a>),
    /// `${NAME/old/new}`, `//`, `/#`, `/%`
    Replace(Place, Word<'a>, Word<'a>),
    /// `${NAME^}`, `^^`, `,`, `,,`
    Case(Case, Extent),
}

/// Cuts a string into its parts. Each byte that is looked at costs one of the `steps`.
pub(super) fn parts<'a>(text: &'a str, steps: &mut usize) -> Result<Vec<Part<'a>>, Fault> {
    let mut reader = Reader { text, at: 0, steps };
    let mut parts = Vec::new();
    let mut start = 0;
    // Nothing that begins behind the last brace can be an expression.
    let last = text.rfind('}').unwrap_or(0);
    while let Some(found) = text[reader.at..].find("${") {
        let at = reader.at + found;
        reader.spend(found)?;
        if at > start && text.as_bytes()[at - 1] == b'$' {
            push_text(&mut parts, &text[start..at - 1]);
            start = at;
            reader.at = at + 2;
            continue;
        }
        reader.at = at;
        let expression = if at < last {
            reader.expression(1)?
        } else {
            None
        };
        match expression {
            Some(expression) => {
                push_text(&mut parts, &text[start..at]);
                parts.push(Part::Variable(expression));
                start = reader.at;
            }
            None => reader.at = at + 2,
        }
    }
    push_text(&mut parts, &text[start..]);
    Ok(parts)
}

fn push_text<'a>(parts: &mut Vec<Part<'a>>, text: &'a str) {
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
}

/// What ends a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Brace,
    /// A slash or the brace, for the first word of a replacement; `\/` is a slash in both.
    Slash,
    /// The brace, for the second word of a replacement.
    BraceAfterSlash,
}

struct Reader<'a, 'b> {
    text: &'a str,
    at: usize,
    steps: &'b mut usize,
}

impl<'a> Reader<'a, '_> {
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        *self.steps = self.steps.checked_sub(steps.max(1)).ok_or(Fault::TooMuch)?;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(expected.as_bytes());
        if found {
            self.at += expected.len();
        }
        found
    }

    /// The expression that starts here, or nothing where it is none; then the place is undefined.
    fn expression(&mut self, depth: usize) -> Result<Option<Expression<'a>>, Fault> {
        let start = self.at;
        self.at += 2;
        let length = self.take("#");
        let Some(name) = self.name()? else {
            return Ok(None);
        };
        if depth > DEEPEST {
            return Err(Fault::TooDeep);
        }
        let operator = if length {
            self.take("}").then_some(Operator::Length)
        } else {
            self.operator(depth)?
        };
        Ok(operator.map(|operator| Expression {
            source: &self.text[start..self.at],
            name,
            operator,
        }))
    }

    fn name(&mut self) -> Result<Option<&'a str>, Fault> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            self.at += 1;
        }
        let name = &self.text[start..self.at];
        self.spend(name.len())?;
        let valid = !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit());
        Ok(valid.then_some(name))
    }

    /// The operator behind the name, up to and with the closing brace.
    fn operator(&mut self, depth: usize) -> Result<Option<Operator<'a>>, Fault> {
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        self.at += 1;
        let when = if first == b':' {
            When::UnsetOrEmpty
        } else {
            When::Unset
        };
        let sign = if first == b':' {
            let sign = self.peek().filter(|byte| b"-=+?".contains(byte));
            if sign.is_none() {
                return Ok(self.slice());
            }
            self.at += 1;
            sign
        } else {
            Some(first)
        };
        let operator = match sign {
            Some(b'}') => Some(Operator::None),
            Some(b'-' | b'=') => self
                .word(Until::Brace, depth)?
                .map(|word| Operator::Default(when, word)),
            Some(b'+') => self
                .word(Until::Brace, depth)?
                .map(|word| Operator::Instead(when, word)),
            Some(b'?') => {
                let start = self.at;
                self.word(Until::Brace, depth)?
                    .map(|_| Operator::Required(when, &self.text[start..self.at - 1]))
            }
            Some(sign @ (b'#' | b'%')) => {
                let twice = self.take(if sign == b'#' { "#" } else { "%" });
                let size = if twice { Size::Longest } else { Size::Shortest };
                let end = if sign == b'#' { End::Front } else { End::Back };
                self.word(Until::Brace, depth)?
                    .map(|word| Operator::Trim(end, size, word))
            }
            Some(b'/') => self.replacement(depth)?,
            Some(sign @ (b'^' | b',')) => {
                let twice = self.take(if sign == b'^' { "^" } else { "," });
                let extent = if twice {
                    Extent::AllLetters
                } else {
                    Extent::FirstLetter
                };
                let case = if sign == b'^' {
                    Case::Upper
                } else {
                    Case::Lower
                };
                self.take("}").then_some(Operator::Case(case, extent))
            }
            _ => None,
        };
        Ok(operator)
    }

    fn slice(&mut self) -> Option<Operator<'a>> {
        let offset = self.number()?;
        let length = if self.take(":") {
            Some(self.number()?)
        } else {
            None
        };
        self.take("}").then_some(Operator::Slice(offset, length))
    }

    fn number(&mut self) -> Option<i64> {
        // Of a long run of digits no more than an i64 can hold is read.
        let rest = self.text.as_bytes()[self.at..].iter().take(24);
        let end = rest
            .take_while(|byte| b"-0123456789 ".contains(byte))
            .count();
        let digits = self.text[self.at..self.at + end].trim();
        self.at += end;
        digits.parse().ok()
    }

    fn replacement(&mut self, depth: usize) -> Result<Option<Operator<'a>>, Fault> {
        let place = match self.peek() {
            Some(b'/') => Place::All,
            Some(b'#') => Place::At(End::Front),
            Some(b'%') => Place::At(End::Back),
            _ => Place::First,
        };
        if place != Place::First {
            self.at += 1;
        }
        let Some(old) = self.word(Until::Slash, depth)? else {
            return Ok(None);
        };
        let new = if self.text.as_bytes()[self.at - 1] == b'/' {
            self.word(Until::BraceAfterSlash, depth)?
        } else {
            Some(Vec::new())
        };
        Ok(new.map(|new| Operator::Replace(place, old, new)))
    }

    /// The text up to what ends it, which is passed; nothing where the end is missing.
    fn word(&mut self, until: Until, depth: usize) -> Result<Option<Word<'a>>, Fault> {
        let mut parts = Vec::new();
        let mut start = self.at;
        loop {
            let Some(byte) = self.peek() else {
                return Ok(None);
            };
            self.spend(1)?;
            let rest = &self.text.as_bytes()[self.at..];
            match byte {
                b'}' => {
                    push_text(&mut parts, &self.text[start..self.at]);
                    self.at += 1;
                    return Ok(Some(parts));
                }
                b'/' if until == Until::Slash => {
                    push_text(&mut parts, &self.text[start..self.at]);
                    self.at += 1;
                    return Ok(Some(parts));
                }
                b'\\'
                    if until != Until::Brace
                        && (rest.starts_with(b"\\/") || rest.starts_with(b"\\\\")) =>
                {
                    push_text(&mut parts, &self.text[start..self.at]);
                    start = self.at + 1;
                    self.at += 2;
                }
                b'$' if rest.starts_with(b"$${") => {
                    push_text(&mut parts, &self.text[start..self.at]);
                    start = self.at + 1;
                    if !self.pass_brace()? {
                        return Ok(None);
                    }
                }
                b'$' if rest.starts_with(b"${") => {
                    let at = self.at;
                    if let Some(expression) = self.expression(depth + 1)? {
                        push_text(&mut parts, &self.text[start..at]);
                        parts.push(Part::Variable(expression));
                        start = self.at;
                    } else {
                        self.at = at;
                        if !self.pass_brace()? {
                            return Ok(None);
                        }
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Goes behind the next closing brace; false where there is none.
    fn pass_brace(&mut self) -> Result<bool, Fault> {
        let found = self.text[self.at..].find('}');
        self.spend(found.unwrap_or(self.text.len() - self.at))?;
        if let Some(found) = found {
            self.at += found + 1;
        }
        Ok(found.is_some())
    }
}
