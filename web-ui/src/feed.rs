//! What changed, told to every open event stream.
//!
//! The agent publishes names, never content: a browser that hears of a change asks the API. Each
//! stream may fall behind by a bounded number of changes; beyond it, it is told to ask for
//! everything anew. Publishing never waits for anyone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::broadcast;
use utoipa::ToSchema;

use crate::sessions::{NoRandomness, random_hex};

/// Which part of the API answers differently now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// An application: its state, health or objects. The key is `namespace/name`.
    Application,
    /// A sync began, went on or ended. The key is `namespace/name` of its application.
    Sync,
    /// An image policy. The key is `namespace/name`.
    ImagePolicy,
    /// A repository. The key is `namespace/name`.
    Repository,
    /// A webhook was delivered. The key is its id.
    Delivery,
    /// The agent as a whole: it was frozen or goes on. The key says nothing.
    Agent,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct Change {
    /// Which part of the API answers differently now.
    pub topic: Topic,
    /// Which one of them.
    pub key: String,
}

/// The one source of changes. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Differs from process to process, so that an id of an earlier one is not taken for ours.
    run: String,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: u64,
    recent: VecDeque<Entry>,
    /// `None` once the feed is closed.
    sender: Option<broadcast::Sender<Entry>>,
}

/// A change and its place in the order of all.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    number: u64,
    pub(crate) change: Change,
}

/// What a new stream begins with.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The id of the newest change before the stream.
    pub(crate) id: String,
    /// Changes since the id that the browser named.
    pub(crate) missed: Vec<Entry>,
    /// The browser must ask for everything: it named an id that is too old or not ours.
    pub(crate) resync: bool,
    pub(crate) receiver: broadcast::Receiver<Entry>,
}

impl Feed {
    /// A feed in which a stream may fall `capacity` changes behind.
    pub fn new(capacity: usize) -> Result<Self, NoRandomness> {
        let capacity = capacity.max(1);
        let (sender, _) = broadcast::channel(capacity);
        Ok(Self {
            inner: Arc::new(Inner {
                run: random_hex::<4>()?,
                capacity,
                state: Mutex::new(State {
                    last: 0,
                    recent: VecDeque::new(),
                    sender: Some(sender),
                }),
            }),
        })
    }

    /// Tells every open stream. Does not wait, and does nothing where nobody listens.
    pub fn publish(&self, topic: Topic, key: impl Into<String>) {
        let mut state = self.state();
        state.last += 1;
        let entry = Entry {
            id: self.id(state.last),
            number: state.last,
            change: Change {
                topic,
                key: key.into(),
            },
        };
        if state.recent.len() == self.inner.capacity {
            state.recent.pop_front();
        }
        state.recent.push_back(entry.clone());
        if let Some(sender) = &state.sender {
            // Without a receiver there is nobody to tell.
            let _ = sender.send(entry);
        }
    }

    /// Ends every open stream; later ones end at once. For a clean shutdown of the server.
    pub fn close(&self) {
        self.state().sender = None;
    }

    /// The id of the newest change.
    pub(crate) fn newest(&self) -> String {
        let last = self.state().last;
        self.id(last)
    }

    /// `None` where the feed is closed.
    pub(crate) fn subscribe(&self, after: Option<&str>) -> Option<Subscription> {
        let state = self.state();
        let receiver = state.sender.as_ref()?.subscribe();
        let oldest = state
            .recent
            .front()
            .map_or(state.last + 1, |entry| entry.number);
        let known = after.and_then(|id| {
            let (run, number) = id.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            (run == self.inner.run && number <= state.last && number + 1 >= oldest)
                .then_some(number)
        });
        let missed = known.map_or_else(Vec::new, |number| {
            state
                .recent
                .iter()
                .filter(|entry| entry.number > number)
                .cloned()
                .collect()
        });
        Some(Subscription {
            id: self.id(state.last),
            missed,
            resync: after.is_some() && known.is_none(),
            receiver,
        })
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.inner.run)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(entries: &[Entry]) -> Vec<&str> {
        entries
            .iter()
            .map(|entry| entry.change.key.as_str())
            .collect()
    }

    #[test]
    fn a_stream_that_comes_back_gets_what_it_missed() {
        let feed = Feed::new(4).unwrap();
        feed.publish(Topic::Application, "shop/a");
        let id = feed.subscribe(None).unwrap().id;
        feed.publish(Topic::Application, "shop/b");
        feed.publish(Topic::Sync, "shop/b");
        let back = feed.subscribe(Some(&id)).unwrap();
        assert_eq!(keys(&back.missed), ["shop/b", "shop/b"]);
        assert!(!back.resync);
        let now = feed.subscribe(Some(&back.id)).unwrap();
        assert!(now.missed.is_empty() && !now.resync);
    }

    #[test]
    fn a_stream_that_was_away_too_long_is_told_to_ask_for_everything() {
        let feed = Feed::new(2).unwrap();
        let id = feed.subscribe(None).unwrap().id;
        for key in ["shop/a", "shop/b", "shop/c"] {
            feed.publish(Topic::Application, key);
        }
        let back = feed.subscribe(Some(&id)).unwrap();
        assert!(back.resync && back.missed.is_empty());
    }

    #[test]
    fn an_id_of_another_process_or_of_nobody_asks_for_everything() {
        let feed = Feed::new(2).unwrap();
        let other = Feed::new(2).unwrap().subscribe(None).unwrap().id;
        for id in [other.as_str(), "", "x", "x-y", "-1"] {
            assert!(feed.subscribe(Some(id)).unwrap().resync, "{id}");
        }
    }

    #[test]
    fn a_closed_feed_ends_its_streams() {
        let feed = Feed::new(2).unwrap();
        let mut open = feed.subscribe(None).unwrap();
        feed.close();
        feed.publish(Topic::Application, "shop/a");
        assert_eq!(
            open.receiver.try_recv().unwrap_err(),
            broadcast::error::TryRecvError::Closed
        );
        assert!(feed.subscribe(None).is_none());
    }
}
