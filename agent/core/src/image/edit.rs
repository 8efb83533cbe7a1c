//! Finds where files name the version of an image, and changes exactly that.
//!
//! Only the bytes of the scalar are replaced: quotes, comments, anchors, line ends and every other
//! byte stay. The result is parsed again and must differ in that one value; otherwise the edit is
//! refused with file and line. It does not render: whether the file matters is for others to say.
//!
//! A place is named by a marker (see [`crate::image::marker`]), or is one of these:
//! - the value of a key that is a whole reference, `image: registry.example.com/app:1.2`. A name
//!   without a slash counts only under a key that ends in `image`: `redis:6379` may be an address;
//! - an entry of a Kustomize `images:` list whose `newName`, else `name`, is the image: its
//!   `newTag` and `digest`;
//! - `tag` (and `digest`) beside `repository`, with or without `registry`, or beside a bare
//!   `image`, as the values of Helm charts have it. The registry may also stand in `global`, and
//!   the repository in another file of values beside it or in those of a subchart.
//!
//! ```text
//! files -> find_in(wanted) -> sites, refusals -> edit_files(site, version) -> new bytes
//! ```

mod charts;
mod forms;
mod index;
mod lines;
mod marked;
mod marks;
mod refusal;
mod scalar;
mod sites;
mod splice;

#[cfg(test)]
mod chart_tests;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod marker_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::image::marker;
use crate::image::reference::{ImageName, Reference, Tag, Version};
use crate::manifest::yaml::tree;
use crate::record::Name;

pub use charts::{Requirement, requirements};
pub use index::Index;
pub use lines::{Chart, lines_to_add};
pub use refusal::{Cause, Missing, Refusal, Spot};
pub use splice::{Change, FileEdit, Refused, edit, edit_all, edit_files};

/// A file with more nodes is not edited.
const MAX_NODES: usize = 1_000_000;

/// Files by their paths from the root of the repository.
type Files<'a> = BTreeMap<&'a str, &'a [u8]>;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The image.
    pub image: &'a ImageName,
    /// The policy whose markers are meant; without it markers are only respected.
    pub policy: Option<&'a Name>,
    /// All policies that exist, with their images; `None` where that is not known, so that no
    /// marker is blamed for naming one that is not among them.
    pub policies: Option<&'a BTreeMap<Name, ImageName>>,
}

impl<'a> Wanted<'a> {
    /// An image without a policy.
    pub fn named(image: &'a ImageName) -> Self {
        Self {
            image,
            policy: None,
            policies: None,
        }
    }
}

/// What a place looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A whole reference.
    Reference,
    /// An entry of a Kustomize `images:` list.
    Kustomize,
    /// `tag` of Helm values, perhaps with `digest`.
    Values,
    /// A scalar that a marker calls the tag.
    Tag,
    /// A scalar that a marker calls the digest.
    Digest,
}

/// How a place was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// A marker of this policy stands at it: a person says that it is meant.
    Marker(Name),
    /// It names the image: a candidate, which a render has to prove.
    Name,
}

/// One place in a file that names the version of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Path of the file from the root of the repository.
    pub file: String,
    /// Number of the YAML document in the file, from 1.
    pub document: usize,
    /// Line of the scalar, from 1; of the first one where the place has two.
    pub line: usize,
    /// Column of the scalar in characters, from 1.
    pub column: usize,
    /// Where it is in the document, such as `spec.containers[0].image`.
    pub path: String,
    /// What it looks like.
    pub kind: Kind,
    /// How it was found.
    pub by: By,
    /// What it names: the image, and what is known of tag and digest.
    pub current: Reference,
    /// The scalars, in the order of the file; one or two.
    parts: Vec<Part>,
}

impl Site {
    /// The version that it names, as `tag`, `tag@digest` or `@digest`.
    pub fn value(&self) -> String {
        let tag = self.current.tag.as_ref().map_or("", Tag::as_str);
        match &self.current.digest {
            Some(digest) => format!("{tag}@{digest}"),
            None => tag.to_owned(),
        }
    }

    /// The same as it will be with a version.
    pub fn value_with(&self, version: &Version) -> String {
        let digest = version.digest.as_ref();
        let is_written = |holds: &Holds| self.parts.iter().any(|part| part.holds == *holds);
        match digest.filter(|_| !is_written(&Holds::Tag) || is_written(&Holds::Digest)) {
            Some(digest) if is_written(&Holds::Digest) && self.parts.len() == 1 => {
                format!("@{digest}")
            }
            Some(digest) => format!("{}@{digest}", version.tag),
            None => version.tag.to_string(),
        }
    }

    /// Whether it says that already, so that an edit would change no byte.
    pub fn names(&self, version: &Version) -> bool {
        self.parts
            .iter()
            .all(|part| part.value_for(version).as_deref() == Some(part.old.as_str()))
    }
}

