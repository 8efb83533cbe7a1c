//! The list of applications: small enough that a thousand of them are a few packets.
//!
//! What is empty is left out, and what many lines share is told once: commits and reasons.

use std::collections::BTreeMap;

use jiff::{Timestamp, Unit};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Health, Hold, ReasonClass, Severity, SyncResult};
use crate::questions::Listed;

/// How many digits of a commit a list tells.
const COMMIT_DIGITS: usize = 10;

/// A part of the list of applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationList {
    /// The applications, in the order that was asked for.
    pub items: Vec<ApplicationRow>,
    /// The commits that the items name by their place here.
    pub commits: Vec<ListedCommit>,
    /// The reasons that the items name.
    pub reasons: BTreeMap<String, ListedReason>,
    /// Where the next part begins: the value of `after`. Absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Counts of what the filter finds, in all parts.
    pub matching: Tally,
    /// Counts of all applications.
    pub all: Tally,
}

/// The names of all applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApplicationNames {
    /// `namespace/name`, sorted.
    pub items: Vec<String>,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationRow {
    /// Namespace of the Application.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How much it needs attention.
    pub severity: Severity,
    /// The worst health of its objects.
    pub health: Health,
    /// Its state: a key of `reasons`.
    pub reason: String,
    /// How the last sync ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_result: Option<SyncResult>,
    /// The images that its workloads run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub images: Vec<String>,
    /// The commit that is applied: its place in `commits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<u32>,
    /// When the last sync ended, to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync_at: Option<Timestamp>,
    /// Since when it is in its state, to the second. Absent where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What exactly is the case: object, file, line, field.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub detail: String,
    /// What keeps it from its newest commit, the strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub holds: Vec<Hold>,
    /// What is waited for, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub waiting_for: Vec<String>,
    /// When it is tried again, or looked at again, by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// A newer tag of an image that it runs, which waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Live objects differ from Git and stay so. Absent where they do not.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub drifted: bool,
    /// Newer commits wait until a person asks for a sync. Absent where they do not.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub manual: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// What a list tells of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListedCommit {
    /// The first ten digits.
    pub id: String,
    /// First line of the message.
    pub subject: String,
    /// Name of the author.
    pub author: String,
    /// Author's time, to the second.
    pub time: Timestamp,
}

/// What a list tells of a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ListedReason {
    /// What kind of state that is.
    pub class: ReasonClass,
    /// One sentence for everybody.
    pub sentence: String,
}

/// How many applications there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Tally {
    /// All of them.
    pub total: u32,
    /// Failing.
    pub failing: u32,
    /// Waiting for a person.
    pub waiting: u32,
    /// On their way.
    pub progressing: u32,
    /// Paused.
    pub suspended: u32,
    /// Well.
    pub healthy: u32,
    /// Those whose live objects differ from Git and stay so.
    pub drifted: u32,
    /// Those with a newer tag of an image that waits.
    pub updates: u32,
}

impl Tally {
    /// Counts an application.
    pub fn count(&mut self, application: &Listed) {
        self.total += 1;
        *match application.summary.severity {
            Severity::Failing => &mut self.failing,
            Severity::Waiting => &mut self.waiting,
            Severity::Progressing => &mut self.progressing,
            Severity::Suspended => &mut self.suspended,
            Severity::Healthy => &mut self.healthy,
        } += 1;
        self.drifted += u32::from(application.drifted);
        self.updates += u32::from(application.update.is_some());
    }
}

impl ApplicationList {
    /// The list of these applications.
    pub fn new<'a>(
        applications: impl IntoIterator<Item = &'a Listed>,
        next: Option<String>,
        [matching, all]: [Tally; 2],
    ) -> Self {
        let mut list = Self {
            items: Vec::new(),
            commits: Vec::new(),
            reasons: BTreeMap::new(),
            next,
            matching,
            all,
        };
        let mut places = BTreeMap::new();
        for application in applications {
            let row = list.row(application, &mut places);
            list.items.push(row);
        }
        list
    }

    fn row<'a>(
        &mut self,
        application: &'a Listed,
        places: &mut BTreeMap<&'a str, u32>,
    ) -> ApplicationRow {
        let summary = &application.summary;
        let why = &summary.why;
        if !self.reasons.contains_key(&why.reason) {
            let (class, sentence) = (why.class, why.sentence.clone());
            let reason = ListedReason { class, sentence };
            self.reasons.insert(why.reason.clone(), reason);
        }
        let commit = summary.commit.as_ref().map(|commit| {
            *places.entry(commit.id.as_str()).or_insert_with(|| {
                self.commits.push(ListedCommit {
                    id: commit.id.chars().take(COMMIT_DIGITS).collect(),
                    subject: commit.subject.clone(),
                    author: commit.author.clone(),
                    time: to_the_second(commit.time),
                });
                self.commits.len() as u32 - 1
            })
        });
        let is_well = summary.severity == Severity::Healthy;
        let last = summary.last_sync.as_ref();
        ApplicationRow {
            namespace: summary.namespace.clone(),
            name: summary.name.clone(),
            severity: summary.severity,
            health: summary.health,
            reason: why.reason.clone(),
            last_result: last.map(|sync| sync.result),
            images: summary.images.clone(),
            commit,
            last_sync_at: last.and_then(|sync| sync.finished_at).map(to_the_second),
            since: why.since.filter(|_| !is_well).map(to_the_second),
            detail: why.detail.clone(),
            holds: summary.holds.clone(),
            waiting_for: summary.waiting_for.clone(),
            next_try: summary.next_try.map(to_the_second),
            update: application.update.clone(),
            drifted: application.drifted,
            manual: !application.automatic,
        }
    }
}

/// Fractions of a second say nothing in a list, and do not pack.
fn to_the_second(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).unwrap_or(time)
}
