//! The web UI as a browser meets it, in front of invented applications.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "the sample is shared with the example"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod actions;
mod budget;
mod list;
mod live;
mod public;
mod resources;
mod router;
#[path = "../../examples/fixture/sample.rs"]
mod sample;
mod ui;
