//! JSON as leaves with the bytes that each stands in.

use std::ops::Range;

use serde_json::Value;

use super::SopsError;
use super::leaf::{Content, Cut, CutKind, DEPTH_LIMIT, Leaf, Parsed, Path, member};
use super::scalar;

/// Reads a JSON object with the metadata of SOPS.
pub(super) fn parse(text: &str) -> Result<Parsed, SopsError> {
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        counted: 0,
        path: Path::default(),
        parsed: Parsed {
            documents: 1,
            ..Parsed::default()
        },
    };
    reader.spaces();
    if reader.peek() != Some(b'{') {
        return Err(reader.wrong());
    }
    reader.object(0)?;
    reader.spaces();
    if reader.at != text.len() {
        return Err(reader.wrong());
    }
    Ok(reader.parsed)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Up to where line ends are counted.
    counted: usize,
    path: Path,
    parsed: Parsed,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn line(&mut self) -> usize {
        let passed = &self.text.as_bytes()[self.counted..self.at];
        self.line += passed.split(|&b| b == b'\n').count() - 1;
        self.counted = self.at;
        self.line
    }

    fn wrong(&mut self) -> SopsError {
        let line = self.line();
        SopsError::format("the file is not a JSON object").at(line)
    }

    /// Takes the byte, with white space before and after it.
    fn take(&mut self, byte: u8) -> Result<bool, SopsError> {
        self.spaces();
        let taken = self.peek() == Some(byte);
        if taken {
            self.at += 1;
            self.spaces();
        }
        if self.at == self.text.len() && !taken {
            return Err(self.wrong());
        }
        Ok(taken)
    }

    fn expect(&mut self, byte: u8) -> Result<(), SopsError> {
        if self.take(byte)? {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), SopsError> {
        self.expect(b'{')?;
        if self.close(b'}') {
            return Ok(());
        }
        loop {
            let start = self.at;
            let key = self.string()?;
            self.expect(b':')?;
            if depth == 0 && key == "sops" {
                self.metadata(start)?;
            } else {
                self.path = self.path.child(key);
                self.value(depth + 1)?;
                self.path = self.path.parent();
            }
            if !self.take(b',')? {
                break;
            }
        }
        if self.close(b'}') {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// Takes a closing bracket, and no space behind it.
    fn close(&mut self, byte: u8) -> bool {
        self.spaces();
        let closed = self.peek() == Some(byte);
        self.at += usize::from(closed);
        closed
    }

    fn metadata(&mut self, start: usize) -> Result<(), SopsError> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter();
        let Some(Ok(value)) = values.next() else {
            return Err(self.wrong());
        };
        self.at += values.byte_offset();
        self.parsed.metadata = value;
        self.parsed.cuts.push(Cut {
            bytes: member(self.text, start..self.at),
            kind: CutKind::Blank,
        });
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), SopsError> {
        if depth > DEPTH_LIMIT {
            let line = self.line();
            return Err(SopsError::format("the file is nested too deep").at(line));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => {
                self.expect(b'[')?;
                if self.close(b']') {
                    return Ok(());
                }
                loop {
                    self.value(depth + 1)?;
                    if !self.take(b',')? {
                        break;
                    }
                }
                if self.close(b']') {
                    Ok(())
                } else {
                    Err(self.wrong())
                }
            }
            _ => {
                let start = self.at;
                let line = self.line();
                let content = self.scalar()?;
                self.parsed.push(Leaf {
                    path: self.path.clone(),
                    line,
                    bytes: Some(start..self.at),
                    content,
                    // Comments do not live in JSON.
                    list: None,
                })
            }
        }
    }

    fn scalar(&mut self) -> Result<Content, SopsError> {
        if self.peek() == Some(b'"') {
            return Ok(Content::Text(self.string()?.into_bytes()));
        }
        let bytes = self.text.as_bytes();
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let end = self.at + bytes[self.at..].iter().take_while(|b| is_word(b)).count();
        let word = &self.text[self.at..end];
        let content = match serde_json::from_str(word) {
            Ok(Value::Null) => Content::Null,
            Ok(Value::Bool(value)) => Content::Other(scalar::boolean_text(value).into()),
            Ok(Value::Number(number)) => Content::Other(match number.as_i64() {
                Some(number) => number.to_string(),
                // To the last digit, which a `Number` may not have.
                None => scalar::float_text(word.parse().unwrap_or(f64::NAN)),
            }),
            _ => return Err(self.wrong()),
        };
        self.at = end;
        Ok(content)
    }

    fn string(&mut self) -> Result<String, SopsError> {
        let bytes: Range<usize> = self.at..self.text.len();
        let mut escaped = false;
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        let length = self.text.as_bytes()[bytes.clone()]
            .iter()
            .skip(1)
            .position(|&b| {
                let ends = b == b'"' && !escaped;
                escaped = b == b'\\' && !escaped;
                ends
            });
        let Some(length) = length else {
            return Err(self.wrong());
        };
        let end = self.at + length + 2;
        match serde_json::from_str(&self.text[self.at..end]) {
            Ok(text) => {
                self.at = end;
                Ok(text)
            }
            Err(_) => Err(self.wrong()),
        }
    }
}
