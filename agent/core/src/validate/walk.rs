//! Compares one object with the nodes of its kind.

use serde_json::Value;

use super::similar::similar;
use super::{DEEPEST, Finding, Id, MOST_FINDINGS, Node, Object, Schema, Types, Unknown};
use crate::reason::Reason;

/// Most characters of a field's name in a message or pointer.
const MOST_NAME: usize = 100;

struct Walk<'a> {
    schema: &'a Schema,
    pointer: String,
    findings: Vec<Finding>,
}

pub(super) fn check(schema: &Schema, root: Id, object: &Value) -> Vec<Finding> {
    let mut walk = Walk {
        schema,
        pointer: String::new(),
        findings: Vec::new(),
    };
    walk.value(root, object, 0);
    walk.findings
}

impl Walk<'_> {
    fn value(&mut self, id: Id, value: &Value, depth: usize) {
        // A null is a field that is not set.
        if value.is_null() || depth > DEEPEST || self.findings.len() >= MOST_FINDINGS {
            return;
        }
        let schema = self.schema;
        match schema.node(id) {
            Node::Anything | Node::Same(_) => {}
            Node::Scalar { types, allowed } => {
                if !types.hold(value) {
                    let quote = value.is_number() || value.is_boolean();
                    let hint = if *types == Types::TEXT && quote {
                        "; quote it"
                    } else {
                        ""
                    };
                    let what = format!("is {}, {} is wanted{hint}", kind_of(value), types.words());
                    self.add(Reason::FieldType, what);
                } else if let Value::String(text) = value
                    && !allowed.is_empty()
                    && !allowed.iter().any(|word| **word == **text)
                {
                    let words: Vec<String> = allowed
                        .iter()
                        .filter(|word| !word.is_empty())
                        .take(20)
                        .map(|word| format!("`{word}`"))
                        .collect();
                    let what = format!("is not one of {}", words.join(", "));
                    self.add(Reason::FieldType, what);
                }
            }
            Node::List(item) => {
                let Value::Array(items) = value else {
                    return self.wrong(value, "a list");
                };
                for (index, value) in items.iter().enumerate() {
                    self.inside(&index.to_string(), |walk| {
                        walk.value(*item, value, depth + 1);
                    });
                }
            }
            Node::Map(values) => {
                let Value::Object(entries) = value else {
                    return self.wrong(value, "a map");
                };
                for (name, value) in entries {
                    self.inside(name, |walk| walk.value(*values, value, depth + 1));
                }
            }
            Node::Object(object) => self.object(object, value, depth),
        }
    }

    fn object(&mut self, object: &Object, value: &Value, depth: usize) {
        let Value::Object(fields) = value else {
            return self.wrong(value, "a map");
        };
        for (name, value) in fields {
            if depth == 0 && name == "status" {
                continue;
            }
            let found = object
                .fields
                .binary_search_by(|(known, _)| (**known).cmp(name.as_str()));
            match found {
                Ok(at) => {
                    let id = object.fields[at].1;
                    self.inside(name, |walk| walk.value(id, value, depth + 1));
                }
                Err(_) if object.unknown == Unknown::Kept => {}
                // Without a value there is nothing to refuse.
                Err(_) if value.is_null() => {}
                Err(_) => {
                    let known = object.fields.iter().map(|(name, _)| &**name);
                    let meant = similar(name, known);
                    let hint = meant.map(|meant| format!("; did you mean `{meant}`?"));
                    let what = format!("is not a known field{}", hint.unwrap_or_default());
                    self.inside(name, |walk| walk.add(Reason::UnknownField, what));
                }
            }
        }
        for name in object.required.iter() {
            let missing = fields.get(&**name).is_none_or(Value::is_null);
            if missing && !(depth == 0 && &**name == "status") {
                let what = "is missing, and it must be there".to_owned();
                self.inside(name, |walk| walk.add(Reason::RequiredField, what));
            }
        }
    }

    fn inside(&mut self, name: &str, look: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        self.pointer.push('/');
        for character in name.chars().take(MOST_NAME) {
            match character {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                other => self.pointer.push(other),
            }
        }
        look(self);
        self.pointer.truncate(length);
    }

    fn wrong(&mut self, value: &Value, wanted: &str) {
        let what = format!("is {}, {wanted} is wanted", kind_of(value));
        self.add(Reason::FieldType, what);
    }

    fn add(&mut self, reason: Reason, what: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding {
                reason,
                pointer: self.pointer.clone(),
                what,
            });
        }
    }
}

impl Types {
    fn hold(self, value: &Value) -> bool {
        match value {
            Value::String(_) => self.has(Self::TEXT),
            Value::Bool(_) => self.has(Self::BOOLEAN),
            Value::Number(number) => {
                let whole =
                    || !number.is_f64() || number.as_f64().is_some_and(|f| f.fract() == 0.0);
                self.has(Self::NUMBER) || (self.has(Self::INTEGER) && whole())
            }
            _ => false,
        }
    }

    fn words(self) -> String {
        let mut words = Vec::new();
        for (types, word) in [
            (Self::TEXT, "text"),
            (Self::INTEGER, "a whole number"),
            (Self::NUMBER, "a number"),
            (Self::BOOLEAN, "true or false"),
        ] {
            if self.has(types) {
                words.push(word);
            }
        }
        words.join(" or ")
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
