//! Compares objects with the schema that a cluster publishes for their kind, before anything is sent.
//!
//! ```text
//!  OpenAPI v3 document ── document ──> raw ── compile ──> nodes (shared, no texts) ── walk ──> findings
//! ```
//!
//! A finding is something that the API server refuses, or drops, in a server-side apply. What this
//! module does not understand passes: the API server has the last word. Findings name places, types
//! and what the schema allows, never a value of the object. `status` is not looked at.

mod compile;
mod document;
mod enforced;
mod similar;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use self::document::Document;
use crate::object::{ObjectKey, Origin};
use crate::outcome::Failure;
use crate::reason::Reason;

/// Most findings of one object.
pub const MOST_FINDINGS: usize = 20;
/// How deep an object is looked into; what lies deeper passes.
pub const DEEPEST: usize = 100;

/// The schemas of one group and version, in the least memory: equal parts are stored once, and there
/// are no descriptions.
#[derive(Debug, Default)]
pub struct Schema {
    nodes: Vec<Node>,
    kinds: BTreeMap<(String, String, String), Id>,
}

/// Something in an object that the cluster will not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// [`Reason::UnknownField`], [`Reason::FieldType`] or [`Reason::RequiredField`].
    pub reason: Reason,
    /// JSON pointer of the field in the object.
    pub pointer: String,
    /// What is wrong, for people, without a value.
    pub what: String,
}

impl Finding {
    /// The finding as a failure of the object, with its place in Git.
    pub fn failure(&self, origin: &Origin, key: &ObjectKey) -> Failure {
        Failure {
            reason: self.reason,
            detail: format!("{origin}: {key}: {}: {}", self.pointer, self.what),
        }
    }
}

/// A schema document that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be read: {0}")]
pub struct Unreadable(String);

/// A node by its place in [`Schema::nodes`].
type Id = u32;

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Anything,
    Scalar {
        types: Types,
        /// The texts that are allowed; all of them where it is empty.
        allowed: Arc<[Arc<str>]>,
    },
    List(Id),
    /// A map with any keys.
    Map(Id),
    Object(Object),
    /// Another node: a schema that contains itself.
    Same(Id),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Object {
    /// In the order of their names.
    fields: Arc<[(Arc<str>, Id)]>,
    required: Arc<[Arc<str>]>,
    unknown: Unknown,
}

/// What happens to fields that the schema does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unknown {
    Refused,
    Kept,
}

/// A set of JSON types of scalars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Types(u8);

impl Types {
    const TEXT: Self = Self(1);
    const NUMBER: Self = Self(2);
    const INTEGER: Self = Self(4);
    const BOOLEAN: Self = Self(8);

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Schema {
    /// Reads the OpenAPI v3 document of a group and version, as `/openapi/v3/apis/apps/v1` serves it.
    pub fn parse(document: &[u8]) -> Result<Self, Unreadable> {
        let document: Document =
            serde_json::from_slice(document).map_err(|error| Unreadable(error.to_string()))?;
        Ok(compile::document(&document.components.schemas))
    }

    /// The schema of one version of a CustomResourceDefinition, for objects that come in the same
    /// commit as their definition: the cluster publishes an older one, or none.
    ///
    /// Nothing where the definition has no such version, or no schema for it that can be read.
    pub fn from_definition(definition: &Value, version: &str) -> Option<Self> {
        compile::definition(definition, version)
    }

    /// Whether it knows the kind.
    pub fn knows(&self, group: &str, version: &str, kind: &str) -> bool {
        self.root(group, version, kind).is_some()
    }

    /// What the cluster would not take of an object; at most [`MOST_FINDINGS`], in the order of the
    /// object. Nothing is found in an object of a kind that it does not know.
    ///
    /// A missing field ([`Reason::RequiredField`]) is an error of an object that is made anew. Where
    /// the object exists already, another field manager may hold the field.
    pub fn check(&self, group: &str, version: &str, kind: &str, object: &Value) -> Vec<Finding> {
        match self.root(group, version, kind) {
            Some(root) => walk::check(self, root, object),
            None => Vec::new(),
        }
    }

    /// About how many bytes of memory it holds.
    pub fn bytes(&self) -> usize {
        let node = |node: &Node| match node {
            Node::Object(object) => {
                object.fields.len() * size_of::<(Arc<str>, Id)>() + object.required.len() * 16
            }
            Node::Scalar { allowed, .. } => allowed.len() * 16,
            _ => 0,
        };
        self.nodes.len() * size_of::<Node>() + self.nodes.iter().map(node).sum::<usize>()
    }

    fn root(&self, group: &str, version: &str, kind: &str) -> Option<Id> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        self.kinds.get(&key).copied()
    }

    fn node(&self, id: Id) -> &Node {
        let mut id = id;
        // A chain of references is as long as the schemas that refer to each other, or a ring.
        for _ in 0..DEEPEST {
            match &self.nodes[id as usize] {
                Node::Same(other) => id = *other,
                node => return node,
            }
        }
        &Node::Anything
    }
}

#[cfg(test)]
mod tests;
