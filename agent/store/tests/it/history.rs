//! Syncs and updates: what comes back of them, and what happens to what waits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use syncline_core::diff::Change;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::reason::Reason;
use syncline_core::record::{Drift, Name, Step, SyncRecord, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::trigger::Cause;
use syncline_store::{Condition, Counts, Error, History, Location, Pruned, Settings, Store};
use ulid::Ulid;

use crate::place::Place;

/// A migration that this version does not have.
pub(crate) const FROM_THE_FUTURE: &str = "insert into _sqlx_migrations
         (version, description, installed_on, success, checksum, execution_time)
     select 9999, 'from the future', installed_on, success, checksum, execution_time
     from _sqlx_migrations where version = 6";

pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + second as i64 * 1000).unwrap()
}

pub(crate) fn id(second: u64) -> String {
    Ulid::from_parts(at(second).as_millisecond() as u64, u128::from(second)).to_string()
}

pub(crate) fn commit(number: u64) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).unwrap()
}

/// A sync that has just begun.
pub(crate) fn begun(application: &str, second: u64) -> SyncRecord {
    SyncRecord {
        id: id(second),
        application: Name::new("shop", application),
        cause: Cause::Poll,
        revision: None,
        commit: None,
        previous: None,
        queued_at: at(second),
        started_at: at(second) + SignedDuration::from_micros(1500),
        finished_at: None,
        result: SyncResult::Running,
        failure: None,
        steps: Vec::new(),
        outcomes: Vec::new(),
        unchanged: 0,
        drift: Vec::new(),
    }
}

/// A sync that has ended, with something in every field.
pub(crate) fn ended(application: &str, second: u64) -> SyncRecord {
    let refused = Failure {
        reason: Reason::InvalidObject,
        detail: "spec.replicas: must not be -1".into(),
    };
    SyncRecord {
        cause: Cause::Webhook,
        revision: Some(Revision {
            branch: "main".into(),
            commit: commit(second),
        }),
        commit: Some(CommitInfo {
            id: commit(second),
            subject: "Röar 🦁 'quoted'; drop table syncs".into(),
            author: "Mia".into(),
            time: at(second - 1),
        }),
        previous: Some(commit(second - 1)),
        finished_at: Some(at(second + 1) + SignedDuration::from_nanos(7)),
        result: SyncResult::Failed,
        failure: Some(refused.clone()),
        steps: vec![
            Step {
                name: "fetch".into(),
                micros: 12_345,
            },
            Step {
                name: "apply".into(),
                micros: 7,
            },
        ],
        outcomes: vec![
            outcome("created", ActionKind::Create, None),
            outcome("updated", ActionKind::Update, None),
            outcome("refused", ActionKind::Update, Some(refused.clone())),
            outcome("gone", ActionKind::Prune, None),
            outcome("other", ActionKind::Skip, Some(refused)),
        ],
        unchanged: 3,
        drift: vec![Drift {
            object: "Deployment.apps shop/web".into(),
            fields: vec!["/spec/replicas".into()],
            manager: "kubectl-edit".into(),
            time: Some(at(second)),
        }],
        ..begun(application, second)
    }
}

pub(crate) fn outcome(name: &str, action: ActionKind, error: Option<Failure>) -> ObjectOutcome {
    let pruned = action == ActionKind::Prune;
    ObjectOutcome {
        key: ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            namespace: (name != "gone").then(|| "shop".into()),
            name: name.into(),
        },
        origin: (!pruned).then(|| Origin {
            file: "apps/shop/web.yaml".into(),
            document: 2,
            line: (name != "other").then_some(17),
        }),
        action,
        error,
        note: if name == "updated" {
            "took replicas from hpa".into()
        } else {
            String::new()
        },
        changes: match name {
            "created" | "updated" => changes(name),
            _ => Vec::new(),
        },
        manifest: None,
    }
}

