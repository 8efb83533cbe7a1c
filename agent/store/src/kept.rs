//! What each application was applied from, so that a restart renders nothing and writes nothing.
//!
//! The rows of an application are written by difference and in order. Where a difference is lost,
//! because the queue is full or the database refuses it, the rows would no longer fit: they are
//! deleted, and the application is rendered anew after a restart.

mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::kept::{Kept, KeptChange, KeptObject};
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;
use tracing::warn;

use crate::condition::Condition;
use crate::error::Error;
use crate::history::History;
use crate::open::Store;
use crate::queue::Item;

pub(crate) use self::write::{delete, delete_all, write};

/// What is kept of one application.
pub type KeptApplication = (Kept, BTreeMap<ObjectKey, KeptObject>);

impl History {
    /// Keeps what changed in what is kept of an application: `removed` goes, `changed` is added or
    /// takes the place of what is there, all else stays. The difference is from what
    /// [`Store::load_kept`] returned and all changes since, or from nothing after
    /// [`History::forget`].
    ///
    /// Never waits and never fails. Changes of an application are written in order. When one
    /// cannot be kept, all of the application is forgotten, and later changes are dropped until
    /// the caller begins anew ([`History::has_lost`]).
    pub fn keep(&self, change: Arc<KeptChange>) {
        self.queue().push(Item::Keep(change));
    }

    /// Keeps nothing of an application any more. Never waits and never fails, and takes no room in
    /// the queue.
    pub fn forget(&self, application: &Name) {
        self.queue().forget(application);
    }

    /// Whether a change of the application was lost. Then [`History::forget`] followed by a
    /// [`History::keep`] of all its objects keeps it again; without them it is rendered after the
    /// next restart. Always false for a read-only history.
    pub fn has_lost(&self, application: &Name) -> bool {
        self.queue().has_lost(application)
    }
}

impl Store {
    /// All that is kept, by application; to be called once, before anything is kept.
    ///
    /// An application that has a row which cannot be read is left out and forgotten. When nothing
    /// can be read, everything is forgotten, so that what is kept from now on does not mix with it.
    /// A history of a newer version that cannot be read is an empty one. A server is waited for at
    /// most for `Settings::connection_timeout`.
    pub async fn load_kept(&self) -> Result<Vec<KeptApplication>, Error> {
        let history = self.history();
        let database = self.database();
        if !database.tried().await {
            history.queue().forget_all();
            return Err(Error::Away {
                place: database.place().to_owned(),
            });
        }
        let found = match database.readers() {
            Ok(readers) => read::all(&readers).await,
            Err(error) => Err(error),
        };
        let error = match found {
            Ok((kept, unreadable)) => {
                for application in &unreadable {
                    history.forget(application);
                }
                return Ok(kept);
            }
            Err(error) => error,
        };
        if let Condition::ReadOnly { schema } = self.condition() {
            warn!(schema, %error, "what the newer version kept cannot be read");
            return Ok(Vec::new());
        }
        history.queue().forget_all();
        history.flush().await;
        Err(database.unread("what is kept of applications", error))
    }
}
