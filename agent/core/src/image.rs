//! From the tags of a registry to the bytes of a file: which image Git should name, and the edit
//! that makes it so.
//!
//! It lists nothing and writes nothing: tags and files come in as values, edits go out as bytes.
//!
//! ```text
//! tags -> choose(policy) -> Choice -> edit::find(file) -> Site -> edit::edit -> FileEdit
//! ```

pub mod choose;
pub mod edit;
pub mod facts;
pub mod filter;
pub mod order;
pub mod policy;
pub mod reference;

pub use choose::{Choice, Context, Limits, Needs, Rule, Standing, Verdict, choose, judge};
pub use edit::{FileEdit, Found, Refusal, Site, edit, edit_all, find};
pub use facts::{CommitPlace, Examined, Facts, Held, Platform};
pub use policy::{Downgrade, Order, Pin, Policy, RangeError};
pub use reference::{Digest, ImageName, NameError, Reference, Tag, Version};
