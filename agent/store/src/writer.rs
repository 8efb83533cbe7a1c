//! The one task that writes: opens the database where that is not done, takes entries from the
//! queue, writes them in one transaction, and tries again when the database cannot take them.
//!
//! An answer that was lost may mean that the entries were written. Each one is written by its id, so
//! the next attempt changes nothing then.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::condition::Condition;
use crate::database::DatabaseKind;
use crate::error::{Failure, classify, is_of_connection, with_causes};
use crate::queue::{Batch, Item, Queue};
use crate::reach::{Beginning, Database};
use crate::settings::Settings;
use crate::{audit, deliveries, health, kept, syncs};

/// Writes until the queue is closed and empty. A failure that may pass is tried again with a
/// growing wait, once more after the queue was closed, and then given up.
pub(crate) async fn run(queue: Arc<Queue>, database: Arc<Database>, settings: Settings) {
    let mut writer = Writer {
        queue: &queue,
        database: &database,
        settings: &settings,
        wait: None,
        tables: Tables::AsExpected,
    };
    loop {
        if !database.is_open() {
            match writer.open().await {
                Next::GoOn => continue,
                Next::End => break,
            }
        }
        tokio::select! {
            batch = queue.batch(settings.batch) => match batch {
                Some(batch) => writer.take(batch).await,
                None => break,
            },
            () = database.damage() => database.shut(),
        }
    }
    if let Ok(pool) = database.writer() {
        pool.close(settings.flush_timeout).await;
    }
}

/// What comes after opening.
enum Next {
    GoOn,
    End,
}

/// Whether tables were missing when the last batch was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    AsExpected,
    /// The migrations ran again because of that.
    MadeAnew,
}

struct Writer<'a> {
    queue: &'a Queue,
    database: &'a Database,
    settings: &'a Settings,
    wait: Option<Duration>,
    tables: Tables,
}

impl Writer<'_> {
    /// Opens the database, for the first time or again, or waits for the next attempt.
    async fn open(&mut self) -> Next {
        let last_attempt = self.queue.is_closed();
        match self.database.open().await {
            Ok(beginning) => {
                if let Condition::ReadOnly { .. } = self.database.condition() {
                    self.queue.close();
                    self.give_up_all().await;
                    return Next::End;
                }
                if beginning == Beginning::Anew {
                    self.queue.lose_all();
                }
                if self.wait.take().is_some() {
                    info!(waiting = self.queue.len(), "the history is open");
                }
            }
            Err(error) => {
                if self.database.failing(&error) {
                    let error = with_causes(&error);
                    warn!(
                        error,
                        "the history cannot be opened; records wait in memory, syncs go on",
                    );
                }
                if last_attempt {
                    self.give_up_all().await;
                    return Next::End;
                }
                self.pause().await;
            }
        }
        Next::GoOn
    }

    /// Writes a batch, or as much of it as can be written.
    async fn take(&mut self, batch: Batch) {
        let last_attempt = self.queue.is_closed();
        let error = match self.write(&batch).await {
            Ok(()) => {
                self.queue.written(&batch);
                self.tables = Tables::AsExpected;
                self.works();
                return;
            }
            Err(error) => error,
        };
        match classify(&error) {
            Failure::Tables if self.tables == Tables::AsExpected => {
                warn!(%error, "tables of the history are missing and are made anew");
                self.tables = Tables::MadeAnew;
                self.database.shut();
            }
            Failure::Statement | Failure::Tables => self.write_each(&batch).await,
            Failure::Damaged if !last_attempt => {
                self.database.failing(&error);
                self.database.notice_damage(&error);
                self.database.shut();
                // Where it cannot be set aside, the next attempt meets it again.
                if self.wait.is_some() {
                    self.pause().await;
                }
                self.wait.get_or_insert(self.settings.retry_first);
            }
            Failure::Passing | Failure::Damaged => {
                if last_attempt {
                    let lost = self.queue.len();
                    warn!(lost, %error, "the history cannot be written, the process ends");
                    self.queue.give_up(&batch);
                    return;
                }
                if self.database.kind() == DatabaseKind::Postgres && is_of_connection(&error) {
                    // Opening it again tells why; the connections in between would not.
                    self.database.shut();
                }
                if self.database.failing(&error) {
                    warn!(
                        %error,
                        waiting = self.queue.len(),
                        "the history cannot be written; records wait in memory, syncs go on",
                    );
                }
                self.pause().await;
            }
        }
    }

    /// One of them is at fault: each alone, so that the others are kept.
    async fn write_each(&mut self, batch: &Batch) {
        for entry in batch {
            // Given up with one before it, or replaced: its turn comes, or never does.
            if !self.queue.holds(entry) {
                continue;
            }
            let entry = std::slice::from_ref(entry);
            match self.write(entry).await {
                Ok(()) => {
                    self.queue.written(entry);
                    self.works();
                }
                Err(error) if matches!(classify(&error), Failure::Statement | Failure::Tables) => {
                    let record = entry[0].1.label();
                    warn!(record, %error, "a record of the history cannot be written");
                    self.queue.give_up(entry);
                }
                Err(_) => break,
            }
        }
    }

    /// Something was written.
    fn works(&mut self) {
        self.database.works();
        if self.wait.take().is_some() {
            info!(waiting = self.queue.len(), "the history is written again");
        }
    }

    /// Writes all of them or none.
    async fn write(&self, batch: &[(u64, Item)]) -> Result<(), sqlx::Error> {
        let mut session = self.database.writer()?.begin().await?;
        for (_, item) in batch {
            match item {
                Item::Sync(record) => syncs::write_sync(&mut session, record).await?,
                Item::Update(record) => syncs::write_update(&mut session, record).await?,
                Item::Health(change) => health::write(&mut session, change).await?,
                Item::Audit(record) => audit::write(&mut session, record).await?,
                Item::Delivery(record) => deliveries::write(&mut session, record).await?,
                Item::Keep(change) => kept::write(&mut session, change).await?,
                Item::Forget(application) => kept::delete(&mut session, application).await?,
                Item::ForgetAll => kept::delete_all(&mut session).await?,
            }
        }
        session.commit().await
    }

    async fn give_up_all(&self) {
        while !self.queue.is_empty() {
            if let Some(batch) = self.queue.batch(usize::MAX).await {
                self.queue.give_up(&batch);
            }
        }
    }

    /// Waits before the next attempt, longer each time.
    async fn pause(&mut self) {
        let pause = self
            .wait
            .map_or(self.settings.retry_first, |last| last * 2)
            .min(self.settings.retry_longest);
        self.wait = Some(pause);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.queue.urgent() => {}
        }
    }
}

