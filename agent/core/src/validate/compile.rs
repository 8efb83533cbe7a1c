//! Turns schemas as they are published into nodes: references resolved, equal nodes stored once, and
//! what is not understood as "anything".

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use super::document::{Additional, Presence, Raw};
use super::enforced;
use super::{DEEPEST, Id, Node, Object, Schema, Types, Unknown};

/// Which of the fields that a schema calls required the API server insists on.
#[derive(Clone, Copy)]
enum Required<'a> {
    /// All without a default: the schema of a CustomResourceDefinition is what the server checks.
    AsWritten,
    /// Those of our table for this component: the schemas of built-in kinds are derived from the
    /// server's types, and many such fields may be left out.
    Listed(&'a str),
}

struct Compiler<'a> {
    raw: Option<&'a BTreeMap<String, Raw>>,
    schema: Schema,
    same: HashMap<Node, Id>,
    texts: HashSet<Arc<str>>,
    components: HashMap<&'a str, Id>,
}

/// All kinds of a document that can be applied, and what they refer to.
pub(super) fn document(raw: &BTreeMap<String, Raw>) -> Schema {
    let mut compiler = Compiler::new(Some(raw));
    for (name, component) in raw {
        // Lists, options and answers of actions have no metadata of an object.
        if !component.properties.contains_key("metadata")
            || component.properties.contains_key("items")
        {
            continue;
        }
        for kind in &component.kinds {
            let id = compiler.component(name, 0);
            let key = (kind.group.clone(), kind.version.clone(), kind.kind.clone());
            compiler.schema.kinds.insert(key, id);
        }
    }
    compiler.finish()
}

/// One version of a CustomResourceDefinition.
pub(super) fn definition(definition: &Value, version: &str) -> Option<Schema> {
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array()?;
    let found = versions.iter().find(|found| found["name"] == version)?;
    let mut raw = Raw::deserialize(&found["schema"]["openAPIV3Schema"]).ok()?;
    // These three are there in every object, and checked elsewhere.
    raw.embedded = true;
    raw.preserve |= spec["preserveUnknownFields"] == true;
    let mut compiler = Compiler::new(None);
    let id = compiler.node(&raw, Required::AsWritten, 0);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let key = (
        text(&spec["group"])?,
        version.to_owned(),
        text(&spec["names"]["kind"])?,
    );
    compiler.schema.kinds.insert(key, id);
    Some(compiler.finish())
}

impl<'a> Compiler<'a> {
    fn new(raw: Option<&'a BTreeMap<String, Raw>>) -> Self {
        Self {
            raw,
            schema: Schema::default(),
            same: HashMap::new(),
            texts: HashSet::new(),
            components: HashMap::new(),
        }
    }

    fn finish(mut self) -> Schema {
        self.schema.nodes.shrink_to_fit();
        self.schema
    }

    fn component(&mut self, name: &'a str, depth: usize) -> Id {
        if let Some(id) = self.components.get(name) {
            return *id;
        }
        let Some(raw) = self.raw.and_then(|raw| raw.get(name)) else {
            return self.add(Node::Anything);
        };
        // It may refer to itself, so it has a place before it has a content.
        let id = self.push(Node::Anything);
        self.components.insert(name, id);
        let content = if name.ends_with(".api.resource.Quantity") {
            self.scalar(Types::TEXT.with(Types::NUMBER), Vec::new())
        } else if name.ends_with(".util.intstr.IntOrString") {
            self.scalar(Types::TEXT.with(Types::INTEGER), Vec::new())
        } else if is_custom(name, raw) {
            self.node(raw, Required::AsWritten, depth + 1)
        } else {
            self.node(raw, Required::Listed(name), depth + 1)
        };
        // Never a reference to itself: `$ref: itself` alone says nothing.
        if content != id {
            self.schema.nodes[id as usize] = Node::Same(content);
        }
        id
    }

    fn node(&mut self, raw: &'a Raw, required: Required<'_>, depth: usize) -> Id {
        if depth > DEEPEST {
            return self.add(Node::Anything);
        }
        if let Some(reference) = &raw.reference {
            let name = reference.strip_prefix("#/components/schemas/");
            return match name {
                Some(name) => self.component(name, depth),
                None => self.add(Node::Anything),
            };
        }
        if raw.int_or_string || raw.format.as_deref() == Some("int-or-string") {
            return self.scalar(Types::TEXT.with(Types::INTEGER), Vec::new());
        }
        match raw.kind.as_ref().map(Value::as_str) {
            Some(Some("object")) => self.object(raw, required, depth),
            Some(Some("array")) => {
                let item = match &raw.items {
                    Some(item) => self.node(item, required, depth + 1),
                    None => self.add(Node::Anything),
                };
                self.add(Node::List(item))
            }
            Some(Some(name)) => match scalar_type(name) {
                Some(types) => self.scalar(types, allowed(raw, required)),
                None => self.add(Node::Anything),
            },
            Some(None) => self.add(Node::Anything),
            None if !raw.properties.is_empty() => self.object(raw, required, depth),
            None => match (
                raw.all_of.as_slice(),
                raw.one_of.is_empty(),
                raw.any_of.is_empty(),
            ) {
                ([only], true, true) => self.node(only, required, depth + 1),
                ([], false, true) => self.union(&raw.one_of),
                ([], true, false) => self.union(&raw.any_of),
                _ => self.add(Node::Anything),
            },
        }
    }

