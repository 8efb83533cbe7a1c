//! What differs in an object, field by field, and whether the API server would take it.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value};
use syncline_cluster::{ApplyOptions, DryRun};
use syncline_core::application::Referent;
use syncline_core::diff::{self, Change};
use syncline_core::digest::Digest;
use syncline_core::manifest::{Body, Manifest, ManifestSet};
use syncline_core::masking::Masking;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::owner::Owner;
use syncline_core::ownership;
use syncline_core::plan::Live;
use syncline_core::projection::project;
use syncline_core::secret_inputs::SecretInputs;

use super::Subject;
use super::look::Seen;

/// What differs in an object, and what is to be said of that.
pub(super) type Comparison = (Vec<Change>, Option<String>);

/// Without the key of the hashes an object of ours counts as applied before where every field that
/// Git names is as Git says.
pub(super) async fn hashes_by_fields(
    subject: &Subject<'_>,
    owner: &Owner,
    set: &ManifestSet,
    seen: &Seen,
    hashes: &mut BTreeMap<ObjectKey, Digest>,
    compared: &mut BTreeMap<ObjectKey, Comparison>,
    secrets: &SecretInputs,
) {
    for manifest in set {
        let Some(live) = seen.live.get(&manifest.key) else {
            continue;
        };
        if live.owner(&manifest.key).as_ref() != Some(owner) {
            continue;
        }
        let comparison = compare(subject, owner, manifest, &seen.live, secrets).await;
        if comparison.0.is_empty()
            && comparison.1.is_none()
            && let Some(applied) = live.applied()
        {
            hashes.insert(manifest.key.clone(), applied);
        }
        compared.insert(manifest.key.clone(), comparison);
    }
}

/// The fields of a live object that an update changes.
pub(super) async fn compare(
    subject: &Subject<'_>,
    owner: &Owner,
    manifest: &Manifest,
    live: &BTreeMap<ObjectKey, Live>,
    secrets: &SecretInputs,
) -> Comparison {
    let unclear = |why: String| (Vec::new(), Some(format!("cannot be compared: {why}")));
    let key = &manifest.key;
    let discovery = subject.cluster.discovery();
    let resource = discovery.resolve(&key.group, &key.version, &key.kind).await;
    let found = match resource {
        Ok(resource) => subject.account.get_full(&resource, key).await,
        Err(error) => Err(error),
    };
    let mut object = match found {
        Ok(Some(object)) => object,
        Ok(None) => return unclear("it is gone".to_owned()),
        Err(error) => return unclear(error.to_string()),
    };
    let mut note = None;
    if key.is_secret()
        && let Err(error) = with_values(subject, key, &mut object).await
    {
        note = Some(format!("its values cannot be compared: {error}"));
    }
    let wire = manifest.body.to_wire();
    let manager = names::field_manager(&owner.instance);
    let fields = live.get(key).map_or(&[][..], |live| &live.managed_fields);
    let owned = ownership::applied_entry(fields, &manager);
    let live = project(&object, &wire, owned.unwrap_or(&Value::Null));
    // The message of the error names a key of the Secret at most.
    let body = match Body::take(live) {
        Ok(body) => body,
        Err(why) => return unclear(why),
    };
    // Equal values look equal in this one answer, and nothing can be learnt from two.
    let random = ulid::Ulid::new().to_bytes();
    let masking = Masking::of_answer(&subject.settings.masking, secrets, &random);
    let (before, after) = masking.pair(&body, &manifest.body);
    let mut changes = diff::changes(&before, &after);
    if note.is_some() {
        changes.retain(|change| !change.path.starts_with("data"));
    }
    (changes, note)
}

/// Puts the values of a Secret into what was read of it.
pub(super) async fn with_values(
    subject: &Subject<'_>,
    key: &ObjectKey,
    object: &mut Value,
) -> Result<(), syncline_cluster::Error> {
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let data = subject.account.data(Referent::Secret, namespace, &key.name);
    let data = data.await?.unwrap_or_default();
    let encode = |value| base64::engine::general_purpose::STANDARD.encode(value);
    let values = data.keys().filter_map(|name| {
        let value = encode(data.get(name)?);
        Some((name.to_owned(), Value::from(value)))
    });
    object["data"] = values.collect::<Map<_, _>>().into();
    Ok(())
}

/// Has the API server try a write without effect.
pub(super) async fn rehearse(
    subject: &Subject<'_>,
    owner: &Owner,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let key = &manifest.key;
    let options = ApplyOptions {
        conflicts: subject.application.sync.conflicts,
        dry_run: DryRun::Yes,
        resource_version: None,
    };
    let manager = names::field_manager(&owner.instance);
    let discovery = subject.cluster.discovery();
    let tried = match discovery.resolve(&key.group, &key.version, &key.kind).await {
        Ok(resource) => {
            let wire = manifest.body.to_wire();
            let account = subject.account;
            account
                .apply(&resource, key, &wire, &manager, options)
                .await
        }
        Err(error) => Err(error),
    };
    tried.map(|_| ()).map_err(|error| Failure {
        reason: error.reason(),
        detail: format!("{}: {key}: {error}", manifest.origin),
    })
}
