//! The resource tree of an application, an object of it, and its events.

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::resources;
use utoipa::ToSchema;

use super::{Health, ObjectName, Origin};

/// The objects of an application with what the cluster made below them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesView {
    /// When it was read.
    pub read_at: Timestamp,
    /// The lines of the tree, each below the one that it belongs to.
    pub items: Vec<ResourceNode>,
    /// Rights that the account lacks; what they would show is not in the tree.
    pub missing: Vec<MissingRight>,
    /// Why something else is not in the tree, each a sentence.
    pub notes: Vec<String>,
}

/// A line of the resource tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceNode {
    /// The object.
    pub object: ObjectName,
    /// The index of the line that it is below; absent for an object of the application.
    pub parent: Option<u32>,
    /// How many are above it.
    pub depth: u32,
    /// Its health.
    pub health: Health,
    /// What its health says, for people. May be empty.
    pub health_message: String,
    /// How it stands to Git; absent for what the cluster made.
    pub sync: Option<SyncState>,
    /// Where Git names it; absent for what the cluster made.
    pub origin: Option<Origin>,
    /// When it was created, where that could be read.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How much of it is ready, where that can be counted.
    pub ready: Option<ReadyCount>,
    /// The containers of a pod, in the order in which they run.
    pub containers: Vec<ContainerView>,
}

/// How an object of an application stands to what Git says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
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

impl From<resources::SyncState> for SyncState {
    fn from(state: resources::SyncState) -> Self {
        match state {
            resources::SyncState::Synced => Self::Synced,
            resources::SyncState::Drifted => Self::Drifted,
            resources::SyncState::Missing => Self::Missing,
            resources::SyncState::Failed => Self::Failed,
            resources::SyncState::Waiting => Self::Waiting,
            resources::SyncState::Left => Self::Left,
            resources::SyncState::Hook => Self::Hook,
        }
    }
}

/// How much of an object is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadyCount {
    /// How many replicas, containers or completions are.
    pub ready: u32,
    /// How many should be.
    pub wanted: u32,
}

impl From<resources::Ready> for ReadyCount {
    fn from(count: resources::Ready) -> Self {
        Self {
            ready: count.ready,
            wanted: count.wanted,
        }
    }
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its image as the pod names it.
    pub image: String,
    /// Whether it runs before the others.
    pub init: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was started anew.
    pub restarts: u32,
    /// What it does.
    pub state: ContainerState,
    /// Why, in one word, as `CrashLoopBackOff`. May be empty.
    pub reason: String,
    /// Since when, where the kubelet says so.
    pub since: Option<Timestamp>,
    /// Whether there is a log of an earlier run of it.
    pub ran_before: bool,
}

impl From<&resources::Container> for ContainerView {
    fn from(container: &resources::Container) -> Self {
        Self {
            name: container.name.clone(),
            image: container.image.clone(),
            init: container.init,
            ready: container.ready,
            restarts: container.restarts,
            state: match container.state {
                resources::ContainerState::Waiting => ContainerState::Waiting,
                resources::ContainerState::Running => ContainerState::Running,
                resources::ContainerState::Ended => ContainerState::Ended,
                resources::ContainerState::Unknown => ContainerState::Unknown,
            },
            reason: container.reason.clone(),
            since: container.since,
            ran_before: container.ran_before,
        }
    }
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerState {
    /// It waits to be started.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// The kubelet has not said anything yet.
    Unknown,
}

impl From<&resources::Node> for ResourceNode {
    fn from(node: &resources::Node) -> Self {
        Self {
            object: (&node.key).into(),
            parent: node.parent.map(|parent| parent as u32),
            depth: node.depth,
            health: node.health.health.into(),
            health_message: node.health.message.clone(),
            sync: node.sync.map(Into::into),
            origin: node.origin.as_ref().map(Into::into),
            created: node.created,
            deleting: node.deleting,
            ready: node.ready.map(Into::into),
            containers: node.containers.iter().map(Into::into).collect(),
        }
    }
}

/// A right that the service account of an Application lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissingRight {
    /// What it may not do.
    #[schema(example = "list")]
    pub verb: String,
    /// API group of the resource; empty for the core group.
    pub group: String,
    /// With what.
    #[schema(example = "pods")]
    pub resource: String,
    /// Where; absent for the whole cluster.
    pub namespace: Option<String>,
    /// The service account.
    #[schema(example = "shop/deployer")]
    pub account: String,
    /// All of it in a sentence, for people.
    pub sentence: String,
}

