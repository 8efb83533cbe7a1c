//! What is remembered between two questions: lists, how to identify oneself, digests of tags.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderValue;
use syncline_core::image::reference::{Digest, ImageName, Tag};
use syncline_core::redacted::Redacted;
use tokio::time::Instant;

use crate::auth::Auth;
use crate::error::Error;

#[derive(Default)]
pub(super) struct Memory {
    /// How an image is asked for.
    pub(super) ways: HashMap<Key, Way>,
    /// Page sizes that a host was found to take.
    pub(super) page_sizes: HashMap<String, usize>,
    pub(super) pointers: Pointers,
}

/// What a list and a token belong to: never shared between credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) image: ImageName,
    pub(super) auth: Auth,
}

/// How a request identifies itself.
#[derive(Clone)]
pub(super) enum Way {
    /// With user name and password.
    Basic,
    /// With a token that is fetched from this URL.
    Bearer { url: Url },
}

/// What a token belongs to: the URL names service and scope.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub(super) url: Url,
    pub(super) auth: Auth,
}

#[derive(Clone)]
pub(super) struct Token {
    pub(super) token: Redacted,
    pub(super) until: Instant,
}

/// The last list of an image, and how the last question for it ended.
pub(super) struct Remembered {
    /// The last good list.
    pub(super) good: Option<Good>,
    /// When the last question ended, where it failed.
    pub(super) failed: Option<(Instant, Error)>,
}

pub(super) struct Good {
    /// When its question began.
    pub(super) began: Instant,
    pub(super) etag: Option<HeaderValue>,
    pub(super) tags: Packed,
    pub(super) invalid: usize,
    pub(super) fingerprint: u64,
}

/// A list of tags in one piece of memory: a list of a thousand takes a fifth of what the tags
/// themselves take.
#[derive(PartialEq, Eq)]
pub(super) struct Packed(Box<str>);

impl Packed {
    pub(super) fn new(tags: &[Tag]) -> Self {
        let texts: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        // No tag has a line break.
        Self(texts.join("\n").into())
    }

    pub(super) fn tags(&self) -> Arc<[Tag]> {
        self.0
            .split_terminator('\n')
            .filter_map(|text| Tag::parse(text).ok())
            .collect()
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// Which digest a tag had, and when.
#[derive(Default)]
pub(super) struct Pointers {
    images: HashMap<Key, HashMap<Tag, (Digest, Instant)>>,
    count: usize,
}

impl Pointers {
    /// The digest, where it was looked up at that time or later.
    pub(super) fn get(&self, key: &Key, tag: &Tag, since: Option<Instant>) -> Option<Digest> {
        let (digest, at) = self.images.get(key)?.get(tag)?;
        since
            .is_none_or(|since| *at >= since)
            .then(|| digest.clone())
    }

    /// Remembers one, and makes room by forgetting the tags of any other image, else its own.
    pub(super) fn set(&mut self, key: &Key, tag: &Tag, digest: Digest, at: Instant, most: usize) {
        if self.count >= most {
            let other = self.images.keys().find(|other| *other != key).cloned();
            let forgotten = self.images.remove(&other.unwrap_or_else(|| key.clone()));
            self.count -= forgotten.map_or(0, |tags| tags.len());
        }
        let tags = self.images.entry(key.clone()).or_default();
        if tags.insert(tag.clone(), (digest, at)).is_none() {
            self.count += 1;
        }
    }
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

    #[test]
    fn a_packed_list_gives_the_same_tags() {
        for list in [&[][..], &["1.0.0"], &["1.0.0", "latest", "v2"]] {
            let tags: Vec<Tag> = list.iter().map(|text| Tag::parse(text).unwrap()).collect();
            assert_eq!(Packed::new(&tags).tags().to_vec(), tags);
        }
    }

    #[test]
    fn digests_of_tags_are_bounded_and_belong_to_one_credential() {
        let key = |image: &str| Key {
            image: ImageName::parse(image).unwrap(),
            auth: Auth::Anonymous,
        };
        let tag = |n: usize| Tag::parse(&format!("1.0.{n}")).unwrap();
        let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap();
        let now = Instant::now();
        let mut pointers = Pointers::default();
        for n in 0..100 {
            pointers.set(&key("r.io/a"), &tag(n), digest.clone(), now, 10);
            assert!(pointers.count <= 10);
        }
        pointers.set(&key("r.io/b"), &tag(0), digest.clone(), now, 10);
        assert_eq!(pointers.get(&key("r.io/b"), &tag(0), None), Some(digest));
        let later = Some(now + std::time::Duration::from_secs(1));
        assert_eq!(pointers.get(&key("r.io/b"), &tag(0), later), None);
        let other = Key {
            auth: Auth::Basic {
                username: "u".into(),
                password: Redacted::new("p"),
            },
            ..key("r.io/b")
        };
        assert_eq!(pointers.get(&other, &tag(0), None), None);
    }
}
