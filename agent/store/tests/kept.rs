//! What is kept of applications, on real SQLite files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use syncline_core::digest::Digest;
use syncline_core::kept::{FieldDigests, Kept, KeptChange, KeptObject, OtherReads, Written};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::read_set::ReadSet;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_store::{Error, History, KeptApplication, Location, Mode, Settings, Store};
use tempfile::TempDir;

type Objects = BTreeMap<ObjectKey, KeptObject>;

fn application(name: &str) -> Name {
    Name::new("shop", name)
}

fn digest(text: &str) -> Digest {
    let mut bytes = [0x5a; 16];
    for (byte, from) in bytes.iter_mut().zip(text.bytes()) {
        *byte = from;
    }
    Digest::from(bytes)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

/// An object as it stands after the write with this number.
fn object(write: u32) -> KeptObject {
    KeptObject {
        origin: Origin {
            file: "apps/shop/web.yaml".into(),
            document: 2,
            line: Some(17),
        },
        applied: digest(&format!("applied {write}")),
        written: Some(Written {
            uid: "6f2f1b9e-0000-4000-8000-000000000001".into(),
            resource_version: write.to_string(),
            fields: FieldDigests {
                ours: digest(&format!("ours {write}")),
                others: digest("others"),
            },
        }),
    }
}

fn kept(name: &str, commit: u32) -> Kept {
    let mut reads = ReadSet::default();
    reads.add_file("apps/shop/kustomization.yaml");
    reads.add_listing("charts/web/templates");
    reads.add_tree("apps/shop/plain");
    Kept {
        application: application(name),
        commit: CommitId::parse(&format!("{commit:040x}")).unwrap(),
        inputs: digest("inputs"),
        others: [(
            "$values".into(),
            OtherReads {
                repository: "team".into(),
                commit: CommitId::parse(&format!("{:040x}", commit + 1)).unwrap(),
                reads: reads.clone(),
            },
        )]
        .into(),
        reads,
        images: vec!["registry.example.com/web:v1".into(), "redis:8".into()],
    }
}

fn change(name: &str, commit: u32, changed: &[(&str, u32)], removed: &[&str]) -> Arc<KeptChange> {
    Arc::new(KeptChange {
        kept: kept(name, commit),
        changed: changed
            .iter()
            .map(|(name, write)| (key(name), object(*write)))
            .collect(),
        removed: removed.iter().map(|name| key(name)).collect(),
    })
}

fn objects(rows: &[(&str, u32)]) -> Objects {
    rows.iter()
        .map(|(name, write)| (key(name), object(*write)))
        .collect()
}

fn settings(directory: &TempDir) -> Settings {
    Settings {
        location: Location::File(directory.path().join("history.db")),
        busy_timeout: Duration::from_millis(10),
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(20),
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
        .foreign_keys(false)
        .connect()
        .await
        .unwrap()
}

async fn execute(connection: &mut SqliteConnection, statement: &str) {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn number(connection: &mut SqliteConnection, statement: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement.to_owned()))
        .fetch_one(connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn written(history: &History) {
    while history.flush().await > 0 {}
}

/// What a restart would find.
async fn found(store: &Store) -> Vec<KeptApplication> {
    written(&store.history()).await;
    store.load_kept().await.unwrap()
}

/// Writes down each row of `kept_objects` that is touched from now on.
async fn watch_rows(connection: &mut SqliteConnection) {
    execute(connection, "create table touched (what text, name text)").await;
    for (what, row) in [("insert", "new"), ("update", "new"), ("delete", "old")] {
        let trigger = format!(
            "create trigger touched_{what} after {what} on kept_objects
             begin insert into touched values ('{what}', {row}.object_name); end"
        );
        execute(connection, &trigger).await;
    }
}

async fn touched(connection: &mut SqliteConnection) -> Vec<(String, String)> {
    sqlx::query_as("select what, name from touched order by rowid")
        .fetch_all(connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_kept_comes_back_as_it_was_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.load_kept().await.unwrap(), []);
    let cluster_scoped = ObjectKey {
        group: String::new(),
        kind: "Namespace".into(),
        namespace: None,
        ..key("shop")
    };
    let never_written = KeptObject {
        origin: Origin {
            line: None,
            ..object(1).origin
        },
        written: None,
        ..object(1)
    };
    let mut first = change("web", 1, &[("web", 1), ("worker", 2)], &[]);
    Arc::make_mut(&mut first)
        .changed
        .extend([(cluster_scoped.clone(), never_written.clone())]);
    // Another application may keep the same object.
    let mut second = change("api", 2, &[("web", 3)], &[]);
    Arc::make_mut(&mut second).kept.reads = ReadSet::default();
    Arc::make_mut(&mut second).kept.images = Vec::new();
    let empty = change("none", 3, &[], &[]);
    for change in [&first, &second, &empty] {
        store.history().keep(Arc::clone(change));
    }
    assert_eq!(store.close().await, 0);

    let store = Store::open(&settings).await.unwrap();
    let mut web = objects(&[("web", 1), ("worker", 2)]);
    web.insert(cluster_scoped, never_written);
    assert_eq!(
        store.load_kept().await.unwrap(),
        [
            (second.kept.clone(), objects(&[("web", 3)])),
            (empty.kept.clone(), Objects::new()),
            (first.kept.clone(), web),
        ]
    );
}

#[tokio::test]
async fn a_change_touches_its_rows_and_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let names: Vec<String> = (0..1001).map(|number| format!("web-{number:04}")).collect();
    let all: Vec<(&str, u32)> = names.iter().map(|name| (&**name, 1)).collect();
    history.keep(change("web", 1, &all, &[]));
    history.keep(change("api", 1, &all, &[]));
    written(&history).await;
    let mut look = other(&settings).await;
    watch_rows(&mut look).await;

    history.keep(change(
        "web",
        2,
        &[("web-0500", 2), ("new", 3)],
        &["web-0007"],
    ));
    written(&history).await;
    let expected = [
        ("delete", "web-0007"),
        ("update", "web-0500"),
        ("insert", "new"),
    ];
    let expected = expected.map(|(what, name)| (what.to_owned(), name.to_owned()));
    assert_eq!(touched(&mut look).await, expected);
    let mut rows = objects(&all);
    let before = rows.clone();
    rows.extend(objects(&[("web-0500", 2), ("new", 3)]));
    rows.remove(&key("web-0007"));
    let expected = [(kept("api", 1), before), (kept("web", 2), rows)];
    assert_eq!(found(&store).await, expected);

    // More than fit into one statement.
    let removed: Vec<&str> = names[..450].iter().map(|name| &**name).collect();
    history.keep(change("web", 3, &[], &removed));
    assert_eq!(found(&store).await[1].1.len(), 1001 - 450 + 1);
    assert_eq!(touched(&mut look).await.len(), 3 + 449);
}

#[tokio::test]
async fn an_object_of_another_api_version_takes_the_place_of_its_row() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&settings(&directory)).await.unwrap();
    store.history().keep(change("web", 1, &[("web", 1)], &[]));
    let mut newer = change("web", 2, &[("web", 2)], &[]);
    Arc::make_mut(&mut newer).changed[0].0.version = "v2".into();
    store.history().keep(newer);
    let found = found(&store).await;
    let (key, _) = found[0].1.first_key_value().unwrap();
    assert_eq!((found[0].1.len(), &*key.version), (1, "v2"));
}

