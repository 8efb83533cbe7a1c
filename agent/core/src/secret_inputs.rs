//! The secrets that went into a render, to be hidden wherever its outcome is shown.
//!
//! A Helm value from a Secret, or a variable that a Secret holds, can come out in any field of any
//! object: in the arguments of a container, in a ConfigMap, as a part of a longer text, or encoded.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use serde_json::{Map, Value};

use crate::redacted::Redacted;

/// What stands where a secret stood.
pub const MASK: &str = "***";
/// Fewest characters of a secret that is looked for: shorter ones would hide half of every text and
/// can be guessed anyway.
pub const FEWEST_CHARACTERS: usize = 4;
/// Numbers of up to so many digits are not looked for: ports, counts, years.
const SMALL_NUMBER_DIGITS: usize = 5;
/// Fewest characters of one line of a secret of several lines that is looked for by itself.
const FEWEST_IN_LINE: usize = 12;

/// The secret strings of a render, and what they look like encoded.
#[derive(Default)]
pub struct SecretInputs {
    forms: BTreeSet<Redacted>,
    /// Built when it is first asked, and anew after each addition.
    search: OnceLock<Option<AhoCorasick>>,
}

impl SecretInputs {
    /// Adds a secret. Left out are those that would hide everything: shorter than
    /// [`FEWEST_CHARACTERS`], the words `true`, `false` and `null`, numbers of up to five digits.
    ///
    /// It is found as it is, without white space around it, with its lines apart (an indented
    /// key), escaped as in JSON, and in base64 also as a part of a longer text.
    pub fn add(&mut self, secret: &Redacted) {
        let whole = secret.expose();
        let before = self.forms.len();
        self.add_text(whole);
        self.add_text(whole.trim());
        if whole.trim().contains('\n') {
            for line in whole.lines().map(str::trim) {
                if line.chars().count() >= FEWEST_IN_LINE {
                    self.add_text(line);
                }
            }
        }
        if self.forms.len() != before {
            self.search = OnceLock::new();
        }
    }

    /// Adds all secrets of another render.
    pub fn extend(&mut self, others: &Self) {
        self.forms.extend(others.forms.iter().cloned());
        self.search = OnceLock::new();
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Whether the text contains one of the secrets.
    pub fn is_in(&self, text: &str) -> bool {
        self.search().is_some_and(|search| search.is_match(text))
    }

    /// The text with `***` in place of each secret.
    pub fn mask_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(search) = self.search() else {
            return Cow::Borrowed(text);
        };
        // Secrets may overlap; what touches becomes one mask, so that nothing can be counted.
        let mut hidden: Vec<(usize, usize)> = Vec::new();
        for found in search.find_overlapping_iter(text) {
            let mut start = found.start();
            while let Some((earlier, _)) = hidden.pop_if(|(_, end)| *end >= start) {
                start = start.min(earlier);
            }
            hidden.push((start, found.end()));
        }
        if hidden.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in hidden {
            masked.push_str(&text[at..start]);
            masked.push_str(MASK);
            at = end;
        }
        masked.push_str(&text[at..]);
        Cow::Owned(masked)
    }

    /// The value with `***` in place of each scalar that contains a secret; keys of maps are masked
    /// like texts.
    pub fn mask_value(&self, value: &Value) -> Value {
        self.replace(value, &|_| MASK.to_owned())
    }

    /// The value with another text in place of each scalar, and of each key, that contains a secret.
    fn replace(&self, value: &Value, with: &dyn Fn(&str) -> String) -> Value {
        if self.is_empty() {
            return value.clone();
        }
        match value {
            Value::Object(fields) => {
                let mut replaced = Map::new();
                for (name, field) in fields {
                    let name = if self.is_in(name) {
                        with(name)
                    } else {
                        name.clone()
                    };
                    replaced.insert(name, self.replace(field, with));
                }
                Value::Object(replaced)
            }
            Value::Array(items) => items.iter().map(|item| self.replace(item, with)).collect(),
            Value::String(text) if self.is_in(text) => with(text).into(),
            Value::Number(number) if self.is_in(&number.to_string()) => {
                with(&number.to_string()).into()
            }
            other => other.clone(),
        }
    }

    fn add_text(&mut self, text: &str) {
        if is_common(text) {
            return;
        }
        let mut forms = encoded(text);
        // As it stands in a JSON document that is one string of an object.
        let json = Value::from(text).to_string();
        let json = json[1..json.len() - 1].to_owned();
        if json != text {
            forms.push(json);
        }
        forms.push(text.to_owned());
        self.forms.extend(forms.into_iter().map(Redacted::new));
    }

    fn search(&self) -> Option<&AhoCorasick> {
        let build = || {
            if self.forms.is_empty() {
                return None;
            }
            let forms = self.forms.iter().map(Redacted::expose);
            let mut builder = AhoCorasick::builder();
            builder.match_kind(MatchKind::Standard);
            // It fails beyond 2^31 states: gigabytes of secrets, which no render can hold.
            Some(builder.build(forms).expect("the secrets fit in memory"))
        };
        self.search.get_or_init(build).as_ref()
    }
}

impl Clone for SecretInputs {
    fn clone(&self) -> Self {
        Self {
            forms: self.forms.clone(),
            search: OnceLock::new(),
        }
    }
}

impl PartialEq for SecretInputs {
    fn eq(&self, other: &Self) -> bool {
        self.forms == other.forms
    }
}

impl Eq for SecretInputs {}

impl fmt::Debug for SecretInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretInputs({} forms)", self.forms.len())
    }
}

/// Whether the text is nothing that could be called a secret.
fn is_common(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    text.chars().count() < FEWEST_CHARACTERS
        || matches!(word.as_str(), "true" | "false" | "null" | "none")
        || (text.len() <= SMALL_NUMBER_DIGITS && text.bytes().all(|b| b.is_ascii_digit()))
}

/// What base64 makes of the text wherever it begins in what is encoded: the characters that depend
/// on nothing else, in both alphabets.
fn encoded(text: &str) -> Vec<String> {
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD;
    let url = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let padded = base64::engine::general_purpose::STANDARD.encode(text);
    let mut forms = vec![padded];
    for offset in 0..3 {
        let bytes = [&vec![0; offset], text.as_bytes()].concat();
        let first = (offset * 8).div_ceil(6);
        let last = bytes.len() * 8 / 6;
        for whole in [standard.encode(&bytes), url.encode(&bytes)] {
            forms.push(whole[first..last].to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests;
