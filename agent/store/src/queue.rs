//! The bounded queue between those who record and the one task that writes.
//!
//! A record that is queued again under the same id takes the place of the one that waits, so a
//! sync that starts and ends while the disk is full is one entry. Changes of what is kept of an
//! application are differences, so all of them are written, in order, or the application is
//! forgotten.

mod item;
mod kept;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use syncline_core::record::Name;
use tokio::sync::Notify;
use tracing::{info, warn};

pub(crate) use self::item::Item;
use self::item::Key;

/// Entries of one transaction, each with its place in the queue.
pub(crate) type Batch = Vec<(u64, Item)>;

/// The queue. Never blocks for longer than it takes to copy a pointer.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    objects: usize,
    state: Mutex<State>,
    dropped: AtomicU64,
    /// Something was queued, or the queue was closed.
    work: Notify,
    /// Entries left the queue.
    progress: Notify,
    /// Somebody waits for the queue to be empty: do not sit a back-off out.
    urgent: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<u64, Item>,
    places: HashMap<Key, u64>,
    /// Where what is kept of an application waits, [`Item::Keep`] and [`Item::Forget`].
    kept: HashMap<Name, BTreeSet<u64>>,
    /// Applications of which a change was lost: later changes have nothing to stand on.
    lost: HashSet<Name>,
    /// Whether that is so for every application but those that were forgotten since.
    all_lost: bool,
    begun_anew: HashSet<Name>,
    /// Whether no change is kept at all.
    keeps_nothing: bool,
    /// How many entries are [`Item::Forget`], which take no room.
    forgets: usize,
    next: u64,
    objects: usize,
    closed: bool,
    /// Whether the last record was dropped, so that a series of them is one warning.
    dropping: bool,
}

impl State {
    fn insert(&mut self, place: u64, item: Item) {
        self.next = self.next.max(place + 1);
        self.objects += item.objects();
        self.forgets += usize::from(item.is_forget());
        if let Some(key) = item.key() {
            self.places.insert(key, place);
        }
        if let Some(application) = item.application() {
            let waiting = self.kept.entry(application.clone()).or_default();
            waiting.insert(place);
        }
        self.entries.insert(place, item);
    }

    fn remove(&mut self, place: u64) -> Option<Item> {
        let item = self.entries.remove(&place)?;
        self.objects -= item.objects();
        self.forgets -= usize::from(item.is_forget());
        if let Some(key) = item.key() {
            self.places.remove(&key);
        }
        if let Some(application) = item.application()
            && let Some(waiting) = self.kept.get_mut(application)
        {
            waiting.remove(&place);
            if waiting.is_empty() {
                self.kept.remove(application);
            }
        }
        Some(item)
    }

    /// Whether this is still the entry of its place.
    fn holds(&self, (place, item): &(u64, Item)) -> bool {
        self.entries.get(place).is_some_and(|entry| entry.is(item))
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize, objects: usize) -> Self {
        Self {
            capacity,
            objects,
            state: Mutex::default(),
            dropped: AtomicU64::new(0),
            work: Notify::new(),
            progress: Notify::new(),
            urgent: Notify::new(),
        }
    }

