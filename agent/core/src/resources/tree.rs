//! The tree: the objects of an application, and what is below each by its owner references.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::made::{Container, Made, Ready};
use crate::health::{Health, ObjectHealth};
use crate::object::{ObjectKey, Origin};

/// How deep owners are followed; nothing real is deeper.
const DEEPEST: u32 = 12;

/// How an object of an application stands to what Git says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncState {
    /// It is as it was applied.
    Synced,
    /// Somebody changed it since.
    Drifted,
    /// Git names it and it is not there.
    Missing,
    /// The last sync could not write it.
    Failed,
    /// It was not written yet.
    Waiting,
    /// Git no longer names it.
    Left,
    /// It belongs to a run of a hook.
    Hook,
}

/// An object of an application, as the agent and the cluster know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// Which.
    pub key: ObjectKey,
    /// Its UID; `None` where it is not there.
    pub uid: Option<String>,
    /// How it is.
    pub health: ObjectHealth,
    /// How it stands to Git.
    pub sync: SyncState,
    /// Where Git names it.
    pub origin: Option<Origin>,
    /// When it was created, as far as that was read.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How much of it is ready.
    pub ready: Option<Ready>,
    /// Its containers, where it is a pod.
    pub containers: Vec<Container>,
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which.
    pub key: ObjectKey,
    /// Its UID; `None` where it is not there.
    pub uid: Option<String>,
    /// The index of the object that it is below; `None` for an object of the application.
    pub parent: Option<usize>,
    /// How many are above it.
    pub depth: u32,
    /// How it is.
    pub health: ObjectHealth,
    /// How it stands to Git; `None` for what the cluster made.
    pub sync: Option<SyncState>,
    /// Where Git names it; `None` for what the cluster made.
    pub origin: Option<Origin>,
    /// When it was created, as far as that was read.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How much of it is ready.
    pub ready: Option<Ready>,
    /// Its containers, where it is a pod.
    pub containers: Vec<Container>,
}

/// The objects of an application with what is below each, in the order in which they are shown: those
/// first that are not well, or have something below them that is not.
///
/// Left out are what no object of the application owns and ReplicaSets of earlier versions. A claim
/// of a pod of a StatefulSet is below the StatefulSet, also where no owner reference says so.
pub fn tree(managed: Vec<Managed>, made: Vec<Made>) -> Vec<Node> {
    let forest = Forest::of(&managed, made);
    let mut roots: Vec<(Vec<Node>, u8)> = managed
        .into_iter()
        .map(|root| {
            let nodes = forest.grown(root);
            let worst = nodes.iter().map(|node| rank(node.health.health)).max();
            (nodes, worst.unwrap_or_default())
        })
        .collect();
    // The first of the nodes is the object of the application itself.
    roots.sort_by(|(a, bad), (b, worse)| worse.cmp(bad).then_with(|| order(&a[0].key, &b[0].key)));
    let mut all: Vec<Node> = Vec::new();
    for (nodes, _) in roots {
        let before = all.len();
        all.extend(nodes.into_iter().map(|mut node| {
            node.parent = node.parent.map(|parent| parent + before);
            node
        }));
    }
    all
}

/// What is not well comes first; all that is well is the same.
fn rank(health: Health) -> u8 {
    match health {
        Health::Healthy | Health::Suspended => 0,
        Health::Progressing | Health::Unknown => 1,
        Health::Missing | Health::Degraded => 2,
    }
}

/// By kind, then by name, which people look for.
fn order(a: &ObjectKey, b: &ObjectKey) -> std::cmp::Ordering {
    let other = (&b.kind, &b.group, &b.namespace, &b.name);
    (&a.kind, &a.group, &a.namespace, &a.name).cmp(&other)
}

/// What was made, by who owns it.
struct Forest {
    below: BTreeMap<String, Vec<Made>>,
}

impl Forest {
    fn of(managed: &[Managed], made: Vec<Made>) -> Self {
        let ours: BTreeSet<&str> = managed.iter().filter_map(|m| m.uid.as_deref()).collect();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut made: Vec<Made> = made
            .into_iter()
            .filter(|one| !one.is_past && !ours.contains(one.uid.as_str()))
            .filter(|one| seen.insert(one.uid.clone()))
            .collect();
        give_claims(managed, &mut made);
        let known = |uid: &str| ours.contains(uid) || seen.contains(uid);
        let mut below: BTreeMap<String, Vec<Made>> = BTreeMap::new();
        for one in made {
            if let Some(owner) = one.owners.iter().find(|uid| known(uid)).cloned() {
                below.entry(owner).or_default().push(one);
            }
        }
        for children in below.values_mut() {
            children.sort_by(|a, b| order(&a.key, &b.key).then_with(|| b.created.cmp(&a.created)));
        }
        Self { below }
    }

    /// An object with all that is below it.
    fn grown(&self, root: Managed) -> Vec<Node> {
        let uid = root.uid.clone();
        let mut nodes = vec![Node {
            key: root.key,
            uid: root.uid,
            parent: None,
            depth: 0,
            health: root.health,
            sync: Some(root.sync),
            origin: root.origin,
            created: root.created,
            deleting: root.deleting,
            ready: root.ready,
            containers: root.containers,
        }];
        if let Some(uid) = uid {
            self.grow(&uid, 0, 1, &mut nodes);
        }
        nodes
    }

    fn grow(&self, owner: &str, parent: usize, depth: u32, nodes: &mut Vec<Node>) {
        if depth > DEEPEST {
            return;
        }
        for one in self.below.get(owner).into_iter().flatten() {
            let at = nodes.len();
            nodes.push(Node {
                key: one.key.clone(),
                uid: Some(one.uid.clone()),
                parent: Some(parent),
                depth,
                health: one.health.clone(),
                sync: None,
                origin: None,
                created: one.created,
                deleting: one.deleting,
                ready: one.ready,
                containers: one.containers.clone(),
            });
            self.grow(&one.uid, at, depth + 1, nodes);
        }
    }
}

/// Makes a StatefulSet the owner of the claims that its controller made for its pods: their names end
/// with that of their pod.
fn give_claims(managed: &[Managed], made: &mut [Made]) {
    let is_set = |key: &ObjectKey| key.group == "apps" && key.kind == "StatefulSet";
    let own = managed.iter().filter(|one| is_set(&one.key));
    let sets: BTreeSet<String> = own.filter_map(|one| one.uid.clone()).collect();
    let further = made.iter().filter(|one| is_set(&one.key));
    let sets: BTreeSet<String> = further.map(|one| one.uid.clone()).chain(sets).collect();
    let mut given: BTreeMap<(Option<String>, String), String> = BTreeMap::new();
    for pod in made.iter() {
        let Some(set) = pod.owners.iter().find(|uid| sets.contains(*uid)) else {
            continue;
        };
        let end = format!("-{}", pod.key.name);
        for claim in pod.claims.iter().filter(|claim| claim.ends_with(&end)) {
            let place = (pod.key.namespace.clone(), claim.clone());
            given.insert(place, set.clone());
        }
    }
    for claim in made {
        if claim.key.kind == "PersistentVolumeClaim" && claim.owners.is_empty() {
            let place = (claim.key.namespace.clone(), claim.key.name.clone());
            claim.owners.extend(given.get(&place).cloned());
        }
    }
}