#[tokio::test]
async fn a_long_read_set_is_not_written_again_for_a_change_of_one_object() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut first = change("web", 1, &[("web", 1)], &[]);
    let reads = &mut Arc::make_mut(&mut first).kept.reads;
    for number in 0..20_000 {
        reads.add_file(&format!("apps/shop/{number:05}/deployment.yaml"));
    }
    let mut second = change("web", 2, &[("web", 2)], &[]);
    Arc::make_mut(&mut second).kept.reads = first.kept.reads.clone();
    history.keep(first);
    written(&history).await;
    let mut look = other(&settings).await;
    execute(&mut look, "pragma wal_checkpoint(truncate)").await;

    history.keep(second.clone());
    written(&history).await;
    let log = file(&settings).with_extension("db-wal");
    let bytes = std::fs::metadata(log).unwrap().len();
    assert!(
        (1..100_000).contains(&bytes),
        "{bytes} bytes for one object"
    );
    let expected = [(second.kept.clone(), objects(&[("web", 2)]))];
    assert_eq!(found(&store).await, expected);
}

#[tokio::test]
async fn changes_of_an_application_are_written_one_by_one_and_in_order() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        batch: 7,
        ..settings(&directory)
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut look = other(&settings).await;
    watch_rows(&mut look).await;
    // One thread, no await: all are queued before the writer has its turn.
    history.keep(change("web", 0, &[("web", 0), ("gone", 0)], &[]));
    for write in 1..=40 {
        history.keep(change("web", write, &[("web", write)], &["gone"]));
        history.keep(change("web", write, &[("gone", write)], &[]));
    }
    history.keep(change("web", 41, &[("web", 41)], &["gone"]));
    assert_eq!(history.queued(), 82);
    let expected = [(kept("web", 41), objects(&[("web", 41)]))];
    assert_eq!(found(&store).await, expected);
    let updates = "select count(*) from touched where what = 'update' and name = 'web'";
    assert_eq!(number(&mut look, updates).await, 41);
    assert_eq!(history.dropped(), 0);
}