pub(crate) fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use syncline_core::record::{Name, UpdateRecord};
    use syncline_core::revision::CommitId;

    use super::*;
    use crate::statement::Statement;
    use crate::{Location, Store};

    fn update(number: u32) -> UpdateRecord {
        UpdateRecord {
            id: format!("{number:026}"),
            policy: Name::new("shop", "web"),
            repository: "config".into(),
            image: "registry.example.com/web".into(),
            old: "v1".into(),
            new: "v".repeat(4000),
            files: Vec::new(),
            commit: CommitId::parse(&"0".repeat(40)).unwrap(),
            time: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// The limit on pages makes the database answer as on a disk without room.
    async fn limit_pages(store: &Store, pages: u32) {
        let pragma = format!("pragma max_page_count = {pages}");
        let writer = store.database().writer().unwrap();
        writer.execute(&Statement::new(pragma)).await.unwrap();
    }

    async fn number(store: &Store, pragma: &'static str) -> i64 {
        let writer = store.database().writer().unwrap();
        let rows: Vec<(i64,)> = writer.all(&Statement::new(pragma)).await.unwrap();
        rows[0].0
    }

    #[tokio::test]
    async fn fault_f33_a_full_disk_keeps_records_in_memory_until_there_is_room() {
        let directory = tempfile::TempDir::new().unwrap();
        let settings = Settings {
            location: Location::File(directory.path().join("history.db")),
            retry_first: Duration::from_millis(5),
            retry_longest: Duration::from_millis(20),
            flush_timeout: Duration::from_millis(100),
            ..Settings::default()
        };
        let store = Store::open(&settings).await.unwrap();
        let history = store.history();
        let pages = number(&store, "pragma page_count").await;
        limit_pages(&store, u32::try_from(pages).unwrap() + 2).await;

        for number in 0..20 {
            history.record_update(&update(number));
        }
        assert_eq!(history.flush().await, 20);
        assert_eq!((history.queued(), history.dropped()), (20, 0));
        // What is there can still be read.
        assert_eq!(history.updates(None, None, 100).await.unwrap().len(), 0);

        limit_pages(&store, 1_000_000).await;
        while history.flush().await > 0 {}
        assert_eq!(history.updates(None, None, 100).await.unwrap().len(), 20);
        assert_eq!(history.dropped(), 0);
    }

    #[tokio::test]
    async fn the_file_is_durable_and_checks_references() {
        let directory = tempfile::TempDir::new().unwrap();
        let location = Location::File(directory.path().join("history.db"));
        let store = Store::open(&Settings {
            location,
            ..Settings::default()
        })
        .await
        .unwrap();
        for (pragma, expected) in [
            ("pragma synchronous", 2),
            ("pragma foreign_keys", 1),
            ("pragma busy_timeout", 5000),
        ] {
            assert_eq!(number(&store, pragma).await, expected, "{pragma}");
        }
    }
}
