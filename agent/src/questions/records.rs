//! What is recorded beside syncs: deliveries of webhooks, calls of people, what others changed.

use std::collections::BTreeSet;
use std::time::Duration;

use syncline_core::object::ObjectKey;
use syncline_core::record::{DeliveryRecord, DeliveryVerdict, Name};
use syncline_core::trigger::Cause;
use syncline_store::{AuditFilter, DriftedSync, SyncFilter, SyncSummary};
use syncline_web_ui::views::{
    ApplicationName, CallView, DeliveryCounts, DeliveryView, DriftedObject, DriftedSyncView,
};
use syncline_web_ui::{Answer, CallFilter, DeliveryPart, DriftPart, Page, Records, Unanswered};

use super::{Answers, repositories};
use crate::agent::Agent;
use crate::health::FIGHT_ROUNDS;
use crate::history::unanswered;
use crate::state::{ApplicationState, State};

/// A sync that a delivery led to is queued within this time after it.
const LED_TO_WITHIN: Duration = Duration::from_mins(5);
/// So many syncs are looked through for what the deliveries of a page led to.
const LOOKED_THROUGH: u32 = 500;

impl Records for Answers {
    fn deliveries(&self, page: Page, only: Option<DeliveryVerdict>) -> Answer<'_, DeliveryPart> {
        Box::pin(async move {
            let agent = &self.agent;
            let (before, limit) = (page.before.as_deref(), page.limit);
            let found = agent.history.deliveries_of(only, before, limit).await;
            let records = found.map_err(unanswered)?;
            let syncs = led_to(agent, &records).await?;
            let state = agent.state.lock();
            let items = records.iter().map(|record| DeliveryView {
                applications: applications_of(&state, record, &records, &syncs),
                ..DeliveryView::from(record)
            });
            let counts = agent.deliveries.read();
            Ok(DeliveryPart {
                items: items.collect(),
                counts: DeliveryCounts {
                    accepted: counts.accepted,
                    ignored: counts.ignored,
                    duplicate: counts.duplicate,
                    rejected: counts.rejected,
                    refused: counts.refused + counts.overflowed,
                },
                hooks: agent.hooks.count(),
            })
        })
    }

    fn calls(&self, page: Page, filter: CallFilter) -> Answer<'_, Vec<CallView>> {
        Box::pin(async move {
            let filter = AuditFilter {
                actor: filter.actor,
                action: filter.action,
                kind: filter.kind,
                target: filter.target,
                since: filter.since,
                until: filter.until,
            };
            let history = &self.agent.history;
            let found = history.audit(&filter, page.before.as_deref(), page.limit);
            let found = found.await;
            let found = found.map_err(unanswered)?;
            Ok(found.iter().map(CallView::from).collect())
        })
    }

    fn drift(&self, page: Page) -> Answer<'_, DriftPart> {
        Box::pin(async move {
            let agent = &self.agent;
            let (before, limit) = (page.before.as_deref(), page.limit);
            let found = agent.history.drifted_syncs(before, limit).await;
            let syncs = found.map_err(unanswered)?;
            let now = match before {
                None => drifted_now(agent, &syncs),
                Some(_) => Vec::new(),
            };
            Ok(DriftPart {
                now,
                items: syncs.iter().map(view).collect(),
            })
        })
    }

    fn repository(
        &self,
        name: Name,
    ) -> Answer<'_, Option<syncline_web_ui::views::RepositoryDetail>> {
        Box::pin(async move { Ok(repositories::detail(&self.agent, &name)) })
    }

    fn dependency_graph(
        &self,
        of: Option<Name>,
    ) -> Answer<'_, Option<syncline_web_ui::views::DependencyGraph>> {
        Box::pin(async move { Ok(super::graph::of(&self.agent, of.as_ref())) })
    }
}

/// The syncs that a webhook caused while these deliveries came, newest first.
async fn led_to(
    agent: &Agent,
    deliveries: &[DeliveryRecord],
) -> Result<Vec<SyncSummary>, Unanswered> {
    let mut accepted = deliveries
        .iter()
        .filter(|delivery| delivery.verdict == DeliveryVerdict::Accepted)
        .map(|delivery| delivery.time);
    let Some(newest) = accepted.next() else {
        return Ok(Vec::new());
    };
    let oldest = accepted.next_back().unwrap_or(newest);
    let filter = SyncFilter {
        cause: Some(Cause::Webhook),
        since: Some(oldest),
        until: newest.checked_add(2 * LED_TO_WITHIN).ok(),
        ..SyncFilter::default()
    };
    let found = agent
        .history
        .find_syncs(&filter, None, LOOKED_THROUGH)
        .await;
    found.map_err(unanswered)
}

