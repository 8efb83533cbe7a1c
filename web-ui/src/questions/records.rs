//! What the UI asks about what is recorded beside syncs, and about repositories and dependencies.

use jiff::Timestamp;
use syncline_core::record::{DeliveryVerdict, Name};

use super::{Answer, Page};
use crate::views::{
    CallView, DeliveryCounts, DeliveryView, DependencyGraph, DriftedObject, DriftedSyncView,
    RepositoryDetail,
};

/// Questions about records.
pub trait Records: Send + Sync + 'static {
    /// Deliveries of webhooks, newest first; those alone that this became of.
    fn deliveries(&self, page: Page, only: Option<DeliveryVerdict>) -> Answer<'_, DeliveryPart>;

    /// Calls that changed something, or were to, newest first.
    fn calls(&self, page: Page, filter: CallFilter) -> Answer<'_, Vec<CallView>>;

    /// What others changed: now, in the first part alone, and as the syncs found it, newest first.
    fn drift(&self, page: Page) -> Answer<'_, DriftPart>;

    /// One repository; `None` where there is no such one.
    fn repository(&self, name: Name) -> Answer<'_, Option<RepositoryDetail>>;

    /// All applications that have dependencies, or those that hang together with one; `None` where
    /// there is no such one.
    fn dependency_graph(&self, of: Option<Name>) -> Answer<'_, Option<DependencyGraph>>;
}

/// Which calls are asked for. What is `None` is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// By this one.
    pub actor: Option<String>,
    /// That asked for this.
    pub action: Option<String>,
    /// About an object of this kind.
    pub kind: Option<String>,
    /// About this one.
    pub target: Option<Name>,
    /// That came at this time or later.
    pub since: Option<Timestamp>,
    /// That came before this time.
    pub until: Option<Timestamp>,
}

/// A part of the deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPart {
    /// Newest first.
    pub items: Vec<DeliveryView>,
    /// How many came since the agent started, by what became of them.
    pub counts: DeliveryCounts,
    /// For how many Repositories deliveries are taken.
    pub hooks: usize,
}

/// A part of what others changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftPart {
    /// What differs now.
    pub now: Vec<DriftedObject>,
    /// Syncs that found something, newest first.
    pub items: Vec<DriftedSyncView>,
}
