//! Walks the tree of a file and collects the places that name the version of one image.

use std::collections::HashMap;

use super::charts::{self, OfFile};
use super::marks::{Mark, Marks};
use super::{By, Cause, Found, Holds, Kind, Missing, Part, Refusal, Site, Wanted, scalar};
use crate::image::reference::{ImageName, Reference};
use crate::manifest::yaml::tree::{Document, Node, Position, Scalar, Style, Tagged};
use crate::names;

/// The entries of a map.
pub(super) type Entries = [(Node, Node)];

/// Finds the places in all documents of a file.
pub(super) fn search(
    file: &str,
    text: &str,
    documents: &[Document],
    wanted: &Wanted<'_>,
    marks: &Marks,
    surroundings: &OfFile,
) -> Found {
    let mut found = Found::default();
    found.refusals.extend(marks.refusals(file));
    found.marked = wanted.policy.is_some_and(|policy| marks.misplaces(policy));
    for (index, document) in documents.iter().enumerate() {
        let Some(root) = &document.root else { continue };
        let mut registries = surroundings.registries.clone();
        registries.extend(charts::registries(root));
        let mut walk = Walk {
            file,
            text,
            wanted,
            marks,
            registries,
            surroundings,
            document,
            number: index + 1,
            anchors: document.anchors(),
            ours: is_ours(root),
            sites: Vec::new(),
            aliases: Vec::new(),
            refusals: Vec::new(),
            marked: false,
        };
        walk.node(root, None, &mut Vec::new());
        walk.settle_aliases(&mut found);
    }
    let line = |refusal: &Refusal| (refusal.line, refusal.column);
    found.refusals.sort_by_key(line);
    found.sites.sort_by_key(|site| site.parts[0].bytes.start);
    found
}

/// One step of a path in a document.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A place that names a tag through an alias.
struct AliasUse {
    anchor: usize,
    at: Position,
    path: String,
}

