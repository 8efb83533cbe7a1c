//! Repositories as the web UI shows them: how far they were read, when again, and who reads them.

use syncline_core::record::Name;
use syncline_web_ui::views::{
    self, ApplicationName, DeliveryView, RepositoryDetail, RepositoryReader, RepositoryView,
    Severity, WebhookState,
};

use super::{next_look, why};
use crate::agent::Agent;
use crate::poller::Target;
use crate::state::{RepositoryState, State};

/// A line of the list.
pub(super) fn summary(
    agent: &Agent,
    state: &State,
    name: &Name,
    entry: &RepositoryState,
) -> RepositoryView {
    let spec = entry.spec.as_ref().ok();
    let webhook = match spec.and_then(|spec| spec.webhook_secret.as_ref()) {
        None => WebhookState::None,
        Some(_) if agent.hooks.has(name) => WebhookState::Ready,
        Some(_) => WebhookState::Unreadable,
    };
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
        next_look: next_look(agent, &Target::Repository(name.clone())),
        failures: entry.failures,
        webhook,
        last_delivery: agent.told.last_of(name).as_ref().map(DeliveryView::from),
        why: why(&entry.statement),
        writable: spec.is_some_and(|spec| spec.write.is_some()),
        applications: state.applications_of(name).len() as u32,
    }
}

/// The page of a repository; `None` where there is no such one.
pub(super) fn detail(agent: &Agent, name: &Name) -> Option<RepositoryDetail> {
    let state = agent.state.lock();
    let entry = state.repositories.get(name)?;
    let spec = entry.spec.as_ref().ok();
    let readers = state.readers_of(name).into_iter().filter_map(|reader| {
        let entry = state.applications.get(&reader)?;
        let spec = entry.spec.as_ref().ok()?;
        let (health, _) = crate::health::told(&state, &reader);
        let applied = entry.applied.as_ref();
        Some(RepositoryReader {
            name: reader.name.clone(),
            path: spec.path.to_string(),
            severity: Severity::of(entry.statement.reason, health.into()),
            why: why(&entry.statement),
            commit: applied.map(|head| views::Commit::from(&head.info)),
            only_source: spec.repository != name.name,
        })
    });
    let policies = state.policies.iter().filter(|(policy, entry)| {
        policy.namespace == name.namespace
            && entry
                .spec
                .as_ref()
                .is_ok_and(|spec| spec.repository == name.name)
    });
    Some(RepositoryDetail {
        summary: summary(agent, &state, name, entry),
        interval_seconds: spec.map(|spec| spec.interval.as_secs()),
        service_account: spec.map(|spec| spec.account.clone()).unwrap_or_default(),
        signed: spec.is_some_and(|spec| spec.verify.is_some()),
        readers: readers.collect(),
        policies: policies
            .map(|(policy, _)| ApplicationName::from(policy))
            .collect(),
    })
}
