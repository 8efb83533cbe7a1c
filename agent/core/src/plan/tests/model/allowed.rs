//! What the model itself allows to be deleted.

use super::agent::{Agent, Delete, Git};
use super::cluster::Cluster;
use super::*;

/// Kinds that hold data or other objects.
pub(super) fn is_precious(key: &ObjectKey) -> bool {
    let kinds = ["Namespace", "StatefulSet", "PersistentVolumeClaim"];
    kinds.contains(&key.kind.as_str())
}

/// What the model itself allows, whatever the planner thought.
pub(super) fn may_delete(
    delete: &Delete<'_>,
    cluster: &Cluster,
    agent: &Agent,
    git: &Git,
    (approved, waiting): (&BTreeSet<(usize, u32)>, &BTreeSet<u32>),
) -> Result<(), String> {
    let (application, key) = (delete.application, delete.key);
    let object = cluster.objects.get(key).ok_or("it is not there")?;
    let namespace = key.namespace.as_deref().unwrap_or_default();
    let identity = format!("{}/{}/{namespace}/{}", key.group, key.kind, key.name);
    let record = format!("abc/{}:{identity}", owner_of(application).application);
    if object.annotations.get(names::ANNOTATION_OWNER) != Some(&record) {
        return Err("its record does not name the application and itself".into());
    }
    if let Some(other) = wanted_by(git, key).next() {
        return Err(format!("{other} wants it"));
    }
    if git.broken[application] {
        return Err("the application cannot be rendered".into());
    }
    let settled = agent.entries[application].settled;
    let others = agent
        .unrendered
        .iter()
        .filter(|(other, _)| **other != application);
    if let Some((other, _)) = others.clone().find(|(_, head)| **head > settled) {
        return Err(format!("{other} is not rendered"));
    }
    if key.name == "default" {
        return Err("it is protected".into());
    }
    if object.annotations.contains_key(names::ANNOTATION_PRUNE) {
        return Err("it says that it stays".into());
    }
    let asks = is_precious(key) || git.wants[application].is_empty();
    let asks = asks || waiting.contains(&object.uid);
    let by_hash = delete.approve == Some(delete.plan.hash.as_str())
        && approved.contains(&(application, object.uid));
    if asks && !delete.in_git && !by_hash {
        return Err("nobody approved it".into());
    }
    Ok(())
}
