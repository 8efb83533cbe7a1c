//! What the UI asks about the past of an application, and about what stands around one sync.

use syncline_core::record::Name;

use super::{Answer, Page};
use crate::views::{SyncContext, TimelineEntry, TimelineKind};

/// Questions about the past.
pub trait Timeline: Send + Sync + 'static {
    /// What happened to an application, newest first: every sync, every call of a person and every
    /// change of health, or one kind of them. `None` where the application was never heard of.
    fn timeline(
        &self,
        application: Name,
        page: Page,
        only: Option<TimelineKind>,
    ) -> Answer<'_, Option<Vec<TimelineEntry>>>;

    /// The commits that a sync brought, and the syncs before and after it.
    fn sync_context(&self, id: String) -> Answer<'_, Option<SyncContext>>;
}
