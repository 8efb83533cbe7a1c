//! The filter language of the list of applications: words and `key:value` terms, all of which must
//! hold. Reading it points at the place of every mistake; see `docs/web-ui.md`.

mod key;
mod matching;
mod pattern;

use pattern::Pattern;

pub use key::Key;

/// The longest text that is read, in characters.
const LONGEST: usize = 1000;
/// The most terms that are read.
const MOST_TERMS: usize = 40;

/// What is looked for. An empty one finds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What must hold, in the order of the text.
    pub terms: Vec<Term>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Where it is in the text.
    pub span: Span,
    /// Whether it must not hold: it begins with `-`.
    pub negated: bool,
    /// What is compared; `None` for a word, which may be anywhere.
    pub key: Option<Key>,
    /// One of them must fit. None while the term is still being typed: then it hides nothing.
    values: Vec<Value>,
}

/// A part of a text, in characters from 0, `to` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first character.
    pub from: usize,
    /// The one after the last.
    pub to: usize,
}

/// What a term compares with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    pattern: Pattern,
    /// What follows the `=` of a label.
    equals: Option<Pattern>,
}

/// Why a filter cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct FilterError {
    /// The part of the text that is wrong.
    pub span: Span,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A key that does not exist.
    #[error(
        "`{key}` is no key; put the term in quotes to look for it as text. Keys are {}",
        Key::list()
    )]
    UnknownKey {
        /// What stands before the colon.
        key: String,
    },
    /// A value that the key cannot have.
    #[error("`{value}` is no value of `{key}`; one of {}", key.words().join(", "))]
    UnknownValue {
        /// The key.
        key: Key,
        /// The value.
        value: String,
    },
    /// A quote that does not end.
    #[error("the quote does not end")]
    OpenQuote,
    /// It has too many characters.
    #[error("the filter is longer than {LONGEST} characters")]
    TooLong,
    /// It has too many terms.
    #[error("the filter has more than {MOST_TERMS} terms")]
    TooManyTerms,
}

impl Filter {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let characters: Vec<char> = text.chars().collect();
        if characters.len() > LONGEST {
            let span = Span {
                from: LONGEST,
                to: characters.len(),
            };
            return Err(Problem::TooLong.at(span));
        }
        let mut reader = Reader {
            characters,
            next: 0,
        };
        let mut terms = Vec::new();
        while let Some(term) = reader.term()? {
            if terms.len() == MOST_TERMS {
                return Err(Problem::TooManyTerms.at(term.span));
            }
            terms.push(term);
        }
        Ok(Self { terms })
    }
}

impl Problem {
    fn at(self, span: Span) -> FilterError {
        FilterError {
            span,
            problem: self,
        }
    }
}

/// A part of a value, with what of it was quoted.
struct Part {
    span: Span,
    text: String,
    is_quoted: bool,
}

struct Reader {
    characters: Vec<char>,
    next: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.next).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.next += usize::from(is_there);
        is_there
    }

    fn term(&mut self) -> Result<Option<Term>, FilterError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
        let from = self.next;
        if self.peek().is_none() {
            return Ok(None);
        }
        let negated = self.take('-');
        let key = self.key()?;
        let mut values = Vec::new();
        loop {
            let part = self.part(key.is_some())?;
            let is_empty = part.text.is_empty() && !part.is_quoted;
            if !is_empty {
                values.push(value(key, part)?);
            }
            if key.is_none() || !self.take(',') {
                break;
            }
        }
        let span = Span {
            from,
            to: self.next,
        };
        Ok(Some(Term {
            span,
            negated,
            key,
            values,
        }))
    }

    /// The key before a colon, where there is one. A colon at the start is part of a word.
    fn key(&mut self) -> Result<Option<Key>, FilterError> {
        let rest = &self.characters[self.next..];
        let letters = rest.iter().take_while(|c| c.is_ascii_alphabetic()).count();
        if letters == 0 || rest.get(letters) != Some(&':') {
            return Ok(None);
        }
        let name: String = rest[..letters].iter().collect();
        let span = Span {
            from: self.next,
            to: self.next + letters,
        };
        self.next += letters + 1;
        let key = Key::parse(&name.to_lowercase());
        key.map(Some)
            .ok_or_else(|| Problem::UnknownKey { key: name }.at(span))
    }

    /// Up to a space, or a comma where that divides values.
    fn part(&mut self, commas_divide: bool) -> Result<Part, FilterError> {
        let from = self.next;
        let (mut text, mut is_quoted) = (String::new(), false);
        while let Some(character) = self.peek() {
            match character {
                '"' => {
                    is_quoted = true;
                    self.quote(&mut text)?;
                }
                ',' if commas_divide => break,
                _ if character.is_whitespace() => break,
                _ => {
                    text.push(character);
                    self.next += 1;
                }
            }
        }
        let span = Span {
            from,
            to: self.next,
        };
        Ok(Part {
            span,
            text,
            is_quoted,
        })
    }

    fn quote(&mut self, text: &mut String) -> Result<(), FilterError> {
        let from = self.next;
        self.next += 1;
        loop {
            match self.peek() {
                None => {
                    let span = Span {
                        from,
                        to: self.next,
                    };
                    return Err(Problem::OpenQuote.at(span));
                }
                Some(character) => {
                    self.next += 1;
                    if character == '"' {
                        return Ok(());
                    }
                    text.push(character);
                }
            }
        }
    }
}

fn value(key: Option<Key>, part: Part) -> Result<Value, FilterError> {
    let (text, equals) = match (key, part.text.split_once('=')) {
        (Some(Key::Label), Some((name, value))) => (name, Some(Pattern::whole(value))),
        _ => (part.text.as_str(), None),
    };
    let pattern = match key {
        None => Pattern::inside(text),
        Some(key) => key.pattern(text),
    };
    if let Some(key) = key.filter(|key| !key.words().is_empty())
        && !key.words().iter().any(|word| pattern.fits(word))
    {
        let value = text.to_owned();
        return Err(Problem::UnknownValue { key, value }.at(part.span));
    }
    Ok(Value { pattern, equals })
}

#[cfg(test)]
mod tests;
