//! What is remembered between two questions: lists, tokens and hosts that want to be left alone.

use std::collections::HashMap;
use std::hash::Hash;

use reqwest::header::HeaderValue;
use syncline_core::image::reference::ImageName;
use syncline_core::redacted::Redacted;
use tokio::time::Instant;

use super::Listing;
use crate::auth::Auth;

#[derive(Default)]
pub(super) struct Memory {
    pub(super) grants: HashMap<Key, Grant>,
    pub(super) lists: HashMap<Key, Remembered>,
    /// Until when a host is left alone.
    pub(super) throttled: HashMap<String, Instant>,
}

/// What a list and a token belong to: never shared between credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) image: ImageName,
    pub(super) auth: Auth,
}

/// How the next request identifies itself.
#[derive(Clone)]
pub(super) enum Grant {
    Nothing,
    Basic,
    Bearer { token: Redacted, until: Instant },
}

#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) etag: HeaderValue,
    pub(super) listing: Listing,
}

/// Inserts, and makes room by forgetting any one entry where the memory is full.
pub(super) fn remember<K: Clone + Eq + Hash, V>(
    map: &mut HashMap<K, V>,
    key: K,
    value: V,
    entries: usize,
) {
    if map.len() >= entries
        && !map.contains_key(&key)
        && let Some(other) = map.keys().next().cloned()
    {
        map.remove(&other);
    }
    if entries > 0 {
        map.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded() {
        let mut map = HashMap::new();
        for n in 0..10 {
            remember(&mut map, n, n, 3);
        }
        assert_eq!((map.len(), map.get(&9)), (3, Some(&9)));
        remember(&mut map, 9, 10, 3);
        assert_eq!((map.len(), map.get(&9)), (3, Some(&10)));
    }
}
