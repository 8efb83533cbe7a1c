//! Shell patterns that match the beginning or the end of a text: `*`, `?`, `[a-z]`, `[!a-z]`, `\x`.

use super::expression::Size;

enum Token {
    Character(char),
    Any,
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern. It is matched in one pass over the text, so that no pattern can take long.
pub(super) struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// Reads a pattern; a `[` without its end is a character.
    pub(super) fn new(pattern: &str) -> Self {
        let characters: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(character) = characters.get(at).copied() {
            at += 1;
            let token = match character {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => match characters.get(at) {
                    Some(escaped) => {
                        at += 1;
                        Token::Character(*escaped)
                    }
                    None => Token::Character('\\'),
                },
                '[' => match class(&characters[at..]) {
                    Some((class, length)) => {
                        at += length;
                        class
                    }
                    None => Token::Character('['),
                },
                other => Token::Character(other),
            };
            // `**` matches what `*` matches.
            if !matches!((&token, tokens.last()), (Token::Star, Some(Token::Star))) {
                tokens.push(token);
            }
        }
        Self { tokens }
    }

    /// What one character of the text costs at most.
    pub(super) fn cost(&self) -> usize {
        let ranges = |token: &Token| match token {
            Token::Class { ranges, .. } => 1 + ranges.len(),
            _ => 1,
        };
        1 + self.tokens.iter().map(ranges).sum::<usize>()
    }

    /// Bytes at the front of the text that the pattern matches; 0 where it matches nothing there.
    pub(super) fn front(&self, text: &str, size: Size) -> usize {
        let order: Vec<&Token> = self.tokens.iter().collect();
        matched(&order, text.chars(), size)
    }

    /// Bytes at the back of the text that the pattern matches; 0 where it matches nothing there.
    pub(super) fn back(&self, text: &str, size: Size) -> usize {
        let order: Vec<&Token> = self.tokens.iter().rev().collect();
        matched(&order, text.chars().rev(), size)
    }
}

/// All places of the pattern that can be reached are kept at once.
fn matched(tokens: &[&Token], text: impl Iterator<Item = char>, size: Size) -> usize {
    let end = tokens.len();
    let mut reached = vec![false; end + 1];
    let mut next = reached.clone();
    reached[0] = true;
    let mut length = 0;
    let mut best = 0;
    let mut characters = text;
    loop {
        for at in 0..end {
            if reached[at] && matches!(tokens[at], Token::Star) {
                reached[at + 1] = true;
            }
        }
        if reached[end] {
            best = length;
            if size == Size::Shortest {
                return best;
            }
        }
        let Some(character) = characters.next() else {
            return best;
        };
        length += character.len_utf8();
        next.fill(false);
        for at in 0..end {
            if !reached[at] {
                continue;
            }
            match tokens[at] {
                Token::Star => next[at] = true,
                token if token.matches(character) => next[at + 1] = true,
                _ => {}
            }
        }
        std::mem::swap(&mut reached, &mut next);
        if !reached.contains(&true) {
            return best;
        }
    }
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Character(own) => *own == character,
            Self::Any | Self::Star => true,
            Self::Class { negated, ranges } => {
                let inside = ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&character));
                inside != *negated
            }
        }
    }
}

/// The class that begins behind `[`, and how many characters it takes.
fn class(rest: &[char]) -> Option<(Token, usize)> {
    let mut at = 0;
    let negated = matches!(rest.first(), Some('!' | '^'));
    if negated {
        at += 1;
    }
    let mut ranges = Vec::new();
    loop {
        let mut character = *rest.get(at)?;
        at += 1;
        // A `]` that comes first is a character.
        if character == ']' && !ranges.is_empty() {
            return Some((Token::Class { negated, ranges }, at));
        }
        if character == '\\' {
            character = *rest.get(at)?;
            at += 1;
        }
        let last = match (rest.get(at), rest.get(at + 1)) {
            (Some('-'), Some(last)) if *last != ']' => {
                at += 2;
                *last
            }
            _ => character,
        };
        ranges.push((character, last));
    }
}
