//! Which hooks an application has: their order, their names, and what tells one set from another.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Hook, HookId, Moment};
use crate::digest::Digest;
use crate::manifest::{Manifest, ManifestSet};
use crate::object::ObjectKey;
use crate::outcome::Failure;
use crate::plan::stage;
use crate::reason::Reason;

/// How many characters of a name that is generated come from the run.
const GENERATED: usize = 8;
/// Most characters of a name that is generated: what a label of a Job's pods may have.
const MOST: usize = 63;

/// The hash of the desired objects and hooks: what a rollout is known by.
///
/// Hooks of a deletion are left out: to change them changes nothing that runs.
pub fn identity(set_hashes: &BTreeMap<ObjectKey, Digest>, hooks: &[Hook]) -> String {
    let mut hash = Sha256::new();
    let mut feed = |key: &ObjectKey, digest: &Digest, moment: &str| {
        let namespace = key.namespace.as_deref().unwrap_or_default();
        for part in [&key.group, &key.kind, namespace, &key.name, moment] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(digest.as_bytes());
    };
    for (key, digest) in set_hashes {
        feed(key, digest, "");
    }
    let is_of_rollout =
        |hook: &&Hook| !matches!(hook.moment, Moment::BeforeDelete | Moment::AfterDelete);
    let mut known: Vec<(HookId, Digest)> = hooks
        .iter()
        .filter(is_of_rollout)
        .map(|hook| (hook.id(), hook.hash))
        .collect();
    known.sort();
    for (id, digest) in &known {
        feed(&id.key, digest, id.moment.as_str());
    }
    Digest::from_hash(&hash.finalize()).to_string()
}

/// Sorts hooks as they run, see [`turn`].
pub fn in_order(hooks: &mut [Hook]) {
    hooks.sort_by(turn);
}

/// Which of two hooks runs first: by moment and weight; then what others need before what runs, then
/// by kind and name.
pub fn turn(a: &Hook, b: &Hook) -> Ordering {
    let place = |hook: &Hook| {
        let key = &hook.manifest.key;
        (hook.moment, hook.weight, stage(key), runs(key))
    };
    let (a_key, b_key) = (&a.manifest.key, &b.manifest.key);
    place(a)
        .cmp(&place(b))
        .then_with(|| a_key.kind.cmp(&b_key.kind))
        .then_with(|| a_key.name.cmp(&b_key.name))
        .then_with(|| a_key.cmp(b_key))
}

/// Whether an object has pods.
fn runs(key: &ObjectKey) -> bool {
    match key.group.as_str() {
        "" => matches!(key.kind.as_str(), "Pod" | "ReplicationController"),
        "apps" | "batch" => true,
        // What operators make of their own kinds runs as well, and their needs come first.
        group => group.contains('.') && !group.ends_with(".k8s.io"),
    }
}

/// Hooks that stand twice at one moment, and hooks that are objects of the application as well.
pub fn duplicates(set: &ManifestSet, hooks: &[Hook]) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut known: BTreeMap<HookId, &Manifest> = BTreeMap::new();
    let mut said = std::collections::BTreeSet::new();
    for hook in hooks {
        let key = &hook.manifest.key;
        if let Some(first) = known.insert(hook.id(), &hook.manifest) {
            failures.push(Failure {
                reason: Reason::DuplicateObject,
                detail: format!(
                    "the hook {key} is declared in {} and in {}",
                    first.origin, hook.manifest.origin
                ),
            });
        }
        let object = set.get(key);
        if let Some(object) = object.filter(|_| said.insert(key.clone())) {
            failures.push(Failure {
                reason: Reason::DuplicateObject,
                detail: format!(
                    "{key} is declared as an object in {} and as a hook in {}",
                    object.origin, hook.manifest.origin
                ),
            });
        }
    }
    failures
}

/// The key of the object that a run of a hook has in the cluster: with `generateName` the name comes
/// from the run, so that the same run never makes two.
pub fn named(hook: &Hook, run: &str) -> ObjectKey {
    let mut key = hook.manifest.key.clone();
    if hook.manifest.body.visible()["metadata"]["name"].is_string() {
        return key;
    }
    let mut hash = Sha256::new();
    hash.update(hook.moment.as_str());
    hash.update([0]);
    hash.update(run);
    let hash = Digest::from_hash(&hash.finalize()).to_string();
    let prefix: String = key.name.chars().take(MOST - GENERATED).collect();
    key.name = format!("{prefix}{}", &hash[..GENERATED]);
    key
}
