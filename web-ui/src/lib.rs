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
pub mod filter;
mod guard;
mod handlers;
mod idempotency;
mod list;
mod openapi;
mod packing;
mod pages;
mod public_url;
mod questions;
mod requests;
mod router;
mod serving;
mod sessions;
mod settings;
pub mod views;

pub use assets::front_end_is_built;
pub use feed::{Change, Feed, Topic};
pub use openapi::document as openapi_document;
pub use public_url::{NoPublicUrl, PublicUrl};
pub use questions::{
    Actions, Answer, Between, Call, CallFilter, DeliveryPart, Diffs, DriftPart, How, ListQuestions,
    Listed, LogStream, LogsWanted, Page, Questions, Records, Resources, Timeline, Unanswered,
};
pub use router::router;
pub use serving::serve;
pub use sessions::{NoRandomness, Sessions};
pub use settings::Settings;
