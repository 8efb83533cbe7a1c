//! The only owner of the protocols of registries and chart repositories: tags, digests, charts.
//!
//! It reads and never pushes. A list of tags is complete or an error: a page that is cut off, a
//! link that leads elsewhere or a list over a limit give no tags at all. It does not choose among
//! tags, and it does not poll by itself.
//!
//! ```text
//! tags(image, auth, age) -> remembered? | GET tags/list -> 401? token -> GET again -> Link ... -> Listing
//! facts(image, tag, ..)  -> HEAD -> digest known? | manifest -> configuration -> Facts
//! resolve(chart, access) -> index.yaml or tags, once per interval -> version, digest, address
//! fetch(resolved, access) -> folder, or network -> digest checked -> archive
//! ```

mod auth;
mod challenge;
pub mod chart;
mod client;
mod error;
mod flight;
mod hosts;
mod link;
mod settings;
mod tls;
mod token;

pub use auth::{Auth, ConfigError, PullSecretError};
pub use client::{Age, Client, FactsRead, Freshness, Listing};
pub use error::{Error, Throttle};
pub use hosts::{Again, HostState, Hosts};
pub use settings::Settings;
pub use tls::{ClientCertificate, Tls};
