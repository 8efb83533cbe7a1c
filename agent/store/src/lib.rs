//! The only owner of the database: the history of syncs and of image updates.
//!
//! History is a view of the past and nothing else. No decision is made from it, so losing it
//! costs pages of the web UI and no object, no commit. That is why nothing here can hold a sync
//! up: records go into a bounded queue, one task writes them, and what the database refuses
//! stays queued and is tried again.
//!
//! ```text
//! record_sync ─┐
//!              ├─> queue (bounded) ─> writer (one task, one connection) ─> SQLite (WAL)
//! record_update┘                                                            │
//!                                    syncs, sync, latest, updates <─ readers (a pool)
//! ```

mod error;
mod history;
mod open;
mod queue;
mod retention;
mod rows;
mod settings;
mod writer;

pub use error::Error;
pub use history::{Counts, History, SyncSummary};
pub use open::{Mode, Store};
pub use retention::Pruned;
pub use settings::{Location, Settings};