/// One field that came, one that went, and one that is another.
pub(crate) fn changes(name: &str) -> Vec<Change> {
    let change = |path: &str, before: Option<&str>, after: Option<&str>| -> Change {
        let change = serde_json::json!({ "path": path, "before": before, "after": after });
        serde_json::from_value(change).unwrap()
    };
    vec![
        change(
            "data.it's",
            Some(r#""(hidden, 0011aabb)""#),
            Some(r#""🦁\n\"q\"; drop""#),
        ),
        change("metadata.labels.name", None, Some(&format!("\"{name}\""))),
        change("spec.containers[web].args", Some(r#"["-v"]"#), None),
    ]
}

pub(crate) fn update(policy: &str, second: u64) -> UpdateRecord {
    UpdateRecord {
        id: id(second),
        policy: Name::new("shop", policy),
        repository: "config".into(),
        image: "registry.example.com/web".into(),
        old: "v1.0.0".into(),
        new: "v1.0.1".into(),
        files: vec!["apps/web.yaml:12".into(), "apps/worker.yaml:3".into()],
        commit: commit(second),
        time: at(second),
    }
}

pub(crate) async fn ids(history: &History, application: &str) -> Vec<String> {
    let application = Name::new("shop", application);
    let syncs = history.syncs(&application, None, 100).await.unwrap();
    syncs.into_iter().map(|sync| sync.id).collect()
}

async fn a_sync_comes_back_as_it_was_recorded(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    let full = ended("web", 100);
    let plain = SyncRecord {
        result: SyncResult::Succeeded,
        ..begun("web", 200)
    };
    history.record_sync(&full);
    history.record_sync(&plain);
    assert_eq!(history.flush().await, 0);
    assert_eq!(history.sync(&full.id).await.unwrap(), Some(full.clone()));
    assert_eq!(history.sync(&plain.id).await.unwrap(), Some(plain));
    assert_eq!(history.sync("nobody").await.unwrap(), None);

    let summaries = history.syncs(&full.application, None, 10).await.unwrap();
    let summary = &summaries[1];
    assert_eq!(summary.commit, full.commit);
    assert_eq!(summary.finished_at, full.finished_at);
    let counts = Counts {
        created: 1,
        updated: 1,
        pruned: 1,
        skipped: 1,
        failed: 1,
        unchanged: 3,
        drifted: 1,
    };
    assert_eq!(summary.counts, counts);
}

async fn the_end_of_a_sync_takes_the_place_of_its_beginning(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    history.record_sync(&begun("web", 100));
    history.flush().await;
    let running = history.sync(&id(100)).await.unwrap().unwrap();
    assert_eq!(running.result, SyncResult::Running);
    let end = ended("web", 100);
    for _ in 0..2 {
        history.record_sync(&end);
        history.flush().await;
        assert_eq!(history.sync(&id(100)).await.unwrap(), Some(end.clone()));
    }
    // A late word of the beginning changes nothing.
    history.record_sync(&begun("web", 100));
    history.flush().await;
    assert_eq!(history.sync(&id(100)).await.unwrap(), Some(end));
    assert_eq!(history.dropped(), 0);
}

async fn changes_of_many_objects_come_back_with_their_objects(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    // More objects than one statement writes, each with all the changes that are kept of one.
    let full = |number: usize| ObjectOutcome {
        changes: (0..17)
            .flat_map(|field| changes(&format!("{number}-{field}-{}", "x".repeat(300))))
            .collect(),
        ..outcome(&format!("web-{number}"), ActionKind::Update, None)
    };
    let mut record = ended("web", 100);
    record.outcomes = (0..450).map(full).collect();
    store.history().record_sync(&record);
    assert_eq!(store.close().await, 0);
    let store = Store::open(&settings).await.unwrap();
    let read = store.history().sync(&record.id).await.unwrap().unwrap();
    assert!(read == record);
    assert_eq!(store.history().dropped(), 0);
}

async fn an_object_without_changes_has_none_in_its_row(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 100));
    assert_eq!(store.close().await, 0);
    let with = place
        .other()
        .await
        .texts("select name from sync_outcomes where changes is not null order by position")
        .await;
    assert_eq!(with, ["created", "updated"]);
}

async fn a_list_is_newest_first_in_pages_and_of_one_application(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    // Recorded out of order: the id decides.
    for second in [3, 1, 5, 2, 4] {
        history.record_sync(&ended("web", second * 10));
        history.record_sync(&ended("api", second * 10 + 1));
    }
    history.flush().await;
    let web = Name::new("shop", "web");
    let mut seen = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = history.syncs(&web, before.as_deref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        before = Some(last.id.clone());
        seen.extend(page.into_iter().map(|sync| sync.id));
    }
    assert_eq!(seen, [id(50), id(40), id(30), id(20), id(10)]);
    let next = history.sync_after(&web, &id(10)).await.unwrap();
    assert_eq!(next.map(|sync| sync.id), Some(id(20)));
    assert_eq!(history.sync_after(&web, &id(50)).await.unwrap(), None);
    assert!(
        history
            .syncs(&Name::new("other", "web"), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn a_page_is_never_longer_than_the_setting(place: Place) {
    let store = Store::open(&Settings {
        page: 3,
        ..place.settings()
    })
    .await
    .unwrap();
    let history = store.history();
    for second in 1..=5 {
        history.record_sync(&ended("web", second));
        history.record_update(&update("web", second));
    }
    history.flush().await;
    let web = Name::new("shop", "web");
    assert_eq!(history.syncs(&web, None, u32::MAX).await.unwrap().len(), 3);
    assert_eq!(
        history.updates(None, None, u32::MAX).await.unwrap().len(),
        3
    );
    assert_eq!(history.syncs(&web, None, 0).await.unwrap().len(), 0);
}

async fn latest_is_the_newest_ended_sync_of_each_application(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 10));
    history.record_sync(&ended("web", 20));
    history.record_sync(&begun("web", 30));
    history.record_sync(&ended("api", 5));
    history.record_sync(&begun("new", 40));
    history.flush().await;
    let latest = history.latest().await.unwrap();
    let latest: Vec<_> = latest
        .iter()
        .map(|sync| (&*sync.application.name, &*sync.id))
        .collect();
    assert_eq!(latest, [("api", &*id(5)), ("web", &*id(20))]);
}

async fn updates_are_newest_first_and_can_be_of_one_policy(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    for second in [2, 1, 3] {
        history.record_update(&update("web", second));
    }
    history.record_update(&update("api", 4));
    history.record_update(&update("api", 4));
    history.flush().await;
    let all = history.updates(None, None, 10).await.unwrap();
    assert_eq!(
        all,
        [
            update("api", 4),
            update("web", 3),
            update("web", 2),
            update("web", 1)
        ]
    );
    let web = Name::new("shop", "web");
    let page = history.updates(Some(&web), Some(&id(3)), 1).await.unwrap();
    assert_eq!(page, [update("web", 2)]);
}

async fn opened_again_nothing_is_lost_and_no_migration_runs_twice(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 10));
    assert_eq!(history.flush().await, 0);
    let since = history.since().await.unwrap().unwrap();
    drop(history);
    assert_eq!(store.close().await, 0);
    let migrations = "select version || ' ' || installed_on from _sqlx_migrations order by 1";
    let before = place.other().await.texts(migrations).await;

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(ids(&store.history(), "web").await, [id(10)]);
    assert_eq!(store.condition(), Condition::Writing);
    assert_eq!(store.damaged(), None);
    assert_eq!(store.history().since().await.unwrap(), Some(since));
    let after = place.other().await.texts(migrations).await;
    assert_eq!(before, after);
}

async fn fault_f28_what_still_ran_at_the_start_is_interrupted(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&begun("web", 10));
    store.history().record_sync(&ended("web", 5));
    store.close().await;

    let store = Store::open(&settings).await.unwrap();
    let record = store.history().sync(&id(10)).await.unwrap().unwrap();
    assert_eq!(record.result, SyncResult::Interrupted);
    assert_eq!(record.failure.unwrap().reason, Reason::Interrupted);
    assert_eq!(record.finished_at, None);
    let record = store.history().sync(&id(5)).await.unwrap().unwrap();
    assert_eq!(record, ended("web", 5));
}

