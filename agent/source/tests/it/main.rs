//! Reads and writes real repositories over a real `git http-backend`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its fixtures"
)]

mod fetch;
mod fetch_commit;
mod fetch_cut;
mod fetch_reference;
mod fixture;
mod history;
mod line;
mod local_clone;
mod proxy;
mod push;
mod read;
mod revert;
mod select;
mod server;
mod signature;
mod ssh;
mod ssh_server;
mod storage;
mod tags;
mod tls;
mod updates;
