//! An application as the web UI shows it: what it is, what it waits for, what it has.

use syncline_core::application::SyncPolicy;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::ActionKind;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_web_ui::views::{
    self, ApplicationDetail, ApplicationSummary, ApprovalView, Approves, HealthCause, LastSync,
    ObjectView, RetryView, Severity,
};

use super::order::Moment;
use super::{actions, dependencies, images, order, why};
use crate::agent::Agent;
use crate::state::{ApplicationState, State};

/// The page of an application.
pub(super) fn detail(
    agent: &Agent,
    state: &State,
    name: &Name,
    entry: &ApplicationState,
    at: &Moment,
) -> ApplicationDetail {
    let spec = entry.spec.as_ref().ok();
    let repository = spec.map(|spec| Name::new(&name.namespace, &spec.repository));
    let head = repository
        .and_then(|repository| state.repositories.get(&repository)?.head.as_ref())
        .map(|head| views::Revision::from(&head.revision));
    let policy: Option<&SyncPolicy> = spec.map(|spec| &spec.sync);
    let (_, cause) = crate::health::told(state, name);
    ApplicationDetail {
        summary: summary(state, name, entry, at),
        head,
        automatic: policy.is_some_and(|policy| policy.automatic),
        self_heal: policy.is_some_and(|policy| policy.self_heal),
        service_account: spec.map(|spec| spec.account.clone()).unwrap_or_default(),
        approval: approval(name, entry),
        checked_slowly: entry.unwatched.iter().cloned().collect(),
        notes: entry
            .rendered
            .as_ref()
            .map_or_else(String::new, |rendered| {
                rendered.secrets.mask_text(&rendered.notes).into_owned()
            }),
        health_cause: HealthCause {
            object: cause.as_ref().map(|(key, _)| key.into()),
            sentence: cause.map(|(_, sentence)| sentence).unwrap_or_default(),
        },
        rollout: order::rollout(entry, at),
        gates: order::gates(entry, at),
        windows: order::windows(entry, at),
        depends_on: dependencies::of(agent, state, name),
        needed_by: dependencies::needing(state, name),
        retry: RetryView {
            failures: entry.failures,
            limit: policy.and_then(|policy| policy.retry.limit),
        },
        policies: images::policies_of(state, name, entry),
        allowed_actions: actions::of_application(agent, state, name, entry),
        kept_by: actions::kept_by(name, entry).map(|owner| owner.to_string()),
        objects: objects(state, entry),
    }
}

/// The plan that waits for a person.
fn approval(name: &Name, entry: &ApplicationState) -> Option<ApprovalView> {
    let hash = entry.waiting_hash()?;
    let what = match entry.statement.reason {
        Reason::ManualSync => Approves::Changes,
        _ => Approves::Prune,
    };
    let held = entry.held.iter().flatten();
    let held = held.map(|(key, reason)| format!("{key}: {}", reason.row().sentence));
    Some(ApprovalView {
        held: held.collect(),
        ..ApprovalView::new(name, &hash, what)
    })
}

/// A line of the list.
pub(super) fn summary(
    state: &State,
    name: &Name,
    entry: &ApplicationState,
    at: &Moment,
) -> ApplicationSummary {
    let spec = entry.spec.as_ref().ok();
    let (health, _) = crate::health::told(state, name);
    let health = health.into();
    ApplicationSummary {
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        repository: spec.map(|spec| spec.repository.clone()).unwrap_or_default(),
        path: spec.map(|spec| spec.path.to_string()).unwrap_or_default(),
        destination: spec.map(|spec| spec.namespace.clone()).unwrap_or_default(),
        severity: Severity::of(entry.statement.reason, health),
        health,
        health_since: entry.health.map(|(_, since)| since),
        why: why(&entry.statement),
        holds: order::holds(entry, at),
        waiting_for: entry.waiting_for.clone(),
        next_try: entry.next_try,
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
        health: health.map_or(views::Health::Missing, |health| health.health.into()),
        health_message: health
            .map(|health| health.message.clone())
            .unwrap_or_default(),
        origin,
        last_action: action.map(Into::into),
    }
}
