//! Puts the values of variables into the strings of an object: `${NAME}` and the operators of
//! envsubst.
//!
//! ```text
//!  string ── expression ──> parts ── evaluate ──> string ── scalar ──> number, boolean or null,
//!            (parsed once)           (bounded)              where it was written plain
//! ```
//!
//! Only values are looked at, never the keys of maps. What is put in is not looked at again, so no
//! value can bring in another variable. `$NAME` without braces is text, and so is everything after
//! `${` that is not a name with one of the operators: `${foo.bar}`, `${}`, `$(NAME)`. `$${` is a
//! literal `${`. No message holds a value.

mod evaluate;
mod expression;
mod glob;
mod scalar;

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use self::evaluate::{Evaluation, Fault};
use crate::names;
use crate::object::Origin;
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::redacted::Redacted;

/// What is done with a variable that has no value and no default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Undeclared {
    /// It is a failure.
    Error,
    /// The text stays as it is.
    Keep,
}

/// Most bytes of one string after its variables were replaced.
pub const MOST_SCALAR_BYTES: usize = 1024 * 1024;
/// Most bytes of all strings of an object in which variables were replaced.
pub const MOST_OBJECT_BYTES: usize = 4 * 1024 * 1024;
/// Most steps for one object: about one for each character that is read, compared or written.
pub const MOST_STEPS: usize = 64 * 1024 * 1024;
/// How deep expressions may stand inside each other.
pub const DEEPEST: usize = 16;

/// Replaces the variables in all strings of an object.
///
/// `plain` are the JSON pointers of the scalars that were written without quotes and are exactly one
/// expression: where the outcome of one reads as a number, a boolean or null in YAML 1.1, it becomes
/// that. Every other string stays a string. Without `undeclared` names that have no value are kept
/// inside `data`, `binaryData` and `stringData` of ConfigMaps and Secrets, and are failures
/// everywhere else.
///
/// Left alone: objects with the annotation or label [`names::SUBSTITUTE`] (or that of Flux) set to
/// `disabled`, and CustomResourceDefinitions. The items of a `List` are objects of their own.
///
/// Fails with every variable that is missing, with file and line, the JSON pointer and the name; the
/// object is of no use then.
pub fn substitute(
    value: &mut Value,
    plain: &[String],
    origin: &Origin,
    variables: &BTreeMap<String, Redacted>,
    undeclared: Option<Undeclared>,
) -> Result<(), Vec<Failure>> {
    let mut walk = Walk {
        plain: plain.iter().map(String::as_str).collect(),
        origin,
        evaluation: Evaluation::new(variables),
        undeclared,
        pointer: String::new(),
        failures: Vec::new(),
    };
    walk.object(value);
    if walk.failures.is_empty() {
        Ok(())
    } else {
        Err(walk.failures)
    }
}

/// The text as an author writes it so that nothing in it is a variable: `${` becomes `$${`.
pub fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

struct Walk<'a> {
    plain: HashSet<&'a str>,
    origin: &'a Origin,
    evaluation: Evaluation<'a>,
    undeclared: Option<Undeclared>,
    pointer: String,
    failures: Vec<Failure>,
}

/// What one object asks for.
#[derive(Clone, Copy)]
struct Rules {
    /// For all but the fields below.
    undeclared: Undeclared,
    /// For `data`, `binaryData` and `stringData` of ConfigMaps and Secrets.
    in_data: Option<Undeclared>,
    words: Words,
}

/// Whether what an author wrote may be quoted in a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Shown,
    /// The object is a Secret.
    Hidden,
}

impl Walk<'_> {
    fn object(&mut self, object: &mut Value) {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if kind.ends_with("List")
            && object["metadata"]["name"].is_null()
            && let Some(Value::Array(items)) = object.get_mut("items")
        {
            for (index, item) in items.iter_mut().enumerate() {
                let length = self.enter("items");
                self.enter(&index.to_string());
                self.object(item);
                self.pointer.truncate(length);
            }
            return;
        }
        let definition =
            kind == "CustomResourceDefinition" && api_version.starts_with("apiextensions.k8s.io/");
        if definition || is_disabled(object) {
            return;
        }
        let data = api_version == "v1" && matches!(kind.as_str(), "ConfigMap" | "Secret");
        let rules = Rules {
            undeclared: self.undeclared.unwrap_or(Undeclared::Error),
            in_data: (data && self.undeclared.is_none()).then_some(Undeclared::Keep),
            words: if data && kind == "Secret" {
                Words::Hidden
            } else {
                Words::Shown
            },
        };
        let Value::Object(fields) = object else {
            return;
        };
        for (name, field) in fields {
            let mut rules = rules;
            if let Some(in_data) = rules.in_data
                && matches!(name.as_str(), "data" | "binaryData" | "stringData")
            {
                rules.undeclared = in_data;
            }
            let length = self.enter(name);
            self.value(field, rules);
            self.pointer.truncate(length);
        }
    }

    fn value(&mut self, value: &mut Value, rules: Rules) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let length = self.enter(name);
                    self.value(field, rules);
                    self.pointer.truncate(length);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let length = self.enter(&index.to_string());
                    self.value(item, rules);
                    self.pointer.truncate(length);
                }
            }
            Value::String(text) if text.contains("${") => {
                let made = self.evaluation.string(text, rules.undeclared);
                match made {
                    Ok(made) => {
                        let plain = made.single && self.plain.contains(self.pointer.as_str());
                        *value = plain
                            .then(|| scalar::typed(&made.text))
                            .flatten()
                            .unwrap_or(Value::String(made.text));
                    }
                    Err(faults) => {
                        for fault in &faults {
                            self.fail(fault, rules.words);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// Goes into a field or item; answers what the pointer is to be cut back to.
    fn enter(&mut self, name: &str) -> usize {
        let length = self.pointer.len();
        self.pointer.push('/');
        for character in name.chars() {
            match character {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                other => self.pointer.push(other),
            }
        }
        length
    }

    fn fail(&mut self, fault: &Fault, words: Words) {
        let reason = match fault {
            Fault::Undeclared(_) | Fault::Required { .. } => Reason::UndeclaredVariable,
            Fault::TooLong | Fault::TooMuch | Fault::TooDeep => Reason::SubstituteFailed,
        };
        let what = match fault {
            Fault::Undeclared(name) => format!("the variable `{name}` has no value"),
            Fault::Required { name, message } if words == Words::Shown && !message.is_empty() => {
                format!("the variable `{name}` has no value: {message}")
            }
            Fault::Required { name, .. } => {
                format!("the variable `{name}` has no value, and it must have one")
            }
            Fault::TooLong => format!(
                "the text has more than {MOST_SCALAR_BYTES} bytes with the values of its \
                 variables, or all texts of the object have more than {MOST_OBJECT_BYTES}"
            ),
            Fault::TooMuch => "the variables of the object take too long to replace".to_owned(),
            Fault::TooDeep => format!("more than {DEEPEST} variables stand inside each other"),
        };
        let detail = format!("{}: {}: {what}", self.origin, self.pointer);
        self.failures.push(Failure { reason, detail });
    }
}

/// Whether an annotation or a label of the object asks to leave it alone.
fn is_disabled(object: &Value) -> bool {
    ["annotations", "labels"].iter().any(|field| {
        let marks = &object["metadata"][field];
        [names::SUBSTITUTE, names::FLUX_SUBSTITUTE]
            .iter()
            .any(|name| {
                let word = marks[name].as_str().unwrap_or_default();
                word.eq_ignore_ascii_case("disabled")
            })
    })
}

#[cfg(test)]
mod tests;