#[tokio::test]
async fn a_forgotten_application_is_gone_with_what_waited_and_can_be_kept_anew() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("web", 1), ("old", 1)], &[]));
    history.keep(change("api", 1, &[("api", 1)], &[]));
    written(&history).await;
    history.keep(change("web", 2, &[("web", 2)], &[]));
    history.forget(&application("web"));
    history.forget(&application("nobody"));
    let api = (kept("api", 1), objects(&[("api", 1)]));
    assert_eq!(found(&store).await, std::slice::from_ref(&api));
    let rows = "select count(*) from kept_objects where name = 'web'";
    assert_eq!(number(&mut other(&settings).await, rows).await, 0);

    history.keep(change("web", 3, &[("web", 3)], &[]));
    let web = (kept("web", 3), objects(&[("web", 3)]));
    assert_eq!(found(&store).await, [api, web]);
    assert_eq!(history.dropped(), 0);
    assert!(!history.has_lost(&application("web")));
}

#[tokio::test]
async fn fault_f33_changes_wait_for_the_database_and_are_written_when_it_is_back() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        flush_timeout: Duration::from_millis(100),
        ..settings(&directory)
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("web", 1), ("old", 1)], &[]));
    history.keep(change("api", 1, &[("api", 1)], &[]));
    written(&history).await;
    let mut blocker = other(&settings).await;
    execute(&mut blocker, "begin immediate").await;
    history.keep(change("web", 2, &[("web", 2)], &[]));
    history.keep(change("web", 3, &[("web", 3)], &["old"]));
    history.forget(&application("api"));
    assert_eq!(history.flush().await, 3);
    // A restart now would find what was true before.
    let before = [
        (kept("api", 1), objects(&[("api", 1)])),
        (kept("web", 1), objects(&[("web", 1), ("old", 1)])),
    ];
    assert_eq!(store.load_kept().await.unwrap(), before);
    execute(&mut blocker, "rollback").await;
    let expected = [(kept("web", 3), objects(&[("web", 3)]))];
    assert_eq!(found(&store).await, expected);
    assert_eq!(history.dropped(), 0);
}

