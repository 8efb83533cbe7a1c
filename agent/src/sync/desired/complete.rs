//! From objects to the desired set: who each one is, its normal form and its owner record.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syncline_cluster::Discovery;
use syncline_core::application::Application;
use syncline_core::digest::Digest;
use syncline_core::manifest::yaml::Limits;
use syncline_core::manifest::{Manifest, ManifestSet, Raw, Scope, normalise, to_manifests};
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

/// The desired set, and the keyed hash of each object in it.
pub(crate) type Complete = (ManifestSet, BTreeMap<ObjectKey, Digest>);

/// Identity, namespace, normal form and owner record of every object; refuses duplicates.
pub(crate) async fn complete(
    with: &Completion<'_>,
    objects: Vec<Raw>,
    warnings: &mut Vec<String>,
) -> Result<Complete, Vec<Failure>> {
    let application = with.application;
    let scopes = scopes(with.discovery, &objects).await?;
    let scope_of = |group: &str, version: &str, kind: &str| {
        scopes
            .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
            .copied()
    };
    let manifests = to_manifests(objects, &application.namespace, &scope_of, &with.limits)?;
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
    Ok((set, hashes))
}

/// What is known of each kind among the objects: from discovery, or from a CRD beside them.
async fn scopes(
    discovery: &Discovery,
    objects: &[Raw],
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
pub(super) fn images(set: &ManifestSet) -> Vec<String> {
    let mut images = BTreeSet::new();
    for manifest in set {
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
