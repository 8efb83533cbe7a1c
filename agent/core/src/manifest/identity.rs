//! From objects to manifests: who each one is, and whether Kubernetes could take it at all.

use serde_json::Value;

use super::yaml::Limits;
use super::{Body, Manifest, Raw, take_apart};
use crate::object::{ObjectKey, Origin, group_version};
use crate::outcome::Failure;
use crate::reason::Reason;

/// Whether the objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster's own scope.
    Cluster,
}

/// What the cluster's discovery knows of a kind (group, version, kind); `None` for an unknown one.
pub type ScopeOf<'a> = dyn Fn(&str, &str, &str) -> Option<Scope> + 'a;

/// Where the name of an object may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    /// It has to have one.
    Given,
    /// A hook may have `generateName` instead; the key has that then.
    Generated,
}

/// Checks and takes objects that a parser or renderer made.
///
/// Objects of a namespaced kind that name no namespace get `destination_namespace`, those of the
/// cluster's scope lose theirs, and those of an unknown kind keep what they have: the plan reports
/// them. `List`s are taken apart. All failures are in the answer, not only the first.
pub fn to_manifests(
    objects: Vec<Raw>,
    destination_namespace: &str,
    scope_of: &ScopeOf<'_>,
    naming: Naming,
    limits: &Limits,
) -> Result<Vec<Manifest>, Vec<Failure>> {
    let single = take_apart(objects);
    let mut manifests = Vec::with_capacity(single.len());
    let mut failures = Vec::new();
    for Raw { value, origin, .. } in single {
        if value.is_null() {
            continue;
        }
        let namespace = destination_namespace;
        match to_manifest(value, &origin, namespace, scope_of, naming, limits) {
            Ok(manifest) => manifests.push(manifest),
            Err((reason, what)) => {
                failures.push(Failure {
                    reason,
                    detail: format!("{origin}: {what}"),
                });
            }
        }
    }
    if failures.is_empty() {
        Ok(manifests)
    } else {
        Err(failures)
    }
}

fn to_manifest(
    mut value: Value,
    origin: &Origin,
    destination_namespace: &str,
    scope_of: &ScopeOf<'_>,
    naming: Naming,
    limits: &Limits,
) -> Result<Manifest, (Reason, String)> {
    let key = identify(&value, destination_namespace, scope_of, naming)?;
    let bytes = size(&value);
    if bytes > limits.max_object_bytes {
        let limit = limits.max_object_bytes;
        let what = format!("{key} has {bytes} bytes; the limit is {limit}");
        return Err((Reason::ObjectTooLarge, what));
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        match &key.namespace {
            Some(namespace) => metadata.insert("namespace".into(), Value::from(namespace.as_str())),
            None => metadata.remove("namespace"),
        };
    }
    let body =
        Body::take(value).map_err(|what| (Reason::InvalidSecret, format!("{key}: {what}")))?;
    Ok(Manifest {
        key,
        body,
        origin: origin.clone(),
    })
}

fn identify(
    value: &Value,
    destination_namespace: &str,
    scope_of: &ScopeOf<'_>,
    naming: Naming,
) -> Result<ObjectKey, (Reason, String)> {
    let Some(map) = value.as_object() else {
        let what = format!(
            "the document is {}, not a Kubernetes object",
            kind_of_value(value)
        );
        return Err((Reason::NotAnObject, what));
    };
    let missing = |field: &str| (Reason::NoIdentity, format!("`{field}` is missing"));
    let kind = text(map.get("kind"), "kind")?.ok_or_else(|| missing("kind"))?;
    let api_version =
        text(map.get("apiVersion"), "apiVersion")?.ok_or_else(|| missing("apiVersion"))?;
    let (group, version) = group_version(api_version);
    if version.is_empty() || version.contains('/') || (api_version.starts_with('/')) {
        return Err((
            Reason::NoIdentity,
            "`apiVersion` is not `group/version`".into(),
        ));
    }
    let metadata = match map.get("metadata") {
        Some(Value::Object(metadata)) => Some(metadata),
        None | Some(Value::Null) => None,
        Some(other) => {
            let what = format!("`metadata` is {}, not a map", kind_of_value(other));
            return Err((Reason::NotAnObject, what));
        }
    };
    let field = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let name = if let Some(name) = text(field("name"), "metadata.name")? {
        check_name(group, kind, name)?;
        name
    } else {
        let prefix = text(field("generateName"), "metadata.generateName")?;
        match (prefix, naming) {
            (Some(prefix), Naming::Generated) => {
                // What is put behind it is letters and digits.
                check_name(group, kind, &format!("{prefix}0"))?;
                prefix
            }
            (Some(_), Naming::Given) => {
                let what = format!("{kind} has `metadata.generateName` and no `metadata.name`");
                return Err((Reason::GenerateName, what));
            }
            (None, _) => {
                return Err((Reason::NoIdentity, format!("{kind} has no `metadata.name`")));
            }
        }
    };
    let namespace = text(field("namespace"), "metadata.namespace")?;
    if let Some(namespace) = namespace.filter(|namespace| !is_dns_label(namespace)) {
        let what = format!(
            "{kind} {}: the namespace is not valid",
            printable(namespace)
        );
        return Err((Reason::InvalidName, what));
    }
    let namespace = match scope_of(group, version, kind) {
        Some(Scope::Cluster) => None,
        Some(Scope::Namespaced) => Some(namespace.unwrap_or(destination_namespace)),
        None => namespace,
    };
    Ok(ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    })
}

/// A text field; empty and null count as missing.
fn text<'a>(value: Option<&'a Value>, field: &str) -> Result<Option<&'a str>, (Reason, String)> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let what = format!("`{field}` is {}, not text; quote it", kind_of_value(other));
            Err((Reason::NoIdentity, what))
        }
    }
}

/// Names as the API server checks them: what is a part of a path for all kinds, and a DNS name for
/// the built-in ones, but for two groups that allow more (`system:node`, `example.com/x:y`).
fn check_name(group: &str, kind: &str, name: &str) -> Result<(), (Reason, String)> {
    let refuse = |why: &str| {
        Err((
            Reason::InvalidName,
            format!("{kind} `{}`: {why}", printable(name)),
        ))
    };
    if name.len() > 253 {
        return refuse("the name has more than 253 characters");
    }
    if name == "."
        || name == ".."
        || name.contains(['/', '%'])
        || name.chars().any(char::is_control)
    {
        return refuse("the name has a character that a name cannot have");
    }
    if group.is_empty() && kind == "Namespace" && !is_dns_label(name) {
        return refuse("a namespace has at most 63 lower-case letters, digits and `-`");
    }
    let built_in = !group.contains('.') || group.ends_with(".k8s.io");
    let free = matches!(group, "rbac.authorization.k8s.io" | "certificates.k8s.io");
    if built_in && !free && !name.split('.').all(is_dns_part) {
        return refuse("a name has lower-case letters, digits, `-` and `.`, and ends with neither");
    }
    Ok(())
}

fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_part(text)
}

fn is_dns_part(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn printable(name: &str) -> String {
    name.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

pub(super) fn kind_of_value(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Bytes of the object as JSON, without writing it anywhere.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and a JSON value can always be written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests;
