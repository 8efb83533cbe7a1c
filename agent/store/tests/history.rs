//! The store on real SQLite files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use syncline_core::diff::Change;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::reason::Reason;
use syncline_core::record::{Drift, Name, Step, SyncRecord, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::trigger::Cause;
use syncline_store::{Counts, Error, History, Location, Mode, Pruned, Settings, Store};
use tempfile::TempDir;
use ulid::Ulid;

fn at(second: u64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + second as i64 * 1000).unwrap()
}

fn id(second: u64) -> String {
    Ulid::from_parts(at(second).as_millisecond() as u64, u128::from(second)).to_string()
}

fn commit(number: u64) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).unwrap()
}

/// A sync that has just begun.
fn begun(application: &str, second: u64) -> SyncRecord {
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
fn ended(application: &str, second: u64) -> SyncRecord {
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

fn outcome(name: &str, action: ActionKind, error: Option<Failure>) -> ObjectOutcome {
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
    }
}

/// One field that came, one that went, and one that is another.
fn changes(name: &str) -> Vec<Change> {
    let change = |path: &str, before: Option<&str>, after: Option<&str>| Change {
        path: path.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
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

fn update(policy: &str, second: u64) -> UpdateRecord {
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

fn settings(directory: &TempDir) -> Settings {
    Settings {
        location: Location::File(directory.path().join("history/history.db")),
        ..Settings::default()
    }
}

fn file(settings: &Settings) -> &Path {
    match &settings.location {
        Location::File(path) => path,
        Location::Memory => panic!("no file"),
    }
}

/// A connection of somebody else to the same file.
async fn other(settings: &Settings) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(file(settings))
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap()
}

async fn ids(history: &History, application: &str) -> Vec<String> {
    let application = Name::new("shop", application);
    let syncs = history.syncs(&application, None, 100).await.unwrap();
    syncs.into_iter().map(|sync| sync.id).collect()
}

#[tokio::test]
async fn a_sync_comes_back_as_it_was_recorded() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
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

#[tokio::test]
async fn the_end_of_a_sync_takes_the_place_of_its_beginning() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
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

#[tokio::test]
async fn changes_of_many_objects_come_back_with_their_objects() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
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

#[tokio::test]
async fn an_object_without_changes_has_none_in_its_row() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 100));
    assert_eq!(store.close().await, 0);
    let with: Vec<String> = sqlx::query_scalar(
        "select name from sync_outcomes where changes is not null order by position",
    )
    .fetch_all(&mut other(&settings).await)
    .await
    .unwrap();
    assert_eq!(with, ["created", "updated"]);
}

#[tokio::test]
async fn outcomes_of_before_there_were_changes_are_read_without_any() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
    let before = TempDir::new().unwrap();
    for name in ["0001_history.sql", "0002_kept.sql"] {
        std::fs::copy(migrations.join(name), before.path().join(name)).unwrap();
    }
    std::fs::create_dir_all(file(&settings).parent().unwrap()).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(file(&settings))
        .create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let migrator = sqlx::migrate::Migrator::new(before.path()).await.unwrap();
    migrator.run_direct(None, &mut old, false).await.unwrap();
    for statement in [
        "insert into syncs values (
             '01', 'shop', 'web', 'poll', null, null, null, null, null, null,
             '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z',
             '2026-01-01T00:00:01.000000000Z', 'succeeded', null, null, 0, 1, 0, 0, 0, 6, 0,
             '[]', '[]'
         )",
        "insert into sync_outcomes values (
             '01', 0, 'apps', 'v1', 'Deployment', 'shop', 'web', 'web.yaml', 1, 3, 'update',
             null, null, 'put back 1 field'
         )",
    ] {
        sqlx::query(statement).execute(&mut old).await.unwrap();
    }
    old.close().await.unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!((store.mode(), store.damaged()), (Mode::ReadWrite, None));
    let history = store.history();
    let read = history.sync("01").await.unwrap().unwrap();
    assert_eq!(read.outcomes.len(), 1);
    assert_eq!(read.outcomes[0].note, "put back 1 field");
    assert_eq!(read.outcomes[0].changes, []);
    // The same row is written anew with what is known now.
    let mut again = read.clone();
    again.outcomes[0].changes = changes("web");
    history.record_sync(&again);
    history.flush().await;
    assert_eq!(history.sync("01").await.unwrap(), Some(again));
}

