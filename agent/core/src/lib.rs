//! What Syncline decides: no input or output, clock, environment, async or logging.
//!
//! Every function here is a pure function of its arguments: `now` is an argument, files arrive as
//! bytes, live objects as JSON. What reaches outside lives in the crates around this one.

pub mod application;
pub mod decision;
pub mod dependencies;
pub mod diff;
pub mod digest;
pub mod directives;
pub mod expression;
pub mod field_path;
pub mod gate;
pub mod handover;
pub mod health;
pub mod hooks;
pub mod image;
pub mod kept;
pub mod logs;
pub mod manifest;
pub mod masking;
pub mod names;
pub mod object;
pub mod other_tool;
pub mod outcome;
pub mod owner;
pub mod ownership;
pub mod plan;
pub mod post_render;
pub mod projection;
pub mod read_index;
pub mod read_set;
pub mod reason;
pub mod record;
pub mod redacted;
pub mod resources;
pub mod revision;
pub mod rollback;
pub mod rollout;
pub mod secret_inputs;
pub mod shell;
pub mod sieve;
pub mod substitute;
pub mod trailers;
pub mod trigger;
pub mod url;
pub mod validate;
pub mod version_range;
pub mod window;
