//! The only owner of the Kubernetes client: kinds, apply, prune, watch, lease.
//!
//! Objects of the user, and the Secrets that our kinds name, are only reached through an
//! [`connect::Account`]; the agent's own identity ([`connect::Agent`]) reaches its own kinds, its
//! Lease, events and its own namespace. Nothing is decided here: what to apply, prune or repair is
//! the planner's business in `syncline_core`.

mod backoff;
pub mod connect;
pub mod discovery;
pub mod error;
pub mod freeze;
pub mod instance;
pub mod kinds;
pub mod lease;
pub mod live;
pub mod named;
pub mod objects;
pub mod openapi;
pub mod own;
mod parent;
pub mod secret;
pub mod watch;

pub use connect::{Account, Agent, Cluster};
pub use discovery::{Discovery, Resource, Scope};
pub use error::Error;
pub use instance::Instance;
pub use kinds::Kind;
pub use live::Live;
pub use objects::{
    ApplyOptions, DeleteOptions, Deleted, DryRun, Listed, LogLines, LogOptions, LogQuery,
    NamespaceState, Pods, RawLine, Selection,
};
pub use openapi::Schemas;
pub use own::OwnEvent;
pub use secret::{SecretBytes, SecretData};
