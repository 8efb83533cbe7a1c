//! Finds where a file names the tag of an image, and changes exactly that.
//!
//! Only the bytes of the scalar are replaced: quotes, comments, anchors, line ends and every other
//! byte stay. The result is parsed again and must differ in that one value; otherwise the edit is
//! refused with file and line. It does not render: whether the file matters is for others to say.
//!
//! A place that names a tag is one of
//! - the value of a key that is a whole reference, `image: registry.example.com/app:1.2`. A name
//!   without a slash counts only under a key that ends in `image`: `redis:6379` may be an address;
//! - `newTag` of an entry of a Kustomize `images:` list whose `newName`, else `name`, is the image;
//! - `tag` beside `repository` (with or without `registry`) or beside a bare `image`, as the values
//!   of Helm charts have it.

mod scalar;
mod sites;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use granit_parser::Event;

use crate::image::reference::{ImageName, Tag};
use crate::manifest::yaml::tree::{self, Style};
use crate::outcome::Failure;
use crate::reason::Reason;

/// A file with more nodes is not edited.
const MAX_NODES: usize = 1_000_000;

/// What a place that names a tag looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A whole reference.
    Reference,
    /// `newTag` of Kustomize.
    Kustomize,
    /// `tag` of Helm values.
    Values,
}

/// One place in a file that names the tag of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Path of the file from the root of the repository.
    pub file: String,
    /// The image.
    pub image: ImageName,
    /// Number of the YAML document in the file, from 1.
    pub document: usize,
    /// Line of the scalar, from 1.
    pub line: usize,
    /// Column of the scalar in characters, from 1.
    pub column: usize,
    /// Where it is in the document, such as `spec.containers[0].image`.
    pub path: String,
    /// The tag that it names.
    pub current: Tag,
    /// What it looks like.
    pub kind: Kind,
    /// What stands before the tag inside the scalar, such as `registry.example.com/app:`.
    prefix: String,
    bytes: Range<usize>,
    style: Style,
    /// Whether the scalar is a string by its YAML tag (`!!str`).
    string_by_tag: bool,
}

/// What a file says about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Places that can be edited, in the order of the file.
    pub sites: Vec<Site>,
    /// Places, or a whole file, that name the image and cannot be edited, and why.
    pub refusals: Vec<Refusal>,
}

impl Found {
    /// The refusals that somebody must act on: all but notes.
    pub fn blocking(&self) -> impl Iterator<Item = &Refusal> {
        self.refusals.iter().filter(|refusal| !refusal.is_note())
    }
}

/// Why an edit cannot be made exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The file mentions the image and is not UTF-8.
    Encoding,
    /// The file mentions the image and is not YAML.
    Syntax,
    /// The file mentions the image and is a template that is no YAML before it is rendered.
    Template,
    /// The image is named without a tag.
    NoTag,
    /// What stands where the tag belongs is not a tag.
    NotATag,
    /// The image is pinned by digest, which a new tag would contradict.
    Digest,
    /// The value is shared through an anchor with places that are not this image.
    Shared,
    /// The scalar is a block, has escapes or a YAML tag of its own.
    Notation,
    /// The same key stands twice in the map.
    DuplicateKey,
    /// The file is not the one that was searched.
    Stale,
    /// The edited file did not parse to the same tree with the one new value.
    Unproved,
}

/// A place in a file, and why it is not edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// Path of the file from the root of the repository.
    pub file: String,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 where the whole file or line is meant.
    pub column: usize,
    /// Why.
    pub cause: Cause,
    /// The same for people, with what to do.
    pub detail: String,
}

impl Refusal {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        match self.cause {
            Cause::Encoding => Reason::YamlEncoding,
            Cause::Syntax => Reason::YamlSyntax,
            Cause::DuplicateKey => Reason::YamlDuplicateKey,
            Cause::Template
            | Cause::NoTag
            | Cause::NotATag
            | Cause::Digest
            | Cause::Shared
            | Cause::Notation
            | Cause::Stale
            | Cause::Unproved => Reason::EditRefused,
        }
    }

    /// As a failure with file and line.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }

    /// Whether it only informs: a template, or an image without a tag, may well be meant.
    pub fn is_note(&self) -> bool {
        matches!(self.cause, Cause::Template | Cause::NoTag)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// One value of a file that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Line, from 1.
    pub line: usize,
    /// Where it is in the document.
    pub path: String,
    /// The tag before.
    pub old: Tag,
    /// The tag after.
    pub new: Tag,
}

/// A file with its new content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEdit {
    /// Path of the file from the root of the repository.
    pub file: String,
    /// The whole new content.
    pub bytes: Vec<u8>,
    /// What changed, in the order of the file.
    pub changes: Vec<Change>,
}

