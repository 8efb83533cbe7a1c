//! What became of the deliveries of webhooks: kept in history, and the last one of each Repository
//! in memory.
//!
//! Anybody may send what is not believed, so of every verdict but a look so few are kept that a
//! flood neither fills the database nor pushes the others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::record::{DeliveryRecord, DeliveryVerdict, Name};
use syncline_core::sieve::Sieve;
use syncline_web_ui::Topic;
use syncline_webhook::Told;

use crate::agent::Agent;

/// So many deliveries of one verdict are kept at once, and after them one in each [`WHILE`].
const BURST: u32 = 50;
/// About 70 a day: a flood of a month leaves most of the room to the others.
const WHILE: Duration = Duration::from_mins(20);
/// So many of the newest deliveries are looked through for the last one of each Repository.
const LOOKED_THROUGH: u32 = 500;

/// What is remembered of deliveries.
#[derive(Debug)]
pub(crate) struct Deliveries {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// For each verdict but accepted.
    sieves: [(DeliveryVerdict, Sieve); 4],
    /// The newest of each Repository that was believed.
    last: BTreeMap<Name, DeliveryRecord>,
}

impl Deliveries {
    /// Nothing yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        let sieves = [
            DeliveryVerdict::Ignored,
            DeliveryVerdict::Duplicate,
            DeliveryVerdict::Rejected,
            DeliveryVerdict::Refused,
        ];
        Self {
            inner: Mutex::new(Inner {
                sieves: sieves.map(|verdict| (verdict, Sieve::new(BURST, WHILE, now))),
                last: BTreeMap::new(),
            }),
        }
    }

    /// The newest delivery that named a Repository.
    pub(crate) fn last_of(&self, repository: &Name) -> Option<DeliveryRecord> {
        self.lock().last.get(repository).cloned()
    }

    /// What is to be kept of a delivery; `None` where it is one too many.
    fn take(&self, told: Told, now: Timestamp) -> Option<DeliveryRecord> {
        let mut inner = self.lock();
        let mut sieves = inner.sieves.iter_mut();
        let sieve = sieves.find(|(verdict, _)| *verdict == told.verdict);
        let kept_back = match sieve {
            Some((_, sieve)) => sieve.pass(now)?,
            None => 0,
        };
        let reason = match kept_back {
            0 => told.reason,
            1 => format!("{}; one like it before is not listed", told.reason),
            more => format!("{}; {more} like it before are not listed", told.reason),
        };
        let record = DeliveryRecord {
            id: ulid::Ulid::new().to_string(),
            time: now,
            provider: told.provider.to_owned(),
            delivery: told.delivery,
            event: told.event,
            branch: told.branch,
            verdict: told.verdict,
            reason,
            repositories: told.repositories,
        };
        inner.remember(&record);
        Some(record)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves plain maps that are still consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, record: &DeliveryRecord) {
        for repository in &record.repositories {
            let known = self.last.get(repository);
            if known.is_none_or(|known| known.id < record.id) {
                self.last.insert(repository.clone(), record.clone());
            }
        }
    }
}

/// Keeps what became of a delivery. Never waits.
pub(crate) fn keep(agent: &Agent, told: Told) {
    let Some(record) = agent.told.take(told, agent.clock.now()) else {
        return;
    };
    agent.history.record_delivery(&record);
    agent.feed.publish(Topic::Delivery, record.id.clone());
    for repository in &record.repositories {
        agent
            .feed
            .publish(Topic::Repository, repository.to_string());
    }
}

/// Reads the last delivery of each Repository from the history of earlier runs.
pub(crate) async fn recall(agent: Arc<Agent>) {
    match agent.history.deliveries(None, LOOKED_THROUGH).await {
        Ok(records) => {
            let mut inner = agent.told.lock();
            for record in &records {
                inner.remember(record);
            }
        }
        Err(error) => tracing::warn!(%error, "the last deliveries of webhooks are not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(verdict: DeliveryVerdict) -> Told {
        Told {
            provider: "github",
            delivery: String::new(),
            event: "push".into(),
            branch: None,
            verdict,
            reason: "said".into(),
            repositories: vec![Name::new("team", "config")],
        }
    }

    #[test]
    fn a_flood_of_what_is_not_believed_takes_no_room_from_what_is() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let deliveries = Deliveries::new(now);
        let take = |verdict, now| deliveries.take(told(verdict), now);
        let rejected = (0..1000).filter_map(|_| take(DeliveryVerdict::Rejected, now));
        assert_eq!(rejected.count(), BURST as usize);
        let accepted = (0..1000).filter_map(|_| take(DeliveryVerdict::Accepted, now));
        assert_eq!(accepted.count(), 1000);
        assert!(take(DeliveryVerdict::Refused, now).is_some());
        let next = take(DeliveryVerdict::Rejected, now + WHILE).unwrap();
        assert_eq!(next.reason, "said; 950 like it before are not listed");
    }

    #[test]
    fn the_newest_delivery_of_a_repository_is_remembered_in_whatever_order_they_come() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let deliveries = Deliveries::new(now);
        let newest = deliveries
            .take(told(DeliveryVerdict::Accepted), now)
            .unwrap();
        let older = DeliveryRecord {
            id: "01AAAAAAAAAAAAAAAAAAAAAAAA".into(),
            ..newest.clone()
        };
        deliveries.lock().remember(&older);
        assert_eq!(
            deliveries.last_of(&Name::new("team", "config")),
            Some(newest)
        );
        assert_eq!(deliveries.last_of(&Name::new("team", "other")), None);
    }
}
