//! Manifests, calls, deliveries and lists of all applications.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use syncline_core::digest::Digest;
use syncline_core::masking::Masked;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::reason::Reason;
use syncline_core::record::{
    AuditRecord, DeliveryRecord, DeliveryVerdict, Drift, MaskedManifest, Name, SyncRecord,
    SyncResult,
};
use syncline_core::trigger::Cause;
use syncline_store::{
    AuditFilter, DriftedSync, History, Location, ObjectState, Pruned, Settings, Store, SyncFilter,
};

use crate::history::{at, begun, ended, id, outcome};
use crate::place::Place;

fn manifest(text: &str) -> MaskedManifest {
    // Not a hash, but as different as the texts.
    let mut hash = [0x5a; 16];
    for (number, byte) in text.bytes().enumerate() {
        hash[number % 16] ^= byte.rotate_left(u32::try_from(number / 16).unwrap());
    }
    MaskedManifest {
        digest: Digest::from(hash),
        text: Masked::read_back(text),
    }
}

/// A sync that did this to objects, each with the text that it has now.
fn applied(second: u64, objects: &[(&str, ActionKind, Option<&str>)]) -> SyncRecord {
    let outcomes = objects.iter().map(|(name, action, text)| ObjectOutcome {
        manifest: text.map(manifest),
        ..outcome(name, *action, None)
    });
    SyncRecord {
        result: SyncResult::Succeeded,
        outcomes: outcomes.collect(),
        ..begun("web", second)
    }
}

async fn states(history: &History, sync: &str) -> Vec<(String, String, String)> {
    let states = history.object_states(&Name::new("shop", "web"), sync).await;
    let short = |state: ObjectState| (state.key.name, state.sync, state.manifest.text.to_string());
    states.unwrap().into_iter().map(short).collect()
}

async fn each_manifest_is_kept_once_and_comes_back_with_its_objects(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let first = applied(
        10,
        &[
            (
                "created",
                ActionKind::Create,
                Some("kind: A\nit's: \"🦁\"\n"),
            ),
            ("twin", ActionKind::Create, Some("kind: A\nit's: \"🦁\"\n")),
            ("gone", ActionKind::Prune, None),
        ],
    );
    let second = SyncRecord {
        id: id(20),
        ..first.clone()
    };
    for record in [&first, &first, &second] {
        history.record_sync(record);
        assert_eq!(history.flush().await, 0);
    }
    let with = history.sync_with_manifests(&first.id).await.unwrap();
    assert_eq!(with, Some(first.clone()));
    let without = history.sync(&first.id).await.unwrap().unwrap();
    assert!(without.outcomes.iter().all(|o| o.manifest.is_none()));
    let kept = manifest("kind: A\nit's: \"🦁\"\n");
    assert_eq!(history.manifest(&kept.digest).await.unwrap(), Some(kept));
    assert_eq!(history.manifest(&Digest::default()).await.unwrap(), None);
    let rows = "select count(*) from manifests";
    assert_eq!(place.other().await.number(rows).await, 1);
    assert_eq!(history.dropped(), 0);
}

async fn many_manifests_of_one_sync_come_back_with_their_objects(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let names: Vec<(String, String)> = (0..450)
        .map(|number| (format!("web-{number:03}"), format!("number: {number:09}\n")))
        .collect();
    let objects: Vec<_> = names
        .iter()
        .map(|(name, text)| (&**name, ActionKind::Update, Some(&**text)))
        .collect();
    let record = applied(10, &objects);
    store.history().record_sync(&record);
    assert_eq!(store.history().flush().await, 0);
    let read = store.history().sync_with_manifests(&record.id).await;
    assert!(read.unwrap().unwrap() == record);
    let all = states(&store.history(), &record.id).await;
    assert_eq!(all.len(), 450);
}