async fn fault_f37_a_newer_schema_is_shown_and_never_written(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 10));
    store.history().record_sync(&begun("web", 20));
    store.close().await;
    let mut newer = place.other().await;
    for statement in [
        FROM_THE_FUTURE,
        "update history set writable_from = 9999",
        "alter table syncs add column from_the_future text",
        "update syncs set cause = 'tea-time' where result = 'running'",
    ] {
        newer.execute(statement).await;
    }
    drop(newer);

    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    // A server is looked at in the background, which this waits for.
    store.load_kept().await.unwrap();
    assert_eq!(store.condition(), Condition::ReadOnly { schema: 9999 });
    // The row that this version does not understand is left out, the others are shown.
    assert_eq!(ids(&history, "web").await, [id(10)]);
    assert!(matches!(
        history.sync(&id(20)).await,
        Err(Error::Row {
            column: "cause",
            ..
        })
    ));
    history.record_sync(&ended("web", 30));
    assert_eq!(history.flush().await, 0);
    assert_eq!((history.queued(), history.dropped()), (0, 1));
    assert_eq!(
        history.prune_old(at(1_000_000_000)).await.unwrap(),
        Pruned::default()
    );
    assert_eq!(ids(&history, "web").await, [id(10)]);
    store.close().await;
    let running = "select count(*) from syncs where result = 'running'";
    assert_eq!(place.other().await.number(running).await, 1);
}

