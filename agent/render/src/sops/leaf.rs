//! What the formats have in common: the leaves of a file in the order of its MAC.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use serde_json::Value;

use super::SopsError;

/// More leaves than any file has; aliases could multiply them.
const LEAF_LIMIT: usize = 500_000;

/// How deep maps and lists may be nested.
pub(super) const DEPTH_LIMIT: usize = 100;

/// The keys from the root to a leaf, shared between leaves: its cost does not follow its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Option<Rc<(Self, String)>>);

impl Path {
    pub(super) fn child(&self, key: impl Into<String>) -> Self {
        Self(Some(Rc::new((self.clone(), key.into()))))
    }

    pub(super) fn parent(&self) -> Self {
        self.0
            .as_ref()
            .map_or_else(Self::default, |step| step.0.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The keys, that of the leaf first.
    pub(super) fn keys_from_the_end(&self) -> impl Iterator<Item = &str> {
        let steps = std::iter::successors(self.0.as_ref(), |step| step.0.0.as_ref());
        steps.map(|step| step.1.as_str())
    }

    fn joined(&self, separator: &str) -> String {
        let mut keys: Vec<&str> = self.keys_from_the_end().collect();
        keys.reverse();
        keys.join(separator)
    }

    /// As the encryption binds it: each key and a colon.
    pub(super) fn associated_data(&self) -> String {
        self.joined(":") + ":"
    }
}

/// `a.b`, for people.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined("."))
    }
}

/// One scalar or comment of a file.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Keys of the maps from the root to it; lists have none. Of a comment, its map.
    pub(super) path: Path,
    /// Line, from 1.
    pub(super) line: usize,
    /// Where it stands; none where an alias repeats a value.
    pub(super) bytes: Option<Range<usize>>,
    pub(super) content: Content,
    /// The list that it is an item of, an index into [`Parsed::lists`].
    pub(super) list: Option<usize>,
}

/// What a leaf holds before decryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A string, which may be an `ENC[...]`; bytes because of `!!binary`.
    Text(Vec<u8>),
    /// A number, a boolean or a time, as the MAC writes it.
    Other(String),
    /// Nothing; no part of the MAC.
    Null,
    /// A comment without its mark.
    Comment(String),
}

/// A list with the numbers of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// Items that stay items.
    pub(super) items: usize,
    /// Items that are encrypted comments.
    pub(super) comments: usize,
}

/// A file as leaves and metadata.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) leaves: Vec<Leaf>,
    pub(super) metadata: Value,
    /// Bytes that become blank: where the metadata stand.
    pub(super) cuts: Vec<Cut>,
    pub(super) lists: Vec<List>,
    pub(super) documents: usize,
}

/// A part of a file that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) bytes: Range<usize>,
    pub(super) kind: CutKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutKind {
    /// Line ends stay.
    Blank,
    /// Line ends stay, behind a null: the metadata were the whole document.
    Null,
    /// Nothing stays.
    Lines,
}

impl Parsed {
    pub(super) fn push(&mut self, leaf: Leaf) -> Result<(), SopsError> {
        if self.leaves.len() >= LEAF_LIMIT {
            let message = format!("the file has more than {LEAF_LIMIT} values");
            return Err(SopsError::format(message));
        }
        self.leaves.push(leaf);
        Ok(())
    }
}

/// The range of a member of a flow map or JSON object together with one comma.
pub(super) fn member(text: &str, bytes: Range<usize>) -> Range<usize> {
    let before = text[..bytes.start].trim_end();
    if before.ends_with(',') {
        return before.len() - 1..bytes.end;
    }
    let after = text[bytes.end..].trim_start();
    if after.starts_with(',') {
        return bytes.start..text.len() - after.len() + 1;
    }
    bytes
}
