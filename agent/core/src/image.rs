//! From the tags of a registry to the bytes of a file: which image Git should name, and the edit
//! that makes it so.
//!
//! It lists nothing and writes nothing: tags and files come in as values, edits go out as bytes.
//!
//! ```text
//! tags -> choose(policy) -> Choice -> edit::find_in(files) -> Site -> edit::edit_files -> FileEdit
//!      -> prove(objects before, objects after) -> Proof
//! ```

pub mod choose;
pub mod edit;
pub mod facts;
pub mod filter;
pub mod hold;
pub mod limits;
pub mod listing;
pub mod marker;
pub mod message;
pub mod order;
pub mod policy;
pub mod prove;
pub mod reference;
pub mod unnamed;
pub mod update;

pub use choose::{Choice, Context, Limits, Needs, Rule, Standing, Verdict, choose, judge};
pub use edit::{FileEdit, Found, Refusal, Site, Wanted, edit, edit_all, edit_files, find, find_in};
pub use facts::{CommitPlace, Examined, Facts, Held, Pinned, Platform, Reach};
pub use policy::{Downgrade, Order, Pin, Policy, RangeError};
pub use reference::{Digest, ImageName, NameError, Reference, Tag, Version};