#[tokio::test]
async fn a_change_that_finds_the_queue_full_forgets_its_application() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        queue_capacity: 3,
        flush_timeout: Duration::from_millis(50),
        ..settings(&directory)
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for name in ["web", "api", "db"] {
        history.keep(change(name, 1, &[("a", 1), ("b", 1)], &[]));
    }
    written(&history).await;
    let mut blocker = other(&settings).await;
    execute(&mut blocker, "begin immediate").await;
    history.keep(change("web", 2, &[("a", 2)], &[]));
    history.keep(change("api", 2, &[("a", 2)], &[]));
    history.keep(change("web", 3, &[("b", 3)], &[]));
    // Lost, and with it the two that wait; in their room the next one waits.
    history.keep(change("web", 4, &[("a", 4)], &[]));
    assert!(history.has_lost(&application("web")));
    assert_eq!((history.queued(), history.dropped()), (2, 3));
    history.keep(change("db", 2, &[], &["b"]));
    history.keep(change("web", 5, &[("b", 5)], &[]));
    assert_eq!((history.queued(), history.dropped()), (3, 4));
    execute(&mut blocker, "rollback").await;
    let api = (kept("api", 2), objects(&[("a", 2), ("b", 1)]));
    let db = (kept("db", 2), objects(&[("a", 1)]));
    assert_eq!(found(&store).await, [api.clone(), db.clone()]);

    // There is room again, but a difference has nothing to stand on.
    history.keep(change("web", 6, &[("a", 6)], &[]));
    assert_eq!(found(&store).await, [api.clone(), db.clone()]);
    history.forget(&application("web"));
    history.keep(change("web", 6, &[("a", 6), ("b", 5)], &[]));
    history.keep(change("web", 7, &[("a", 7)], &[]));
    assert!(!history.has_lost(&application("web")));
    let web = (kept("web", 7), objects(&[("a", 7), ("b", 5)]));
    assert_eq!(found(&store).await, [api, db, web]);
}

#[tokio::test]
async fn forgetting_takes_no_room_in_the_queue() {
    let settings = Settings {
        location: Location::Memory,
        queue_capacity: 2,
        ..Settings::default()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    // One thread, no await: the writer has no turn before all are queued.
    for name in ["a", "b", "c", "d", "a"] {
        history.forget(&application(name));
    }
    history.keep(change("web", 1, &[("web", 1)], &[]));
    history.keep(change("web", 2, &[("web", 2)], &[]));
    assert_eq!((history.queued(), history.dropped()), (6, 0));
    let web = (kept("web", 2), objects(&[("web", 2)]));
    assert_eq!(found(&store).await, [web]);
}

#[tokio::test]
async fn a_change_that_the_database_refuses_forgets_its_application_and_no_other() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("web", 1)], &[]));
    written(&history).await;
    execute(
        &mut other(&settings).await,
        "create trigger refused before insert on kept_objects when new.object_name = 'refused'
         begin select raise(abort, 'refused'); end",
    )
    .await;
    // One batch: what follows the refused one must not be written without it.
    history.keep(change("api", 1, &[("api", 1)], &[]));
    history.keep(change("web", 2, &[("web", 2)], &[]));
    history.keep(change("web", 3, &[("refused", 3)], &[]));
    history.keep(change("web", 4, &[("web", 4)], &[]));
    history.keep(change("api", 2, &[("api", 2)], &[]));
    let api = (kept("api", 2), objects(&[("api", 2)]));
    assert_eq!(found(&store).await, [api]);
    assert!(history.has_lost(&application("web")));
    assert!(!history.has_lost(&application("api")));
    assert_eq!(history.dropped(), 2);
}

#[tokio::test]
async fn rows_that_cannot_be_deleted_stay_as_old_as_they_are() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
    written(&history).await;
    let mut rule = other(&settings).await;
    execute(
        &mut rule,
        "create trigger stay before delete on kept_applications
         begin select raise(abort, 'refused'); end",
    )
    .await;
    history.forget(&application("web"));
    history.keep(change("web", 2, &[("a", 2)], &[]));
    let old = (kept("web", 1), objects(&[("a", 1), ("b", 1)]));
    assert_eq!(found(&store).await, [old]);
    assert!(history.has_lost(&application("web")));
    execute(&mut rule, "drop trigger stay").await;
    history.forget(&application("web"));
    history.keep(change("web", 3, &[("a", 3)], &[]));
    let new = (kept("web", 3), objects(&[("a", 3)]));
    assert_eq!(found(&store).await, [new]);
}

