//! Why a place is not edited, and what a person can do about it.

use std::fmt;

use super::scalar;
use crate::image::reference::Version;
use crate::manifest::yaml::tree::Style;
use crate::outcome::Failure;
use crate::reason::Reason;

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
    /// The image is pinned by digest, and what is to be written has none; or the other way round.
    Digest,
    /// The value is shared through an anchor with places that are not this image.
    Shared,
    /// The scalar is a block of several lines, has escapes or a YAML tag of its own.
    Notation,
    /// The image is named inside a longer text.
    Text,
    /// The same key stands twice in the map.
    DuplicateKey,
    /// A marker cannot be understood or obeyed.
    Marker,
    /// A marker of another policy, or of none that was asked for, stands at the value.
    MarkedForAnother,
    /// Two updates want different values in one scalar.
    Contested,
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
    /// What has to be written before the place can be edited, where that is known.
    pub missing: Option<Box<Missing>>,
}

impl Refusal {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        match self.cause {
            Cause::Encoding => Reason::YamlEncoding,
            Cause::Syntax => Reason::YamlSyntax,
            Cause::DuplicateKey => Reason::YamlDuplicateKey,
            Cause::Marker => Reason::SetterMarker,
            Cause::Template
            | Cause::NoTag
            | Cause::NotATag
            | Cause::Digest
            | Cause::Shared
            | Cause::Notation
            | Cause::Text
            | Cause::MarkedForAnother
            | Cause::Contested
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

    /// Whether it only informs: a template, an image without a tag, one inside a text or one that
    /// another policy's marker claims may well be meant.
    pub fn is_note(&self) -> bool {
        matches!(
            self.cause,
            Cause::Template | Cause::NoTag | Cause::Text | Cause::MarkedForAnother
        )
    }

    /// The detail with the exact line that has to be written for this version, where it is known.
    pub fn advice(&self, version: &Version) -> String {
        match &self.missing {
            None => self.to_string(),
            Some(missing) => format!("{self}: {}", missing.advice(version)),
        }
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

/// Where the line that is missing belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// A new line below that one.
    Below,
    /// In place of that one.
    Instead,
}

/// A line that has to be written before a place can be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The line in the file, from 1.
    pub line: usize,
    /// Where the new one belongs.
    pub spot: Spot,
    pub(super) before: String,
    pub(super) prefix: String,
    pub(super) style: Style,
    pub(super) after: String,
}

impl Missing {
    /// The whole line with its indentation, without a line end.
    pub fn text(&self, version: &Version) -> String {
        let value = format!("{}{version}", self.prefix);
        let value = scalar::write(scalar::style_for(self.style, &value), &value);
        format!("{}{value}{}", self.before, self.after)
    }

    /// What to do with it, for people.
    pub fn advice(&self, version: &Version) -> String {
        let text = self.text(version);
        match self.spot {
            Spot::Below => format!("add `{text}` below line {}", self.line),
            Spot::Instead => format!("write line {} as `{text}`", self.line),
        }
    }
}
