//! The agent's own reader of YAML beside the library that `kubectl` reads with.
#![expect(
    clippy::unwrap_used,
    reason = "a test that finds something else ends there"
)]

mod documents;
mod oracle;
mod table;
