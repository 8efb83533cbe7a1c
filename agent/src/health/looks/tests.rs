//! When the pods of a workload are looked at, and what is said of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use syncline_core::kept::FieldDigests;

use super::*;

const DELAY: Duration = Duration::from_secs(2);

fn key() -> ObjectKey {
    ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    }
}

fn seen(health: Health) -> Seen {
    Seen {
        uid: "u".into(),
        resource_version: "1".into(),
        owner: Some(Name::new("shop", "web")),
        applied: None,
        fields: FieldDigests::default(),
        run: None,
        deleting: false,
        health: ObjectHealth::new(health, "0 of 1 replica is available"),
        selector: Some("app=web".into()),
    }
}

/// What is due at a time, if anything is.
async fn due(looks: &Looks, at: Instant) -> Option<ObjectKey> {
    let first = looks.take(|| at);
    tokio::select! {
        biased;
        key = first => Some(key),
        () = tokio::task::yield_now() => None,
    }
}

#[tokio::test]
async fn a_workload_is_looked_at_only_once_it_stayed_unhealthy_for_the_delay() {
    let (looks, start) = (Looks::default(), Instant::now());
    looks.follow(&key(), &seen(Health::Progressing), start, DELAY);
    assert_eq!(due(&looks, start + DELAY / 2).await, None);
    // Another state of it does not put the look off.
    let later = start + DELAY / 2;
    looks.follow(&key(), &seen(Health::Degraded), later, DELAY);
    assert_eq!(due(&looks, start + DELAY).await, Some(key()));
}

#[tokio::test]
async fn one_that_recovers_within_the_delay_costs_no_look() {
    let (looks, start) = (Looks::default(), Instant::now());
    for second in 0..100 {
        let at = start + DELAY * second;
        looks.follow(&key(), &seen(Health::Progressing), at, DELAY);
        looks.follow(&key(), &seen(Health::Healthy), at + DELAY / 2, DELAY);
        assert_eq!(due(&looks, at + DELAY).await, None);
    }
    assert!(!looks.schedule.knows(&key()) && looks.rounds().is_empty());
}

#[tokio::test]
async fn what_has_no_pods_or_is_being_deleted_is_not_looked_at() {
    let (looks, start) = (Looks::default(), Instant::now());
    let service = Seen {
        selector: None,
        ..seen(Health::Progressing)
    };
    let going = Seen {
        deleting: true,
        ..seen(Health::Degraded)
    };
    for seen in [service, going] {
        looks.follow(&key(), &seen, start, DELAY);
        assert_eq!(due(&looks, start + DELAY * 2).await, None);
    }
}

#[tokio::test]
async fn one_look_at_a_time_and_the_next_after_the_pause_or_after_a_change() {
    let (looks, start) = (Looks::default(), Instant::now());
    looks.follow(&key(), &seen(Health::Progressing), start, DELAY);
    let now = start + DELAY;
    assert_eq!(due(&looks, now).await, Some(key()));
    assert_eq!(looks.count(&key()), 0);
    // While it is looked at.
    looks.follow(&key(), &seen(Health::Degraded), now, DELAY);
    assert_eq!(due(&looks, now + DELAY).await, None);
    looks.done(&key(), Some(DELAY * 10), now);
    assert_eq!(due(&looks, now).await, None);
    assert_eq!(due(&looks, now + DELAY / 2).await, Some(key()));
    assert_eq!(looks.count(&key()), 1);
    looks.done(&key(), Some(DELAY * 10), now);
    assert_eq!(due(&looks, now + DELAY * 9).await, None);
    assert_eq!(due(&looks, now + DELAY * 10).await, Some(key()));
}

#[tokio::test]
async fn one_that_recovers_while_it_is_looked_at_is_not_looked_at_again() {
    let (looks, start) = (Looks::default(), Instant::now());
    looks.follow(&key(), &seen(Health::Progressing), start, DELAY);
    assert_eq!(due(&looks, start + DELAY).await, Some(key()));
    looks.count(&key());
    looks.follow(&key(), &seen(Health::Healthy), start, DELAY);
    looks.done(&key(), Some(DELAY), start + DELAY);
    assert_eq!(due(&looks, start + DELAY * 100).await, None);
    assert!(looks.rounds().is_empty());
}

#[tokio::test]
async fn without_the_right_a_change_is_no_reason_to_look_before_the_time_is_over() {
    let (looks, start) = (Looks::default(), Instant::now());
    looks.follow(&key(), &seen(Health::Progressing), start, DELAY);
    let now = start + DELAY;
    assert_eq!(due(&looks, now).await, Some(key()));
    looks.count(&key());
    let slow = DELAY * 150;
    looks.quiet(&key(), now + slow);
    looks.done(&key(), Some(slow), now);
    looks.follow(&key(), &seen(Health::Degraded), now + DELAY, DELAY);
    assert_eq!(due(&looks, now + slow - DELAY).await, None);
    assert_eq!(due(&looks, now + slow).await, Some(key()));
}

#[test]
fn pauses_double_up_to_the_longest() {
    let most = Duration::from_secs(30);
    let seconds = |before: u32| pause(DELAY, most, before).as_secs();
    let all: Vec<u64> = (0..7).map(seconds).collect();
    assert_eq!(all, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(seconds(u32::MAX), 30);
}

#[test]
fn without_the_right_the_sentence_of_the_workload_stays_and_the_account_is_named() {
    let subject = Subject {
        application: Name::new("shop", "web"),
        account: "applier".into(),
        uid: "u".into(),
        health: ObjectHealth::new(Health::Progressing, "0 of 1 replica is available"),
        selector: "app=web".into(),
    };
    let told = without_right(&subject);
    assert_eq!(told.health, Health::Progressing);
    assert!(told.message.starts_with("0 of 1 replica is available; "));
    assert!(told.message.contains("`applier` may not list pods"));
}

#[test]
fn of_a_deployment_only_the_pods_of_the_newest_template_are_asked() {
    let pod = |name: &str, hash: &str, second: i64| Live {
        key: ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        },
        uid: name.into(),
        resource_version: "1".into(),
        generation: None,
        labels: BTreeMap::from([(TEMPLATE_HASH.to_owned(), hash.to_owned())]),
        annotations: BTreeMap::new(),
        managed_fields: Vec::new(),
        owner_references: Vec::new(),
        finalizers: Vec::new(),
        created: Timestamp::from_second(second).ok(),
        deleted: None,
        object: None,
    };
    let pods = || {
        vec![
            pod("old", "1", 10),
            pod("new-a", "2", 30),
            pod("new-b", "2", 20),
        ]
    };
    let names =
        |pods: Vec<Live>| -> Vec<String> { pods.into_iter().map(|pod| pod.key.name).collect() };
    assert_eq!(names(newest(&key(), pods())), ["new-a", "new-b"]);
    let set = ObjectKey {
        kind: "StatefulSet".into(),
        ..key()
    };
    assert_eq!(newest(&set, pods()).len(), 3);
}
