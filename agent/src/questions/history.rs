//! Lines of the history of an application.

use syncline_web_ui::views::{self, Counts, SyncSummary, Why};

pub(super) fn listed(sync: &syncline_store::SyncSummary) -> SyncSummary {
    SyncSummary {
        id: sync.id.clone(),
        namespace: sync.application.namespace.clone(),
        application: sync.application.name.clone(),
        cause: sync.cause.into(),
        result: sync.result.into(),
        revision: sync.revision.as_ref().map(views::Revision::from),
        commit: sync.commit.as_ref().map(views::Commit::from),
        previous: sync.previous.as_ref().map(ToString::to_string),
        queued_at: sync.queued_at,
        started_at: sync.started_at,
        finished_at: sync.finished_at,
        failure: sync.failure.as_ref().map(Why::from),
        counts: Counts {
            created: sync.counts.created as u32,
            updated: sync.counts.updated as u32,
            pruned: sync.counts.pruned as u32,
            skipped: sync.counts.skipped as u32,
            failed: sync.counts.failed as u32,
            unchanged: sync.counts.unchanged as u32,
            drifted: sync.counts.drifted as u32,
        },
    }
}
