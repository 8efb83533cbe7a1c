//! How often a policy may update: so many times an hour, counted in the history of the branch.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::image::update::History;
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::record::Name;

const HOUR: Duration = Duration::from_secs(3600);

/// A policy has made as many updates as it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// How many updates of the last hour the history has.
    pub count: usize,
    /// How many it may have.
    pub most: usize,
    /// When the next one may be made.
    pub until: Timestamp,
}

impl Limited {
    /// The same as the reason for which the update waits.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: Reason::UpdateLimit,
            detail: self.to_string(),
        }
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, most, until } = self;
        write!(
            f,
            "{count} updates within an hour, of at most {most}; the next one may be made at {until}"
        )
    }
}

/// How many updates of a policy the last hour has.
pub fn count(policy: &Name, history: &History, now: Timestamp) -> usize {
    times(policy, history, now).len()
}

/// Whether a policy may make one more update. With `most` of 0 it never may.
///
/// # Errors
/// [`Limited`], with the time from which on it may.
pub fn check(policy: &Name, history: &History, now: Timestamp, most: usize) -> Result<(), Limited> {
    let times = times(policy, history, now);
    if times.len() < most {
        return Ok(());
    }
    // When the oldest of the newest `most` is an hour old, one less counts.
    let first = most.checked_sub(1).and_then(|number| times.get(number));
    Err(Limited {
        count: times.len(),
        most,
        until: first
            .copied()
            .unwrap_or(now)
            .saturating_add(HOUR)
            .expect("an hour is in range"),
    })
}

/// When the updates of the last hour were committed, newest first. A time to come counts as well:
/// clocks differ.
fn times(policy: &Name, history: &History, now: Timestamp) -> Vec<Timestamp> {
    let mut times: Vec<Timestamp> = history
        .entries
        .iter()
        .filter(|entry| now.duration_since(entry.time).as_secs() < 3600)
        .filter(|entry| entry.notes.iter().any(|note| &note.policy == policy))
        .map(|entry| entry.time)
        .collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::hold::tests::{Branch, policy};

    #[test]
    fn inv_i19_a_policy_makes_at_most_so_many_updates_in_an_hour() {
        let mut branch = Branch::new();
        for number in 0..6 {
            branch.update(&format!("1.{number}"));
        }
        let (last, history) = (branch.now(), branch.history());
        assert_eq!(count(&policy(), &history, last), 6);
        assert_eq!(check(&policy(), &history, last, 7), Ok(()));
        let limited = check(&policy(), &history, last, 6).unwrap_err();
        assert_eq!(limited.count, 6);
        let first = history.entries.last().unwrap().time;
        assert_eq!(limited.until, first.checked_add(HOUR).unwrap());
        let before = limited.until.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(check(&policy(), &history, before, 6).is_err());
        assert_eq!(check(&policy(), &history, limited.until, 6), Ok(()));
        // Fewer than there are already: until enough of them are an hour old.
        let fewer = check(&policy(), &history, last, 2).unwrap_err();
        assert_eq!(
            fewer.until,
            history.entries[1].time.checked_add(HOUR).unwrap()
        );
        assert_eq!(limited.failure().reason, Reason::UpdateLimit);
    }

    #[test]
    fn the_updates_of_other_policies_and_reverts_do_not_count() {
        let mut branch = Branch::new();
        branch.update("1.1");
        branch.as_policy("other").update("1.2");
        branch.rollback("1.1", "it broke");
        let history = branch.history();
        assert_eq!(count(&policy(), &history, branch.now()), 1);
        assert!(check(&policy(), &history, branch.now(), 0).is_err());
    }
}
