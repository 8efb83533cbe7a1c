//! What is kept of applications, in a file of SQLite: which rows a change touches, and damage.

use std::sync::Arc;

use sqlx::Connection;
use syncline_store::{Condition, Settings, Store};

use crate::kept::{application, change, found, kept, key, objects, written};
use crate::place::{Other, Place, file};

/// Writes down each row of `kept_objects` that is touched from now on.
async fn watch_rows(look: &mut Other) {
    look.execute("create table touched (what text, name text)")
        .await;
    for (what, row) in [("insert", "new"), ("update", "new"), ("delete", "old")] {
        let trigger = format!(
            "create trigger touched_{what} after {what} on kept_objects
             begin insert into touched values ('{what}', {row}.object_name); end"
        );
        look.execute(&trigger).await;
    }
}

async fn touched(look: &mut Other) -> Vec<String> {
    look.texts("select what || ' ' || name from touched order by rowid")
        .await
}

#[tokio::test]
async fn a_change_touches_its_rows_and_no_other() {
    let place = Place::file();
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let names: Vec<String> = (0..1001).map(|number| format!("web-{number:04}")).collect();
    let all: Vec<(&str, u32)> = names.iter().map(|name| (&**name, 1)).collect();
    history.keep(change("web", 1, &all, &[]));
    history.keep(change("api", 1, &all, &[]));
    written(&history).await;
    let mut look = place.other().await;
    watch_rows(&mut look).await;

    history.keep(change(
        "web",
        2,
        &[("web-0500", 2), ("new", 3)],
        &["web-0007"],
    ));
    written(&history).await;
    let expected = ["delete web-0007", "update web-0500", "insert new"];
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
async fn a_long_read_set_is_not_written_again_for_a_change_of_one_object() {
    let place = Place::file();
    let settings = place.settings();
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
    let mut look = place.other().await;
    look.execute("pragma wal_checkpoint(truncate)").await;

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
    let place = Place::file();
    let settings = Settings {
        batch: 7,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    let mut look = place.other().await;
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
    assert_eq!(look.number(updates).await, 41);
    assert_eq!(history.dropped(), 0);
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
        let place = Place::file();
        let settings = place.settings();
        let store = Store::open(&settings).await.unwrap();
        let history = store.history();
        history.keep(change("api", 1, &[("a", 1)], &[]));
        history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
        written(&history).await;
        place.other().await.execute(damage).await;
        let api = (kept("api", 1), objects(&[("a", 1)]));
        let readable = store.load_kept().await.unwrap();
        assert_eq!(readable, std::slice::from_ref(&api), "{damage}");
        // What is kept next is all that there is.
        history.keep(change("web", 2, &[("a", 2)], &[]));
        let web = (kept("web", 2), objects(&[("a", 2)]));
        assert_eq!(found(&store).await, [api, web], "{damage}");
    }
}

#[tokio::test]
async fn fault_f34_a_damaged_file_keeps_nothing_and_begins_anew() {
    let place = Place::file();
    let settings = place.settings();
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
    let place = Place::file();
    let settings = place.settings();
    let mut old = place.older(&["0001_history.sql"]).await;
    old.execute(
        "insert into syncs values (
             '01', 'shop', 'web', 'poll', null, null, null, null, null, null,
             '2026-01-01T00:00:00.000000000Z', '2026-01-01T00:00:00.000000000Z',
             '2026-01-01T00:00:01.000000000Z', 'succeeded', null, null, 0, 0, 0, 0, 0, 6, 0,
             '[]', '[]'
         )",
    )
    .await;
    old.execute(
        "insert into updates values (
             '02', 'shop', 'web', 'config', 'web', 'v1', 'v2', '[]',
             '0000000000000000000000000000000000000001', '2026-01-01T00:00:00.000000000Z'
         )",
    )
    .await;
    old.sqlite().close().await.unwrap();

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(
        (store.condition(), store.damaged()),
        (Condition::Writing, None)
    );
    let history = store.history();
    let syncs = history.syncs(&application("web"), None, 10).await.unwrap();
    assert_eq!((&*syncs[0].id, syncs[0].counts.unchanged), ("01", 6));
    assert_eq!(history.updates(None, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.load_kept().await.unwrap(), []);
    history.keep(change("web", 1, &[("a", 1)], &[]));
    let web = (kept("web", 1), objects(&[("a", 1)]));
    assert_eq!(found(&store).await, [web]);
}
