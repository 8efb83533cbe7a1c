//! Holds each object against the schema of the server, before anything is sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use syncline_cluster::Cluster;
use syncline_core::application::Validate;
use syncline_core::manifest::{Manifest, ManifestSet, yaml};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::Plan;
use syncline_core::validate::{Finding, Schema};

use crate::rendering::{Kind, Sources};

/// The objects of which the server would refuse or drop something, where the application is strict;
/// else that is a warning.
///
/// A kind that a CRD of the same set defines is held against that. What has no schema, or none that
/// can be read now, is left to the server.
pub(crate) async fn validate(
    cluster: &Cluster,
    policy: Validate,
    kind: Kind,
    sources: &Sources,
    set: &ManifestSet,
    warnings: &mut Vec<String>,
) -> BTreeMap<ObjectKey, Failure> {
    let mut known: HashMap<(String, String), Option<Arc<Schema>>> = HashMap::new();
    let mut refused = BTreeMap::new();
    for manifest in set {
        let key = &manifest.key;
        let found = if let Some(schema) = defined(set, manifest) {
            check(&schema, manifest)
        } else {
            let name = (key.group.clone(), key.version.clone());
            if !known.contains_key(&name) {
                let schema = cluster.schemas().schema(&key.group, &key.version);
                known.insert(name.clone(), published(schema.await));
            }
            let found = checked(known.get(&name), manifest);
            if found.is_empty() {
                continue;
            }
            // The schema may be older than a change to a definition.
            let schema = cluster.schemas().schema_now(&key.group, &key.version);
            known.insert(name.clone(), published(schema.await));
            checked(known.get(&name), manifest)
        };
        let found: Vec<Failure> = found
            .into_iter()
            .map(|finding| {
                let origin = place(kind, sources, &manifest.origin, &finding.pointer);
                finding.failure(&origin, key)
            })
            .collect();
        match policy {
            Validate::Strict => refused.extend(joined(found).map(|found| (key.clone(), found))),
            Validate::Warn => warnings.extend(found.into_iter().map(|failure| failure.detail)),
        }
    }
    refused
}

/// All that is wrong with one object.
fn joined(found: Vec<Failure>) -> Option<Failure> {
    let reason = found.first()?.reason;
    let details: Vec<_> = found.into_iter().map(|failure| failure.detail).collect();
    Some(Failure {
        reason,
        detail: details.join("; "),
    })
}

/// Leaves the objects alone that the schema of the server refuses.
pub(crate) fn leave_out(refused: &BTreeMap<ObjectKey, Failure>, plan: &mut Plan) {
    for action in &mut plan.actions {
        if let Some(failure) = refused.get(&action.key)
            && matches!(action.kind, ActionKind::Create | ActionKind::Update)
        {
            action.kind = ActionKind::Skip;
            action.because = Some(failure.clone());
        }
    }
}

fn published(answer: Result<Option<Arc<Schema>>, syncline_cluster::Error>) -> Option<Arc<Schema>> {
    answer.unwrap_or_else(|error| {
        tracing::debug!(%error, "not held against the schema of the server");
        None
    })
}

fn checked(schema: Option<&Option<Arc<Schema>>>, manifest: &Manifest) -> Vec<Finding> {
    match schema {
        Some(Some(schema)) => check(schema, manifest),
        _ => Vec::new(),
    }
}

fn check(schema: &Schema, manifest: &Manifest) -> Vec<Finding> {
    let key = &manifest.key;
    schema.check(&key.group, &key.version, &key.kind, manifest.body.visible())
}

/// The schema that a CRD of the set gives to the kind of an object.
fn defined(set: &ManifestSet, manifest: &Manifest) -> Option<Schema> {
    let key = &manifest.key;
    let definition = set.iter().find(|other| {
        let spec = &other.body.visible()["spec"];
        other.key.kind == "CustomResourceDefinition"
            && spec["group"] == key.group.as_str()
            && spec["names"]["kind"] == key.kind.as_str()
    })?;
    Schema::from_definition(definition.body.visible(), &key.version)
}

/// Where a field stands, as far as the file is what the object was read from.
fn place(kind: Kind, sources: &Sources, origin: &Origin, pointer: &str) -> Origin {
    let mut place = origin.clone();
    if kind == Kind::Plain
        && let Ok(Some(content)) = sources.file(&origin.file)
        && let Ok(text) = std::str::from_utf8(&content)
        && let Some(line) = yaml::line_in(text, origin, pointer)
    {
        place.line = Some(line);
    }
    place
}