/// The applications that a delivery led to a sync of, as far as that is known: a webhook caused it,
/// its repository was named, and no other delivery of that repository came in between.
fn applications_of(
    state: &State,
    delivery: &DeliveryRecord,
    all: &[DeliveryRecord],
    syncs: &[SyncSummary],
) -> Vec<ApplicationName> {
    if delivery.verdict != DeliveryVerdict::Accepted {
        return Vec::new();
    }
    let caused = syncs.iter().filter(|sync| {
        let Some(repository) = state.repository_of(&sync.application) else {
            return false;
        };
        let late = delivery.time.checked_add(LED_TO_WITHIN);
        let nearer = |other: &DeliveryRecord| {
            other.verdict == DeliveryVerdict::Accepted
                && other.time > delivery.time
                && other.time <= sync.queued_at
                && other.repositories.contains(&repository)
        };
        delivery.repositories.contains(&repository)
            && delivery.time <= sync.queued_at
            && late.is_ok_and(|late| sync.queued_at <= late)
            && !all.iter().any(nearer)
    });
    let names: BTreeSet<&Name> = caused.map(|sync| &sync.application).collect();
    names.into_iter().map(ApplicationName::from).collect()
}

fn view(sync: &DriftedSync) -> DriftedSyncView {
    DriftedSyncView {
        id: sync.id.clone(),
        namespace: sync.application.namespace.clone(),
        application: sync.application.name.clone(),
        time: sync.started_at,
        result: sync.result.into(),
        items: sync.drift.iter().map(Into::into).collect(),
    }
}

/// The objects that differ from what was applied, with what the newest syncs found of them.
fn drifted_now(agent: &Agent, syncs: &[DriftedSync]) -> Vec<DriftedObject> {
    let state = agent.state.lock();
    let mut objects = Vec::new();
    for (name, entry) in &state.applications {
        for (key, kept) in &entry.objects {
            // What is about to be written, or could not be, is no drift.
            let waits = entry.failed.contains(key) || entry.unwritten.contains(key);
            if kept.written.is_none() || waits || entry.running.is_some() {
                continue;
            }
            let seen = state.live.seen(key);
            let stands = seen.is_some_and(|seen| seen.deleting || seen.stands(kept, name));
            if !stands {
                objects.push(drifted(agent, name, entry, key, seen.is_none(), syncs));
            }
        }
    }
    objects
}

fn drifted(
    agent: &Agent,
    name: &Name,
    entry: &ApplicationState,
    key: &ObjectKey,
    gone: bool,
    syncs: &[DriftedSync],
) -> DriftedObject {
    let text = key.to_string();
    let spec = entry.spec.as_ref().ok();
    let found = syncs
        .iter()
        .filter(|sync| sync.application == *name)
        .find_map(|sync| {
            let mut drift = sync.drift.iter();
            Some((sync, drift.find(|drift| drift.object == text)?))
        });
    let fight = entry.fights.get(key);
    let rounds = fight.map_or(0, |fight| fight.rounds);
    let suspended = spec
        .and_then(|spec| spec.suspend.as_ref())
        .is_some_and(|suspend| suspend.holds(agent.clock.now()));
    let self_heal = spec.is_some_and(|spec| spec.sync.self_heal);
    let next = if agent.freeze.current().is_some() {
        "the agent is frozen: nothing is put back until that ends"
    } else if suspended {
        "the application is suspended: nothing is put back until it is resumed"
    } else if entry.deleting.is_some() {
        "the application is being deleted"
    } else if !self_heal {
        "it stays until Git changes or a person asks for a sync; `spec.sync.selfHeal` would put it back"
    } else if rounds >= FIGHT_ROUNDS {
        "it is put back again and again, each time later: find out who changes it, or let Git leave \
         the field out"
    } else {
        "it is put back by the next sync"
    };
    DriftedObject {
        namespace: name.namespace.clone(),
        application: name.name.clone(),
        object: key.into(),
        gone,
        fields: found.map_or_else(Vec::new, |(_, drift)| drift.fields.clone()),
        manager: found.map(|(_, drift)| drift.manager.clone()),
        time: found.and_then(|(_, drift)| drift.time),
        sync: found.map(|(sync, _)| sync.id.clone()),
        self_heal,
        next: next.to_owned(),
        repairs: rounds,
    }
}
