//! The bounded queue between those who record and the one task that writes.
//!
//! A record that is queued again under the same id takes the place of the one that waits, so a
//! sync that starts and ends while the disk is full is one entry.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_core::record::{SyncRecord, SyncResult, UpdateRecord};
use tokio::sync::Notify;
use tracing::{info, warn};

/// One record on its way to the database.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Sync(Arc<SyncRecord>),
    Update(Arc<UpdateRecord>),
}

impl Item {
    /// The key of the row.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Sync(record) => &record.id,
            Self::Update(record) => &record.id,
        }
    }

    fn key(&self) -> Key {
        match self {
            Self::Sync(record) => Key::Sync(record.id.clone()),
            Self::Update(record) => Key::Update(record.id.clone()),
        }
    }

    /// How many objects it holds, as a measure of its memory.
    fn objects(&self) -> usize {
        match self {
            Self::Sync(record) => 1 + record.outcomes.len() + record.drift.len(),
            Self::Update(_) => 1,
        }
    }

    /// Whether it only says that a sync has begun.
    fn is_running(&self) -> bool {
        matches!(self, Self::Sync(record) if record.result == SyncResult::Running)
    }

    /// Whether both are the same value in memory.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sync(a), Self::Sync(b)) => Arc::ptr_eq(a, b),
            (Self::Update(a), Self::Update(b)) => Arc::ptr_eq(a, b),
            (Self::Sync(_), Self::Update(_)) | (Self::Update(_), Self::Sync(_)) => false,
        }
    }
}

/// What one row is known by in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Sync(String),
    Update(String),
}

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
    next: u64,
    objects: usize,
    closed: bool,
    /// Whether the last record was dropped, so that a series of them is one warning.
    dropping: bool,
}

impl State {
    fn remove(&mut self, place: u64) -> Option<Item> {
        let item = self.entries.remove(&place)?;
        self.places.remove(&item.key());
        self.objects -= item.objects();
        Some(item)
    }

    /// Removes what is still the entry of its place, and counts it.
    fn remove_batch(&mut self, batch: &[(u64, Item)]) -> u64 {
        let mut removed = 0;
        for (place, item) in batch {
            if self.entries.get(place).is_some_and(|entry| entry.is(item)) {
                self.remove(*place);
                removed += 1;
            }
        }
        removed
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
        let place = state.places.get(&item.key()).copied();
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
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.progress.notify_waiters();
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
        state.next = state.next.max(place + 1);
        state.objects += item.objects();
        state.places.insert(item.key(), place);
        state.entries.insert(place, item);
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
        state.remove_batch(batch);
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

    /// Takes entries out that can never be written, and counts them as dropped.
    pub(crate) fn give_up(&self, batch: &[(u64, Item)]) {
        let mut state = self.state();
        let removed = state.remove_batch(batch);
        drop(state);
        self.dropped.fetch_add(removed, Ordering::Relaxed);
        self.progress.notify_waiters();
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

    /// How many records were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn has_room(&self, state: &State, item: &Item) -> bool {
        // One record alone always fits, however large the application.
        state.entries.is_empty()
            || (state.entries.len() < self.capacity
                && state.objects + item.objects() <= self.objects)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
