//! Holds each object against the schema of the server, before anything is sent.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use syncline_cluster::Cluster;
use syncline_core::application::Validate;
use syncline_core::manifest::{Manifest, ManifestSet, yaml};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::Plan;
use syncline_core::validate::{Finding, Schema};

use super::Complete;
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
    complete: &Complete,
    warnings: &mut Vec<String>,
) -> BTreeMap<ObjectKey, Failure> {
    let mut known: HashMap<(&str, &str), Known> = HashMap::new();
    let set = &complete.set;
    let definitions = definitions(set);
    let hooks = complete.hooks.iter().map(|hook| &hook.manifest);
    let mut done: BTreeSet<(&ObjectKey, &Origin)> = BTreeSet::new();
    let mut refused = BTreeMap::new();
    for manifest in set.iter().chain(hooks) {
        let key = &manifest.key;
        // A hook with several moments is one object.
        if !done.insert((key, &manifest.origin)) {
            continue;
        }
        let kind_of_set = (key.group.as_str(), key.kind.as_str(), key.version.as_str());
        let found = if let Some(schema) = definitions.get(&kind_of_set) {
            check(schema, manifest)
        } else {
            let name = (key.group.as_str(), key.version.as_str());
            let known = match known.entry(name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let schema = cluster.schemas().schema(name.0, name.1);
                    unknown.insert(Known {
                        schema: published(schema.await),
                        is_fresh: false,
                    })
                }
            };
            let mut found = known.check(manifest);
            if !found.is_empty() && !known.is_fresh {
                // The schema may be older than a change to a definition.
                let schema = published(cluster.schemas().schema_now(name.0, name.1).await);
                *known = Known {
                    schema,
                    is_fresh: true,
                };
                found = known.check(manifest);
            }
            found
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

fn check(schema: &Schema, manifest: &Manifest) -> Vec<Finding> {
    let key = &manifest.key;
    schema.check(&key.group, &key.version, &key.kind, manifest.body.visible())
}

/// A published schema, and whether it was read in this very sync.
struct Known {
    schema: Option<Arc<Schema>>,
    is_fresh: bool,
}

impl Known {
    fn check(&self, manifest: &Manifest) -> Vec<Finding> {
        let schema = self.schema.as_ref();
        schema.map_or_else(Vec::new, |schema| check(schema, manifest))
    }
}

/// The schemas that the CRDs of the set give, by group, kind and version.
fn definitions(set: &ManifestSet) -> HashMap<(&str, &str, &str), Schema> {
    let mut schemas = HashMap::new();
    let definitions = set
        .iter()
        .filter(|manifest| manifest.key.kind == "CustomResourceDefinition");
    for definition in definitions {
        let definition = definition.body.visible();
        let spec = &definition["spec"];
        let (Some(group), Some(kind)) = (spec["group"].as_str(), spec["names"]["kind"].as_str())
        else {
            continue;
        };
        let versions = spec["versions"].as_array().into_iter().flatten();
        for version in versions.filter_map(|version| version["name"].as_str()) {
            if let Some(schema) = Schema::from_definition(definition, version) {
                schemas.insert((group, kind, version), schema);
            }
        }
    }
    schemas
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
