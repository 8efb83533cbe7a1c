//! Writes a version into the bytes of scalars, and proves that nothing else changed.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle};

use super::{Cause, Part, Refusal, Site, scalar};
use crate::image::reference::{Reference, Version};
use crate::manifest::yaml::tree;

/// One place of a file that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Line, from 1.
    pub line: usize,
    /// Where it is in the document.
    pub path: String,
    /// What it named.
    pub old: Reference,
    /// The version that it names now.
    pub new: Version,
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

/// An edit that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its number among the edits that were asked for, from 0.
    pub edit: usize,
    /// Why.
    pub refusal: Refusal,
}

/// A place and what it gets.
type Asked<'a> = (&'a Site, &'a Version);

/// Writes a version in one place.
pub fn edit(bytes: &[u8], site: &Site, version: &Version) -> Result<FileEdit, Refusal> {
    edit_all(bytes, &[(site, version)])
}

/// Writes versions in places of several files, all or none. Files in which nothing changes are left
/// out.
///
/// The places must come from a search of the same bytes.
///
/// # Errors
/// Every edit that cannot be made, in their order; of several that contradict each other all.
pub fn edit_files(
    files: &BTreeMap<String, Vec<u8>>,
    edits: &[(&Site, &Version)],
) -> Result<Vec<FileEdit>, Vec<Refused>> {
    let mut by_file: BTreeMap<&str, (Vec<usize>, Vec<Asked<'_>>)> = BTreeMap::new();
    for (number, (site, version)) in edits.iter().enumerate() {
        let (numbers, edits) = by_file.entry(&site.file).or_default();
        numbers.push(number);
        edits.push((site, version));
    }
    let (mut edited, mut refused) = (Vec::new(), Vec::new());
    for (file, (numbers, edits)) in by_file {
        let bytes = files.get(file).map(Vec::as_slice).unwrap_or_default();
        match edit_file(bytes, &edits) {
            Ok(edit) if edit.bytes != bytes => edited.push(edit),
            Ok(_) => {}
            Err(here) => refused.extend(here.into_iter().map(|one| Refused {
                edit: numbers[one.edit],
                refusal: one.refusal,
            })),
        }
    }
    if refused.is_empty() {
        return Ok(edited);
    }
    refused.sort_by_key(|one| one.edit);
    Err(refused)
}

/// Writes versions in several places of one file, all or none.
///
/// The places must come from a search of the same bytes. The result is proved: parsed again, it
/// differs in these values and in nothing else. A place that says the version already is left out
/// of the changes.
///
/// # Errors
/// The first edit that cannot be made.
pub fn edit_all(bytes: &[u8], edits: &[(&Site, &Version)]) -> Result<FileEdit, Refusal> {
    edit_file(bytes, edits).map_err(|mut refused| refused.swap_remove(0).refusal)
}

/// The same with every edit that cannot be made, of which there is one at least.
fn edit_file(bytes: &[u8], edits: &[(&Site, &Version)]) -> Result<FileEdit, Vec<Refused>> {
    let splices = splices(bytes, edits)?;
    let mut edited = Vec::with_capacity(bytes.len() + 16 * splices.len());
    let mut copied = 0;
    for splice in &splices {
        edited.extend_from_slice(&bytes[copied..splice.part.bytes.start]);
        edited.extend_from_slice(splice.written.as_bytes());
        copied = splice.part.bytes.end;
    }
    edited.extend_from_slice(&bytes[copied..]);
    prove(bytes, &edited, &splices).map_err(|refused| vec![refused])?;
    let mut changes: Vec<Change> = edits
        .iter()
        .filter(|(site, version)| !site.names(version))
        .map(|(site, version)| Change {
            line: site.line,
            path: site.path.clone(),
            old: site.current.clone(),
            new: (*version).clone(),
        })
        .collect();
    changes.sort_by_key(|change| change.line);
    changes.dedup();
    Ok(FileEdit {
        file: edits
            .first()
            .map(|(site, _)| site.file.clone())
            .unwrap_or_default(),
        bytes: edited,
        changes,
    })
}

/// New text for one scalar.
#[derive(Debug)]
pub(super) struct Splice<'a> {
    /// The number of the edit.
    edit: usize,
    site: &'a Site,
    part: &'a Part,
    /// The new value.
    value: String,
    /// As it is written.
    written: String,
}

