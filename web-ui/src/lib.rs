//! HTTP API, live stream and pages.
//!
//! Asks the agent through [`Questions`]; knows neither the cluster nor the database. Until sign-in
//! exists it is served on loopback only and entered by a one-time link, see [`Sessions`].
//!
//! ```text
//! browser -> guard (host, origin, session, headers) -> handlers -> Questions (the agent)
//!    ^------------------------ stream <- Feed <------------------------|
//! ```

mod assets;
mod error;
mod feed;
mod guard;
mod handlers;
mod openapi;
mod pages;
mod questions;
mod router;
mod sessions;
mod settings;
pub mod views;

pub use assets::front_end_is_built;
pub use feed::{Change, Feed, Topic};
pub use openapi::document as openapi_document;
pub use questions::{Answer, Page, Questions, Unanswered};
pub use router::router;
pub use sessions::{NoRandomness, Sessions};
pub use settings::Settings;