/// Finds the places in a file that name a tag of the image.
///
/// `file` is used in messages only. A file that does not mention the image costs one search of its
/// bytes.
pub fn find(file: &str, bytes: &[u8], image: &ImageName) -> Found {
    if !contains(bytes, image.base_name()) {
        return Found::default();
    }
    let repository = image.repository();
    let mentioned = repository.strip_prefix("library/").unwrap_or(repository);
    let whole_file = |cause, line, column, detail: String| {
        // A last part such as `web` is common; a file that cannot be read needs a better sign.
        let refusals = if contains(bytes, mentioned) {
            vec![Refusal {
                file: file.to_owned(),
                line,
                column,
                cause,
                detail,
            }]
        } else {
            Vec::new()
        };
        Found {
            sites: Vec::new(),
            refusals,
        }
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return whole_file(Cause::Encoding, 0, 0, "the file is not UTF-8".into());
    };
    match tree::parse(text, MAX_NODES) {
        Ok(documents) => sites::search(file, text, &documents, image),
        Err(error) if text.contains("{{") => whole_file(
            Cause::Template,
            error.line,
            error.column,
            format!("the file is a template and mentions {image}; it is not edited"),
        ),
        Err(error) => whole_file(Cause::Syntax, error.line, error.column, error.detail),
    }
}

/// Writes a tag in one place.
pub fn edit(bytes: &[u8], site: &Site, new_tag: &Tag) -> Result<FileEdit, Refusal> {
    edit_all(bytes, std::slice::from_ref(site), new_tag)
}

/// Writes a tag in several places of one file, all or none.
///
/// The places must come from [`find`] on the same bytes. The result is proved: parsed again, it
/// differs in these values and in nothing else.
pub fn edit_all(bytes: &[u8], sites: &[Site], new_tag: &Tag) -> Result<FileEdit, Refusal> {
    let mut ordered: Vec<&Site> = sites.iter().collect();
    ordered.sort_by_key(|site| site.bytes.start);
    ordered.dedup_by_key(|site| site.bytes.start);
    let file = ordered
        .first()
        .map(|site| site.file.clone())
        .unwrap_or_default();

    let mut edited = Vec::with_capacity(bytes.len() + 16 * ordered.len());
    let mut copied = 0;
    for site in &ordered {
        let old = format!("{}{}", site.prefix, site.current);
        let written = bytes.get(site.bytes.clone());
        if written != Some(scalar::write(site.style, &old).as_bytes()) {
            let detail = "the file changed since it was searched; it is searched again".to_owned();
            return Err(refuse(site, Cause::Stale, detail));
        }
        edited.extend_from_slice(&bytes[copied..site.bytes.start]);
        edited.extend_from_slice(site.replacement(new_tag).as_bytes());
        copied = site.bytes.end;
    }
    edited.extend_from_slice(&bytes[copied..]);
    prove(bytes, &edited, &ordered, new_tag)?;
    let changes = ordered
        .iter()
        .map(|site| Change {
            line: site.line,
            path: site.path.clone(),
            old: site.current.clone(),
            new: new_tag.clone(),
        })
        .collect();
    Ok(FileEdit {
        file,
        bytes: edited,
        changes,
    })
}

impl Site {
    /// The new scalar as it is written: in the same notation, or quoted where it would otherwise
    /// be read as something else than a string.
    fn replacement(&self, new_tag: &Tag) -> String {
        let value = format!("{}{new_tag}", self.prefix);
        let style = match self.style {
            Style::Plain if !self.string_by_tag && !scalar::is_plain_string(&value) => {
                Style::DoubleQuoted
            }
            style => style,
        };
        scalar::write(style, &value)
    }
}

/// Parses both files and accepts only if they differ in the values of the sites alone.
fn prove(before: &[u8], after: &[u8], sites: &[&Site], new_tag: &Tag) -> Result<(), Refusal> {
    let Some(first) = sites.first() else {
        return Ok(());
    };
    let unproved = |site: &Site| {
        let detail = format!(
            "writing `{new_tag}` at `{}` would change more than this value; edit it by hand",
            site.path
        );
        refuse(site, Cause::Unproved, detail)
    };
    let events = |bytes| {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| tree::events(text).ok())
    };
    let (Some(before), Some(after)) = (events(before), events(after)) else {
        return Err(unproved(first));
    };
    if before.len() != after.len() {
        return Err(unproved(first));
    }
    let mut left = sites.iter().peekable();
    for ((old, span), (new, _)) in before.iter().zip(&after) {
        let here = left.next_if(|site| {
            matches!(old, Event::Scalar(..)) && span.byte_range() == Some(site.bytes.clone())
        });
        let same = match here {
            Some(site) => is_only_the_value(old, new, &format!("{}{new_tag}", site.prefix)),
            None => old == new,
        };
        if !same {
            return Err(unproved(here.copied().unwrap_or(first)));
        }
    }
    match left.next() {
        Some(site) => Err(unproved(site)),
        None => Ok(()),
    }
}

/// Whether a scalar became another value and is otherwise the same; a plain one may get quotes.
fn is_only_the_value(old: &Event<'_>, new: &Event<'_>, value: &str) -> bool {
    let (Event::Scalar(_, style, anchor, tag), Event::Scalar(text, new_style, new_anchor, new_tag)) =
        (old, new)
    else {
        return false;
    };
    let same_style = style == new_style
        || (*style == granit_parser::ScalarStyle::Plain
            && *new_style == granit_parser::ScalarStyle::DoubleQuoted);
    text == value && same_style && anchor == new_anchor && tag == new_tag
}

fn refuse(site: &Site, cause: Cause, detail: String) -> Refusal {
    Refusal {
        file: site.file.clone(),
        line: site.line,
        column: site.column,
        cause,
        detail,
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let needle = text.as_bytes();
    let Some(&first) = needle.first() else {
        return true;
    };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| b == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