/// What is to be written, in the order of the file, without those that change nothing; or every edit
/// that cannot be made.
pub(super) fn splices<'a>(
    bytes: &[u8],
    edits: &[(&'a Site, &Version)],
) -> Result<Vec<Splice<'a>>, Vec<Refused>> {
    let mut splices: Vec<Splice<'a>> = Vec::with_capacity(edits.len());
    let mut refused = Vec::new();
    for (edit, (site, version)) in edits.iter().enumerate() {
        match splices_of(edit, bytes, site, version) {
            Ok(own) => splices.extend(own),
            Err(refusal) => refused.push(Refused { edit, refusal }),
        }
    }
    splices.sort_by_key(|splice| splice.part.bytes.start);
    let at_one_place = |a: &Splice<'_>, b: &Splice<'_>| a.part.bytes.start == b.part.bytes.start;
    for here in splices.chunk_by(at_one_place) {
        let [first, rest @ ..] = here else { continue };
        let Some(other) = rest.iter().find(|other| other.value != first.value) else {
            continue;
        };
        let detail = format!(
            "one update wants `{}` here and another `{}`; let one policy own the value",
            first.value, other.value
        );
        // Which of them is right is not for us to guess.
        refused.extend(here.iter().map(|splice| Refused {
            edit: splice.edit,
            refusal: refuse(splice.site, Cause::Contested, detail.clone()),
        }));
    }
    if !refused.is_empty() {
        refused.sort_by_key(|one| one.edit);
        refused.dedup_by_key(|one| one.edit);
        return Err(refused);
    }
    splices.dedup_by_key(|splice| splice.part.bytes.start);
    Ok(splices)
}

/// What one edit writes.
fn splices_of<'a>(
    edit: usize,
    bytes: &[u8],
    site: &'a Site,
    version: &Version,
) -> Result<Vec<Splice<'a>>, Refusal> {
    if version.digest.is_none() && site.current.digest.is_some() {
        let detail = format!(
            "{} is pinned by digest here and `{version}` comes without one; let the policy pin \
             digests, or remove the digest",
            site.current.name
        );
        return Err(refuse(site, Cause::Digest, detail));
    }
    let mut splices = Vec::with_capacity(site.parts.len());
    for part in &site.parts {
        let Some(value) = part.value_for(version) else {
            let detail = format!("a digest belongs here and `{version}` comes without one");
            return Err(refuse(site, Cause::Digest, detail));
        };
        let old = scalar::write(part.style, &part.old);
        if bytes.get(part.bytes.clone()) != Some(old.as_bytes()) {
            let detail = "the file changed since it was searched; it is searched again";
            return Err(refuse(site, Cause::Stale, detail.to_owned()));
        }
        if value == part.old {
            continue;
        }
        let style = if part.string_by_tag {
            part.style
        } else {
            scalar::style_for(part.style, &value)
        };
        splices.push(Splice {
            edit,
            site,
            part,
            written: scalar::write(style, &value),
            value,
        });
    }
    Ok(splices)
}

/// Parses both files and accepts only if they differ in the values of the splices alone.
pub(super) fn prove(before: &[u8], after: &[u8], splices: &[Splice<'_>]) -> Result<(), Refused> {
    let Some(first) = splices.first() else {
        return Ok(());
    };
    let unproved = |splice: &Splice<'_>| {
        let detail = format!(
            "writing `{}` at `{}` would change more than this value; edit it by hand",
            splice.value, splice.part.path
        );
        Refused {
            edit: splice.edit,
            refusal: refuse(splice.site, Cause::Unproved, detail),
        }
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
    let mut left = splices.iter().peekable();
    for ((old, span), (new, _)) in before.iter().zip(&after) {
        let here = left.next_if(|splice| {
            let bytes = span.byte_range();
            matches!(old, Event::Scalar(..)) && bytes.is_some_and(|it| holds(&it, splice.part))
        });
        let same = match here {
            Some(splice) => is_only_the_value(old, new, &splice.value),
            None => old == new,
        };
        if !same {
            return Err(unproved(here.unwrap_or(first)));
        }
    }
    match left.next() {
        Some(splice) => Err(unproved(splice)),
        None => Ok(()),
    }
}

/// Whether a scalar is the one of a part; a block has more bytes than its text.
fn holds(bytes: &Range<usize>, part: &Part) -> bool {
    match part.style {
        tree::Style::Block => bytes.start == part.bytes.start && part.bytes.end <= bytes.end,
        tree::Style::Plain | tree::Style::SingleQuoted | tree::Style::DoubleQuoted => {
            *bytes == part.bytes
        }
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
        || (*style == ScalarStyle::Plain && *new_style == ScalarStyle::DoubleQuoted);
    text == value && same_style && anchor == new_anchor && tag == new_tag
}

fn refuse(site: &Site, cause: Cause, detail: String) -> Refusal {
    Refusal {
        file: site.file.clone(),
        line: site.line,
        column: site.column,
        cause,
        detail,
        missing: None,
    }
}
