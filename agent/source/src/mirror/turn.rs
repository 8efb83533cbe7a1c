//! Lets one fetch or push at a time work on a mirror, and nobody wait past a deadline.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::Error;
use crate::operation::Operation;

/// The lock of a mirror.
#[derive(Default)]
pub(super) struct Turn {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// Holds the turn until it is dropped.
pub(super) struct Taken<'turn>(&'turn Turn);

impl Turn {
    /// Waits until it is this operation's turn, at most for the time that it has.
    pub(super) fn take(&self, operation: &Operation) -> Result<Taken<'_>, Error> {
        let left = operation.remaining()?;
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, _) = self
            .freed
            .wait_timeout_while(taken, left, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return Err(operation.timed_out());
        }
        *taken = true;
        Ok(Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}
