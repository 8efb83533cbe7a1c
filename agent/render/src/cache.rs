//! Keeps what renders made, and gives it back while nothing that they read has changed.
//!
//! A [`Cache`] maps a key, the digest of all inputs that are no files, to a few variants: each has
//! what was read and the ids that it had. The ids are those of Git, so a variant is found again at
//! any commit that has the same content, also after a revert. Whole directories are compared first:
//! at an unchanged commit, or below an unchanged path of the application, no file is looked at.

mod reads;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use syncline_core::digest::Digest;

pub use reads::{Read, Reads};

/// How much a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all that is kept, as its owners weigh it, and of the names of what was read.
    pub bytes: usize,
    /// Variants of one key: for how many different contents of the files a result is kept.
    pub variants: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            variants: 4,
        }
    }
}

/// What a cache did, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Questions that were answered.
    pub hits: u64,
    /// Questions that were not.
    pub misses: u64,
    /// Variants that had to go for others.
    pub evictions: u64,
    /// Variants that are held.
    pub variants: usize,
    /// Bytes that are held.
    pub bytes: usize,
}

/// Keeps the results that were used last, within [`Limits`]. It may be used from many threads; none
/// waits while another one looks at files.
pub struct Cache<T> {
    limits: Limits,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    keys: HashMap<Digest, Vec<Variant<T>>>,
    /// The keys by the time of their variants' last use; each variant has a time of its own.
    order: BTreeMap<u64, Digest>,
    clock: u64,
    counters: Counters,
}

struct Variant<T> {
    used: u64,
    weight: usize,
    content: Arc<Content<T>>,
}

struct Content<T> {
    reads: Reads,
    value: Arc<T>,
}

impl<T> Cache<T> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: Mutex::new(Held {
                keys: HashMap::new(),
                order: BTreeMap::new(),
                clock: 0,
                counters: Counters::default(),
            }),
        }
    }

    /// What was made of this key when everything that was read had the ids that it has now.
    ///
    /// # Errors
    /// What `id_of` cannot find out; that is not counted.
    pub fn get<E>(
        &self,
        key: Digest,
        mut id_of: impl FnMut(&Read) -> Result<Option<Digest>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        let candidates: Vec<Arc<Content<T>>> = {
            let held = self.held();
            let variants = held.keys.get(&key).into_iter().flatten();
            variants.map(|one| Arc::clone(&one.content)).collect()
        };
        for content in candidates {
            if content.reads.hold(&mut id_of)? {
                let mut held = self.held();
                held.counters.hits += 1;
                held.touch(key, &content);
                return Ok(Some(Arc::clone(&content.value)));
            }
        }
        self.held().counters.misses += 1;
        Ok(None)
    }

    /// Keeps what was made. `weight` is its size in bytes, roughly. What is larger than the whole
    /// cache is not kept; an equal set of reads of the same key is replaced.
    pub fn insert(&self, key: Digest, reads: Reads, value: Arc<T>, weight: usize) {
        let weight = weight.saturating_add(reads.weight());
        if weight > self.limits.bytes || self.limits.variants == 0 {
            return;
        }
        let mut held = self.held();
        held.remove(key, |one| one.content.reads == reads);
        while held.keys.get(&key).map_or(0, Vec::len) >= self.limits.variants {
            let oldest = held
                .keys
                .get(&key)
                .into_iter()
                .flatten()
                .map(|one| one.used);
            let Some(oldest) = oldest.min() else { break };
            held.evict(key, oldest);
        }
        while held.counters.bytes + weight > self.limits.bytes {
            let Some((&used, &key)) = held.order.first_key_value() else {
                break;
            };
            held.evict(key, used);
        }
        let used = held.tick();
        held.order.insert(used, key);
        held.counters.bytes += weight;
        held.counters.variants += 1;
        held.keys.entry(key).or_default().push(Variant {
            used,
            weight,
            content: Arc::new(Content { reads, value }),
        });
    }

    /// Forgets everything that was made of a key.
    pub fn remove(&self, key: Digest) {
        self.held().remove(key, |_| true);
    }

    /// What it did and holds.
    pub fn counters(&self) -> Counters {
        self.held().counters
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Held<T> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Marks a variant as used now; it may be gone meanwhile.
    fn touch(&mut self, key: Digest, content: &Arc<Content<T>>) {
        let now = self.tick();
        let variants = self.keys.get_mut(&key).into_iter().flatten();
        for variant in variants {
            if Arc::ptr_eq(&variant.content, content) {
                self.order.remove(&variant.used);
                self.order.insert(now, key);
                variant.used = now;
                return;
            }
        }
    }

    fn evict(&mut self, key: Digest, used: u64) {
        self.counters.evictions += 1;
        self.remove(key, |one| one.used == used);
    }

    fn remove(&mut self, key: Digest, gone: impl Fn(&Variant<T>) -> bool) {
        let Some(variants) = self.keys.get_mut(&key) else {
            return;
        };
        for variant in variants.extract_if(.., |one| gone(one)) {
            self.order.remove(&variant.used);
            self.counters.bytes -= variant.weight;
            self.counters.variants -= 1;
        }
        if variants.is_empty() {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
