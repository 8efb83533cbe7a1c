//! Calls that name themselves by `Idempotency-Key` are carried out once: the same call again gets the
//! same answer. In memory only, bounded in number and age.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use http::StatusCode;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// An answer as it was sent.
pub(crate) type Sent = (StatusCode, Bytes);

/// The answers of calls with a name. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    held: Arc<Mutex<Held>>,
    hasher: RandomState,
    most: usize,
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Held {
    calls: HashMap<String, Known>,
    /// The oldest first.
    order: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Known {
    content: u64,
    answer: Arc<OnceCell<Sent>>,
}

/// The key was used for another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reused;

impl Answered {
    /// At most so many, none of them older than that.
    pub(crate) fn new(most: usize, lifetime: Duration) -> Self {
        Self {
            held: Arc::default(),
            hasher: RandomState::new(),
            most: most.max(1),
            lifetime,
        }
    }

    /// Where the answer of a call is, or will be. `who` keeps sessions apart, `content` is all that
    /// the call says.
    pub(crate) fn of(
        &self,
        who: &str,
        key: &str,
        content: (&str, &[u8]),
    ) -> Result<Arc<OnceCell<Sent>>, Reused> {
        let key = format!("{who} {key}");
        let content = self.hasher.hash_one(content);
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.forget(|at, _| now - at >= self.lifetime);
        if let Some(known) = held.calls.get(&key) {
            return if known.content == content {
                Ok(Arc::clone(&known.answer))
            } else {
                Err(Reused)
            };
        }
        let answer = Arc::new(OnceCell::new());
        let known = Known {
            content,
            answer: Arc::clone(&answer),
        };
        held.order.push_back((now, key.clone()));
        held.calls.insert(key, known);
        held.forget(|_, count| count > self.most);
        Ok(answer)
    }
}

impl Held {
    /// Forgets the oldest as long as that is wanted.
    fn forget(&mut self, is_over: impl Fn(Instant, usize) -> bool) {
        while let Some((at, _)) = self.order.front()
            && is_over(*at, self.order.len())
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.calls.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_same(a: &Arc<OnceCell<Sent>>, b: &Arc<OnceCell<Sent>>) -> bool {
        Arc::ptr_eq(a, b)
    }

    #[test]
    fn the_same_call_has_the_same_answer_and_another_one_may_not_use_its_name() {
        let answered = Answered::new(10, Duration::from_secs(60));
        let of = |who, key, body: &[u8]| answered.of(who, key, ("/sync", body));
        let first = of("a", "1", b"{}").unwrap();
        assert!(is_same(&first, &of("a", "1", b"{}").unwrap()));
        assert_eq!(of("a", "1", b"{\"x\":1}").unwrap_err(), Reused);
        assert!(
            !is_same(&first, &of("b", "1", b"{}").unwrap()),
            "of another session"
        );
        assert!(answered.of("a", "1", ("/other", b"{}")).is_err());
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_the_limit_and_beyond_the_age() {
        let answered = Answered::new(2, Duration::from_secs(60));
        let of = |answered: &Answered, key| answered.of("a", key, ("/sync", b"{}")).unwrap();
        let first = of(&answered, "1");
        of(&answered, "2");
        assert!(is_same(&first, &of(&answered, "1")));
        of(&answered, "3");
        assert!(!is_same(&first, &of(&answered, "1")));

        let short = Answered::new(2, Duration::ZERO);
        let first = of(&short, "1");
        assert!(!is_same(&first, &of(&short, "1")));
    }
}