impl MissingRight {
    /// A right on a resource, as roles name it.
    pub fn new(
        verb: &str,
        group: &str,
        resource: &str,
        namespace: Option<&str>,
        account: &str,
    ) -> Self {
        let named = match group {
            "" => resource.to_owned(),
            group => format!("{resource}.{group}"),
        };
        let place = match namespace {
            Some(namespace) => format!("in the namespace `{namespace}`"),
            None => "in the cluster".to_owned(),
        };
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
            account: account.to_owned(),
            sentence: format!("the service account `{account}` may not `{verb}` `{named}` {place}"),
        }
    }
}

/// What Kubernetes says about the objects of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsView {
    /// When it was read.
    pub read_at: Timestamp,
    /// The newest first.
    pub items: Vec<EventView>,
    /// Rights that the account lacks.
    pub missing: Vec<MissingRight>,
    /// Why something is not in the list, each a sentence.
    pub notes: Vec<String>,
}

/// An event of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// What it is about.
    pub object: ObjectName,
    /// Whether it says that something is wrong.
    pub warning: bool,
    /// One word.
    #[schema(example = "BackOff")]
    pub reason: String,
    /// A sentence. May be empty.
    pub message: String,
    /// Who said it. May be empty.
    pub source: String,
    /// How often.
    pub count: u32,
    /// When it was said first, where that is known.
    pub first: Option<Timestamp>,
    /// When it was said last, where that is known.
    pub last: Option<Timestamp>,
}

impl From<&resources::Event> for EventView {
    fn from(event: &resources::Event) -> Self {
        Self {
            object: (&event.object).into(),
            warning: event.kind == "Warning",
            reason: event.reason.clone(),
            message: event.message.clone(),
            source: event.source.clone(),
            count: event.count,
            first: event.first,
            last: event.last,
        }
    }
}

/// One object of an application, or one that is below them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDetail {
    /// Its line of the tree. Its parent is the last of `owners`.
    pub node: ResourceNode,
    /// Its API version.
    #[schema(example = "apps/v1")]
    pub api_version: String,
    /// Its UID; absent where it is not there.
    pub uid: Option<String>,
    /// What it belongs to, from the object of the application that Git names down to its own owner.
    pub owners: Vec<ResourceNode>,
    /// Its conditions.
    pub conditions: Vec<ConditionView>,
    /// All of it as YAML, without secrets; absent where it could not be read.
    pub yaml: Option<String>,
    /// Whether the end of that is missing, because it is too long.
    pub yaml_cut: bool,
    /// The pods below it, or itself where it is one.
    pub pods: Vec<PodName>,
    /// Rights that the account lacks.
    pub missing: Vec<MissingRight>,
    /// Why something is not there, each a sentence.
    pub notes: Vec<String>,
}

/// A condition in the status of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionView {
    /// Its type.
    #[schema(example = "Available")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason in one word. May be empty.
    pub reason: String,
    /// Its sentence. May be empty.
    pub message: String,
    /// Since when it has this status, where it says so.
    pub since: Option<Timestamp>,
}

impl From<resources::Condition> for ConditionView {
    fn from(condition: resources::Condition) -> Self {
        Self {
            kind: condition.kind,
            status: condition.status,
            reason: condition.reason,
            message: condition.message,
            since: condition.since,
        }
    }
}

/// A pod whose log can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its containers, in the order in which they run.
    pub containers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_as_a_role_would_name_it() {
        let right = MissingRight::new("list", "apps", "replicasets", Some("shop"), "shop/deployer");
        assert_eq!(
            right.sentence,
            "the service account `shop/deployer` may not `list` `replicasets.apps` in the namespace \
             `shop`"
        );
        let right = MissingRight::new("get", "", "nodes", None, "shop/deployer");
        assert!(
            right.sentence.ends_with("`nodes` in the cluster"),
            "{}",
            right.sentence
        );
    }
}