#[tokio::test]
async fn an_application_with_a_row_that_cannot_be_read_is_left_out_and_forgotten() {
    for damage in [
        "update kept_applications set commit_id = 'main' where name = 'web'",
        "update kept_applications set inputs = x'00' where name = 'web'",
        "update kept_applications set reads = '{\"globs\":[\"*\"]}' where name = 'web'",
        "update kept_applications set images = 'nginx' where name = 'web'",
        "update kept_objects set applied = 'text' where name = 'web' and object_name = 'b'",
        "update kept_objects set ours = null where name = 'web' and object_name = 'b'",
        "update kept_objects set others = x'0000' where name = 'web' and object_name = 'b'",
        "update kept_objects set resource_version = null where name = 'web'",
        "update kept_objects set origin_line = -1 where name = 'web' and object_name = 'a'",
        "update kept_objects set kind = x'ff' where name = 'web' and object_name = 'a'",
        "delete from kept_applications where name = 'web'",
    ] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let store = Store::open(&settings).await.unwrap();
        let history = store.history();
        history.keep(change("api", 1, &[("a", 1)], &[]));
        history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
        written(&history).await;
        let mut look = other(&settings).await;
        execute(&mut look, damage).await;
        let api = (kept("api", 1), objects(&[("a", 1)]));
        let readable = store.load_kept().await.unwrap();
        assert_eq!(readable, std::slice::from_ref(&api), "{damage}");
        // What is kept next is all that there is.
        history.keep(change("web", 2, &[("a", 2)], &[]));
        let web = (kept("web", 2), objects(&[("a", 2)]));
        assert_eq!(found(&store).await, [api, web], "{damage}");
    }
}

/// What a restart finds, when `damage` was there while the agent asked and began to keep anew.
async fn found_after_no_answer(damage: &str, repair: &str) -> Vec<KeptApplication> {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
    written(&history).await;
    let mut look = other(&settings).await;
    execute(&mut look, damage).await;
    let error = store.load_kept().await.unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error:?}");
    execute(&mut look, repair).await;
    history.keep(change("web", 2, &[("a", 2)], &[]));
    found(&store).await
}

#[tokio::test]
async fn what_cannot_be_read_is_deleted_and_does_not_mix_with_what_is_kept_later() {
    let found = found_after_no_answer(
        "alter table kept_objects rename column applied to other",
        "alter table kept_objects rename column other to applied",
    );
    assert_eq!(found.await, [(kept("web", 2), objects(&[("a", 2)]))]);
}

#[tokio::test]
async fn what_can_be_neither_read_nor_deleted_stays_as_old_as_it_is() {
    let found = found_after_no_answer(
        "alter table kept_objects rename to other",
        "alter table other rename to kept_objects",
    );
    let old = objects(&[("a", 1), ("b", 1)]);
    assert_eq!(found.await, [(kept("web", 1), old)]);
}

#[tokio::test]
async fn fault_f37_what_a_newer_version_kept_is_read_as_far_as_it_can_be_and_never_written() {
    for (alteration, readable) in [
        (
            "alter table kept_objects add column from_the_future text",
            true,
        ),
        ("alter table kept_objects rename to from_the_future", false),
    ] {
        let directory = TempDir::new().unwrap();
        let settings = settings(&directory);
        let store = Store::open(&settings).await.unwrap();
        store.history().keep(change("web", 1, &[("a", 1)], &[]));
        store.close().await;
        let mut newer = other(&settings).await;
        execute(
            &mut newer,
            "insert into _sqlx_migrations
                 select 9999, 'from the future', installed_on, success, checksum, execution_time
                 from _sqlx_migrations where version = 1",
        )
        .await;
        execute(&mut newer, alteration).await;
        newer.close().await.unwrap();

        let store = Store::open(&settings).await.unwrap();
        assert_eq!(store.mode(), Mode::ReadOnly { schema: 9999 });
        let expected = vec![(kept("web", 1), objects(&[("a", 1)]))];
        let expected = if readable { expected } else { Vec::new() };
        assert_eq!(found(&store).await, expected);
        let history = store.history();
        history.keep(change("web", 2, &[("a", 2)], &[]));
        history.forget(&application("web"));
        assert_eq!(found(&store).await, expected);
        assert_eq!((history.queued(), history.dropped()), (0, 1));
        assert!(!history.has_lost(&application("web")));
    }
}