async fn the_objects_as_of_a_sync_are_the_newest_that_were_applied_until_then(place: Place) {
    use ActionKind::{Create, Prune, Skip, Update};
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut refused = applied(
        40,
        &[("a", Update, Some("a: 3")), ("b", Skip, Some("b: 3"))],
    );
    for outcome in &mut refused.outcomes {
        outcome.error = Some(Failure {
            reason: Reason::InvalidObject,
            detail: String::new(),
        });
    }
    let foreign = SyncRecord {
        application: Name::new("shop", "api"),
        ..applied(50, &[("a", Create, Some("a: of another application"))])
    };
    for record in [
        applied(
            10,
            &[("a", Create, Some("a: 1")), ("b", Create, Some("b: 1"))],
        ),
        applied(20, &[("a", Update, Some("a: 2"))]),
        applied(30, &[("b", Prune, None)]),
        refused,
        foreign,
        applied(60, &[("b", Create, Some("b: 2"))]),
    ] {
        history.record_sync(&record);
    }
    assert_eq!(history.flush().await, 0);
    let row = |name: &str, second, text: &str| (name.to_owned(), id(second), text.to_owned());
    for (second, expected) in [
        (5, vec![]),
        (10, vec![row("a", 10, "a: 1"), row("b", 10, "b: 1")]),
        (20, vec![row("a", 20, "a: 2"), row("b", 10, "b: 1")]),
        (30, vec![row("a", 20, "a: 2")]),
        (55, vec![row("a", 20, "a: 2")]),
        (60, vec![row("a", 20, "a: 2"), row("b", 60, "b: 2")]),
    ] {
        assert_eq!(states(&history, &id(second)).await, expected, "{second}");
    }
}

