//! The store on real databases: what both promise, on a file of SQLite and on PostgreSQL, and what
//! only one of them has.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[macro_use]
mod place;

mod files;
mod health;
mod history;
mod kept;
mod kept_files;
// The harness of the workspace depends on this package, so its file is taken instead.
#[path = "../../../../tests/src/postgres.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "it is public there, and other tests use the rest of it"
)]
mod postgres;
mod records;
mod server;
