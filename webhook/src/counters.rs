//! How many deliveries met which fate, for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use syncline_core::record::DeliveryVerdict;

/// Counters that the listener and the metrics share: clones count into the same place.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    accepted: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicU64,
    ignored: AtomicU64,
    duplicate: AtomicU64,
    overflowed: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the agent.
    pub accepted: u64,
    /// Without a valid signature (401).
    pub rejected: u64,
    /// Too large, too slow or malformed (400, 408, 413, 503).
    pub refused: u64,
    /// Signed, but nothing to do: a ping, another event, an unknown repository, a branch that nobody
    /// follows.
    pub ignored: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Signed and meant for us, but the agent has too much to do; its poll finds the commit.
    pub overflowed: u64,
}

/// The fate of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Rejected,
    Refused,
    Ignored,
    Duplicate,
    Overflowed,
}

impl Fate {
    /// The word for people. A hint that found no room was valid: it is refused, not ignored.
    pub(crate) fn verdict(self) -> DeliveryVerdict {
        match self {
            Self::Accepted => DeliveryVerdict::Accepted,
            Self::Rejected => DeliveryVerdict::Rejected,
            Self::Refused | Self::Overflowed => DeliveryVerdict::Refused,
            Self::Ignored => DeliveryVerdict::Ignored,
            Self::Duplicate => DeliveryVerdict::Duplicate,
        }
    }
}

impl Counters {
    /// All counters since the start.
    pub fn read(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: load(&self.inner.accepted),
            rejected: load(&self.inner.rejected),
            refused: load(&self.inner.refused),
            ignored: load(&self.inner.ignored),
            duplicate: load(&self.inner.duplicate),
            overflowed: load(&self.inner.overflowed),
        }
    }

    pub(crate) fn count(&self, fate: Fate) {
        let counter = match fate {
            Fate::Accepted => &self.inner.accepted,
            Fate::Rejected => &self.inner.rejected,
            Fate::Refused => &self.inner.refused,
            Fate::Ignored => &self.inner.ignored,
            Fate::Duplicate => &self.inner.duplicate,
            Fate::Overflowed => &self.inner.overflowed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
