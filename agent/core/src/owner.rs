//! The owner record: the proof on an object that an application of this installation applied it.
//!
//! Format: `<instance>/<namespace>/<application>:<group>/<kind>/<namespace>/<name>`. The second half
//! is the object's own identity, so that a record copied to another object (an operator that
//! copies annotations to its children) proves nothing (inv_i04).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::object::ObjectKey;
use crate::record::Name;

/// An application of one installation, as the owner of objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Random id of the installation.
    pub instance: String,
    /// The application.
    pub application: Name,
}

impl Owner {
    /// The record to write on an object.
    pub fn record_for(&self, key: &ObjectKey) -> String {
        format!("{}/{}:{}", self.instance, self.application, identity(key))
    }

    /// Reads the record of an object; `None` where it is malformed or names another object.
    pub fn read(record: &str, key: &ObjectKey) -> Option<Self> {
        let (owner, object) = record.split_once(':')?;
        if object != identity(key) {
            return None;
        }
        let mut parts = owner.split('/');
        let (instance, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || instance.is_empty() || namespace.is_empty() || name.is_empty()
        {
            return None;
        }
        Some(Self {
            instance: instance.to_owned(),
            application: Name::new(namespace, name),
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.application)
    }
}

fn identity(key: &ObjectKey) -> String {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    format!("{}/{}/{namespace}/{}", key.group, key.kind, key.name)
}

/// The keyed hash of a desired object, for the `applied` annotation.
///
/// Keyed (HMAC-SHA-256), because the object may hold values of a Secret and the annotation is
/// readable by those who may not read the values.
pub fn applied_hash(key: &[u8], wire: &Value) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    write_canonical(wire, &mut |bytes| mac.update(bytes));
    Digest::from_hash(&mac.finalize().into_bytes())
}

/// The hash of something public: 64 hexadecimal digits of SHA-256 over the canonical form.
pub fn public_hash(value: &Value) -> String {
    let mut hash = Sha256::new();
    write_canonical(value, &mut |bytes| hash.update(bytes));
    hex(&hash.finalize())
}

/// Feeds JSON with sorted keys and without white space, whatever the map type keeps.
fn write_canonical(value: &Value, out: &mut dyn FnMut(&[u8])) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_unstable();
            out(b"{");
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out(b",");
                }
                out(Value::from(key.as_str()).to_string().as_bytes());
                out(b":");
                write_canonical(&map[key], out);
            }
            out(b"}");
        }
        Value::Array(items) => {
            out(b"[");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out(b",");
                }
                write_canonical(item, out);
            }
            out(b"]");
        }
        scalar => out(scalar.to_string().as_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(kind: &str, namespace: Option<&str>, name: &str) -> ObjectKey {
        ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn inv_i04_a_record_counts_only_on_the_object_that_it_names() {
        let owner = Owner {
            instance: "abc".into(),
            application: Name::new("team", "shop"),
        };
        let web = key("Deployment", Some("shop"), "web");
        let record = owner.record_for(&web);
        assert_eq!(record, "abc/team/shop:apps/Deployment/shop/web");
        assert_eq!(Owner::read(&record, &web), Some(owner.clone()));
        assert_eq!(
            Owner::read(&record, &key("Deployment", Some("shop"), "api")),
            None
        );
        assert_eq!(
            Owner::read(&record, &key("ReplicaSet", Some("shop"), "web")),
            None
        );
        let cluster_scoped = key("ClusterThing", None, "x");
        assert_eq!(
            Owner::read(&owner.record_for(&cluster_scoped), &cluster_scoped),
            Some(owner)
        );
        for garbage in [
            "",
            ":",
            "a:b",
            "a/b:apps/Deployment/shop/web",
            "a/b/c/d:apps/Deployment/shop/web",
        ] {
            assert_eq!(Owner::read(garbage, &web), None, "{garbage}");
        }
    }

    #[test]
    fn the_applied_hash_depends_on_the_key_and_the_content_only() {
        let hash = applied_hash(b"k", &json!({"a": 1, "b": [true]}));
        assert_eq!(hash, applied_hash(b"k", &json!({"b": [true], "a": 1})));
        assert_ne!(hash, applied_hash(b"other", &json!({"a": 1, "b": [true]})));
        assert_ne!(hash, applied_hash(b"k", &json!({"a": 1, "b": [false]})));
    }
}
