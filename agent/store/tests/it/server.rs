//! What only a server has: it may be away, others may come with the same wish, and it proves who it is.

use std::time::Duration;

use syncline_core::redacted::Redacted;
use syncline_store::{Condition, Error, Location, Settings, Store};

use crate::history::{begun, ended, id, ids};
use crate::kept::{application, change, found, kept, objects};
use crate::place::Place;
use crate::postgres::{Durability, Postgres};

/// Settings for a server that may be away.
fn settings(server: &Postgres, name: &str) -> Settings {
    Settings {
        location: Location::Postgres(Redacted::new(server.url(name))),
        retry_first: Duration::from_millis(10),
        retry_longest: Duration::from_millis(50),
        connection_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

/// Awaits the writer's word on how the database is.
async fn until(store: &Store, wanted: impl Fn(&Condition) -> bool) {
    while !wanted(&store.condition()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn fault_f33_a_server_that_is_away_at_the_start_is_not_waited_for_and_gets_everything_later()
{
    let server = Postgres::start(Durability::None).await.unwrap();
    server.create("history").await.unwrap();
    let settings = settings(&server, "history");
    let store = Store::open(&settings).await.unwrap();
    store.history().keep(change("web", 1, &[("a", 1)], &[]));
    assert_eq!(store.close().await, 0);
    server.stop().unwrap();

    let quick = Settings {
        flush_timeout: Duration::from_millis(50),
        ..settings.clone()
    };
    let store = Store::open(&quick).await.unwrap();
    let history = store.history();
    // What was kept cannot be known, so that it must not mix with what is kept from now on.
    let error = store.load_kept().await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error:?}");
    history.keep(change("web", 2, &[("b", 2)], &[]));
    history.record_sync(&begun("web", 10));
    history.record_sync(&ended("web", 10));
    assert!(history.flush().await > 0);
    assert!(matches!(store.condition(), Condition::Failing { .. }));
    let asked = history.syncs(&application("web"), None, 10).await;
    assert!(matches!(asked, Err(Error::Away { .. })), "{asked:?}");

    server.resume().await.unwrap();
    while history.flush().await > 0 {}
    assert_eq!(store.condition(), Condition::Writing);
    assert_eq!(history.sync(&id(10)).await.unwrap(), Some(ended("web", 10)));
    assert_eq!(history.dropped(), 0);
    let web = (kept("web", 2), objects(&[("b", 2)]));
    assert_eq!(found(&store).await, [web]);
}

#[tokio::test]
async fn fault_f33_a_server_that_goes_away_in_between_loses_nothing_and_writes_nothing_twice() {
    let server = Postgres::start(Durability::Full).await.unwrap();
    server.create("history").await.unwrap();
    let settings = Settings {
        flush_timeout: Duration::from_millis(50),
        // Small, so that it ends in the middle of the work.
        batch: 3,
        // What a connection that was lost in the meantime costs.
        connection_timeout: Duration::from_secs(2),
        ..settings(&server, "history")
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for round in 0..2 {
        for second in 1..=40 {
            history.record_sync(&ended("web", round * 100 + second));
            if second == 20 {
                server.stop().unwrap();
            }
            tokio::task::yield_now().await;
        }
        assert!(history.flush().await > 0);
        until(&store, |is| matches!(is, Condition::Failing { .. })).await;
        server.resume().await.unwrap();
        while history.flush().await > 0 {}
        assert_eq!(store.condition(), Condition::Writing);
    }
    assert_eq!(history.dropped(), 0);
    let kept = history.syncs(&application("web"), None, 500).await.unwrap();
    assert_eq!(kept.len(), 80);
    let mut look = crate::place::Other::Postgres(server.connect("history").await.unwrap());
    let outcomes = "select count(*) from sync_outcomes";
    assert_eq!(look.number(outcomes).await, 80 * 5);
}

#[tokio::test]
async fn agents_that_begin_at_the_same_time_make_the_tables_once() {
    let place = Place::server().await;
    let settings = place.settings();
    let starts = (0..6).map(|_| {
        let settings = settings.clone();
        tokio::spawn(async move {
            let store = Store::open(&settings).await.unwrap();
            store.load_kept().await.unwrap();
            assert_eq!(store.condition(), Condition::Writing);
            store.close().await
        })
    });
    for start in starts.collect::<Vec<_>>() {
        assert_eq!(start.await.unwrap(), 0);
    }
    let steps = "select count(*) from _sqlx_migrations";
    let steps = place.other().await.number(steps).await;
    let files = std::fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../migrations/postgres"
    ));
    assert_eq!(usize::try_from(steps).unwrap(), files.unwrap().count());
}

#[tokio::test]
async fn a_database_that_somebody_empties_is_filled_anew() {
    let place = Place::server().await;
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    history.record_sync(&ended("web", 10));
    history.keep(change("web", 1, &[("a", 1), ("b", 1)], &[]));
    assert_eq!(history.flush().await, 0);
    let mut other = place.other().await;
    other.execute("drop schema public cascade").await;
    other.execute("create schema public").await;

    history.record_sync(&ended("web", 20));
    while history.flush().await > 0 {}
    assert_eq!(ids(&history, "web").await, [id(20)]);
    assert_eq!(store.condition(), Condition::Writing);
    // A difference has nothing to stand on there.
    assert!(history.has_lost(&application("web")));
    history.keep(change("web", 2, &[("a", 2)], &[]));
    assert_eq!(found(&store).await, []);
    history.forget(&application("web"));
    history.keep(change("web", 3, &[("a", 3)], &[]));
    let web = (kept("web", 3), objects(&[("a", 3)]));
    assert_eq!(found(&store).await, [web]);
    assert!(!history.has_lost(&application("web")));
}

#[tokio::test]
async fn neither_a_status_nor_an_error_has_the_password() {
    let server = Postgres::start(Durability::None).await.unwrap();
    let url = server.url("nowhere").replace("word@", "words@");
    let settings = Settings {
        location: Location::Postgres(Redacted::new(url)),
        ..settings(&server, "nowhere")
    };
    let store = Store::open(&settings).await.unwrap();
    until(&store, |is| matches!(is, Condition::Failing { .. })).await;
    let error = store.load_kept().await.unwrap_err();
    let status = store.history().status();
    assert_eq!(status.place, format!("{}/nowhere", server.address()));
    let said = format!("{settings:?} {store:?} {status:?} {error} {error:?}");
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(!said.contains("p@ss") && !said.contains("p%40ss"), "{said}");
}

#[tokio::test]
async fn a_server_elsewhere_that_cannot_prove_who_it_is_gets_nothing() {
    let server = Postgres::start(Durability::None).await.unwrap();
    server.create("history").await.unwrap();
    let mut url = server.url("history");
    url.push_str("?sslmode=verify-full");
    let settings = Settings {
        location: Location::Postgres(Redacted::new(url)),
        ..settings(&server, "history")
    };
    let store = Store::open(&settings).await.unwrap();
    until(&store, |is| matches!(is, Condition::Failing { .. })).await;
    let Condition::Failing { error, .. } = store.condition() else {
        panic!("{:?}", store.condition());
    };
    assert!(error.to_lowercase().contains("tls"), "{error}");
}
