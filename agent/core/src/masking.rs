//! Masking: from an object to what of it may be kept and shown.
//!
//! [`Masked`] can be made here and nowhere else, so that history and API, which take nothing else,
//! cannot be given a value that nobody looked at.
//!
//! ```text
//! Body + rules + secrets of the render -> Masked<Value> -> text, list of changes
//! ```

mod rules;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::manifest::{Body, text};
use crate::names;
use crate::owner::applied_hash;
use crate::record::{MaskedManifest, Name};
use crate::secret_inputs::SecretInputs;
use crate::url::replace_credentials;

pub use rules::{MASKED_NAMES, MASKED_PATHS, NotARule, Rules};

/// What `kubectl apply` leaves on an object: a copy of it, with all values.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What stands in every private key in PEM.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// Something in which every secret is masked: `(hidden, 1a2b3c4d)` stands in its place.
///
/// Only [`Masking`] makes one of an object. It is serialised as what it holds; reading one back is
/// for what was masked before it was stored or sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    /// Something that was made of masked values alone.
    pub(crate) fn derived(value: T) -> Self {
        Self(value)
    }

    /// What the store kept, which took in nothing but what was masked. For the store alone.
    pub fn read_back(kept: impl Into<T>) -> Self {
        Self(kept.into())
    }
}

impl Masked<Value> {
    /// The object as YAML with sorted keys, and the hash of that.
    pub fn manifest(&self) -> MaskedManifest {
        let text = text::document(&self.0);
        MaskedManifest {
            digest: Digest::from_hash(&Sha256::digest(text.as_bytes())),
            text: Masked(text.into()),
        }
    }
}

impl Deref for Masked<Value> {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Deref for Masked<String> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for Masked<Arc<str>> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Masked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Masks the objects of one application, or of one answer.
///
/// Equal values get equal masks from the same one. A mask is a keyed hash: without the key it tells
/// nothing of the value, and the masks of two applications cannot be compared.
#[derive(Clone, Copy, Debug)]
pub struct Masking<'a> {
    rules: &'a Rules,
    secrets: &'a SecretInputs,
    key: Digest,
}

impl<'a> Masking<'a> {
    /// For what is kept of an application: the same values have the same masks in all of its syncs.
    /// `key` is that of the installation, `secrets` what went into the renders that are compared.
    pub fn of_application(
        rules: &'a Rules,
        secrets: &'a SecretInputs,
        key: &[u8],
        application: &Name,
    ) -> Self {
        let key = applied_hash(key, &Value::from(format!("masks of {application}")));
        Self {
            rules,
            secrets,
            key,
        }
    }

    /// For one answer: `random` is used once, so that two answers cannot be compared.
    pub fn of_answer(rules: &'a Rules, secrets: &'a SecretInputs, random: &[u8]) -> Self {
        Self {
            rules,
            secrets,
            key: applied_hash(random, &Value::Null),
        }
    }

