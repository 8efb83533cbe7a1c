//! What Git wants: one object each, with its place in Git, and the complete set of an application.

mod identity;
mod mistakes;
mod normalise;
mod raw;
pub mod select;
pub mod text;
pub mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::object::{ObjectKey, Origin};
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::redacted::Redacted;
use crate::revision::CommitId;

pub use identity::{Naming, Scope, ScopeOf, to_manifests};
pub use normalise::{Normalised, normalise};
pub use raw::{Raw, take_apart};

/// One desired object.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its identity.
    pub key: ObjectKey,
    /// Its content.
    pub body: Body,
    /// Where Git names it.
    pub origin: Origin,
}

/// The content of an object, in which no value of a Secret can be printed.
///
/// The `data` of a Secret is taken out while the object is parsed and kept as [`Redacted`].
#[derive(Clone, PartialEq)]
pub struct Body {
    visible: Value,
    secret: BTreeMap<String, Redacted>,
}

impl Body {
    /// Takes an object in. `stringData` of a Secret becomes `data`; see `normalise` for why.
    ///
    /// Fails, without any value in the message, where a Secret is not well formed.
    pub fn take(mut object: Value) -> Result<Self, String> {
        let mut secret = BTreeMap::new();
        if is_secret(&object)
            && let Some(map) = object.as_object_mut()
        {
            let data = map.remove("data");
            let plain = map.remove("stringData");
            // `kubectl apply` copies the values of a Secret into this annotation.
            if let Some(Value::Object(annotations)) = map
                .get_mut("metadata")
                .and_then(|metadata| metadata.get_mut("annotations"))
            {
                annotations.remove(normalise::LAST_APPLIED);
            }
            take_data(data, &mut secret)?;
            take_string_data(plain, &mut secret)?;
        }
        Ok(Self {
            visible: object,
            secret,
        })
    }

    /// All of the object but the values of a Secret.
    pub fn visible(&self) -> &Value {
        &self.visible
    }

    /// All of the object but the values of a Secret, to be completed (owner record, namespace).
    pub fn visible_mut(&mut self) -> &mut Value {
        &mut self.visible
    }

    /// The keys of a Secret with their base64 values.
    pub fn secret(&self) -> &BTreeMap<String, Redacted> {
        &self.secret
    }

    /// The whole object as it is sent to the API server. For nothing else.
    pub fn to_wire(&self) -> Value {
        let mut wire = self.visible.clone();
        if !self.secret.is_empty()
            && let Some(map) = wire.as_object_mut()
        {
            let data = self
                .secret
                .iter()
                .map(|(k, v)| (k.clone(), Value::from(v.expose())));
            map.insert("data".into(), Value::Object(data.collect()));
        }
        wire
    }
}

/// Prints the object with the keys of a Secret and without its values.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("visible", &self.visible)
            .field("secret", &self.secret)
            .finish()
    }
}

fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret" && object["apiVersion"] == "v1"
}

fn take_data(data: Option<Value>, into: &mut BTreeMap<String, Redacted>) -> Result<(), String> {
    use base64::Engine as _;
    let data = match data {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(data)) => data,
        Some(_) => return Err("`data` of a Secret is not a map".to_owned()),
    };
    for (key, value) in data {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            _ => return Err(format!("`data.{key}` of a Secret is not a string")),
        };
        // Kubernetes reads standard base64 and skips line breaks.
        let compact: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        if base64::engine::general_purpose::STANDARD
            .decode(&compact)
            .is_err()
        {
            return Err(format!("`data.{key}` of a Secret is not base64"));
        }
        into.insert(key, Redacted::new(compact));
    }
    Ok(())
}

fn take_string_data(
    plain: Option<Value>,
    into: &mut BTreeMap<String, Redacted>,
) -> Result<(), String> {
    use base64::Engine as _;
    let plain = match plain {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(plain)) => plain,
        Some(_) => return Err("`stringData` of a Secret is not a map".to_owned()),
    };
    for (key, value) in plain {
        if value.is_null() {
            continue;
        }
        let Value::String(text) = value else {
            return Err(format!(
                "`stringData.{key}` of a Secret is not a string; quote it"
            ));
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        if into.insert(key.clone(), Redacted::new(encoded)).is_some() {
            return Err(format!(
                "`{key}` of a Secret stands in `data` and in `stringData`"
            ));
        }
    }
    Ok(())
}

/// All objects of an application at one commit. It exists only for a render that was complete:
/// any error of any source is an `Err` instead, never a smaller set (inv_i01).
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestSet {
    /// The commit that was rendered (inv_i02).
    pub commit: CommitId,
    /// Ordered by key, each key once.
    manifests: Vec<Manifest>,
}

impl ManifestSet {
    /// Orders the manifests; refuses an object that is declared twice, naming both places (inv_i05).
    pub fn new(commit: CommitId, mut manifests: Vec<Manifest>) -> Result<Self, Vec<Failure>> {
        manifests.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.origin.cmp(&b.origin)));
        let twice: Vec<Failure> = manifests
            .windows(2)
            .filter(|pair| pair[0].key == pair[1].key)
            .map(|pair| Failure {
                reason: Reason::DuplicateObject,
                detail: format!(
                    "{} is declared in {} and in {}",
                    pair[0].key, pair[0].origin, pair[1].origin
                ),
            })
            .collect();
        if twice.is_empty() {
            Ok(Self { commit, manifests })
        } else {
            Err(twice)
        }
    }

    /// The manifests, ordered by key.
    pub fn iter(&self) -> std::slice::Iter<'_, Manifest> {
        self.manifests.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.manifests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// The manifest of an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Manifest> {
        self.manifests
            .binary_search_by(|m| m.key.cmp(key))
            .ok()
            .map(|at| &self.manifests[at])
    }
}

impl<'a> IntoIterator for &'a ManifestSet {
    type Item = &'a Manifest;
    type IntoIter = std::slice::Iter<'a, Manifest>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
