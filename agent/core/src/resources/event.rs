//! Events of Kubernetes, in both forms that the API has for them.

use jiff::Timestamp;
use serde_json::Value;

use crate::object::{ObjectKey, group_version};

/// What Kubernetes, or anybody else, said about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub object: ObjectKey,
    /// UID of that object; empty where the event does not say.
    pub uid: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Who said it.
    pub source: String,
    /// How often.
    pub count: u32,
    /// When it was said first.
    pub first: Option<Timestamp>,
    /// When it was said last.
    pub last: Option<Timestamp>,
}

impl Event {
    /// Reads an event of the core group, which all events can be read as.
    pub fn read(event: &Value) -> Option<Self> {
        let about = &event["involvedObject"];
        let (group, version) = group_version(about["apiVersion"].as_str().unwrap_or("v1"));
        let text = |value: &Value| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
        let time = |value: &Value| value.as_str().and_then(|time| time.parse().ok());
        let series = &event["series"];
        let made = time(&event["metadata"]["creationTimestamp"]);
        let first = time(&event["firstTimestamp"]).or(time(&event["eventTime"]));
        let last = time(&series["lastObservedTime"]).or(time(&event["lastTimestamp"]));
        let count = series["count"].as_u64().or(event["count"].as_u64());
        Some(Self {
            object: ObjectKey {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: text(&about["kind"])?,
                namespace: text(&about["namespace"]),
                name: text(&about["name"])?,
            },
            uid: text(&about["uid"]).unwrap_or_default(),
            kind: text(&event["type"]).unwrap_or_else(|| "Normal".to_owned()),
            reason: text(&event["reason"]).unwrap_or_default(),
            message: text(&event["message"]).unwrap_or_default(),
            source: text(&event["reportingComponent"])
                .or_else(|| text(&event["source"]["component"]))
                .unwrap_or_default(),
            count: count.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            first: first.or(made),
            last: last.or(first).or(made),
        })
    }
}

/// Sorts events, the one that was said last first, and keeps at most `most` of them.
pub fn newest_first(mut events: Vec<Event>, most: usize) -> Vec<Event> {
    events.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.object.cmp(&b.object)));
    events.truncate(most);
    events
}
