//! What is kept of applications: what a restart finds, whatever happened before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::digest::Digest;
use syncline_core::kept::{FieldDigests, Kept, KeptChange, KeptObject, OtherReads, Written};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::read_set::ReadSet;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_store::{Condition, Error, History, KeptApplication, Location, Settings, Store};

use crate::history::FROM_THE_FUTURE;
use crate::place::Place;

pub(crate) type Objects = BTreeMap<ObjectKey, KeptObject>;

pub(crate) fn application(name: &str) -> Name {
    Name::new("shop", name)
}

pub(crate) fn digest(text: &str) -> Digest {
    let mut bytes = [0x5a; 16];
    for (byte, from) in bytes.iter_mut().zip(text.bytes()) {
        *byte = from;
    }
    Digest::from(bytes)
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

/// An object as it stands after the write with this number.
pub(crate) fn object(write: u32) -> KeptObject {
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

pub(crate) fn kept(name: &str, commit: u32) -> Kept {
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

pub(crate) fn change(
    name: &str,
    commit: u32,
    changed: &[(&str, u32)],
    removed: &[&str],
) -> Arc<KeptChange> {
    Arc::new(KeptChange {
        kept: kept(name, commit),
        changed: changed
            .iter()
            .map(|(name, write)| (key(name), object(*write)))
            .collect(),
        removed: removed.iter().map(|name| key(name)).collect(),
    })
}

pub(crate) fn objects(rows: &[(&str, u32)]) -> Objects {
    rows.iter()
        .map(|(name, write)| (key(name), object(*write)))
        .collect()
}

pub(crate) async fn written(history: &History) {
    while history.flush().await > 0 {}
}

/// What a restart would find.
pub(crate) async fn found(store: &Store) -> Vec<KeptApplication> {
    written(&store.history()).await;
    store.load_kept().await.unwrap()
}

async fn what_is_kept_comes_back_as_it_was_after_a_restart(place: Place) {
    let settings = place.settings();
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

async fn an_object_of_another_api_version_takes_the_place_of_its_row(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    store.history().keep(change("web", 1, &[("web", 1)], &[]));
    let mut newer = change("web", 2, &[("web", 2)], &[]);
    Arc::make_mut(&mut newer).changed[0].0.version = "v2".into();
    store.history().keep(newer);
    let found = found(&store).await;
    let (key, _) = found[0].1.first_key_value().unwrap();
    assert_eq!((found[0].1.len(), &*key.version), (1, "v2"));
}

async fn a_forgotten_application_is_gone_with_what_waited_and_can_be_kept_anew(place: Place) {
    let settings = place.settings();
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
    assert_eq!(place.other().await.number(rows).await, 0);

    history.keep(change("web", 3, &[("web", 3)], &[]));
    let web = (kept("web", 3), objects(&[("web", 3)]));
    assert_eq!(found(&store).await, [api, web]);
    assert_eq!(history.dropped(), 0);
    assert!(!history.has_lost(&application("web")));
}

async fn fault_f33_changes_wait_for_the_database_and_are_written_when_it_is_back(place: Place) {
    let settings = Settings {
        flush_timeout: Duration::from_millis(100),
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("web", 1), ("old", 1)], &[]));
    history.keep(change("api", 1, &[("api", 1)], &[]));
    written(&history).await;
    let blocker = place.block().await;
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
    blocker.release().await;
    let expected = [(kept("web", 3), objects(&[("web", 3)]))];
    assert_eq!(found(&store).await, expected);
    assert_eq!(history.dropped(), 0);
}

async fn a_change_that_finds_the_queue_full_forgets_its_application(place: Place) {
    let settings = Settings {
        queue_capacity: 3,
        flush_timeout: Duration::from_millis(50),
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for name in ["web", "api", "db"] {
        history.keep(change(name, 1, &[("a", 1), ("b", 1)], &[]));
    }
    written(&history).await;
    let blocker = place.block().await;
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
    blocker.release().await;
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

async fn a_change_that_the_database_refuses_forgets_its_application_and_no_other(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("web", 1)], &[]));
    written(&history).await;
    place
        .refuse(
            "before insert on kept_objects",
            "new.object_name = 'refused'",
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

async fn rows_that_cannot_be_deleted_stay_as_old_as_they_are(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
    written(&history).await;
    place
        .refuse("before delete on kept_applications", "old.name = 'web'")
        .await;
    history.forget(&application("web"));
    history.keep(change("web", 2, &[("a", 2)], &[]));
    let old = (kept("web", 1), objects(&[("a", 1), ("b", 1)]));
    assert_eq!(found(&store).await, [old]);
    assert!(history.has_lost(&application("web")));
    place.refuse_no_more("kept_applications").await;
    history.forget(&application("web"));
    history.keep(change("web", 3, &[("a", 3)], &[]));
    let new = (kept("web", 3), objects(&[("a", 3)]));
    assert_eq!(found(&store).await, [new]);
}

/// What a restart finds, when `damage` was there while the agent asked and began to keep anew.
async fn found_after_no_answer(place: &Place, damage: &str, repair: &str) -> Vec<KeptApplication> {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
    written(&history).await;
    let mut look = place.other().await;
    look.execute(damage).await;
    let error = store.load_kept().await.unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error:?}");
    look.execute(repair).await;
    history.keep(change("web", 2, &[("a", 2)], &[]));
    found(&store).await
}

async fn what_cannot_be_read_is_deleted_and_does_not_mix_with_what_is_kept_later(place: Place) {
    let found = found_after_no_answer(
        &place,
        "alter table kept_objects rename column applied to other",
        "alter table kept_objects rename column other to applied",
    );
    assert_eq!(found.await, [(kept("web", 2), objects(&[("a", 2)]))]);
}

async fn what_can_be_neither_read_nor_deleted_stays_as_old_as_it_is(place: Place) {
    let found = found_after_no_answer(
        &place,
        "alter table kept_objects rename to other",
        "alter table other rename to kept_objects",
    );
    let old = objects(&[("a", 1), ("b", 1)]);
    assert_eq!(found.await, [(kept("web", 1), old)]);
}

async fn fault_f37_what_a_newer_version_kept_is_read_and_never_written(place: Place) {
    let alteration = "alter table kept_objects add column from_the_future text";
    let expected = vec![(kept("web", 1), objects(&[("a", 1)]))];
    newer_version(&place, alteration, expected).await;
}

async fn fault_f37_what_a_newer_version_kept_otherwise_is_nothing_and_never_written(place: Place) {
    let alteration = "alter table kept_objects rename to from_the_future";
    newer_version(&place, alteration, Vec::new()).await;
}

async fn newer_version(place: &Place, alteration: &str, expected: Vec<KeptApplication>) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    store.history().keep(change("web", 1, &[("a", 1)], &[]));
    store.close().await;
    let mut newer = place.other().await;
    for statement in [
        FROM_THE_FUTURE,
        "update history set writable_from = 9999",
        alteration,
    ] {
        newer.execute(statement).await;
    }
    drop(newer);

    let store = Store::open(&settings).await.unwrap();
    assert_eq!(found(&store).await, expected);
    assert_eq!(store.condition(), Condition::ReadOnly { schema: 9999 });
    let history = store.history();
    history.keep(change("web", 2, &[("a", 2)], &[]));
    history.forget(&application("web"));
    assert_eq!(found(&store).await, expected);
    assert_eq!((history.queued(), history.dropped()), (0, 1));
    assert!(!history.has_lost(&application("web")));
}

async fn retention_does_not_touch_what_is_kept(place: Place) {
    let store = Store::open(&Settings {
        retention_age: Duration::ZERO,
        ..place.settings()
    })
    .await
    .unwrap();
    store.history().keep(change("web", 1, &[("a", 1)], &[]));
    written(&store.history()).await;
    store.history().prune_old(Timestamp::MAX).await.unwrap();
    let web = (kept("web", 1), objects(&[("a", 1)]));
    assert_eq!(found(&store).await, [web]);
}

async fn fifty_thousand_objects_are_kept_and_read_back(place: Place) {
    let settings = place.settings();
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

on_both! {
    what_is_kept_comes_back_as_it_was_after_a_restart,
    an_object_of_another_api_version_takes_the_place_of_its_row,
    a_forgotten_application_is_gone_with_what_waited_and_can_be_kept_anew,
    fault_f33_changes_wait_for_the_database_and_are_written_when_it_is_back,
    a_change_that_finds_the_queue_full_forgets_its_application,
    a_change_that_the_database_refuses_forgets_its_application_and_no_other,
    rows_that_cannot_be_deleted_stay_as_old_as_they_are,
    what_cannot_be_read_is_deleted_and_does_not_mix_with_what_is_kept_later,
    what_can_be_neither_read_nor_deleted_stays_as_old_as_it_is,
    fault_f37_what_a_newer_version_kept_is_read_and_never_written,
    fault_f37_what_a_newer_version_kept_otherwise_is_nothing_and_never_written,
    retention_does_not_touch_what_is_kept,
    fifty_thousand_objects_are_kept_and_read_back,
}
