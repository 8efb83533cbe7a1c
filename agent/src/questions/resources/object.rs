//! One object of the tree: all of it without secrets, and what it belongs to.

use std::sync::Arc;

use syncline_cluster::{Account, Error};
use syncline_core::logs;
use syncline_core::manifest::{Body, text};
use syncline_core::masking::{Masking, Rules};
use syncline_core::object::ObjectKey;
use syncline_core::resources::{Node, conditions};
use syncline_core::secret_inputs::SecretInputs;
use syncline_web_ui::views::{ConditionView, ObjectDetail, PodName, ResourceNode};

use super::look::Look;
use super::rights::Lacks;
use crate::agent::Agent;

/// Most bytes of YAML that are told.
const MOST_YAML: usize = 256 * 1024;

/// Reads the object of a line of the tree as the application's account.
pub(super) async fn read(
    agent: &Agent,
    tree: &Look,
    at: usize,
    hidden: Result<Arc<SecretInputs>, String>,
) -> ObjectDetail {
    let node = &tree.nodes[at];
    let mut lacks = Lacks::default();
    let live = match &tree.account {
        Ok(account) => live(agent, account, &node.key, &mut lacks).await,
        Err(why) => {
            lacks.note(format!("the service account cannot be used: {why}"));
            None
        }
    };
    // Its conditions are sentences like those of its health; the rest needs to know every secret.
    let few = hidden.as_ref().cloned().unwrap_or_default();
    let conditions = live
        .as_ref()
        .map(|live| conditions(live.visible()))
        .unwrap_or_default();
    let conditions = conditions.into_iter().map(|mut condition| {
        condition.message = logs::masked(&condition.message, &few);
        ConditionView::from(condition)
    });
    let conditions = conditions.collect();
    let yaml = match (&live, &hidden) {
        (Some(live), Ok(hidden)) => Some(yaml(live, &agent.masking, hidden)),
        (Some(_), Err(why)) => {
            lacks.note(why.clone());
            None
        }
        (None, _) => None,
    };
    let yaml_cut = yaml.as_ref().is_some_and(|text| text.len() > MOST_YAML);
    ObjectDetail {
        node: ResourceNode::from(node),
        api_version: node.key.api_version(),
        uid: node.uid.clone(),
        owners: owners(&tree.nodes, at)
            .into_iter()
            .map(ResourceNode::from)
            .collect(),
        conditions,
        yaml: yaml.map(|mut text| {
            text.truncate(text.floor_char_boundary(MOST_YAML));
            text
        }),
        yaml_cut,
        pods: pods(&tree.nodes, at),
        missing: lacks.missing.into_iter().collect(),
        notes: lacks.notes.into_iter().collect(),
    }
}

/// The object without its secrets. Two answers cannot be compared by their masks.
fn yaml(live: &Body, rules: &Rules, secrets: &SecretInputs) -> String {
    let once = ulid::Ulid::new().to_bytes();
    let masking = Masking::of_answer(rules, secrets, &once);
    text::document(&masking.object(live))
}

async fn live(
    agent: &Agent,
    account: &Account,
    key: &ObjectKey,
    lacks: &mut Lacks,
) -> Option<Body> {
    let discovery = agent.cluster.discovery();
    let resource = match discovery.resolve(&key.group, &key.version, &key.kind).await {
        Ok(resource) => resource,
        Err(Error::UnknownKind { .. }) => return None,
        Err(error) => {
            lacks.note(format!("the kind {} cannot be read: {error}", key.kind));
            return None;
        }
    };
    match account.get_body(&resource, key).await {
        Ok(Some(object)) => Some(object),
        Ok(None) => {
            lacks.note("it is not there any more");
            None
        }
        Err(error) => {
            lacks.add(account, "get", &resource, key.namespace.as_deref(), &error);
            None
        }
    }
}

/// What a line is below, from the object of the application on.
fn owners(nodes: &[Node], at: usize) -> Vec<&Node> {
    let parents = std::iter::successors(nodes[at].parent, |parent| nodes[*parent].parent);
    let mut owners: Vec<&Node> = parents.map(|parent| &nodes[parent]).collect();
    owners.reverse();
    owners
}

/// The pods of a line and below it.
fn pods(nodes: &[Node], at: usize) -> Vec<PodName> {
    let depth = nodes[at].depth;
    let below = nodes[at + 1..].iter().take_while(|node| node.depth > depth);
    let all = std::iter::once(&nodes[at]).chain(below);
    all.filter_map(pod).collect()
}

/// A line that is a pod.
pub(super) fn pod(node: &Node) -> Option<PodName> {
    if node.key.group_kind() != "Pod" || node.uid.is_none() {
        return None;
    }
    let containers = node.containers.iter().map(|one| one.name.clone());
    Some(PodName {
        namespace: node.key.namespace.clone()?,
        name: node.key.name.clone(),
        containers: containers.collect(),
    })
}