    /// The object without its secrets, and without the owner record and hash that are ours.
    ///
    /// Masked are the values of a Secret, its annotations, values of environment variables whose
    /// names look like secrets, the configured paths, private keys, user and password of a URL, and
    /// each scalar that contains a secret which went into the render.
    pub fn object(&self, body: &Body) -> Masked<Value> {
        let mut object = body.visible().clone();
        let is_secret = !body.secret().is_empty();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            without(metadata, "labels", &[names::LABEL_MANAGED]);
            let marks = [
                names::ANNOTATION_OWNER,
                names::ANNOTATION_APPLIED,
                LAST_APPLIED,
            ];
            without(metadata, "annotations", &marks);
            if is_secret && let Some(annotations) = metadata.get_mut("annotations") {
                self.hide(annotations);
            }
        }
        for steps in self.rules.paths_of(&object) {
            self.hide_at(&mut object, steps);
        }
        if object["kind"] == "ConfigMap"
            && let Some(data) = object.get_mut("data")
        {
            self.hide_variables(data, Names::OfVariables);
        }
        self.look_through(&mut object);
        if is_secret {
            let values = body.secret().iter();
            object["data"] = values
                .map(|(name, value)| (name.clone(), self.hidden(&decoded(value.expose())).into()))
                .collect::<Map<_, _>>()
                .into();
        }
        Masked(object)
    }

    /// Two states of one object. What is masked in one of them is masked in the other as well: the
    /// secret of an earlier render is not known any more.
    pub fn pair(&self, before: &Body, after: &Body) -> (Masked<Value>, Masked<Value>) {
        let (mut before, mut after) = (self.object(before).0, self.object(after).0);
        self.even_out(&before, &mut after);
        self.even_out(&after, &mut before);
        (Masked(before), Masked(after))
    }

    /// The mask of a value.
    fn hidden(&self, value: &str) -> String {
        let hash = applied_hash(self.key.as_bytes(), &Value::from(value)).to_string();
        format!("(hidden, {})", &hash[..8])
    }

    /// Masks every scalar of a value.
    fn hide(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|field| self.hide(field)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Null => {}
            Value::String(text) if is_mask(text) => {}
            Value::String(text) => *text = self.hidden(text),
            scalar => *scalar = self.hidden(&scalar.to_string()).into(),
        }
    }

    fn hide_at(&self, value: &mut Value, steps: &[String]) {
        let Some((step, rest)) = steps.split_first() else {
            return self.hide(value);
        };
        match value {
            Value::Object(fields) if step == "*" => {
                fields
                    .values_mut()
                    .for_each(|field| self.hide_at(field, rest));
            }
            Value::Object(fields) => {
                if let Some(field) = fields.get_mut(step) {
                    self.hide_at(field, rest);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let name = item.get("name").and_then(Value::as_str);
                    if step == "*" || name == Some(step) || step.parse() == Ok(index) {
                        self.hide_at(item, rest);
                    }
                }
            }
            _ => {}
        }
    }

    /// Masks environment variables, and every scalar that gives itself away.
    fn look_through(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                let keys = fields.keys().filter(|name| self.secrets.is_in(name));
                let keys: Vec<String> = keys.cloned().collect();
                for name in keys {
                    if let Some(field) = fields.remove(&name) {
                        fields.insert(self.hidden(&name), field);
                    }
                }
                for (name, field) in fields {
                    if name == "env" {
                        self.hide_variables(field, Names::Any);
                    }
                    self.look_through(field);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.look_through(item)),
            Value::String(text) if !is_mask(text) => {
                if self.secrets.is_in(text) || text.contains(PRIVATE_KEY) {
                    *text = self.hidden(text);
                } else if let Some(masked) = replace_credentials(text, &|who| self.hidden(who)) {
                    *text = masked;
                }
            }
            Value::Number(number) if self.secrets.is_in(&number.to_string()) => {
                *value = self.hidden(&number.to_string()).into();
            }
            _ => {}
        }
    }

    /// Masks the values of variables whose names look like secrets: a list of names and values, or a
    /// map.
    fn hide_variables(&self, variables: &mut Value, of: Names) {
        let is_secret = |name: &str| of.has(name) && self.rules.is_secret_name(name);
        match variables {
            Value::Array(items) => {
                for item in items {
                    let name = item.get("name").and_then(Value::as_str);
                    if name.is_some_and(is_secret)
                        && let Some(value) = item.get_mut("value")
                    {
                        self.hide(value);
                    }
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    // `valueFrom` names a place, and a map may hold such a thing as well.
                    if is_secret(name) && !value.is_object() && !value.is_array() {
                        self.hide(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Masks in `other` what is masked in `one`.
    fn even_out(&self, one: &Value, other: &mut Value) {
        match (one, other) {
            (Value::String(text), other)
                if has_mask(text) && other.as_str().is_none_or(|other| !has_mask(other)) =>
            {
                self.hide(other);
            }
            (Value::Object(one), Value::Object(other)) => {
                for (name, field) in other {
                    if let Some(one) = one.get(name) {
                        self.even_out(one, field);
                    }
                }
            }
            (Value::Array(one), Value::Array(other)) => {
                let hides = one.iter().any(|item| item.as_str().is_some_and(has_mask));
                for (index, item) in other.iter_mut().enumerate() {
                    let name = item.get("name").filter(|name| name.is_string()).cloned();
                    let same = match &name {
                        Some(name) => one.iter().find(|one| one.get("name") == Some(name)),
                        None => one.get(index),
                    };
                    if let (true, Value::String(text)) = (hides, &*item) {
                        // Items without names may have moved.
                        let known = one.iter().any(|one| one.as_str() == Some(text));
                        if !known && !has_mask(text) {
                            self.hide(item);
                        }
                    } else if let Some(same) = same {
                        self.even_out(same, item);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Which names of a map can be those of variables.
#[derive(Clone, Copy)]
enum Names {
    /// All.
    Any,
    /// Those in the form that variables of an environment have: `DB_PASSWORD`.
    OfVariables,
}

impl Names {
    fn has(self, name: &str) -> bool {
        let form = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        match self {
            Self::Any => true,
            Self::OfVariables => name.bytes().all(form),
        }
    }
}

fn without(metadata: &mut Map<String, Value>, field: &str, names: &[&str]) {
    if let Some(Value::Object(map)) = metadata.get_mut(field) {
        map.retain(|name, _| !names.contains(&name.as_str()));
        if map.is_empty() {
            metadata.remove(field);
        }
    }
}

/// The text that a value of a Secret stands for, so that it has the mask of the same text elsewhere.
fn decoded(value: &str) -> String {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value);
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| value.to_owned())
}

/// Whether a text is a mask.
fn is_mask(text: &str) -> bool {
    mask_at(text) == Some(0) && text.len() == MASK_LENGTH
}

/// Whether a mask stands in a text.
fn has_mask(text: &str) -> bool {
    mask_at(text).is_some()
}

/// `(hidden, `, eight digits and a bracket.
const MASK_LENGTH: usize = 18;

fn mask_at(text: &str) -> Option<usize> {
    let begins = text.match_indices("(hidden, ").map(|(at, _)| at);
    begins.into_iter().find(|at| {
        let digits = text.as_bytes().get(at + 9..at + MASK_LENGTH);
        digits.is_some_and(|digits| {
            digits[8] == b')' && digits[..8].iter().all(u8::is_ascii_hexdigit)
        })
    })
}

#[cfg(test)]
mod tests;
