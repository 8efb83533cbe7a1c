//! What waits in the queue.

use std::sync::Arc;

use syncline_core::kept::KeptChange;
use syncline_core::record::{
    AuditRecord, DeliveryRecord, HealthChange, Name, SyncRecord, SyncResult, UpdateRecord,
};

/// One record on its way to the database.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Sync(Arc<SyncRecord>),
    Update(Arc<UpdateRecord>),
    Health(Arc<HealthChange>),
    Audit(Arc<AuditRecord>),
    Delivery(Arc<DeliveryRecord>),
    /// What changed in what is kept of an application.
    Keep(Arc<KeptChange>),
    /// Nothing is kept of an application any more.
    Forget(Arc<Name>),
    /// Nothing is kept of any application.
    ForgetAll,
}

/// As much text counts as one object.
const TEXT_PER_OBJECT: usize = 1024;

impl Item {
    /// What it is, for the log.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Sync(record) => record.id.clone(),
            Self::Update(record) => record.id.clone(),
            Self::Health(change) => change.id.clone(),
            Self::Audit(record) => record.id.clone(),
            Self::Delivery(record) => record.id.clone(),
            Self::Keep(change) => format!("kept of {}", change.kept.application),
            Self::Forget(application) => format!("forgotten of {application}"),
            Self::ForgetAll => "all forgotten".to_owned(),
        }
    }

    /// By what a newer record finds the waiting one whose place it takes; `None` for what is
    /// never replaced.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Sync(record) => Some(Key::Sync(record.id.clone())),
            Self::Update(record) => Some(Key::Update(record.id.clone())),
            Self::Health(change) => Some(Key::Health(change.id.clone())),
            Self::Audit(record) => Some(Key::Audit(record.id.clone())),
            Self::Delivery(record) => Some(Key::Delivery(record.id.clone())),
            Self::Keep(_) | Self::Forget(_) | Self::ForgetAll => None,
        }
    }

    /// The application of which something is kept or forgotten.
    pub(super) fn application(&self) -> Option<&Name> {
        match self {
            Self::Sync(_)
            | Self::Update(_)
            | Self::Health(_)
            | Self::Audit(_)
            | Self::Delivery(_)
            | Self::ForgetAll => None,
            Self::Keep(change) => Some(&change.kept.application),
            Self::Forget(application) => Some(application),
        }
    }

    /// How many objects, paths or changes it holds, as a measure of its memory.
    pub(super) fn objects(&self) -> usize {
        match self {
            Self::Sync(record) => {
                let changes = record.outcomes.iter().map(|outcome| outcome.changes.len());
                let manifests = record
                    .outcomes
                    .iter()
                    .filter_map(|outcome| outcome.manifest.as_ref())
                    .map(|manifest| manifest.text.len().div_ceil(TEXT_PER_OBJECT));
                1 + record.outcomes.len()
                    + changes.sum::<usize>()
                    + manifests.sum::<usize>()
                    + record.drift.len()
            }
            Self::Update(_) | Self::Health(_) | Self::Audit(_) | Self::Delivery(_) => 1,
            Self::Keep(change) => {
                1 + change.changed.len() + change.removed.len() + change.kept.reads.len()
            }
            Self::Forget(_) | Self::ForgetAll => 0,
        }
    }

    /// Whether it only says that a sync has begun.
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Sync(record) if record.result == SyncResult::Running)
    }

    /// Whether it deletes what is kept, and so takes no room.
    pub(super) fn is_forget(&self) -> bool {
        matches!(self, Self::Forget(_) | Self::ForgetAll)
    }

    pub(super) fn is_delivery(&self) -> bool {
        matches!(self, Self::Delivery(_))
    }

    /// Whether both are the same value in memory.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sync(a), Self::Sync(b)) => Arc::ptr_eq(a, b),
            (Self::Update(a), Self::Update(b)) => Arc::ptr_eq(a, b),
            (Self::Health(a), Self::Health(b)) => Arc::ptr_eq(a, b),
            (Self::Audit(a), Self::Audit(b)) => Arc::ptr_eq(a, b),
            (Self::Delivery(a), Self::Delivery(b)) => Arc::ptr_eq(a, b),
            (Self::Keep(a), Self::Keep(b)) => Arc::ptr_eq(a, b),
            (Self::Forget(a), Self::Forget(b)) => Arc::ptr_eq(a, b),
            // There is one at most: it is made before anything is kept.
            (Self::ForgetAll, Self::ForgetAll) => true,
            _ => false,
        }
    }
}

/// What one row is known by in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Sync(String),
    Update(String),
    Health(String),
    Audit(String),
    Delivery(String),
}
