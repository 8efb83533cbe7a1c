//! The Syncline agent: wiring, order of steps, reporting. What to change is decided in
//! `syncline-core`; what reaches outside are the crates around it.

mod abort;
pub mod agent;
pub mod cli;
pub mod clock;
pub mod settings;

mod applications;
mod approval;
mod charts;
mod conversion;
mod deletion;
mod deliveries;
mod dependencies;
mod failpoint;
mod freeze;
mod health;
mod history;
mod images;
mod jitter;
mod live;
mod metrics;
mod named;
mod poller;
mod preview;
mod probe;
mod questions;
mod queue;
mod references;
mod remote_bases;
mod rendering;
mod report;
mod repositories;
mod schedule;
mod server;
mod state;
mod sync;