#[tokio::test]
async fn a_list_is_newest_first_in_pages_and_of_one_application() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
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
    assert!(
        history
            .syncs(&Name::new("other", "web"), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_setting() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&Settings {
        page: 3,
        ..settings(&directory)
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

#[tokio::test]
async fn latest_is_the_newest_ended_sync_of_each_application() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
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

#[tokio::test]
async fn updates_are_newest_first_and_can_be_of_one_policy() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
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

#[tokio::test]
async fn opened_again_nothing_is_lost_and_no_migration_runs_twice() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let since = history.since().await.unwrap().unwrap();
    history.record_sync(&ended("web", 10));
    drop(history);
    assert_eq!(store.close().await, 0);
    let migrations = "select count(*), group_concat(installed_on) from _sqlx_migrations";
    let before: (i64, String) = sqlx::query_as(migrations)
        .fetch_one(&mut other(&settings).await)
        .await
        .unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.mode(), Mode::ReadWrite);
    assert_eq!(store.damaged(), None);
    assert_eq!(ids(&store.history(), "web").await, [id(10)]);
    assert_eq!(store.history().since().await.unwrap(), Some(since));
    let after: (i64, String) = sqlx::query_as(migrations)
        .fetch_one(&mut other(&settings).await)
        .await
        .unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn fault_f28_what_still_ran_at_the_start_is_interrupted() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
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

#[tokio::test]
async fn fault_f34_a_damaged_file_is_moved_aside_and_history_begins_anew() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("no database", |bytes| {
            bytes.clear();
            bytes.extend_from_slice(b"what is this?");
        }),
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut inside a page", |bytes| bytes.truncate(5000)),
        ("header overwritten", |bytes| bytes[..100].fill(0xff)),
        ("pages overwritten", |bytes| {
            let start = bytes.len() / 4;
            bytes[start..].fill(0x5a);
        }),
    ];
    for (name, damage) in damages {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let store = Store::open(&settings).await.unwrap();
        for second in 1..100 {
            store.history().record_sync(&ended("web", second));
        }
        assert_eq!(store.close().await, 0);
        let mut bytes = std::fs::read(file(&settings)).unwrap();
        damage(&mut bytes);
        std::fs::write(file(&settings), &bytes).unwrap();

        let store = Store::open(&settings).await.unwrap();
        let moved = store
            .damaged()
            .unwrap_or_else(|| panic!("{name}: not found"))
            .to_owned();
        assert_eq!(std::fs::read(&moved).unwrap(), bytes, "{name}");
        let file_name = moved.file_name().unwrap().to_str().unwrap();
        assert!(file_name.starts_with("history.db.damaged-"), "{file_name}");
        assert!(ids(&store.history(), "web").await.is_empty(), "{name}");
        store.history().record_sync(&ended("web", 200));
        assert_eq!(store.close().await, 0);

        let store = Store::open(&settings).await.unwrap();
        assert_eq!(store.damaged(), None);
        assert_eq!(ids(&store.history(), "web").await, [id(200)], "{name}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_history() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    std::fs::create_dir_all(file(&settings).parent().unwrap()).unwrap();
    std::fs::write(file(&settings), b"").unwrap();
    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.damaged(), None);
    assert!(store.history().since().await.unwrap().is_some());
}

#[tokio::test]
async fn fault_f37_a_newer_schema_is_shown_and_never_written() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 10));
    store.history().record_sync(&begun("web", 20));
    store.close().await;
    let mut newer = other(&settings).await;
    for statement in [
        "insert into _sqlx_migrations
             select 9999, 'from the future', installed_on, success, checksum, execution_time
             from _sqlx_migrations where version = 1",
        "alter table syncs add column from_the_future text",
        "update syncs set cause = 'tea-time' where result = 'running'",
    ] {
        sqlx::query(statement).execute(&mut newer).await.unwrap();
    }
    newer.close().await.unwrap();
    let before = std::fs::read(file(&settings)).unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.mode(), Mode::ReadOnly { schema: 9999 });
    let history = store.history();
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
    assert_eq!(std::fs::read(file(&settings)).unwrap(), before);
}