pub(super) struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) marks: &'a Marks,
    /// Registries that `global` names.
    pub(super) registries: Vec<String>,
    pub(super) surroundings: &'a OfFile,
    document: &'a Document,
    /// Of the document, from 1.
    number: usize,
    anchors: HashMap<usize, &'a Node>,
    pub(super) ours: bool,
    /// With the anchor of their first scalar.
    sites: Vec<(Site, usize)>,
    aliases: Vec<AliasUse>,
    refusals: Vec<Refusal>,
    pub(super) marked: bool,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &'a Node, siblings: Option<&'a Entries>, path: &mut Vec<Step<'a>>) {
        match node {
            Node::Scalar(_) | Node::Alias { .. } => {
                if let Mark::Of(marker) = self.marks.at(node.at()) {
                    self.marker(marker, node, siblings, path);
                }
            }
            Node::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.node(item, None, path);
                    path.pop();
                }
            }
            Node::Mapping { entries, .. } => {
                self.values(entries, path);
                for (key, value) in entries {
                    let Some(key) = key.scalar() else { continue };
                    path.push(Step::Key(&key.value));
                    self.reference(&key.value, value, entries, path);
                    if key.value == "images" {
                        self.kustomize(value, path);
                    }
                    self.node(value, Some(entries), path);
                    path.pop();
                }
            }
        }
    }

    /// Whether no name may touch a value, because a marker stands at it. Says so, unless it is a
    /// marker of the policy itself or one that is reported already.
    pub(super) fn is_marked(&mut self, value: &Node) -> bool {
        match self.marks.at(value.at()) {
            Mark::None => false,
            Mark::Unusable => true,
            Mark::Of(marker) => {
                if Some(&marker.policy) != self.wanted.policy {
                    let detail = format!(
                        "{} is named here, and the marker gives the value to policy `{}`",
                        self.wanted.image, marker.policy
                    );
                    self.refuse(value.at(), Cause::MarkedForAnother, detail);
                }
                true
            }
        }
    }

    /// Takes scalars as one place, or says why they cannot be edited. The first is the one that
    /// people are told of.
    pub(super) fn place(
        &mut self,
        by: By,
        kind: Kind,
        current: Reference,
        scalars: &[(&'a Node, Holds, String)],
    ) {
        let cause = match by {
            By::Marker(_) => Cause::Marker,
            By::Name => Cause::Shared,
        };
        let mut parts = Vec::with_capacity(scalars.len());
        let mut first = None;
        for (value, holds, path) in scalars {
            let target = match value {
                Node::Scalar(target) => target,
                Node::Alias { anchor, at } if by == By::Name && scalars.len() == 1 => {
                    self.aliases.push(AliasUse {
                        anchor: *anchor,
                        at: *at,
                        path: path.clone(),
                    });
                    return;
                }
                other => {
                    let detail = format!(
                        "`{path}` is an alias of a value that stands elsewhere; write it here"
                    );
                    self.refuse(other.at(), cause, detail);
                    return;
                }
            };
            let uses = self.document.uses.get(&target.anchor).copied().unwrap_or(0);
            let settles_later = by == By::Name && first.is_none() && scalars.len() == 1;
            if target.anchor != 0 && uses > 0 && !settles_later {
                let detail = format!(
                    "`{path}` is shared through an anchor; write it at each place that uses it"
                );
                self.refuse(target.at, cause, detail);
                return;
            }
            match self.part(target, holds.clone(), path.clone()) {
                Ok(part) => parts.push(part),
                Err(detail) => {
                    let cause = match by {
                        By::Marker(_) => Cause::Marker,
                        By::Name => Cause::Notation,
                    };
                    self.refuse(target.at, cause, detail.to_owned());
                    return;
                }
            }
            first = first.or(Some((target, path)));
        }
        let Some((target, path)) = first else { return };
        let site = Site {
            file: self.file.to_owned(),
            document: self.number,
            line: target.at.line,
            column: target.at.column,
            path: path.clone(),
            kind,
            by,
            current,
            parts,
        };
        self.sites.push((site, target.anchor));
    }

    /// The bytes of a scalar that can be replaced.
    fn part(&self, target: &'a Scalar, holds: Holds, path: String) -> Result<Part, &'static str> {
        if target.tagged == Tagged::Other {
            return Err("the value has a YAML tag other than `!!str`; quote it instead");
        }
        let as_written = scalar::write(target.style, &target.value);
        // A block begins at its text, and ends where the next line does.
        let bytes = match target.style {
            Style::Block => target.bytes.start..target.bytes.start + target.value.len(),
            Style::Plain | Style::SingleQuoted | Style::DoubleQuoted => target.bytes.clone(),
        };
        let exact = self.text.get(bytes.clone()) == Some(as_written.as_str());
        let single = !target.value.contains(['\n', '\r']);
        if !exact || !single {
            return Err(
                "the value is a block of several lines or has escapes; write it on one line, \
                 plain or quoted",
            );
        }
        Ok(Part {
            bytes,
            style: target.style,
            string_by_tag: target.tagged == Tagged::String,
            line: target.at.line,
            path,
            old: target.value.clone(),
            holds,
        })
    }

    /// An anchored value may be edited only if every use of it is this image too, and a value that
    /// is an alias only if its anchor is a place.
    fn settle_aliases(mut self, found: &mut Found) {
        let mut shared = Vec::new();
        let mut kept: Vec<(Site, usize)> = Vec::new();
        for (site, anchor) in std::mem::take(&mut self.sites) {
            let uses = self.document.uses.get(&anchor).copied().unwrap_or(0);
            let ours = self
                .aliases
                .iter()
                .filter(|alias| alias.anchor == anchor)
                .count();
            if anchor != 0 && uses > ours {
                let at = Position {
                    line: site.line,
                    column: site.column,
                };
                let detail = format!(
                    "`{}` is shared through an anchor with values that are not this image",
                    site.path
                );
                self.refuse(at, Cause::Shared, detail);
                shared.push(anchor);
            } else {
                kept.push((site, anchor));
            }
        }
        for alias in std::mem::take(&mut self.aliases) {
            let editable = kept.iter().any(|(_, anchor)| *anchor == alias.anchor);
            if !editable && !shared.contains(&alias.anchor) {
                let detail = format!(
                    "`{}` is an alias of a value that stands elsewhere; write the tag here",
                    alias.path
                );
                self.refuse(alias.at, Cause::Shared, detail);
            }
        }
        kept.sort_by_key(|(site, _)| site.parts[0].bytes.start);
        kept.dedup_by_key(|(site, _)| site.parts[0].bytes.start);
        found.sites.extend(kept.into_iter().map(|(site, _)| site));
        found.refusals.append(&mut self.refusals);
        found.marked |= self.marked;
    }

    /// The scalar that a node is or is an alias of.
    pub(super) fn resolve(&self, node: &'a Node) -> Option<&'a Scalar> {
        match node {
            Node::Alias { anchor, .. } => self.anchors.get(anchor).and_then(|node| node.scalar()),
            node => node.scalar(),
        }
    }

    /// The text of a key, where it is one and not empty.
    pub(super) fn text_of(&self, entries: &'a Entries, key: &str) -> Option<&'a str> {
        let value = entry(entries, key)?;
        let text = text_in(self.resolve(value)?);
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn is_the_image(&self, text: &str) -> bool {
        ImageName::parse(text).is_ok_and(|name| name == *self.wanted.image)
    }

    pub(super) fn refuse(&mut self, at: Position, cause: Cause, detail: String) {
        self.refuse_missing(at, cause, detail, None);
    }

    pub(super) fn refuse_missing(
        &mut self,
        at: Position,
        cause: Cause,
        detail: String,
        missing: Option<Missing>,
    ) {
        self.refusals.push(Refusal {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            cause,
            detail,
            missing: missing.map(Box::new),
        });
    }

    /// A line of the file without its end.
    pub(super) fn line(&self, number: usize) -> &'a str {
        let line = self.text.lines().nth(number.saturating_sub(1));
        line.unwrap_or_default().trim_start_matches('\u{feff}')
    }
}

/// The text of a scalar; empty where it is null.
pub(super) fn text_in(scalar: &Scalar) -> &str {
    let is_null = scalar.style == Style::Plain
        && scalar.tagged == Tagged::No
        && matches!(&*scalar.value, "~" | "null" | "Null" | "NULL");
    if is_null { "" } else { &scalar.value }
}

pub(super) fn has_text(key: &Node, text: &str) -> bool {
    key.scalar().is_some_and(|scalar| scalar.value == text)
}

pub(super) fn entry<'a>(entries: &'a Entries, key: &str) -> Option<&'a Node> {
    entries
        .iter()
        .find(|(candidate, _)| has_text(candidate, key))
        .map(|(_, value)| value)
}

/// Whether a document is an object of ours: its `image` is a policy's, which has no tag.
fn is_ours(root: &Node) -> bool {
    let Node::Mapping { entries, .. } = root else {
        return false;
    };
    entry(entries, "apiVersion")
        .and_then(Node::scalar)
        .is_some_and(|version| {
            version
                .value
                .strip_prefix(names::GROUP)
                .is_some_and(|rest| rest.starts_with('/'))
        })
}

/// A path as people write it: `spec.containers[0].image`.
pub(super) fn written(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
            Step::Key(key) => {
                let plain = !key.is_empty()
                    && key
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
                if !plain {
                    text.extend(["[", &format!("{key:?}"), "]"]);
                } else if text.is_empty() {
                    text.push_str(key);
                } else {
                    text.extend([".", key]);
                }
            }
        }
    }
    text
}
