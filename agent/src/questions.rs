//! Answers what the web UI asks, from state and history.

mod actions;
mod application;
mod dependencies;
mod diff;
mod graph;
mod history;
mod images;
mod list;
mod order;
mod records;
mod repositories;
mod resources;
mod revert;
mod timeline;

use std::sync::Arc;

use jiff::Timestamp;
use syncline_core::record::Name;
use syncline_web_ui::views::{
    About, ApplicationDetail, FreezeView, HealthChangeView, HistoryView, ImageDetail, ImageSummary,
    ImageUpdate, PreviewView, RepositoryView, SyncDetail, SyncSummary, TagAnswer, TagVerdict, Why,
};
use syncline_web_ui::{Answer, Feed, Page, Questions, Unanswered};

use crate::agent::Agent;
use crate::history::{notice, unanswered};
use crate::poller::Target;
use crate::preview::{Unpreviewed, waiting_or_at};
use crate::state::Statement;
use order::Moment;

/// The agent, as the web UI sees it.
pub(crate) struct Answers {
    agent: Arc<Agent>,
    looking: Arc<resources::Looking>,
}

impl Answers {
    /// Answers for an agent.
    pub(crate) fn new(agent: Arc<Agent>) -> Self {
        let looking = Arc::new(resources::Looking::new(&agent.settings));
        Self { agent, looking }
    }

    fn knows(&self, application: &Name) -> bool {
        let state = self.agent.state.lock();
        state.applications.contains_key(application)
    }
}

impl Questions for Answers {
    fn application(&self, name: Name) -> Answer<'_, Option<ApplicationDetail>> {
        Box::pin(async move {
            let agent = &self.agent;
            let (mut detail, failed) = {
                let state = agent.state.lock();
                let at = Moment::of(agent);
                let Some(entry) = state.applications.get(&name) else {
                    return Ok(None);
                };
                let detail = application::detail(agent, &state, &name, entry, &at);
                (detail, revert::failed(agent, &state, &name, entry))
            };
            if let (Some(rollout), Some(failed)) = (&mut detail.rollout, failed) {
                rollout.revert = revert::of(failed).await;
            }
            Ok(Some(detail))
        })
    }

    fn syncs(&self, application: Name, page: Page) -> Answer<'_, Option<Vec<SyncSummary>>> {
        Box::pin(async move {
            let known = self.knows(&application);
            let history = &self.agent.history;
            let found = history
                .syncs(&application, page.before.as_deref(), page.limit)
                .await
                .map_err(unanswered)?;
            if found.is_empty() && !known {
                return Ok(None);
            }
            Ok(Some(found.iter().map(history::listed).collect()))
        })
    }

    fn health_changes(
        &self,
        application: Name,
        page: Page,
    ) -> Answer<'_, Option<Vec<HealthChangeView>>> {
        Box::pin(async move {
            let known = self.knows(&application);
            let history = &self.agent.history;
            let found = history
                .health_changes(&application, page.before.as_deref(), page.limit)
                .await
                .map_err(unanswered)?;
            if found.is_empty() && !known {
                return Ok(None);
            }
            Ok(Some(found.iter().map(HealthChangeView::from).collect()))
        })
    }

    fn sync(&self, id: String) -> Answer<'_, Option<SyncDetail>> {
        Box::pin(async move {
            let record = self.agent.history.sync(&id).await;
            let record = record.map_err(unanswered)?;
            Ok(record.as_ref().map(SyncDetail::from))
        })
    }

    fn images(&self) -> Answer<'_, Vec<ImageSummary>> {
        Box::pin(async {
            let agent = &self.agent;
            let state = agent.state.lock();
            let entries = state.policies.iter();
            let summaries = entries.map(|(name, entry)| images::summary(agent, name, entry));
            Ok(summaries.collect())
        })
    }

    fn image(&self, name: Name) -> Answer<'_, Option<ImageDetail>> {
        Box::pin(async move { Ok(images::detail(&self.agent, &name)) })
    }

    fn image_tags(&self, name: Name) -> Answer<'_, Option<Vec<TagVerdict>>> {
        Box::pin(async move { Ok(images::tags(&self.agent, &name)) })
    }

    fn image_tag(&self, name: Name, tag: String) -> Answer<'_, Option<TagAnswer>> {
        Box::pin(async move { images::tag(&self.agent, &name, &tag) })
    }

    fn image_updates(&self, name: Name, page: Page) -> Answer<'_, Option<Vec<ImageUpdate>>> {
        Box::pin(async move {
            let known = self.agent.state.lock().policies.contains_key(&name);
            let history = &self.agent.history;
            let found = history
                .updates(Some(&name), page.before.as_deref(), page.limit)
                .await
                .map_err(unanswered)?;
            if found.is_empty() && !known {
                return Ok(None);
            }
            Ok(Some(found.iter().map(ImageUpdate::from).collect()))
        })
    }

    fn repositories(&self) -> Answer<'_, Vec<RepositoryView>> {
        Box::pin(async {
            let state = self.agent.state.lock();
            let entries = state.repositories.iter();
            Ok(entries
                .map(|(name, entry)| repositories::summary(&self.agent, &state, name, entry))
                .collect())
        })
    }

    fn about(&self) -> Answer<'_, About> {
        Box::pin(async {
            let history = &self.agent.history;
            let status = history.status();
            Ok(About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                instance: self.agent.instance.id().to_owned(),
                // A database that does not answer must not hide what it is asked beside.
                history_since: history.since().await.ok().flatten(),
                history: HistoryView {
                    database: status.kind.as_str().to_owned(),
                    notice: notice(&status),
                },
                freeze: frozen(&self.agent),
            })
        })
    }

    fn preview(
        &self,
        application: Name,
        reference: Option<String>,
    ) -> Answer<'_, Option<PreviewView>> {
        Box::pin(async move {
            match waiting_or_at(&self.agent, &application, reference.as_deref()).await {
                Ok(preview) => Ok(Some(preview.view())),
                Err(Unpreviewed::NoApplication(_)) => Ok(None),
                Err(error) => Err(Unanswered::Refused(error.to_string())),
            }
        })
    }

    fn changes(&self) -> Feed {
        self.agent.feed.clone()
    }
}

/// Why the whole agent stands still; `None` while it works.
fn frozen(agent: &Agent) -> Option<FreezeView> {
    let freeze = agent.freeze.current()?;
    Some(FreezeView {
        reason: freeze.reason,
        by: freeze.by,
        until: freeze.until,
    })
}

/// When something is looked at next; `None` while it is, or where it is not watched.
fn next_look(agent: &Agent, target: &Target) -> Option<Timestamp> {
    let due = agent.poller.due(target)?;
    let left = due.saturating_duration_since(agent.clock.monotonic());
    agent.clock.now().checked_add(left).ok()
}

fn why(statement: &Statement) -> Why {
    Why::new(
        statement.reason,
        statement.detail.clone(),
        Some(statement.since),
    )
}
