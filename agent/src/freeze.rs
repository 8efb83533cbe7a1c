//! The switch that stops everything: while the ConfigMap `syncline-freeze` is there, no sync runs, no
//! image is committed, and nothing is pruned or deleted.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use syncline_cluster::connect;
use syncline_core::gate::Freeze;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;
use tokio::sync::mpsc;

use crate::agent::Agent;
use crate::clock::Clock;
use crate::poller::Target;

/// How the switch is.
#[derive(Debug)]
pub(crate) struct Switch {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    freeze: Option<Freeze>,
    /// When the last freeze of this run ended.
    ended_at: Option<Timestamp>,
}

impl Switch {
    /// As the API server said at the start.
    pub(crate) fn new(clock: Clock, freeze: Option<Freeze>) -> Self {
        let seen = Seen {
            freeze,
            ended_at: None,
        };
        Self {
            clock,
            seen: Mutex::new(seen),
        }
    }

    /// What holds now, if anything does.
    pub(crate) fn current(&self) -> Option<Freeze> {
        let freeze = self.lock().freeze.clone();
        freeze.filter(|freeze| freeze.holds(self.clock.now()))
    }

    /// Whether anything may be changed.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.current() {
            None => Ok(()),
            Some(freeze) => Err(freeze.failure()),
        }
    }

    /// Since when something has been possible that was asked for at `since`.
    pub(crate) fn possible_since(&self, since: Timestamp) -> Timestamp {
        self.lock().ended_at.map_or(since, |end| end.max(since))
    }

    fn set(&self, freeze: Option<Freeze>) {
        self.lock().freeze = freeze;
    }

    fn ended(&self) {
        self.lock().ended_at = Some(self.clock.now());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // A panic elsewhere leaves plain values that are still consistent.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the switch, and its end where it has one.
pub(crate) async fn follow(agent: Arc<Agent>, mut seen: mpsc::Receiver<Option<Freeze>>) {
    let mut before = None;
    loop {
        let current = agent.freeze.current();
        if current != before {
            turned(&agent, before.is_some(), current.as_ref()).await;
            before.clone_from(&current);
        }
        let end = current.and_then(|freeze| freeze.until);
        let end = async {
            match end {
                Some(end) => {
                    let left = end.duration_since(agent.clock.now());
                    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            freeze = seen.recv() => match freeze {
                Some(freeze) => agent.freeze.set(freeze),
                None => return,
            },
            () = end => {}
        }
    }
}

/// The switch is another one now: what runs stops between two objects, and everybody says so.
async fn turned(agent: &Arc<Agent>, was_on: bool, current: Option<&Freeze>) {
    agent.metrics.frozen.set(i64::from(current.is_some()));
    agent.feed.publish(Topic::Agent, String::new());
    if let Some(freeze) = current {
        let detail = freeze.failure().detail;
        tracing::warn!(detail, "the agent is frozen");
        let namespace = &agent.settings.namespace;
        let object = connect::Agent::freeze_reference(namespace);
        let note = format!("{}: {detail}", Reason::Frozen.row().sentence);
        let published = agent.events.publish_on(&object, Reason::Frozen, &note);
        if let Err(error) = published.await {
            tracing::warn!(%error, "the event of the freeze could not be written");
        }
    } else if was_on {
        agent.freeze.ended();
        tracing::info!("the agent is not frozen any more");
    }
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    let policies: Vec<Name> = {
        let state = agent.state.lock();
        for (name, entry) in &state.applications {
            if current.is_some()
                && let Some(running) = &entry.running
            {
                running.cancel();
            }
            // The workers bound how many statuses are written at the same time.
            agent.queue.push(name, Cause::Time, now, due);
        }
        let policies = state.policies.iter();
        let waiting = policies.filter(|(_, entry)| entry.statement.reason == Reason::Frozen);
        waiting.map(|(name, _)| name.clone()).collect()
    };
    for policy in policies {
        let target = Target::ImagePolicy(policy);
        agent.poller.look_now(&target, Cause::Poll, due);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn freeze(until: Option<Timestamp>) -> Freeze {
        Freeze {
            reason: "the database moves".to_owned(),
            by: String::new(),
            until,
        }
    }

    #[test]
    fn a_freeze_ends_by_itself_and_then_nothing_is_in_the_way() {
        let clock = Clock::default();
        let end = clock.now() + Duration::from_secs(60);
        let switch = Switch::new(clock.clone(), Some(freeze(Some(end))));
        assert_eq!(switch.check().unwrap_err().reason, Reason::Frozen);
        clock.advance(Duration::from_secs(61));
        assert_eq!(switch.current(), None);
        assert_eq!(switch.check(), Ok(()));
    }

    #[test]
    fn the_patience_with_a_deletion_begins_after_the_freeze() {
        let clock = Clock::default();
        let asked = clock.now();
        let switch = Switch::new(clock.clone(), Some(freeze(None)));
        assert_eq!(switch.possible_since(asked), asked);
        clock.advance(Duration::from_secs(3600));
        switch.set(None);
        switch.ended();
        assert!(switch.possible_since(asked) >= asked + Duration::from_secs(3600));
    }
}
