//! Health: of an object, of an application, and how it changed.

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::health;
use syncline_core::record::HealthChange;
use utoipa::ToSchema;

use super::ObjectName;

/// Health of an object, or the worst of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Health {
    /// It works.
    Healthy,
    /// It is on its way.
    Progressing,
    /// It does not work.
    Degraded,
    /// It is paused.
    Suspended,
    /// Git names it, and it is not there.
    Missing,
    /// It cannot be read.
    Unknown,
}

impl From<health::Health> for Health {
    fn from(health: health::Health) -> Self {
        match health {
            health::Health::Healthy => Self::Healthy,
            health::Health::Progressing => Self::Progressing,
            health::Health::Degraded => Self::Degraded,
            health::Health::Suspended => Self::Suspended,
            health::Health::Missing => Self::Missing,
            health::Health::Unknown => Self::Unknown,
        }
    }
}

/// The object that an application has its health from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCause {
    /// The object; absent where none is to blame.
    pub object: Option<ObjectName>,
    /// What its health says, for people. May be empty.
    pub sentence: String,
}

/// The health of an application became another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChangeView {
    /// Id: sorts by time.
    pub id: String,
    /// When; the last time, where changes that followed each other closely are one.
    pub time: Timestamp,
    /// When the first of them was.
    pub began: Timestamp,
    /// How many it stands for: more than 2 went to and fro.
    pub changes: u32,
    /// What it was.
    pub before: Health,
    /// What it became.
    pub after: Health,
    /// The object that it is from, as `Deployment.apps shop/web`; empty where it is from none.
    pub object: String,
    /// What its health says, for people. May be empty.
    pub sentence: String,
    /// The commit that was applied then.
    pub commit: Option<String>,
    /// The sync that it came with; absent where it came by itself.
    pub sync: Option<String>,
}

impl From<&HealthChange> for HealthChangeView {
    fn from(change: &HealthChange) -> Self {
        let revision = change.revision.as_ref();
        Self {
            id: change.id.clone(),
            time: change.time,
            began: change.began,
            changes: change.changes,
            before: change.from.into(),
            after: change.to.into(),
            object: change.object.clone().unwrap_or_default(),
            sentence: change.message.clone(),
            commit: revision.map(|revision| revision.commit.to_string()),
            sync: change.sync.clone(),
        }
    }
}

/// A part of the changes of health of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChangeList {
    /// The newest first.
    pub items: Vec<HealthChangeView>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
}