async fn a_newer_schema_that_this_version_may_write_is_written(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 10));
    store.close().await;
    let mut newer = place.other().await;
    for statement in [
        FROM_THE_FUTURE,
        "alter table syncs add column from_the_future text",
        "alter table sync_outcomes add column from_the_future text not null default 'x'",
        "create table from_the_future (id text not null primary key)",
    ] {
        newer.execute(statement).await;
    }

    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 20));
    assert_eq!(history.flush().await, 0);
    assert_eq!(store.condition(), Condition::Writing);
    assert_eq!(ids(&history, "web").await, [id(20), id(10)]);
    assert_eq!(history.sync(&id(20)).await.unwrap(), Some(ended("web", 20)));
    assert_eq!(history.dropped(), 0);
}

async fn fault_f33_records_wait_for_the_database_and_are_written_when_it_is_back(place: Place) {
    let settings = Settings {
        flush_timeout: Duration::from_millis(100),
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let blocker = place.block().await;
    for second in 1..=10 {
        history.record_sync(&begun("web", second));
        history.record_sync(&ended("web", second));
    }
    assert_eq!(history.flush().await, 10);
    assert_eq!((history.queued(), history.dropped()), (10, 0));
    blocker.release().await;
    while history.flush().await > 0 {}
    assert_eq!(ids(&history, "web").await.len(), 10);
    assert_eq!(history.dropped(), 0);
}

async fn a_record_that_the_database_refuses_is_given_up_and_its_neighbours_are_written(
    place: Place,
) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    // The tables are there before somebody else changes them.
    store.load_kept().await.unwrap();
    place
        .refuse("before insert on syncs", "new.name = 'refused'")
        .await;
    history.record_sync(&ended("web", 1));
    history.record_sync(&ended("refused", 2));
    history.record_update(&update("web", 3));
    assert_eq!(history.flush().await, 0);
    assert_eq!(history.dropped(), 1);
    assert_eq!(ids(&history, "web").await, [id(1)]);
    assert_eq!(
        history.updates(None, None, 10).await.unwrap(),
        [update("web", 3)]
    );
}

async fn a_full_queue_drops_and_counts_and_never_blocks(place: Place) {
    let settings = Settings {
        queue_capacity: 10,
        flush_timeout: Duration::from_millis(50),
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let blocker = place.block().await;
    // Recording is not async, so a call that waited for the writer would hang this test.
    for second in 1..=1000 {
        history.record_sync(&ended("web", second));
    }
    assert_eq!((history.queued(), history.dropped()), (10, 990));
    assert_eq!(history.flush().await, 10);
    blocker.release().await;
    while history.flush().await > 0 {}
    history.record_sync(&ended("web", 2000));
    while history.flush().await > 0 {}
    let kept = ids(&history, "web").await;
    assert_eq!((kept.len(), &kept[0]), (11, &id(2000)));
}

#[tokio::test]
async fn the_end_of_a_sync_finds_room_where_beginnings_wait() {
    let settings = Settings {
        location: Location::Memory,
        queue_capacity: 2,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    // One thread, no await: the writer has no turn before all are queued.
    history.record_sync(&begun("web", 1));
    history.record_sync(&begun("api", 2));
    history.record_sync(&begun("late", 3));
    history.record_sync(&ended("db", 4));
    assert_eq!((history.queued(), history.dropped()), (2, 2));
    history.flush().await;
    assert_eq!(ids(&history, "db").await, [id(4)]);
    assert_eq!(ids(&history, "api").await, [id(2)]);
}

#[tokio::test]
async fn the_objects_of_waiting_records_are_bounded_but_one_record_always_fits() {
    let settings = Settings {
        location: Location::Memory,
        queue_objects: 10,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut large = ended("web", 1);
    large.outcomes = (0..1001)
        .map(|number| outcome(&format!("web-{number}"), ActionKind::Create, None))
        .collect();
    // One object, but with many changes.
    let mut changed = ended("web", 3);
    changed.outcomes.truncate(1);
    changed.outcomes[0].changes = (0..4).flat_map(|_| changes("web")).collect();
    for record in [large, changed] {
        history.record_sync(&record);
        let dropped = history.dropped();
        history.record_sync(&ended("web", 2));
        assert_eq!((history.queued(), history.dropped()), (1, dropped + 1));
        history.flush().await;
        assert_eq!(history.sync(&record.id).await.unwrap(), Some(record));
    }
}

async fn readers_and_the_writer_work_at_the_same_time(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 1));
    history.flush().await;
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let history = history.clone();
            tokio::spawn(async move {
                let mut last = 0;
                for _ in 0..50 {
                    let count = ids(&history, "web").await.len();
                    assert!(count >= last, "a reader went back in time");
                    last = count;
                    let newest = &ids(&history, "web").await[0];
                    let sync = history.sync(newest).await.unwrap().unwrap();
                    assert_eq!(sync.outcomes.len(), 5, "a reader saw half a sync");
                }
            })
        })
        .collect();
    for second in 2..=50 {
        history.record_sync(&ended("web", second));
        history.flush().await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    // A reader that stays in its transaction does not hold the writer up.
    let mut slow = place.other().await;
    slow.execute("begin").await;
    slow.number("select count(*) from syncs").await;
    history.record_sync(&ended("web", 60));
    assert_eq!(history.flush().await, 0);
    assert_eq!(ids(&history, "web").await.len(), 51);
}