    /// Takes a record, or drops and counts it: when the queue is full or closed.
    ///
    /// A record of a sync that has ended takes the place of one that only says that a sync began:
    /// an end without its beginning is complete, a beginning without its end is misleading.
    pub(crate) fn push(&self, item: Item) {
        let mut state = self.state();
        if state.closed {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let lost = item
            .application()
            .is_some_and(|name| state.keeps_nothing || state.has_lost(name));
        if lost {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let place = item.key().and_then(|key| state.places.get(&key).copied());
        if let Some(place) = place {
            state.remove(place);
        }
        if !self.has_room(&state, &item) && !item.is_running() {
            let running = state.entries.iter().find(|(_, item)| item.is_running());
            if let Some(place) = running.map(|(place, _)| *place) {
                state.remove(place);
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        if !self.has_room(&state, &item) {
            let first = !std::mem::replace(&mut state.dropping, true);
            let dropped = 1 + item.application().map_or(0, |name| state.lose(name));
            drop(state);
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
            self.progress.notify_waiters();
            self.work.notify_one();
            if first {
                warn!(
                    capacity = self.capacity,
                    "the queue of the history is full, records are lost until it drains; \
                     syncs go on",
                );
            }
            return;
        }
        let place = place.unwrap_or(state.next);
        state.insert(place, item);
        drop(state);
        self.work.notify_one();
    }

    /// The oldest entries, which stay queued until [`Queue::written`]; waits for the first.
    /// `None` when the queue is closed and empty.
    pub(crate) async fn batch(&self, most: usize) -> Option<Batch> {
        loop {
            {
                let state = self.state();
                if !state.entries.is_empty() {
                    let entries = state.entries.iter().take(most.max(1));
                    return Some(
                        entries
                            .map(|(place, item)| (*place, item.clone()))
                            .collect(),
                    );
                }
                if state.closed {
                    return None;
                }
            }
            self.work.notified().await;
        }
    }

    /// Takes entries out, unless a newer record of the same id has taken their place.
    pub(crate) fn written(&self, batch: &[(u64, Item)]) {
        let mut state = self.state();
        for entry in batch {
            if state.holds(entry) {
                state.remove(entry.0);
            }
        }
        let recovered = std::mem::take(&mut state.dropping);
        drop(state);
        self.progress.notify_waiters();
        if recovered {
            info!(
                dropped = self.dropped(),
                "the queue of the history has room again"
            );
        }
    }

    /// Takes entries out that can never be written, and counts them as dropped. An application
    /// of which a change was among them is forgotten, with its later changes.
    pub(crate) fn give_up(&self, batch: &[(u64, Item)]) {
        let mut state = self.state();
        let mut dropped = 0;
        for entry in batch {
            if !state.holds(entry) {
                continue;
            }
            state.remove(entry.0);
            dropped += match &entry.1 {
                Item::Sync(_)
                | Item::Update(_)
                | Item::Health(_)
                | Item::Audit(_)
                | Item::Delivery(_) => 1,
                // They stay as they are, and nothing may mix with them.
                Item::ForgetAll => {
                    state.keeps_nothing = true;
                    state.drop_all_waiting()
                }
                Item::Keep(change) => 1 + state.lose(&change.kept.application),
                Item::Forget(application) => state.abandon(application),
            };
        }
        drop(state);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.progress.notify_waiters();
    }

    /// Whether an entry of a batch still waits: neither replaced by a newer one nor lost.
    pub(crate) fn holds(&self, entry: &(u64, Item)) -> bool {
        self.state().holds(entry)
    }

    /// Takes nothing more; what waits is still handed out.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
        self.urgent.notify_one();
    }

    /// Whether [`Queue::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until everything that is queued now has left the queue.
    pub(crate) async fn drained(&self) {
        let target = self.state().next;
        self.urgent.notify_one();
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            // Registered before the look, so that a change in between is not missed.
            progress.as_mut().enable();
            if self
                .state()
                .entries
                .first_key_value()
                .is_none_or(|(place, _)| *place >= target)
            {
                return;
            }
            progress.await;
        }
    }

    /// Resolves when a back-off should end early.
    pub(crate) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// How many records wait.
    pub(crate) fn len(&self) -> usize {
        self.state().entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn has_room(&self, state: &State, item: &Item) -> bool {
        let waiting = state.entries.len() - state.forgets;
        // Whoever can reach the listener makes deliveries; they must not push syncs out.
        let capacity = if item.is_delivery() {
            self.capacity.div_ceil(2)
        } else {
            self.capacity
        };
        // One record alone always fits, however large the application.
        waiting == 0 || (waiting < capacity && state.objects + item.objects() <= self.objects)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
