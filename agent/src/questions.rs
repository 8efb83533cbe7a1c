//! Answers what the web UI asks, from state and history.

use std::sync::Arc;

use syncline_core::application::Suspension;
use syncline_core::health::Health;
use syncline_core::image::Rule;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::ActionKind;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use syncline_web_ui::views::{
    self, About, ApplicationDetail, ApplicationSummary, ApprovalView, Counts, ImagePolicyView,
    ImageUpdate, LastSync, ObjectView, RepositoryView, Severity, SyncDetail, SyncSummary,
    TagVerdict, Why,
};
use syncline_web_ui::{Answer, Feed, Page, Questions, Unanswered};

use crate::agent::Agent;
use crate::applications::look_at_sources;
use crate::health;
use crate::state::{ApplicationState, State, Statement};

/// The agent, as the web UI sees it.
pub(crate) struct Answers {
    agent: Arc<Agent>,
}

impl Answers {
    /// Answers for an agent.
    pub(crate) fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }
}

impl Questions for Answers {
    fn applications(&self) -> Answer<'_, Vec<ApplicationSummary>> {
        Box::pin(async {
            let state = self.agent.state.lock();
            Ok(state
                .applications
                .iter()
                .map(|(name, entry)| summary(&state, name, entry))
                .collect())
        })
    }

    fn application(&self, name: Name) -> Answer<'_, Option<ApplicationDetail>> {
        Box::pin(async move {
            let state = self.agent.state.lock();
            let Some(entry) = state.applications.get(&name) else {
                return Ok(None);
            };
            let spec = entry.spec.as_ref().ok();
            let repository = spec.map(|spec| Name::new(&name.namespace, &spec.repository));
            let head = repository
                .and_then(|repository| state.repositories.get(&repository)?.head.as_ref())
                .map(|head| views::Revision::from(&head.revision));
            Ok(Some(ApplicationDetail {
                summary: summary(&state, &name, entry),
                head,
                automatic: spec.is_some_and(|spec| spec.sync.automatic),
                self_heal: spec.is_some_and(|spec| spec.sync.self_heal),
                service_account: spec.map(|spec| spec.account.clone()).unwrap_or_default(),
                approval: entry
                    .plan_hash
                    .as_ref()
                    .map(|hash| ApprovalView::new(&name, hash)),
                checked_slowly: entry.unwatched.iter().cloned().collect(),
                notes: entry
                    .rendered
                    .as_ref()
                    .map_or_else(String::new, |rendered| {
                        rendered.secrets.mask_text(&rendered.notes).into_owned()
                    }),
                objects: objects(&state, entry),
            }))
        })
    }

    fn syncs(&self, application: Name, page: Page) -> Answer<'_, Option<Vec<SyncSummary>>> {
        Box::pin(async move {
            let known = self
                .agent
                .state
                .lock()
                .applications
                .contains_key(&application);
            let found = self
                .agent
                .history
                .syncs(&application, page.before.as_deref(), page.limit)
                .await
                .map_err(|error| Unanswered::Internal(error.into()))?;
            if found.is_empty() && !known {
                return Ok(None);
            }
            Ok(Some(found.iter().map(listed).collect()))
        })
    }

    fn sync(&self, id: String) -> Answer<'_, Option<SyncDetail>> {
        Box::pin(async move {
            let record = self.agent.history.sync(&id).await;
            let record = record.map_err(|error| Unanswered::Internal(error.into()))?;
            Ok(record.as_ref().map(SyncDetail::from))
        })
    }

    fn image_policies(&self) -> Answer<'_, Vec<ImagePolicyView>> {
        Box::pin(async {
            let mut views: Vec<ImagePolicyView> = {
                let state = self.agent.state.lock();
                let entries = state.policies.iter();
                entries
                    .map(|(name, entry)| {
                        let spec = entry.spec.as_ref().ok();
                        ImagePolicyView {
                            namespace: name.namespace.clone(),
                            name: name.name.clone(),
                            image: spec.map(|spec| spec.image.to_string()).unwrap_or_default(),
                            range: spec.map(|spec| spec.range.clone()).unwrap_or_default(),
                            repository: spec.map(|s| s.repository.clone()).unwrap_or_default(),
                            current: entry.current.clone(),
                            latest: entry.latest.clone(),
                            why: why(&entry.statement),
                            scanned_at: entry.scanned_at,
                            verdicts: entry.verdicts.iter().map(verdict).collect(),
                            last_update: entry.last_update.as_ref().map(ImageUpdate::from),
                        }
                    })
                    .collect()
            };
            for view in views.iter_mut().filter(|view| view.last_update.is_none()) {
                let name = Name::new(&view.namespace, &view.name);
                let updates = self.agent.history.updates(Some(&name), None, 1).await;
                let updates = updates.map_err(|error| Unanswered::Internal(error.into()))?;
                view.last_update = updates.first().map(ImageUpdate::from);
            }
            Ok(views)
        })
    }

    fn repositories(&self) -> Answer<'_, Vec<RepositoryView>> {
        Box::pin(async {
            let state = self.agent.state.lock();
            let entries = state.repositories.iter();
            Ok(entries
                .map(|(name, entry)| {
                    let spec = entry.spec.as_ref().ok();
                    RepositoryView {
                        namespace: name.namespace.clone(),
                        name: name.name.clone(),
                        url: spec.map(|spec| spec.url.to_string()).unwrap_or_default(),
                        branch: spec.map(|spec| spec.branch.clone()).unwrap_or_default(),
                        head: entry
                            .head
                            .as_ref()
                            .map(|head| views::Commit::from(&head.info)),
                        checked_at: entry.checked_at,
                        why: why(&entry.statement),
                        writable: spec.is_some_and(|spec| spec.write.is_some()),
                        applications: state.applications_of(name).len() as u32,
                    }
                })
                .collect())
        })
    }

    fn about(&self) -> Answer<'_, About> {
        Box::pin(async {
            let since = self.agent.history.since().await;
            Ok(About {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                instance: self.agent.instance.id().to_owned(),
                history_since: since.map_err(|error| Unanswered::Internal(error.into()))?,
            })
        })
    }

    fn request_sync(&self, application: Name) -> Answer<'_, Option<()>> {
        Box::pin(async move {
            let suspended = {
                let state = self.agent.state.lock();
                let Some(entry) = state.applications.get(&application) else {
                    return Ok(None);
                };
                entry
                    .spec
                    .as_ref()
                    .ok()
                    .and_then(|spec| spec.suspend.clone())
            };
            if let Some(Suspension { reason, .. }) = suspended {
                let sentence = Reason::Suspended.row().sentence;
                return Err(Unanswered::Refused(format!("{sentence} ({reason})")));
            }
            let agent = &self.agent;
            look_at_sources(agent, &application);
            let due = agent.clock.monotonic();
            agent
                .queue
                .push(&application, Cause::User, agent.clock.now(), due);
            Ok(Some(()))
        })
    }

    fn changes(&self) -> Feed {
        self.agent.feed.clone()
    }
}

