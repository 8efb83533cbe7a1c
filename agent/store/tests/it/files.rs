//! What only a file of SQLite has: damage, older schemas, the log beside it.

use sqlx::Connection;
use syncline_store::{Condition, Error, Location, Settings, Store};
use tempfile::TempDir;

use crate::history::{changes, ended, id, ids};
use crate::kept::{application, change};
use crate::place::{Place, file};

#[tokio::test]
async fn outcomes_of_before_there_were_changes_are_read_without_any() {
    let place = Place::file();
    let settings = place.settings();
    let mut old = place.older(&["0001_history.sql", "0002_kept.sql"]).await;
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
        old.execute(statement).await;
    }
    old.sqlite().close().await.unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(
        (store.condition(), store.damaged()),
        (Condition::Writing, None)
    );
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
        let place = Place::file();
        let settings = place.settings();
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
            .unwrap_or_else(|| panic!("{name}: not found"));
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
    let place = Place::file();
    let settings = place.settings();
    std::fs::create_dir_all(file(&settings).parent().unwrap()).unwrap();
    std::fs::write(file(&settings), b"").unwrap();
    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.damaged(), None);
    assert!(store.history().since().await.unwrap().is_some());
}

#[tokio::test]
async fn the_file_is_read_while_it_is_written() {
    let place = Place::file();
    let settings = place.settings();
    let _store = Store::open(&settings).await.unwrap();
    let mode: String = sqlx::query_scalar("pragma journal_mode")
        .fetch_one(&mut place.other().await.sqlite())
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
async fn fault_f34_a_file_that_is_damaged_while_it_is_used_is_set_aside_and_syncs_are_kept_in_a_new_one()
 {
    let place = Place::file();
    let settings = Settings {
        // One connection that reads, without a page in memory at first.
        readers: 1,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..200 {
        history.record_sync(&ended("web", second));
    }
    history.keep(change("web", 1, &[("a", 1)], &[]));
    assert_eq!(history.flush().await, 0);
    // All of it from the log into the file, of which then everything but the head is lost.
    let mut other = place.other().await;
    other.execute("pragma wal_checkpoint(truncate)").await;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(place.path())
        .unwrap();
    let length = file.metadata().unwrap().len();
    for page in 1..length / 4096 {
        std::os::unix::fs::FileExt::write_all_at(&file, &[0x5a; 4096], page * 4096).unwrap();
    }
    while store.damaged().is_none() {
        // Whoever meets it first, a question or a record.
        let _ = history.syncs(&application("web"), None, 100).await;
        history.record_sync(&ended("web", 300));
        history.flush().await;
    }
    history.record_sync(&ended("web", 400));
    while history.flush().await > 0 {}
    assert_eq!(store.condition(), Condition::Writing);
    assert!(ids(&history, "web").await.contains(&id(400)));
    assert_eq!(history.status().damaged, store.damaged());
    // What was kept is gone, so that a difference is not enough.
    assert!(history.has_lost(&application("web")));
    assert_eq!(store.close().await, 0);
    let store = Store::open(&settings).await.unwrap();
    assert_eq!(store.damaged(), None);
    assert_eq!(store.load_kept().await.unwrap(), []);
    assert!(ids(&store.history(), "web").await.contains(&id(400)));
}