async fn retention_keeps_the_newest_of_each_application_and_nothing_too_old(place: Place) {
    let settings = Settings {
        retention_syncs_per_application: 3,
        retention_updates_per_policy: 2,
        retention_age: Duration::from_secs(1000),
        retention_batch: 2,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..=10 {
        history.record_sync(&ended("web", second));
        history.record_update(&update("web", second));
    }
    history.record_sync(&ended("api", 11));
    history.flush().await;

    let pruned = history.prune_old(at(100)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            syncs: 7,
            updates: 8,
            ..Pruned::default()
        }
    );
    assert_eq!(ids(&history, "web").await, [id(10), id(9), id(8)]);
    assert_eq!(ids(&history, "api").await, [id(11)]);
    assert_eq!(history.prune_old(at(100)).await.unwrap(), Pruned::default());

    let pruned = history.prune_old(at(1010)).await.unwrap();
    assert_eq!(
        pruned,
        Pruned {
            syncs: 2,
            updates: 1,
            ..Pruned::default()
        }
    );
    assert_eq!(ids(&history, "web").await, [id(10)]);
    // The outcomes went with their syncs.
    let orphans = place
        .other()
        .await
        .number("select count(*) from sync_outcomes where sync_id not in (select id from syncs)")
        .await;
    assert_eq!(orphans, 0);
}

#[tokio::test]
async fn a_history_in_memory_works_alike() {
    let settings = Settings {
        location: Location::Memory,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 1));
    assert_eq!(history.flush().await, 0);
    assert_eq!(history.sync(&id(1)).await.unwrap(), Some(ended("web", 1)));
    assert!(history.since().await.unwrap().is_some());
}

async fn what_waits_is_written_when_the_last_handle_goes(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    // The tables are there before somebody else asks for them.
    store.load_kept().await.unwrap();
    store.history().record_sync(&ended("web", 1));
    drop(store);
    let mut look = place.other().await;
    let failed = "select count(*) from syncs where result = 'failed'";
    while look.number(failed).await == 0 {
        tokio::task::yield_now().await;
    }
}

on_both! {
    a_newer_schema_that_this_version_may_write_is_written,
    a_sync_comes_back_as_it_was_recorded,
    the_end_of_a_sync_takes_the_place_of_its_beginning,
    changes_of_many_objects_come_back_with_their_objects,
    an_object_without_changes_has_none_in_its_row,
    a_list_is_newest_first_in_pages_and_of_one_application,
    a_page_is_never_longer_than_the_setting,
    latest_is_the_newest_ended_sync_of_each_application,
    updates_are_newest_first_and_can_be_of_one_policy,
    opened_again_nothing_is_lost_and_no_migration_runs_twice,
    fault_f28_what_still_ran_at_the_start_is_interrupted,
    fault_f37_a_newer_schema_is_shown_and_never_written,
    fault_f33_records_wait_for_the_database_and_are_written_when_it_is_back,
    a_record_that_the_database_refuses_is_given_up_and_its_neighbours_are_written,
    a_full_queue_drops_and_counts_and_never_blocks,
    readers_and_the_writer_work_at_the_same_time,
    retention_keeps_the_newest_of_each_application_and_nothing_too_old,
    what_waits_is_written_when_the_last_handle_goes,
}
