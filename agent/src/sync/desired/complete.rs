//! From objects to the desired set: who each one is, its normal form and its owner record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_cluster::Discovery;
use syncline_core::application::Application;
use syncline_core::digest::Digest;
use syncline_core::hooks::{Found, Hook, duplicates, in_order};
use syncline_core::manifest::yaml::Limits;
use syncline_core::manifest::{
    Manifest, ManifestSet, Naming, Raw, Scope, ScopeOf, normalise, to_manifests,
};
use syncline_core::names;
use syncline_core::object::{ObjectKey, group_version};
use syncline_core::outcome::Failure;
use syncline_core::owner::{Owner, applied_hash};
use syncline_core::ownership;
use syncline_core::revision::CommitId;

/// Whose objects they are, and what is served.
pub(crate) struct Completion<'a> {
    pub(crate) discovery: &'a Discovery,
    pub(crate) application: &'a Application,
    pub(crate) owner: &'a Owner,
    /// Key of the hashes.
    pub(crate) key: &'a [u8],
    pub(crate) commit: &'a CommitId,
    pub(crate) limits: Limits,
}

/// What an application wants.
pub(crate) struct Complete {
    /// The desired set.
    pub(crate) set: ManifestSet,
    /// The keyed hash of each object in it.
    pub(crate) hashes: BTreeMap<ObjectKey, Digest>,
    /// The hooks as they run.
    pub(crate) hooks: Vec<Hook>,
}

