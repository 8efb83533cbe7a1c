//! One fetch or push: its deadline, its connection, and the failure that libgit2 cannot carry.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::{ErrorClass, ErrorCode};
use syncline_core::url::RepoUrl;

use crate::connection::Connection;
use crate::error::{Error, printable};
use crate::settings::{Access, Settings};

/// What one operation on one repository needs and leaves behind. The transport that libgit2 makes
/// on this thread finds it here, so credentials of two repositories cannot be mixed.
pub(crate) struct Operation {
    pub(crate) url: RepoUrl,
    pub(crate) settings: Settings,
    pub(crate) connection: Connection,
    started: Instant,
    allowed: Duration,
    /// The list of references that libgit2 is shown, see [`crate::listing`].
    advertisement: Mutex<Vec<u8>>,
    failure: Mutex<Option<Error>>,
    pack_sent: AtomicBool,
    /// Objects of a pack that came, and those that it has in all.
    objects: Mutex<(usize, usize)>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Operation>>> = const { RefCell::new(None) };
}

/// As long as it lives, transports made on this thread belong to the operation.
pub(crate) struct Scope(());

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(Option::take);
    }
}

impl Operation {
    /// Starts the clock.
    pub(crate) fn begin(
        settings: &Settings,
        url: &RepoUrl,
        access: &Access,
    ) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            url: url.clone(),
            settings: settings.clone(),
            connection: Connection::new(settings, url, access)?,
            started: Instant::now(),
            allowed: access.timeout.unwrap_or(settings.timeout),
            advertisement: Mutex::default(),
            failure: Mutex::default(),
            pack_sent: AtomicBool::new(false),
            objects: Mutex::default(),
        }))
    }

    /// Makes this the operation of the thread.
    pub(crate) fn enter(self: &Arc<Self>) -> Scope {
        CURRENT.with_borrow_mut(|current| *current = Some(Arc::clone(self)));
        Scope(())
    }

    /// The operation of this thread.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// The time that is left, or the error that there is none.
    pub(crate) fn remaining(&self) -> Result<Duration, Error> {
        match self.allowed.checked_sub(self.started.elapsed()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(self.timed_out()),
        }
    }

    /// The error of a missed deadline.
    pub(crate) fn timed_out(&self) -> Error {
        Error::Timeout {
            url: self.url.clone(),
            after: self.allowed,
        }
    }

    /// Sets what libgit2 gets for a list of references.
    pub(crate) fn advertise(&self, listing: Vec<u8>) {
        *self
            .advertisement
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = listing;
    }

    /// What libgit2 gets for a list of references.
    pub(crate) fn advertisement(&self) -> Vec<u8> {
        self.advertisement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Keeps the first failure of the transport.
    pub(crate) fn fail(&self, error: Error) {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    }

    /// What libgit2 is to call the repository: the scheme finds the transport.
    pub(crate) fn remote(&self) -> &str {
        match &self.connection {
            Connection::Http(_) => self.url.as_str(),
            Connection::Ssh(_) => "ssh://repository",
        }
    }

    /// Keeps how much of a pack came, for the message of [`Operation::too_large`].
    pub(crate) fn progress(&self, received: usize, total: usize) {
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) = (received, total);
    }

    /// The error of a pack that is over the limit: what came, and what would.
    pub(crate) fn too_large(&self, received: u64) -> Error {
        let (came, total) = *self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut subject = format!("the pack of `{}`", self.url);
        if came > 0 && total > came {
            let whole = u128::from(received) * total as u128 / came as u128;
            subject = format!(
                "{subject}, of which {came} of {total} objects came with {received} bytes (about \
                 {whole} bytes in all),"
            );
        }
        Error::TooLarge {
            subject,
            limit: self.settings.max_pack_bytes,
            setting: "max_pack_bytes",
        }
    }

    /// From now on the server may have what was pushed.
    pub(crate) fn mark_pack_sent(&self) {
        self.pack_sent.store(true, Ordering::Relaxed);
    }

    /// Whether the server may have what was pushed.
    pub(crate) fn pack_sent(&self) -> bool {
        self.pack_sent.load(Ordering::Relaxed)
    }

    /// What an error of libgit2 means during this operation: the transport's own failure where
    /// there was one.
    pub(crate) fn explain(&self, error: &git2::Error) -> Error {
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(failure) = failure {
            return failure;
        }
        if error.code() == ErrorCode::User && self.remaining().is_err() {
            return self.timed_out();
        }
        match error.class() {
            // A pack that ends early or does not add up: what was received is thrown away.
            ErrorClass::Indexer | ErrorClass::Net | ErrorClass::Http | ErrorClass::Zlib => {
                Error::Unavailable {
                    url: self.url.clone(),
                    detail: printable(error.message()),
                }
            }
            _ => explain_local(&self.url, &self.settings, error),
        }
    }
}

/// What an error of libgit2 means where no network takes part.
pub(crate) fn explain_local(url: &RepoUrl, settings: &Settings, error: &git2::Error) -> Error {
    let detail = printable(error.message());
    match error.class() {
        ErrorClass::Os | ErrorClass::Filesystem => Error::Disk {
            path: settings.dir.clone(),
            detail,
        },
        ErrorClass::Odb
        | ErrorClass::Zlib
        | ErrorClass::Object
        | ErrorClass::Tree
        | ErrorClass::Indexer
        | ErrorClass::Repository
        | ErrorClass::Config => Error::Corrupt {
            url: url.clone(),
            detail,
        },
        _ => Error::Git {
            url: url.clone(),
            detail,
        },
    }
}
