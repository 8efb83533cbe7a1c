//! The past of an application, and what stands around one sync.

use syncline_core::record::{AuditRecord, Name, SyncRecord, SyncResult};
use syncline_store::{AuditFilter, SyncFilter, SyncSummary};
use syncline_web_ui::views::{Commit, SyncContext, TimelineEntry, TimelineKind};
use syncline_web_ui::{Answer, Page, Timeline, Unanswered};

use super::{Answers, history};
use crate::agent::{Agent, blocking};
use crate::history::unanswered;

/// So many commits of a sync are named.
const NAMED_COMMITS: usize = 50;
/// So many syncs before one are looked through for the last good one.
const LOOKED_THROUGH: u32 = 100;

impl Timeline for Answers {
    fn timeline(
        &self,
        application: Name,
        page: Page,
        only: Option<TimelineKind>,
    ) -> Answer<'_, Option<Vec<TimelineEntry>>> {
        Box::pin(async move {
            let wants = |kind| only.is_none_or(|only| only == kind);
            let agent = &self.agent;
            let mut entries = Vec::new();
            if wants(TimelineKind::Sync) || only == Some(TimelineKind::Failed) {
                let found = syncs(agent, &application, &page, only).await?;
                let listed = found.iter().map(history::listed);
                entries.extend(listed.map(|sync| TimelineEntry::Sync(Box::new(sync))));
            }
            if wants(TimelineKind::Act) {
                let found = acts(agent, &application, &page).await?;
                entries.extend(found.iter().map(|act| TimelineEntry::Act(act.into())));
            }
            if wants(TimelineKind::Health) {
                let found = agent
                    .history
                    .health_changes(&application, page.before.as_deref(), page.limit)
                    .await
                    .map_err(unanswered)?;
                entries.extend(found.iter().map(|one| TimelineEntry::Health(one.into())));
            }
            if entries.is_empty() && !self.knows(&application) {
                return Ok(None);
            }
            entries.sort_by(|a, b| b.id().cmp(a.id()));
            entries.truncate(page.limit as usize);
            Ok(Some(entries))
        })
    }

    fn sync_context(&self, id: String) -> Answer<'_, Option<SyncContext>> {
        Box::pin(async move {
            let agent = &self.agent;
            let found = agent.history.sync(&id).await;
            let found = found.map_err(unanswered)?;
            let Some(sync) = found else {
                return Ok(None);
            };
            let mut commits = commits(agent, &sync).await;
            let more = commits.len() > NAMED_COMMITS;
            commits.truncate(NAMED_COMMITS);
            let history = &agent.history;
            let before = history
                .syncs(&sync.application, Some(&id), LOOKED_THROUGH)
                .await
                .map_err(unanswered)?;
            let after = history
                .sync_after(&sync.application, &id)
                .await
                .map_err(unanswered)?;
            let good = before.iter().find(|other| is_good(other, &sync));
            Ok(Some(SyncContext {
                commits,
                more,
                older: before.first().map(history::listed),
                newer: after.as_ref().map(history::listed),
                good: good.map(history::listed),
            }))
        })
    }
}

/// Syncs, or those alone that failed.
async fn syncs(
    agent: &Agent,
    application: &Name,
    page: &Page,
    only: Option<TimelineKind>,
) -> Result<Vec<SyncSummary>, Unanswered> {
    let filter = SyncFilter {
        application: Some(application.clone()),
        result: (only == Some(TimelineKind::Failed)).then_some(SyncResult::Failed),
        ..SyncFilter::default()
    };
    let before = page.before.as_deref();
    let found = agent.history.find_syncs(&filter, before, page.limit).await;
    found.map_err(unanswered)
}

/// Calls of people about an application.
async fn acts(
    agent: &Agent,
    application: &Name,
    page: &Page,
) -> Result<Vec<AuditRecord>, Unanswered> {
    let filter = AuditFilter {
        kind: Some("Application".to_owned()),
        target: Some(application.clone()),
        ..AuditFilter::default()
    };
    let before = page.before.as_deref();
    let found = agent.history.audit(&filter, before, page.limit).await;
    found.map_err(unanswered)
}

/// The newest commits that a sync brought, one more than are named where there are more. None where
/// the mirror does not have them: another repository by now, or a rewritten history.
async fn commits(agent: &Agent, sync: &SyncRecord) -> Vec<Commit> {
    let (Some(old), Some(new)) = (sync.previous.clone(), sync.revision.clone()) else {
        return Vec::new();
    };
    let mirror = {
        let state = agent.state.lock();
        state
            .source_of(&sync.application)
            .and_then(|repository| repository.spec.as_ref().ok())
            .and_then(|spec| agent.mirrors.get(&spec.url).ok())
    };
    let Some(mirror) = mirror else {
        return Vec::new();
    };
    let found = blocking(move || {
        let found = mirror.commits_between(&old, &new.commit, NAMED_COMMITS + 1);
        found.unwrap_or_default()
    });
    let found = found.await;
    found.iter().map(|(info, _)| Commit::from(info)).collect()
}

/// Whether a sync is one to go back to from another: it did everything, with another commit.
fn is_good(other: &SyncSummary, than: &SyncRecord) -> bool {
    other.result == SyncResult::Succeeded
        && other.revision.is_some()
        && other.revision.as_ref().map(|revision| &revision.commit)
            != than.revision.as_ref().map(|revision| &revision.commit)
}
