//! Fields that each render makes anew: they keep the value that they have in the cluster.
//!
//! A chart that draws a password would otherwise change it with every sync. The first render that
//! is applied decides; from then on the live value stands.

use std::collections::BTreeMap;

use serde_json::Value;
use syncline_cluster::{Account, Discovery, Scope};
use syncline_core::application::Referent;
use syncline_core::manifest::{Manifest, ManifestSet, Raw};
use syncline_core::object::{ObjectKey, Origin, group_version};
use syncline_core::outcome::Failure;

/// An object of which fields keep what is live.
pub(crate) struct Kept {
    origin: Origin,
    kind: String,
    name: String,
    note: String,
}

/// What is said of each object whose fields keep what is live.
pub(crate) fn notes(kept: &[Kept], set: &ManifestSet) -> BTreeMap<ObjectKey, String> {
    let found = kept.iter().filter_map(|kept| {
        let is_it = |manifest: &&Manifest| {
            let key = &manifest.key;
            (&manifest.origin, &key.kind, &key.name) == (&kept.origin, &kept.kind, &kept.name)
        };
        let manifest = set.iter().find(is_it)?;
        Some((manifest.key.clone(), kept.note.clone()))
    });
    found.collect()
}

/// Puts the live value in place of each unstable field, where the object is live and has it. Objects
/// without a namespace of their own are looked for in `namespace`. Answers with those that have any.
pub(crate) async fn settle(
    discovery: &Discovery,
    namespace: &str,
    account: &Account,
    objects: &mut [Raw],
) -> Result<Vec<Kept>, Failure> {
    let mut all = Vec::new();
    for object in objects
        .iter_mut()
        .filter(|object| !object.unstable.is_empty())
    {
        let failed = |error: syncline_cluster::Error| Failure {
            reason: error.reason(),
            detail: format!("{}: read what is live of it: {error}", object.origin),
        };
        let live = live(discovery, namespace, account, &object.value)
            .await
            .map_err(failed)?;
        let Some(live) = live else { continue };
        let mut kept = Vec::new();
        for pointer in &object.unstable {
            let known = live_value(&live, pointer);
            if let (Some(field), Some(known)) = (object.value.pointer_mut(pointer), known) {
                *field = known;
                kept.push(pointer.as_str());
            }
        }
        if !kept.is_empty() {
            let text = |pointer| {
                let value = object.value.pointer(pointer).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            all.push(Kept {
                kind: text("/kind"),
                name: text("/metadata/name"),
                note: format!(
                    "kept what is live of {}: each render makes it anew",
                    kept.join(", ")
                ),
                origin: object.origin.clone(),
            });
        }
    }
    Ok(all)
}

/// The live object with the values of a Secret; none where it is not there.
async fn live(
    discovery: &Discovery,
    destination: &str,
    account: &Account,
    object: &Value,
) -> Result<Option<Value>, syncline_cluster::Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (Some(api_version), Some(kind), Some(name)) =
        (text("/apiVersion"), text("/kind"), text("/metadata/name"))
    else {
        return Ok(None);
    };
    let (group, version) = group_version(api_version);
    let resource = match discovery.resolve(group, version, kind).await {
        Ok(resource) => resource,
        Err(syncline_cluster::Error::UnknownKind { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let namespace = (resource.scope == Scope::Namespaced).then(|| {
        let own = text("/metadata/namespace").filter(|namespace| !namespace.is_empty());
        own.unwrap_or(destination).to_owned()
    });
    let key = ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        namespace,
        name: name.to_owned(),
    };
    let Some(mut live) = account.get_full(&resource, &key).await? else {
        return Ok(None);
    };
    if let (true, Some(namespace)) = (resource.is_secret(), &key.namespace) {
        let data = account.data(Referent::Secret, namespace, name).await?;
        let data = data.unwrap_or_default();
        live["data"] = data.to_wire();
        for key in data.keys() {
            if let Some(text) = data.text(key) {
                live["stringData"][key] = text.expose().into();
            }
        }
    }
    Ok(Some(live))
}

/// The live value of a field; never one that stands for nothing.
fn live_value(live: &Value, pointer: &str) -> Option<Value> {
    live.pointer(pointer)
        .filter(|value| !value.is_null())
        .cloned()
}