/// Identity, namespace, normal form and owner record of every object; refuses duplicates. Hooks get
/// their owner record when they are started.
pub(crate) async fn complete(
    with: &Completion<'_>,
    objects: Vec<Raw>,
    found: Vec<Found>,
    warnings: &mut Vec<String>,
) -> Result<Complete, Vec<Failure>> {
    let application = with.application;
    let all = objects.iter().chain(found.iter().map(|hook| &hook.object));
    let scopes = scopes(with.discovery, all).await?;
    let scope_of = |group: &str, version: &str, kind: &str| {
        scopes
            .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
            .copied()
    };
    let (namespace, limits) = (&application.namespace, &with.limits);
    let manifests = to_manifests(objects, namespace, &scope_of, Naming::Given, limits)?;
    let mut complete: Vec<Manifest> = Vec::with_capacity(manifests.len());
    let mut hashes = BTreeMap::new();
    let mut failures = Vec::new();
    for manifest in manifests {
        match normalise(manifest) {
            Ok(normalised) => {
                warnings.extend(normalised.warnings);
                let mut manifest = normalised.manifest;
                let ignore = application.ignore.iter();
                let ignore: Vec<_> = ignore.filter(|rule| rule.selects(&manifest.key)).collect();
                ownership::without_ignored(manifest.body.visible_mut(), &ignore);
                // Before the owner record: another application's like object has the same hash.
                let hash = applied_hash(with.key, &manifest.body.to_wire());
                hashes.insert(manifest.key.clone(), hash);
                decorate(&mut manifest, with.owner);
                complete.push(manifest);
            }
            Err(found) => failures.extend(found),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let set = ManifestSet::new(with.commit.clone(), complete)?;
    let hooks = hooks(with, found, &set, &scope_of, warnings)?;
    Ok(Complete { set, hashes, hooks })
}

/// Identity, namespace and normal form of every hook, in the order in which they run; an object with
/// several moments is several hooks.
fn hooks(
    with: &Completion<'_>,
    found: Vec<Found>,
    set: &ManifestSet,
    scope_of: &ScopeOf<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Hook>, Vec<Failure>> {
    let (namespace, limits) = (&with.application.namespace, &with.limits);
    let mut hooks = Vec::new();
    let mut failures = Vec::new();
    for Found { terms, object } in found {
        if terms.moments.is_empty() {
            continue;
        }
        let unstable = object.unstable.clone();
        let naming = Naming::Generated;
        let one = match to_manifests(vec![object], namespace, scope_of, naming, limits) {
            Ok(manifests) => manifests,
            Err(found) => {
                failures.extend(found);
                continue;
            }
        };
        for manifest in one {
            let normalised = match normalise(manifest) {
                Ok(normalised) => normalised,
                Err(found) => {
                    failures.extend(found);
                    continue;
                }
            };
            warnings.extend(normalised.warnings);
            let manifest = normalised.manifest;
            // What each render makes anew would start a rollout with each of them.
            let mut wire = manifest.body.to_wire();
            for pointer in &unstable {
                if let Some(field) = wire.pointer_mut(pointer) {
                    *field = Value::Null;
                }
            }
            let hash = applied_hash(with.key, &wire);
            hooks.extend(terms.moments.iter().map(|(moment, occasion)| Hook {
                manifest: manifest.clone(),
                hash,
                moment: *moment,
                occasion: *occasion,
                weight: terms.weight,
                delete: terms.delete,
                timeout: terms.timeout,
            }));
        }
    }
    failures.extend(duplicates(set, &hooks));
    if !failures.is_empty() {
        return Err(failures);
    }
    in_order(&mut hooks);
    Ok(hooks)
}

/// What is known of each kind among the objects: from discovery, or from a CRD beside them.
async fn scopes(
    discovery: &Discovery,
    objects: impl Iterator<Item = &Raw>,
) -> Result<BTreeMap<(String, String, String), Scope>, Vec<Failure>> {
    let mut kinds = BTreeSet::new();
    let mut scopes = BTreeMap::new();
    for object in objects {
        collect_kinds(&object.value, &mut kinds, &mut scopes);
    }
    for (group, version, kind) in kinds {
        match discovery.resolve(&group, &version, &kind).await {
            Ok(resource) => {
                let scope = match resource.scope {
                    syncline_cluster::Scope::Cluster => Scope::Cluster,
                    syncline_cluster::Scope::Namespaced => Scope::Namespaced,
                };
                scopes.insert((group, version, kind), scope);
            }
            Err(syncline_cluster::Error::UnknownKind { .. }) => {}
            Err(error) => {
                let detail = format!("discovery of {kind} in {group}/{version}: {error}");
                return Err(vec![Failure {
                    reason: error.reason(),
                    detail,
                }]);
            }
        }
    }
    Ok(scopes)
}

fn collect_kinds(
    object: &Value,
    kinds: &mut BTreeSet<(String, String, String)>,
    scopes: &mut BTreeMap<(String, String, String), Scope>,
) {
    let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str())
    else {
        return;
    };
    if let Some(items) = object["items"]
        .as_array()
        .filter(|_| kind.ends_with("List"))
    {
        for item in items {
            collect_kinds(item, kinds, scopes);
        }
    }
    let (group, version) = group_version(api_version);
    kinds.insert((group.to_owned(), version.to_owned(), kind.to_owned()));
    if kind != "CustomResourceDefinition" {
        return;
    }
    let spec = &object["spec"];
    let scope = if spec["scope"] == "Cluster" {
        Scope::Cluster
    } else {
        Scope::Namespaced
    };
    let names = (spec["group"].as_str(), spec["names"]["kind"].as_str());
    if let (Some(group), Some(kind)) = names {
        for version in spec["versions"].as_array().into_iter().flatten() {
            if let Some(version) = version["name"].as_str() {
                scopes.insert(
                    (group.to_owned(), version.to_owned(), kind.to_owned()),
                    scope,
                );
            }
        }
    }
}

/// Puts the label and the owner record on an object.
fn decorate(manifest: &mut Manifest, owner: &Owner) {
    let record = owner.record_for(&manifest.key);
    let metadata = &mut manifest.body.visible_mut()["metadata"];
    metadata["labels"][names::LABEL_MANAGED] = owner.instance.as_str().into();
    metadata["annotations"][names::ANNOTATION_OWNER] = record.into();
}

/// The images of all containers, sorted, each once.
pub(super) fn images<'a>(objects: impl Iterator<Item = &'a Manifest>) -> Vec<String> {
    let mut images = BTreeSet::new();
    for manifest in objects {
        let spec = &manifest.body.visible()["spec"];
        let pods = [
            spec,
            &spec["template"]["spec"],
            &spec["jobTemplate"]["spec"]["template"]["spec"],
        ];
        for pod in pods {
            for list in ["initContainers", "containers"] {
                for container in pod[list].as_array().into_iter().flatten() {
                    images.extend(container["image"].as_str().map(str::to_owned));
                }
            }
        }
    }
    images.into_iter().collect()
}