/// One scalar of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// The bytes with the quotes; of a block only the text.
    bytes: std::ops::Range<usize>,
    style: tree::Style,
    /// Whether it is a string by its YAML tag (`!!str`).
    string_by_tag: bool,
    line: usize,
    path: String,
    /// The value as it stands there.
    old: String,
    holds: Holds,
}

/// What of a version a scalar says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holds {
    /// This name, then `:tag` and perhaps `@digest`.
    Reference(String),
    /// `tag`, and the digest too.
    TagAndDigest,
    /// `tag`; the digest stands elsewhere.
    Tag,
    /// `digest`.
    Digest,
}

impl Part {
    /// What it says for a version; `None` where that needs a digest and there is none.
    fn value_for(&self, version: &Version) -> Option<String> {
        match (&self.holds, &version.digest) {
            (Holds::Reference(name), _) => Some(format!("{name}:{version}")),
            (Holds::TagAndDigest, _) => Some(version.to_string()),
            (Holds::Tag, _) => Some(version.tag.to_string()),
            (Holds::Digest, digest) => digest.as_ref().map(ToString::to_string),
        }
    }
}

/// What files say about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Places that can be edited, in the order of files and lines.
    pub sites: Vec<Site>,
    /// Places, or whole files, that name the image and cannot be edited, and why.
    pub refusals: Vec<Refusal>,
    /// Whether a marker names the policy, also one that was refused; then nothing was matched by
    /// name.
    pub marked: bool,
}

impl Found {
    /// The refusals that somebody must act on: all but notes.
    pub fn blocking(&self) -> impl Iterator<Item = &Refusal> {
        self.refusals.iter().filter(|refusal| !refusal.is_note())
    }

    /// A policy that has markers means those and nothing else.
    fn markers_first(mut self) -> Self {
        if self.marked {
            self.sites.retain(|site| matches!(site.by, By::Marker(_)));
            // A file that cannot be read may hide one of its markers.
            self.refusals.retain(|refusal| {
                let unread = [Cause::Encoding, Cause::Syntax, Cause::Template];
                refusal.cause == Cause::Marker || unread.contains(&refusal.cause)
            });
        }
        self
    }
}

/// Finds the places in the files of a repository, by their paths, that name the version of an
/// image.
///
/// Where a marker anywhere in the files names the policy, its markers alone are meant; otherwise
/// the places are candidates that name the image. For many searches of the same files, see
/// [`Index`].
pub fn find_in(files: &BTreeMap<String, Vec<u8>>, wanted: &Wanted<'_>) -> Found {
    Index::of(files, wanted.policies).find(wanted.image, wanted.policy)
}

/// The same for one file alone. `file` is used in messages only.
pub fn find(file: &str, bytes: &[u8], wanted: &Wanted<'_>) -> Found {
    search(file, bytes, wanted, &charts::OfFile::default()).markers_first()
}

fn search(file: &str, bytes: &[u8], wanted: &Wanted<'_>, surroundings: &charts::OfFile) -> Found {
    let has_marker = contains(bytes, marker::KEY);
    let named = contains(bytes, wanted.image.base_name());
    if !has_marker && !named && surroundings.is_empty() {
        return Found::default();
    }
    let repository = wanted.image.repository();
    let mentioned = repository.strip_prefix("library/").unwrap_or(repository);
    // A last part such as `web` is common; a file that cannot be read needs a better sign.
    let concerned = has_marker || contains(bytes, mentioned);
    let may_be_marked = has_marker
        && wanted
            .policy
            .is_some_and(|policy| contains(bytes, &marker::written(policy)));
    let whole_file = |cause, line, column, detail: String| Found {
        refusals: Vec::from_iter(concerned.then(|| Refusal {
            file: file.to_owned(),
            line,
            column,
            cause,
            detail,
            missing: None,
        })),
        marked: may_be_marked,
        sites: Vec::new(),
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return whole_file(Cause::Encoding, 0, 0, "the file is not UTF-8".into());
    };
    match tree::parse(text, MAX_NODES) {
        Ok(documents) => {
            let marks = if has_marker {
                marks::Marks::read(text, &documents)
            } else {
                marks::Marks::default()
            };
            sites::search(file, text, &documents, wanted, &marks, surroundings)
        }
        Err(error) if text.contains("{{") => {
            let what = if has_marker {
                "has a marker".to_owned()
            } else {
                format!("mentions {}", wanted.image)
            };
            let detail = format!("the file is a template and {what}; it is not edited");
            whole_file(Cause::Template, error.line, error.column, detail)
        }
        Err(error) => whole_file(Cause::Syntax, error.line, error.column, error.detail),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}
