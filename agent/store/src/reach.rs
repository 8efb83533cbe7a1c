//! The database of the history, also while it cannot be reached.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tracing::warn;

use crate::condition::Condition;
use crate::database::{DatabaseKind, Pool};
use crate::error::{Error, Failure, classify, with_causes};
use crate::open::postgres::Server;
use crate::open::{Pools, Start, postgres, sqlite};
use crate::settings::{Location, Settings};

/// What was there when a database was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// What this process left there, or what it found at its start.
    AsBefore,
    /// Nothing of what this process wrote before.
    Anew,
}

/// The database of the history, also while it cannot be reached.
#[derive(Debug)]
pub(crate) struct Database {
    settings: Settings,
    kind: DatabaseKind,
    place: String,
    /// How PostgreSQL is reached.
    server: Option<Server>,
    pools: RwLock<Option<Pools>>,
    condition: watch::Sender<Condition>,
    /// Whether it was opened once.
    opened: AtomicBool,
    /// Whether it is open, as far as is known.
    open: AtomicBool,
    damaged: Mutex<Option<PathBuf>>,
    /// What a question met that only damage explains.
    finding: Mutex<Option<String>>,
    found: Notify,
}

impl Database {
    /// One that is not open yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let (kind, place, server) = match &settings.location {
            Location::File(_) | Location::Memory => {
                (DatabaseKind::Sqlite, sqlite::place(settings), None)
            }
            Location::Postgres(url) => {
                let server = Server::new(url)?;
                (DatabaseKind::Postgres, server.place(), Some(server))
            }
        };
        let pools = server
            .as_ref()
            .map(|server| postgres::pools(settings, server));
        Ok(Self {
            settings: settings.clone(),
            kind,
            place,
            server,
            pools: RwLock::new(pools),
            condition: watch::Sender::new(Condition::Opening),
            opened: AtomicBool::new(false),
            open: AtomicBool::new(false),
            damaged: Mutex::default(),
            finding: Mutex::default(),
            found: Notify::new(),
        })
    }

    /// Opens it, the first time or again. A file that is damaged is set aside first. Whether it
    /// began anew.
    pub(crate) async fn open(&self) -> Result<Beginning, Error> {
        let start = if self.opened.load(Ordering::Relaxed) {
            Start::Again
        } else {
            Start::First
        };
        let finding = lock(&self.finding).take();
        let opened = match (&self.server, &self.settings.location) {
            (Some(server), _) => {
                let pools = match self.pools() {
                    Some(pools) => pools,
                    None => postgres::pools(&self.settings, server),
                };
                postgres::reach(server, &self.settings, &self.place).await?;
                postgres::open(pools, &self.place, start).await?
            }
            (None, Location::File(path)) => {
                if start == Start::Again
                    && let Some(pools) = self.pools()
                {
                    pools.writer.close(self.settings.connection_timeout).await;
                    pools.readers.close(self.settings.connection_timeout).await;
                }
                let opened = sqlite::open(&self.settings, path, finding.clone(), start).await;
                // What is known of the damage must not be forgotten with the attempt.
                opened.inspect_err(|_| *lock(&self.finding) = finding)?
            }
            (None, _) => sqlite::open_memory(&self.settings).await?,
        };
        if let Condition::ReadOnly { schema } = &opened.condition {
            warn!(
                schema,
                "a newer version wrote the history; it is shown, and nothing is added to it",
            );
        }
        // Said by questions that the old file still answered.
        *lock(&self.finding) = None;
        if let Some(moved) = opened.damaged {
            *lock(&self.damaged) = Some(moved);
        }
        *self.pools.write().unwrap_or_else(PoisonError::into_inner) = Some(opened.pools);
        self.opened.store(true, Ordering::Relaxed);
        self.open.store(true, Ordering::Relaxed);
        self.condition.send_replace(opened.condition);
        Ok(if start == Start::Again && opened.empty {
            Beginning::Anew
        } else {
            Beginning::AsBefore
        })
    }

    /// Whether it is open, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// It must be opened again before it is written.
    pub(crate) fn shut(&self) {
        self.open.store(false, Ordering::Relaxed);
    }

    /// Connections that read.
    pub(crate) fn readers(&self) -> Result<Pool, sqlx::Error> {
        self.pools()
            .map(|pools| pools.readers)
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// The connection that writes.
    pub(crate) fn writer(&self) -> Result<Pool, sqlx::Error> {
        self.pools()
            .map(|pools| pools.writer)
            .ok_or(sqlx::Error::PoolClosed)
    }

    pub(crate) fn kind(&self) -> DatabaseKind {
        self.kind
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    pub(crate) fn damaged(&self) -> Option<PathBuf> {
        lock(&self.damaged).clone()
    }

    /// Waits until the first attempt to open it has ended, at most for
    /// `Settings::connection_timeout`. Whether it is open.
    pub(crate) async fn tried(&self) -> bool {
        let mut condition = self.condition.subscribe();
        let tried = condition.wait_for(|condition| *condition != Condition::Opening);
        let tried = tokio::time::timeout(self.settings.connection_timeout, tried).await;
        tried.is_ok() && self.is_open()
    }

    /// A write failed. Whether it is the first in a row.
    pub(crate) fn failing(&self, error: &(dyn std::error::Error + 'static)) -> bool {
        let error = with_causes(error);
        let mut first = true;
        self.condition.send_modify(|condition| {
            let since = match condition {
                Condition::Failing { since, .. } => {
                    first = false;
                    *since
                }
                _ => Timestamp::now(),
            };
            *condition = Condition::Failing { since, error };
        });
        first
    }

    /// A write succeeded.
    pub(crate) fn works(&self) {
        self.condition.send_if_modified(|condition| {
            let failed = matches!(condition, Condition::Failing { .. });
            if failed {
                *condition = Condition::Writing;
            }
            failed
        });
    }

    /// What a question could not be answered for. Damage is told to the writer, which sets the
    /// file aside.
    pub(crate) fn unread(&self, what: &'static str, source: sqlx::Error) -> Error {
        self.notice_damage(&source);
        Error::Read { what, source }
    }

    /// Remembers damage. Whether it is any.
    pub(crate) fn notice_damage(&self, error: &sqlx::Error) -> bool {
        let damage = classify(error) == Failure::Damaged;
        if damage {
            *lock(&self.finding) = Some(error.to_string());
            self.found.notify_one();
        }
        damage
    }

    /// Waits for a question that meets damage.
    pub(crate) async fn damage(&self) {
        // One that was dealt with meanwhile is none.
        while lock(&self.finding).is_none() {
            self.found.notified().await;
        }
    }

    fn pools(&self) -> Option<Pools> {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        pools.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code panics while it holds the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
