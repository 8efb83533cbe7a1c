//! Talks to the renderer process around the Helm and Kustomize libraries.
//!
//! It keeps a pool of children, gives each one render at a time, answers what they ask about the
//! repository, and ends the ones that take too long or too much. It decides nothing about what is
//! rendered, and it reads no repository itself: whoever asks for a render answers for the files.
//!
//! ```text
//!  agent --- Job, files ---> Pool ---> Child ---pipe---> syncline-renderer (Go)
//!        <-- Rendered ------            <--- ask path ---
//! ```

pub mod cache;
mod child;
mod counters;
mod error;
pub mod job;
mod pool;
mod settings;
pub mod sops;
mod wire;

pub use cache::Cache;
pub use counters::Counters;
pub use error::{Error, Refusal};
pub use job::{
    Answer, Ask, AskError, ChartRef, ClusterFacts, Entry, Form, Helm, Hook, Job, Kustomize,
    Location, Lookup, Overlay, Rendered, Transform,
};
pub use pool::Pool;
pub use settings::Settings;
