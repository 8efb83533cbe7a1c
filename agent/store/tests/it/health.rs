//! Changes of health.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use syncline_core::health::Health;
use syncline_core::record::{HealthChange, Name};
use syncline_core::revision::Revision;
use syncline_store::{History, Pruned, Settings, Store};

use crate::history::{at, commit, id};
use crate::place::Place;

/// A change that came by itself, with something in every field.
fn change(application: &str, second: u64) -> HealthChange {
    HealthChange {
        id: id(second),
        application: Name::new("shop", application),
        began: at(second),
        time: at(second) + SignedDuration::from_nanos(7),
        from: Health::Healthy,
        to: Health::Degraded,
        object: Some("Deployment.apps shop/web".into()),
        message: "0 of 3 ready: 'ImagePullBackOff'; drop table health_changes".into(),
        revision: Some(Revision {
            branch: "main".into(),
            commit: commit(second),
        }),
        sync: None,
        changes: 1,
    }
}

async fn times(history: &History, application: &str) -> Vec<Timestamp> {
    let application = Name::new("shop", application);
    let changes = history.health_changes(&application, None, 100).await;
    changes.unwrap().into_iter().map(|c| c.began).collect()
}

async fn a_change_of_health_comes_back_as_it_was_recorded_after_a_restart(place: Place) {
    let settings = place.settings();
    let store = Store::open(&settings).await.unwrap();
    let alone = change("web", 1);
    let with_sync = HealthChange {
        from: Health::Degraded,
        to: Health::Healthy,
        object: None,
        message: String::new(),
        revision: None,
        sync: Some("01J".into()),
        ..change("web", 2)
    };
    store.history().record_health(&alone);
    store.history().record_health(&with_sync);
    assert_eq!(store.close().await, 0);

    let store = Store::open(&settings).await.unwrap();
    let name = Name::new("shop", "web");
    let changes = store.history().health_changes(&name, None, 100).await;
    assert_eq!(changes.unwrap(), [with_sync, alone]);
}

async fn changes_that_follow_each_other_closely_are_one_row_with_a_count(place: Place) {
    let store = Store::open(&place.settings()).await.unwrap();
    let history = store.history();
    let first = change("web", 1);
    history.record_health(&first);
    assert_eq!(history.flush().await, 0);
    assert!(!first.is_flapping());
    let last = HealthChange {
        time: at(9),
        to: Health::Healthy,
        object: None,
        message: "to and fro".into(),
        revision: None,
        sync: Some("01J".into()),
        changes: 6,
        ..first
    };
    history.record_health(&last);
    assert_eq!(history.flush().await, 0);
    let changes = history.health_changes(&last.application, None, 100).await;
    assert_eq!(changes.unwrap(), std::slice::from_ref(&last));
    assert!(last.is_flapping());
}

async fn a_list_of_changes_is_newest_first_in_pages_and_of_one_application(place: Place) {
    let settings = Settings {
        page: 4,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..=6 {
        history.record_health(&change("web", second));
        history.record_health(&change("api", second + 100));
    }
    history.flush().await;
    let name = Name::new("shop", "web");
    let page = history.health_changes(&name, None, 100).await.unwrap();
    let seconds: Vec<_> = page.iter().map(|change| change.began).collect();
    assert_eq!(seconds, [at(6), at(5), at(4), at(3)]);
    let before = Some(page[3].id.as_str());
    let rest = history.health_changes(&name, before, 1).await.unwrap();
    assert_eq!(rest, [change("web", 2)]);
}

async fn retention_keeps_the_newest_changes_of_each_application_and_nothing_too_old(place: Place) {
    let settings = Settings {
        retention_health_per_application: 3,
        retention_age: Duration::from_secs(1000),
        retention_batch: 2,
        ..place.settings()
    };
    let store = Store::open(&settings).await.unwrap();
    let history = store.history();
    for second in 1..=10 {
        history.record_health(&change("web", second));
    }
    history.record_health(&change("api", 11));
    history.flush().await;
    let pruned = |health_changes| Pruned {
        health_changes,
        ..Pruned::default()
    };
    assert_eq!(history.prune_old(at(100)).await.unwrap(), pruned(7));
    assert_eq!(times(&history, "web").await, [at(10), at(9), at(8)]);
    assert_eq!(times(&history, "api").await, [at(11)]);
    assert_eq!(history.prune_old(at(1010)).await.unwrap(), pruned(2));
    assert_eq!(times(&history, "web").await, [at(10)]);
}

on_both! {
    a_change_of_health_comes_back_as_it_was_recorded_after_a_restart,
    changes_that_follow_each_other_closely_are_one_row_with_a_count,
    a_list_of_changes_is_newest_first_in_pages_and_of_one_application,
    retention_keeps_the_newest_changes_of_each_application_and_nothing_too_old,
}
