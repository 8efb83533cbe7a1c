//! What is said of an application by the health of its objects and the time.

use std::time::Duration;

use serde_json::json;
use syncline_cluster::kinds::{self, ApplicationStatus};
use syncline_core::digest::Digest;
use syncline_core::health::ObjectHealth;
use syncline_core::kept::{FieldDigests, KeptObject};
use syncline_core::object::Origin;
use syncline_core::revision::{CommitId, Revision};
use tokio::time::Instant;

use super::*;
use crate::conversion;
use crate::live::Seen;
use crate::state::Statement;

const TIMEOUT: Duration = Duration::from_mins(10);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn name() -> Name {
    Name::new("shop", "web")
}

fn key() -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    }
}

/// A state with an application of one object, after a start with what an earlier run told.
fn started(status: ApplicationStatus) -> State {
    let wire: kinds::Application = serde_json::from_value(json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "Application",
        "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "repository": "config", "path": "apps/web", "sync": { "timeout": "10m" } },
    }))
    .unwrap();
    let spec = conversion::application(&wire, "applier");
    assert_eq!(spec.as_ref().unwrap().sync.timeout, TIMEOUT);
    let statement = Statement::new(Reason::Synced, at(0));
    let mut entry = ApplicationState::new(spec, statement, status, Instant::now());
    let commit = CommitId::parse(&"0".repeat(40)).unwrap();
    entry.kept = Some(crate::state::tests::kept(&commit));
    entry.attempted = Some(Revision {
        branch: "main".into(),
        commit,
    });
    let kept = KeptObject {
        origin: Origin::default(),
        applied: Digest::default(),
        written: None,
    };
    entry.objects.insert(key(), kept);
    let mut state = State::default();
    state.applications.insert(name(), entry);
    state.live.claim(&key(), &name());
    state
}

fn see(state: &mut State, version: u32, health: Health, message: &str) {
    let seen = Seen {
        uid: "u".into(),
        resource_version: version.to_string(),
        owner: Some(name()),
        applied: None,
        fields: FieldDigests::default(),
        run: None,
        deleting: false,
        health: ObjectHealth::new(health, message),
        selector: None,
    };
    state.live.see(&key(), seen).unwrap();
}

fn statement(state: &State) -> (Reason, &str) {
    let statement = &state.applications[&name()].statement;
    (statement.reason, statement.detail.as_str())
}

#[test]
fn what_is_on_its_way_for_longer_than_the_timeout_is_degraded_until_it_is_healthy() {
    let mut state = started(ApplicationStatus::default());
    see(&mut state, 1, Health::Progressing, "0 of 1");
    judge(&mut state, &name(), at(0));
    assert_eq!(
        statement(&state),
        (Reason::Progressing, "Deployment.apps shop/web: 0 of 1")
    );
    assert!(!judge_running(&mut state, &name(), at(600)));
    assert_eq!(told(&state, &name()).0, Health::Progressing);
    // By the time alone.
    assert!(judge_running(&mut state, &name(), at(601)));
    assert_eq!(
        statement(&state),
        (Reason::Degraded, "Deployment.apps shop/web: 0 of 1")
    );
    assert_eq!(told(&state, &name()).0, Health::Degraded);
    see(&mut state, 2, Health::Progressing, "another sentence");
    assert!(judge_running(&mut state, &name(), at(602)));
    assert_eq!(statement(&state).0, Reason::Degraded);
    see(&mut state, 3, Health::Healthy, "");
    assert!(judge_running(&mut state, &name(), at(603)));
    assert_eq!(statement(&state), (Reason::Synced, ""));
    // The next time has a limit of its own.
    see(&mut state, 4, Health::Progressing, "0 of 1");
    assert!(judge_running(&mut state, &name(), at(604)));
    assert_eq!(statement(&state).0, Reason::Progressing);
}

#[test]
fn a_restart_begins_no_new_time_limit() {
    let earlier = |health: Health| ApplicationStatus {
        health: Some(health.as_str().to_owned()),
        health_since: Some(at(0)),
        ..ApplicationStatus::default()
    };
    for (health, second, reason) in [
        (Health::Progressing, 599, Reason::Progressing),
        (Health::Progressing, 601, Reason::Degraded),
        // It was late before.
        (Health::Degraded, 1, Reason::Degraded),
        (Health::Healthy, 601, Reason::Progressing),
    ] {
        let mut state = started(earlier(health));
        see(&mut state, 1, Health::Progressing, "0 of 1");
        judge(&mut state, &name(), at(second));
        assert_eq!(statement(&state).0, reason, "{health} {second}");
        let entry = &state.applications[&name()];
        assert_eq!(entry.health, Some((health, at(0))));
    }
}

#[test]
fn until_everything_was_seen_after_a_start_what_the_run_before_said_stands() {
    let mut state = started(ApplicationStatus::default());
    state.applications.get_mut(&name()).unwrap().attempted = None;
    assert_eq!(state.health(&name()).0, Health::Missing);
    assert!(!judge_running(&mut state, &name(), at(1)));
    assert_eq!(statement(&state).0, Reason::Synced);
}

#[test]
fn an_object_that_fails_after_success_is_said_and_nothing_is_asked_for() {
    let mut state = started(ApplicationStatus::default());
    see(&mut state, 1, Health::Healthy, "");
    judge(&mut state, &name(), at(0));
    see(&mut state, 2, Health::Degraded, "crashed");
    assert!(judge_running(&mut state, &name(), at(1)));
    assert_eq!(
        statement(&state),
        (Reason::Degraded, "Deployment.apps shop/web: crashed")
    );
    // While a sync runs that one says it.
    let running = tokio_util::sync::CancellationToken::new();
    state.applications.get_mut(&name()).unwrap().running = Some(running);
    see(&mut state, 3, Health::Healthy, "");
    assert!(!judge_running(&mut state, &name(), at(2)));
}