    /// Schemas of scalars alone, one of which holds; with any other it is not understood.
    fn union(&mut self, members: &[Raw]) -> Id {
        let mut types = Types::default();
        for member in members {
            let name = member.kind.as_ref().and_then(Value::as_str);
            match name.and_then(scalar_type) {
                Some(member) => types = types.with(member),
                None => return self.add(Node::Anything),
            }
        }
        self.scalar(types, Vec::new())
    }

    fn object(&mut self, raw: &'a Raw, required: Required<'_>, depth: usize) -> Id {
        if raw.properties.is_empty() && !raw.preserve && !raw.embedded {
            let values = match &raw.additional {
                Some(Additional::Schema(values)) => self.node(values, required, depth + 1),
                _ => self.add(Node::Anything),
            };
            return self.add(Node::Map(values));
        }
        let mut fields: Vec<(Arc<str>, Id)> = Vec::with_capacity(raw.properties.len());
        for (name, field) in &raw.properties {
            let id = self.node(field, required, depth + 1);
            fields.push((self.text(name), id));
        }
        if raw.embedded {
            let text = self.scalar(Types::TEXT, Vec::new());
            let anything = self.add(Node::Anything);
            for (name, id) in [("apiVersion", text), ("kind", text), ("metadata", anything)] {
                if !raw.properties.contains_key(name) {
                    fields.push((self.text(name), id));
                }
            }
            fields.sort();
        }
        let mut insisted: Vec<Arc<str>> = raw
            .required
            .iter()
            .filter(|name| match required {
                Required::AsWritten => raw
                    .properties
                    .get(*name)
                    .is_none_or(|field| field.default == Presence::Absent),
                Required::Listed(component) => enforced::insists(component, name),
            })
            .map(|name| self.text(name))
            .collect();
        if raw.embedded {
            // Whole objects cannot do without these, whether it is written or not.
            insisted.extend(["apiVersion", "kind"].map(|name| self.text(name)));
            insisted.sort();
            insisted.dedup();
        }
        // Both at once is not allowed in a definition; then more is allowed than is known.
        let kept = match &raw.additional {
            Some(Additional::Allowed(allowed)) => *allowed,
            Some(Additional::Schema(_)) => true,
            None => false,
        };
        let kept = kept || raw.preserve;
        self.add(Node::Object(Object {
            fields: fields.into(),
            required: insisted.into(),
            unknown: if kept {
                Unknown::Kept
            } else {
                Unknown::Refused
            },
        }))
    }

    fn scalar(&mut self, types: Types, allowed: Vec<&str>) -> Id {
        let allowed: Vec<Arc<str>> = allowed.into_iter().map(|text| self.text(text)).collect();
        self.add(Node::Scalar {
            types,
            allowed: allowed.into(),
        })
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    fn add(&mut self, node: Node) -> Id {
        if let Some(id) = self.same.get(&node) {
            return *id;
        }
        let id = self.push(node.clone());
        self.same.insert(node, id);
        id
    }

    fn push(&mut self, node: Node) -> Id {
        self.schema.nodes.push(node);
        // A document of less than 4 GiB has fewer nodes.
        (self.schema.nodes.len() - 1) as Id
    }
}

fn scalar_type(name: &str) -> Option<Types> {
    match name {
        "string" => Some(Types::TEXT),
        "number" => Some(Types::NUMBER),
        "integer" => Some(Types::INTEGER),
        "boolean" => Some(Types::BOOLEAN),
        _ => None,
    }
}

/// The texts of an `enum`; none where it allows anything but texts, which is not understood.
fn allowed<'a>(raw: &'a Raw, required: Required<'_>) -> Vec<&'a str> {
    let texts: Option<Vec<&str>> = raw.allowed.iter().map(Value::as_str).collect();
    let mut texts = texts.unwrap_or_default();
    // An empty text in a built-in kind is a field that is not set.
    if !texts.is_empty() && matches!(required, Required::Listed(_)) {
        texts.push("");
    }
    texts
}

/// Whether the component is the root of a kind that a CustomResourceDefinition defines: its name is
/// the group turned round, the version and the kind. Built-in ones are named by their Go packages.
fn is_custom(name: &str, raw: &Raw) -> bool {
    raw.kinds.iter().any(|kind| {
        let mut group: Vec<&str> = kind.group.split('.').collect();
        group.reverse();
        name == format!("{}.{}.{}", group.join("."), kind.version, kind.kind)
    })
}