#[tokio::test]
async fn fault_f33_records_wait_for_the_database_and_are_written_when_it_is_back() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        busy_timeout: Duration::from_millis(10),
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(20),
        flush_timeout: Duration::from_millis(100),
        ..settings(&directory)
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut blocker = other(&settings).await;
    sqlx::query("begin immediate")
        .execute(&mut blocker)
        .await
        .unwrap();
    for second in 1..=10 {
        history.record_sync(&begun("web", second));
        history.record_sync(&ended("web", second));
    }
    assert_eq!(history.flush().await, 10);
    assert_eq!((history.queued(), history.dropped()), (10, 0));
    sqlx::query("rollback").execute(&mut blocker).await.unwrap();
    while history.flush().await > 0 {}
    assert_eq!(ids(&history, "web").await.len(), 10);
    assert_eq!(history.dropped(), 0);
}

#[tokio::test]
async fn a_record_that_the_database_refuses_is_given_up_and_its_neighbours_are_written() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut rule = other(&settings).await;
    sqlx::query(
        "create trigger refused before insert on syncs when new.name = 'refused'
         begin select raise(abort, 'refused'); end",
    )
    .execute(&mut rule)
    .await
    .unwrap();
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

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_never_blocks() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        queue_capacity: 10,
        busy_timeout: Duration::from_millis(10),
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(20),
        flush_timeout: Duration::from_millis(50),
        ..settings(&directory)
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut blocker = other(&settings).await;
    sqlx::query("begin immediate")
        .execute(&mut blocker)
        .await
        .unwrap();
    // Recording is not async, so a call that waited for the writer would hang this test.
    for second in 1..=1000 {
        history.record_sync(&ended("web", second));
    }
    assert_eq!((history.queued(), history.dropped()), (10, 990));
    assert_eq!(history.flush().await, 10);
    sqlx::query("rollback").execute(&mut blocker).await.unwrap();
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

#[tokio::test]
async fn readers_and_the_writer_work_at_the_same_time() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
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
    let mut slow = other(&settings).await;
    sqlx::query("begin").execute(&mut slow).await.unwrap();
    sqlx::query("select count(*) from syncs")
        .fetch_one(&mut slow)
        .await
        .unwrap();
    history.record_sync(&ended("web", 60));
    assert_eq!(history.flush().await, 0);
    assert_eq!(ids(&history, "web").await.len(), 51);
}

#[tokio::test]
async fn retention_keeps_the_newest_of_each_application_and_nothing_too_old() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        retention_syncs_per_application: 3,
        retention_updates_per_policy: 2,
        retention_age: Duration::from_secs(1000),
        retention_batch: 2,
        ..settings(&directory)
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
            health_changes: 0
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
            health_changes: 0
        }
    );
    assert_eq!(ids(&history, "web").await, [id(10)]);
    // The outcomes went with their syncs.
    let orphans: i64 = sqlx::query_scalar(
        "select count(*) from sync_outcomes where sync_id not in (select id from syncs)",
    )
    .fetch_one(&mut other(&settings).await)
    .await
    .unwrap();
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

#[tokio::test]
async fn the_file_is_read_while_it_is_written() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let _store = Store::open(&settings).await.unwrap();
    let mode: String = sqlx::query_scalar("pragma journal_mode")
        .fetch_one(&mut other(&settings).await)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn fault_f35_a_place_that_cannot_hold_a_history_is_refused_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "x").unwrap();
    let settings = |path| Settings {
        location: Location::File(path),
        ..Settings::default()
    };
    let error = Store::open(&settings(blocked.join("history.db")))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Directory { .. }), "{error:?}");
    let error = Store::open(&settings(directory.path().to_owned()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(directory.path().to_str().unwrap()),
        "{error}"
    );
}

#[tokio::test]
async fn what_waits_is_written_when_the_last_handle_goes() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    store.history().record_sync(&ended("web", 1));
    drop(store);
    let mut look = other(&settings).await;
    loop {
        let count: i64 = sqlx::query_scalar("select count(*) from syncs where result = 'failed'")
            .fetch_one(&mut look)
            .await
            .unwrap();
        if count == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
}