#[tokio::test]
async fn fault_f34_a_damaged_file_keeps_nothing_and_begins_anew() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    store.history().keep(change("web", 1, &[("a", 1)], &[]));
    assert_eq!(store.close().await, 0);
    let mut bytes = std::fs::read(file(&settings)).unwrap();
    let start = bytes.len() / 4;
    bytes[start..].fill(0x5a);
    std::fs::write(file(&settings), &bytes).unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert!(store.damaged().is_some());
    assert_eq!(store.load_kept().await.unwrap(), []);
    store.history().keep(change("web", 2, &[("a", 2)], &[]));
    let web = (kept("web", 2), objects(&[("a", 2)]));
    assert_eq!(found(&store).await, [web]);
}

#[tokio::test]
async fn a_history_of_the_first_schema_is_brought_up_to_date_with_its_rows() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
    let first = TempDir::new().unwrap();
    let name = "0001_history.sql";
    std::fs::copy(migrations.join(name), first.path().join(name)).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(file(&settings))
        .create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let migrator = sqlx::migrate::Migrator::new(first.path()).await.unwrap();
    migrator.run_direct(None, &mut old, false).await.unwrap();
    execute(
        &mut old,
        "insert into syncs values (
             '01', 'shop', 'web', 'poll', null, null, null, null, null, null,
             '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z',
             '2026-01-01T00:00:01.000000000Z', 'succeeded', null, null, 0, 0, 0, 0, 0, 6, 0,
             '[]', '[]'
         )",
    )
    .await;
    execute(
        &mut old,
        "insert into updates values (
             '02', 'shop', 'web', 'config', 'web', 'v1', 'v2', '[]',
             '0000000000000000000000000000000000000001', '2026-01-01T00:00:00.000000000Z'
         )",
    )
    .await;
    old.close().await.unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!((store.mode(), store.damaged()), (Mode::ReadWrite, None));
    let history = store.history();
    let syncs = history.syncs(&application("web"), None, 10).await.unwrap();
    assert_eq!((&*syncs[0].id, syncs[0].counts.unchanged), ("01", 6));
    assert_eq!(history.updates(None, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.load_kept().await.unwrap(), []);
    history.keep(change("web", 1, &[("a", 1)], &[]));
    let web = (kept("web", 1), objects(&[("a", 1)]));
    assert_eq!(found(&store).await, [web]);
}

#[tokio::test]
async fn retention_does_not_touch_what_is_kept() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&Settings {
        retention_age: Duration::ZERO,
        ..settings(&directory)
    })
    .await
    .unwrap();
    store.history().keep(change("web", 1, &[("a", 1)], &[]));
    written(&store.history()).await;
    store.history().prune_old(Timestamp::MAX).await.unwrap();
    let web = (kept("web", 1), objects(&[("a", 1)]));
    assert_eq!(found(&store).await, [web]);
}

#[tokio::test]
async fn fifty_thousand_objects_are_kept_and_read_back() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut expected = Vec::new();
    for number in 0..1000 {
        let name = format!("web-{number:04}");
        // One large application among many small ones.
        let count = if number == 500 { 10_000 } else { 40 };
        let names: Vec<String> = (0..count)
            .map(|object| format!("{name}-{object}"))
            .collect();
        let rows: Vec<(&str, u32)> = names.iter().map(|object| (&**object, number)).collect();
        history.keep(change(&name, number, &rows, &[]));
        expected.push((kept(&name, number), objects(&rows)));
    }
    written(&history).await;
    assert_eq!(history.dropped(), 0);
    store.close().await;
    let store = Store::open(&settings).await.unwrap();
    let found = store.load_kept().await.unwrap();
    assert!(found == expected);
    let count: usize = found.iter().map(|(_, objects)| objects.len()).sum();
    assert_eq!(count, 49_960);
}