async fn a_manifest_goes_with_the_last_sync_that_names_it(place: Place) {
    let settings = Settings {
        retention_syncs_per_application: 1,
        retention_age: Duration::MAX,
        retention_batch: 2,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let object = |text| [("a", ActionKind::Update, Some(text))];
    for (second, text) in [
        (1, "old"),
        (2, "older"),
        (3, "named again"),
        (4, "oldest"),
        (5, "named again"),
    ] {
        history.record_sync(&applied(second, &object(text)));
    }
    assert_eq!(history.flush().await, 0);
    // What was just written is left alone, whatever names it.
    let pruned = history.prune_old(Timestamp::now()).await.unwrap();
    assert_eq!((pruned.syncs, pruned.manifests), (4, 0));
    history.record_sync(&applied(6, &object("named again")));
    assert_eq!(history.flush().await, 0);
    let later = Timestamp::now() + SignedDuration::from_hours(2);
    let pruned = history.prune_old(later).await.unwrap();
    assert_eq!((pruned.syncs, pruned.manifests), (1, 3));
    let left = place
        .other()
        .await
        .texts("select body from manifests")
        .await;
    assert_eq!(left, ["named again"]);
}

async fn lists_of_all_applications_can_be_of_one_result_cause_application_and_time(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..=8 {
        let application = if second % 2 == 0 { "web" } else { "api" };
        history.record_sync(&SyncRecord {
            cause: if second < 5 { Cause::Poll } else { Cause::User },
            result: if second % 4 == 0 {
                SyncResult::Failed
            } else {
                SyncResult::Succeeded
            },
            ..begun(application, second)
        });
    }
    assert_eq!(history.flush().await, 0);
    let none = SyncFilter::default();
    for (filter, expected) in [
        (none.clone(), vec![8, 7, 6, 5, 4, 3, 2, 1]),
        (
            SyncFilter {
                application: Some(Name::new("shop", "web")),
                ..none.clone()
            },
            vec![8, 6, 4, 2],
        ),
        (
            SyncFilter {
                result: Some(SyncResult::Failed),
                ..none.clone()
            },
            vec![8, 4],
        ),
        (
            SyncFilter {
                cause: Some(Cause::User),
                result: Some(SyncResult::Succeeded),
                ..none.clone()
            },
            vec![7, 6, 5],
        ),
        (
            SyncFilter {
                since: Some(at(3)),
                until: Some(at(6)),
                ..none
            },
            vec![5, 4, 3],
        ),
    ] {
        let expected: Vec<String> = expected.into_iter().map(id).collect();
        // In pages of two.
        let mut seen: Vec<String> = Vec::new();
        loop {
            let before = seen.last().cloned();
            let page = history
                .find_syncs(&filter, before.as_deref(), 2)
                .await
                .unwrap();
            assert!(page.len() <= 2);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|sync| sync.id));
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

fn call(second: u64, action: &str, target: &str) -> AuditRecord {
    AuditRecord {
        id: id(second),
        time: at(second) + SignedDuration::from_nanos(7),
        actor: "web UI session 3f2a".into(),
        address: Some("127.0.0.1".into()),
        action: action.into(),
        kind: "Application".into(),
        target: Name::new("shop", target),
        detail: "until 18:00; 'reason'; drop table audit".into(),
        failure: None,
    }
}

async fn a_call_comes_back_as_it_was_recorded_and_can_be_found(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let sync = call(1, "sync", "web");
    let suspend = AuditRecord {
        address: None,
        actor: "agent".into(),
        failure: Some(Failure {
            reason: Reason::InvalidObject,
            detail: "no such Application".into(),
        }),
        ..call(2, "suspend", "api")
    };
    let again = call(3, "sync", "web");
    for record in [&sync, &suspend, &again] {
        history.record_audit(record);
    }
    // A retry whose answer was lost changes nothing, nor does another record under its id.
    history.record_audit(&sync);
    assert_eq!(history.flush().await, 0);
    history.record_audit(&AuditRecord {
        detail: "told otherwise".into(),
        ..sync.clone()
    });
    assert_eq!(history.flush().await, 0);

    let none = AuditFilter::default();
    let find = async |filter: AuditFilter, before: Option<&str>| {
        history.audit(&filter, before, 2).await.unwrap()
    };
    assert_eq!(
        find(none.clone(), None).await,
        [again.clone(), suspend.clone()]
    );
    assert_eq!(
        find(none.clone(), Some(&suspend.id)).await,
        std::slice::from_ref(&sync)
    );
    let about_web = AuditFilter {
        target: Some(Name::new("shop", "web")),
        action: Some("sync".into()),
        kind: Some("Application".into()),
        ..none.clone()
    };
    assert_eq!(find(about_web, None).await, [again.clone(), sync.clone()]);
    let by_agent = AuditFilter {
        actor: Some("agent".into()),
        ..none.clone()
    };
    assert_eq!(find(by_agent, None).await, [suspend]);
    let late = AuditFilter {
        since: Some(at(3)),
        ..none.clone()
    };
    assert_eq!(find(late, None).await, [again]);
    let early = AuditFilter {
        until: Some(at(2)),
        ..none
    };
    assert_eq!(find(early, None).await, [sync]);
}

fn delivery(second: u64, verdict: DeliveryVerdict) -> DeliveryRecord {
    DeliveryRecord {
        id: id(second),
        time: at(second),
        provider: "github".into(),
        delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958".into(),
        event: "push".into(),
        branch: Some("main".into()),
        verdict,
        reason: "it is about `config`".into(),
        repositories: vec![Name::new("shop", "config"), Name::new("team", "config")],
    }
}

async fn a_delivery_comes_back_as_it_was_recorded_whatever_its_verdict(place: Place) {
    use DeliveryVerdict::{Accepted, Duplicate, Ignored, Refused, Rejected};
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let verdicts = [Accepted, Ignored, Duplicate, Rejected, Refused];
    let mut all: Vec<DeliveryRecord> = (1..)
        .zip(verdicts)
        .map(|(second, verdict)| delivery(second, verdict))
        .collect();
    all.push(DeliveryRecord {
        branch: None,
        delivery: String::new(),
        // What a sender may write, and PostgreSQL cannot hold.
        event: "pu\0sh".into(),
        repositories: Vec::new(),
        ..delivery(6, Rejected)
    });
    for record in &all {
        history.record_delivery(record);
        history.record_delivery(record);
    }
    assert_eq!(history.flush().await, 0);
    all.last_mut().unwrap().event = "pu\u{fffd}sh".into();
    all.reverse();
    assert_eq!(history.deliveries(None, 100).await.unwrap(), all);
    let page = history.deliveries(Some(&id(4)), 2).await.unwrap();
    assert_eq!(page, all[3..5]);
    assert_eq!(history.dropped(), 0);
}

async fn deliveries_can_be_of_one_verdict_and_drift_comes_back_with_its_sync(place: Place) {
    use DeliveryVerdict::{Accepted, Rejected};
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    for (second, verdict) in [(1, Accepted), (2, Rejected), (3, Rejected), (4, Accepted)] {
        history.record_delivery(&delivery(second, verdict));
    }
    let drift = Drift {
        object: "Deployment.apps shop/web".into(),
        fields: vec!["spec.replicas".into()],
        manager: "kubectl-edit".into(),
        time: Some(at(5)),
    };
    for second in 10..16 {
        let drift = (second % 2 == 0).then(|| drift.clone());
        history.record_sync(&SyncRecord {
            drift: drift.into_iter().collect(),
            ..begun("web", second)
        });
    }
    assert_eq!(history.flush().await, 0);
    let rejected = history
        .deliveries_of(Some(Rejected), None, 10)
        .await
        .unwrap();
    assert_eq!(rejected, [delivery(3, Rejected), delivery(2, Rejected)]);
    let older = history
        .deliveries_of(Some(Accepted), Some(&id(4)), 10)
        .await
        .unwrap();
    assert_eq!(older, [delivery(1, Accepted)]);
    let page = history.drifted_syncs(Some(&id(14)), 1).await.unwrap();
    let expected = DriftedSync {
        id: id(12),
        application: Name::new("shop", "web"),
        started_at: begun("web", 12).started_at,
        result: begun("web", 12).result,
        drift: vec![drift],
    };
    assert_eq!(page, [expected]);
    assert_eq!(history.drifted_syncs(None, 10).await.unwrap().len(), 3);
}

async fn retention_keeps_the_newest_calls_and_deliveries_and_nothing_too_old(place: Place) {
    let settings = Settings {
        retention_audit: 5,
        retention_deliveries: 3,
        retention_age: Duration::from_secs(1000),
        retention_batch: 2,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..=10 {
        history.record_audit(&call(second, "sync", "web"));
        history.record_delivery(&delivery(second, DeliveryVerdict::Accepted));
    }
    assert_eq!(history.flush().await, 0);
    let pruned = |audit, deliveries| Pruned {
        audit,
        deliveries,
        ..Pruned::default()
    };
    assert_eq!(history.prune_old(at(100)).await.unwrap(), pruned(5, 7));
    let calls = history
        .audit(&AuditFilter::default(), None, 10)
        .await
        .unwrap();
    let calls: Vec<Timestamp> = calls.iter().map(|call| call.time).collect();
    assert_eq!((calls.len(), calls[4]), (5, call(6, "", "").time));
    assert_eq!(history.prune_old(at(1010)).await.unwrap(), pruned(4, 2));
    assert_eq!(history.deliveries(None, 10).await.unwrap().len(), 1);
    assert_eq!(history.prune_old(at(1010)).await.unwrap(), pruned(0, 0));
}

#[tokio::test]
async fn deliveries_leave_half_of_the_queue_to_what_the_agent_did() {
    let settings = Settings {
        location: Location::Memory,
        queue_capacity: 10,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    // One thread, no await: the writer has no turn before all are queued.
    for second in 1..=100 {
        history.record_delivery(&delivery(second, DeliveryVerdict::Rejected));
    }
    assert_eq!((history.queued(), history.dropped()), (5, 95));
    for second in 1..=5 {
        history.record_sync(&ended("web", second));
    }
    assert_eq!((history.queued(), history.dropped()), (10, 95));
}

#[tokio::test]
async fn the_manifests_of_waiting_records_are_bounded() {
    let settings = Settings {
        location: Location::Memory,
        queue_objects: 100,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let text = "x".repeat(60 * 1024);
    let mut record = applied(1, &[("a", ActionKind::Create, None)]);
    record.outcomes[0].manifest = Some(MaskedManifest {
        digest: Digest::default(),
        text: Masked::read_back(text),
    });
    history.record_sync(&record);
    history.record_sync(&SyncRecord {
        id: id(2),
        ..record
    });
    assert_eq!((history.queued(), history.dropped()), (1, 1));
}

on_both! {
    each_manifest_is_kept_once_and_comes_back_with_its_objects,
    many_manifests_of_one_sync_come_back_with_their_objects,
    the_objects_as_of_a_sync_are_the_newest_that_were_applied_until_then,
    a_manifest_goes_with_the_last_sync_that_names_it,
    lists_of_all_applications_can_be_of_one_result_cause_application_and_time,
    a_call_comes_back_as_it_was_recorded_and_can_be_found,
    a_delivery_comes_back_as_it_was_recorded_whatever_its_verdict,
    deliveries_can_be_of_one_verdict_and_drift_comes_back_with_its_sync,
    retention_keeps_the_newest_calls_and_deliveries_and_nothing_too_old,
}
