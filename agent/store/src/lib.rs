//! The only owner of the database: the history of syncs, of image updates and of health, and what
//! each application was applied from.
//!
//! History is a view of the past: no decision is made from it. From what is kept of an application
//! one is made, whether something can be left alone: an application is not rendered again, an
//! object not sent again. Losing it costs a render, and a wrong row must not cost more: it only
//! says what to look for, and holds where the live object has the same uid, the same digests of
//! its managed fields and the same `applied` annotation. Rows are written after the cluster's
//! answer, so that after a crash they are at most older than the cluster, never ahead of it; of
//! one application they are always those of one moment.
//!
//! So losing the database costs pages of the web UI and one render of everything, and no object
//! and no commit. That is why nothing here can hold a sync up: records go into a bounded queue,
//! one task writes them, and what the database refuses stays queued and is tried again.
//!
//! ```text
//! record_sync, record_update, ┐
//! record_health, record_audit,├─> queue (bounded) ─> writer (one task) ─> SQLite (WAL)
//! record_delivery             │                                           or PostgreSQL
//! keep, forget                ┘                                              │
//!                        syncs, sync, object_states, audit, ... <─ readers (a pool)
//! ```
//!
//! SQL is written once for both databases, in a `Statement`: `$1` and
//! `on conflict` are the same in both, times and ids are text that sorts by its bytes.

mod audit;
mod condition;
mod database;
mod deliveries;
mod drift;
mod error;
mod health;
mod history;
mod kept;
mod list;
mod manifests;
mod open;
mod queue;
mod reach;
mod retention;
mod rows;
mod settings;
mod statement;
mod syncs;
mod writer;

pub use audit::AuditFilter;
pub use condition::{Condition, Status};
pub use database::DatabaseKind;
pub use drift::DriftedSync;
pub use error::Error;
pub use history::{Counts, History, SyncFilter, SyncSummary};
pub use kept::KeptApplication;
pub use manifests::ObjectState;
pub use open::Store;
pub use retention::Pruned;
pub use settings::{Location, Settings};
