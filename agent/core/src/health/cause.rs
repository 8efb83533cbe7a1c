//! Why a workload is not healthy, carried up from its pods into its own sentence.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pod::{self, Finding};
use super::{Health, ObjectHealth};

/// How many different troubles are named.
const MAX_CAUSES: usize = 2;
/// Longest sentence about pods, in characters.
const MAX_CHARACTERS: usize = 400;

/// The health of a workload with the most telling reasons of its pods in the sentence, for example
/// `0 of 3 replicas are ready: 3 pods: the container `web` does not start: ImagePullBackOff: tag
/// 1.9.0 not found (example.com/web:1.9.0)`.
///
/// `pods` are the pods of the workload as the API server gave them, in any order. Pods with the same
/// trouble are counted together; those of the newest revision come first (by `pod-template-hash` or
/// `controller-revision-hash` and the time of creation), older ones only where the newest has no
/// trouble.
///
/// The word never changes: an image that is missing may still be pushed and a container that crashes
/// may find its database, so that only the workload's own deadline, or that of the sync, makes it
/// Degraded. A workload that is healthy, suspended or without troubled pods is returned as it is.
pub fn cause(workload: &ObjectHealth, pods: &[Value]) -> ObjectHealth {
    if matches!(workload.health, Health::Healthy | Health::Suspended) {
        return workload.clone();
    }
    let newest = newest_revision(pods);
    let mut groups: BTreeMap<(bool, String), Group<'_>> = BTreeMap::new();
    for pod in pods {
        if let Some(found) = pod::finding(pod) {
            let is_old = newest.is_some() && revision(pod) != newest;
            groups
                .entry((is_old, found.sentence.clone()))
                .or_default()
                .add(pod, found);
        }
    }
    let some_new = groups.keys().any(|(is_old, _)| !is_old);
    let mut told: Vec<(String, Group<'_>)> = groups
        .into_iter()
        .filter(|((is_old, _), _)| *is_old != some_new)
        .map(|((_, sentence), group)| (sentence, group))
        .collect();
    told.sort_by(|(a, one), (b, other)| {
        (other.weight, other.pods, a).cmp(&(one.weight, one.pods, b))
    });
    // What is only not ready yet says nothing beside a real trouble.
    if told.first().is_some_and(|(_, group)| group.weight > 3) {
        told.retain(|(_, group)| group.weight > 3);
    }
    let causes: Vec<String> = told
        .iter()
        .take(MAX_CAUSES)
        .map(|(sentence, group)| group.tell(sentence))
        .collect();
    if causes.is_empty() {
        return workload.clone();
    }
    let causes = bounded(&causes.join("; "));
    let message = if workload.message.is_empty() {
        causes
    } else {
        format!("{}: {causes}", workload.message)
    };
    ObjectHealth::new(workload.health, message)
}

/// Pods with the same trouble.
#[derive(Default)]
struct Group<'a> {
    pods: usize,
    weight: u8,
    /// The name of the first by name, and what only that one has.
    first: Option<(&'a str, String)>,
}

impl<'a> Group<'a> {
    fn add(&mut self, pod: &'a Value, found: Finding) {
        self.pods += 1;
        self.weight = self.weight.max(found.weight);
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if self.first.as_ref().is_none_or(|(first, _)| name < *first) {
            self.first = Some((name, found.detail));
        }
    }

    fn tell(&self, sentence: &str) -> String {
        match &self.first {
            Some((name, detail)) if self.pods == 1 => format!("pod {name}: {sentence}{detail}"),
            _ => format!("{} pods: {sentence}", self.pods),
        }
    }
}

/// The revision of the workload that a pod is of; `None` where it has none.
fn revision(pod: &Value) -> Option<&str> {
    let labels = &pod["metadata"]["labels"];
    ["pod-template-hash", "controller-revision-hash"]
        .into_iter()
        .find_map(|label| labels[label].as_str())
}

/// The revision of the pod that was made last.
fn newest_revision(pods: &[Value]) -> Option<&str> {
    pods.iter()
        .filter_map(|pod| {
            let made = pod["metadata"]["creationTimestamp"].as_str()?;
            let made: jiff::Timestamp = made.parse().ok()?;
            Some((made, revision(pod)?))
        })
        .max()
        .map(|(_, revision)| revision)
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}