fn why(statement: &Statement) -> Why {
    Why::new(
        statement.reason,
        statement.detail.clone(),
        Some(statement.since),
    )
}

fn health_view(health: Health) -> views::Health {
    match health {
        Health::Healthy => views::Health::Healthy,
        Health::Progressing => views::Health::Progressing,
        Health::Degraded => views::Health::Degraded,
        Health::Suspended => views::Health::Suspended,
        Health::Missing => views::Health::Missing,
        Health::Unknown => views::Health::Unknown,
    }
}

fn summary(state: &State, name: &Name, entry: &ApplicationState) -> ApplicationSummary {
    let spec = entry.spec.as_ref().ok();
    let (health, _) = health::told(state, name);
    let health = health_view(health);
    ApplicationSummary {
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        repository: spec.map(|spec| spec.repository.clone()).unwrap_or_default(),
        path: spec.map(|spec| spec.path.to_string()).unwrap_or_default(),
        destination: spec.map(|spec| spec.namespace.clone()).unwrap_or_default(),
        severity: Severity::of(entry.statement.reason, health),
        health,
        why: why(&entry.statement),
        revision: entry
            .applied
            .as_ref()
            .map(|head| views::Revision::from(&head.revision)),
        commit: entry
            .applied
            .as_ref()
            .map(|head| views::Commit::from(&head.info)),
        last_sync: entry.last_sync.as_ref().map(|sync| LastSync {
            id: sync.id.clone(),
            result: sync.result.into(),
            finished_at: sync.finished_at,
        }),
        objects: entry.objects.len() as u32,
        images: entry
            .kept
            .as_ref()
            .map(|kept| kept.images.clone())
            .unwrap_or_default(),
    }
}

fn objects(state: &State, entry: &ApplicationState) -> Vec<ObjectView> {
    let named = entry
        .objects
        .iter()
        .map(|(key, kept)| object(state, entry, key, Some((&kept.origin).into())));
    // Objects that left Git and are still there: held, or kept on purpose.
    let left = entry.left.iter();
    named
        .chain(left.map(|key| object(state, entry, key, None)))
        .collect()
}

fn object(
    state: &State,
    entry: &ApplicationState,
    key: &ObjectKey,
    origin: Option<views::Origin>,
) -> ObjectView {
    let health = state.live.health(key);
    // What stands has no action of its own.
    let stands = entry.kept.as_ref().map(|_| ActionKind::Unchanged);
    let action = entry.actions.get(key).copied().or(stands);
    ObjectView {
        object: key.into(),
        health: health.map_or(views::Health::Missing, |health| health_view(health.health)),
        health_message: health
            .map(|health| health.message.clone())
            .unwrap_or_default(),
        origin,
        last_action: action.map(Into::into),
    }
}

fn verdict(verdict: &syncline_core::image::Verdict) -> TagVerdict {
    TagVerdict {
        tag: verdict.tag.to_string(),
        verdict: match verdict.rule {
            Rule::Chosen => views::Verdict::Chosen,
            Rule::Older | Rule::SameVersion | Rule::BelowCurrent => views::Verdict::Allowed,
            Rule::OutsideRange
            | Rule::PreRelease
            | Rule::Short
            | Rule::Unordered
            | Rule::Attachment => views::Verdict::Refused,
        },
        rule: verdict.sentence.clone(),
    }
}

fn listed(sync: &syncline_store::SyncSummary) -> SyncSummary {
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
