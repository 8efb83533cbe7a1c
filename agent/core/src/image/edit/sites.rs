//! Walks the tree of a file and collects the places that name a tag of one image.

use std::collections::HashMap;

use super::{Cause, Found, Kind, Refusal, Site, scalar};
use crate::image::reference::{ImageName, Reference, Tag, split};
use crate::manifest::yaml::tree::{Document, Node, Position, Scalar, Style, Tagged};
use crate::names;

/// Keys whose meaning depends on standing once in their map.
const KEYS: [&str; 8] = [
    "image",
    "repository",
    "registry",
    "tag",
    "digest",
    "name",
    "newName",
    "newTag",
];

/// Finds the places in all documents of a file.
pub(super) fn search(file: &str, text: &str, documents: &[Document], image: &ImageName) -> Found {
    let mut found = Found::default();
    for (index, document) in documents.iter().enumerate() {
        let Some(root) = &document.root else { continue };
        let mut walk = Walk {
            file,
            text,
            image,
            document: index + 1,
            anchors: document.anchors(),
            ours: is_ours(root),
            sites: Vec::new(),
            aliases: Vec::new(),
            refusals: Vec::new(),
        };
        walk.node(root, &mut Vec::new());
        walk.settle_aliases(document, &mut found);
    }
    found
        .refusals
        .sort_by_key(|refusal| (refusal.line, refusal.column));
    found
}

/// One step of a path in a document.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A place that names a tag through an alias.
struct AliasUse {
    anchor: usize,
    at: Position,
    path: String,
}

struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    image: &'a ImageName,
    document: usize,
    anchors: HashMap<usize, &'a Node>,
    ours: bool,
    /// With the anchor of their scalar.
    sites: Vec<(Site, usize)>,
    aliases: Vec<AliasUse>,
    refusals: Vec<Refusal>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &'a Node, path: &mut Vec<Step<'a>>) {
        match node {
            Node::Scalar(_) | Node::Alias { .. } => {}
            Node::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.node(item, path);
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
                    self.node(value, path);
                    path.pop();
                }
            }
        }
    }

    /// A value that is a whole reference.
    fn reference(
        &mut self,
        key: &str,
        value: &'a Node,
        siblings: &'a [(Node, Node)],
        path: &[Step<'a>],
    ) {
        let Some(target) = self.resolve(value) else {
            return;
        };
        let Ok(reference) = Reference::parse(&target.value) else {
            return;
        };
        if reference.name != *self.image {
            return;
        }
        let Ok((written, ..)) = split(&target.value) else {
            return;
        };
        let at = position_of(value, target);
        let for_an_image = key.to_ascii_lowercase().ends_with("image");
        let Some(tag) = reference.tag.filter(|_| reference.digest.is_none()) else {
            if reference.digest.is_some() {
                self.refuse(at, Cause::Digest, self.digest_detail());
            } else if key == "image" && !self.ours && entry(siblings, "tag").is_none() {
                let detail = format!(
                    "{} has no tag, so whatever is `latest` runs; write one",
                    self.image
                );
                self.refuse(at, Cause::NoTag, detail);
            }
            return;
        };
        if written.contains('/') || for_an_image {
            let prefix = format!("{written}:");
            self.place(value, target, Kind::Reference, prefix, tag, path);
        }
    }

    /// The entries of a Kustomize `images:` list.
    fn kustomize(&mut self, list: &'a Node, path: &mut Vec<Step<'a>>) {
        let Node::Sequence { items, .. } = list else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let Node::Mapping { entries, .. } = item else {
                continue;
            };
            let Some(name) = self.text_of(entries, "name") else {
                continue;
            };
            let new_name = self
                .text_of(entries, "newName")
                .filter(|text| !text.is_empty());
            let is_entry = ["newName", "newTag", "digest", "tagSuffix"]
                .iter()
                .any(|key| entry(entries, key).is_some());
            if !is_entry || !self.is_the_image(new_name.unwrap_or(name)) {
                continue;
            }
            path.push(Step::Index(index));
            self.tag_of(entries, "newTag", Kind::Kustomize, path);
            path.pop();
        }
    }

    /// `repository` and `tag` side by side, as the values of Helm charts have them.
    fn values(&mut self, entries: &'a [(Node, Node)], path: &mut Vec<Step<'a>>) {
        let registry = self
            .text_of(entries, "registry")
            .filter(|text| !text.is_empty());
        let by_repository =
            self.text_of(entries, "repository")
                .is_some_and(|repository| match registry {
                    Some(registry) => self
                        .is_the_image(&format!("{}/{repository}", registry.trim_end_matches('/'))),
                    None => self.is_the_image(repository),
                });
        let by_image = entry(entries, "tag").is_some()
            && self
                .text_of(entries, "image")
                .is_some_and(|image| self.is_the_image(image));
        if by_repository || by_image {
            self.tag_of(entries, "tag", Kind::Values, path);
        }
    }

    /// The tag of a map that is known to name the image.
    fn tag_of(
        &mut self,
        entries: &'a [(Node, Node)],
        key: &'static str,
        kind: Kind,
        path: &mut Vec<Step<'a>>,
    ) {
        let map_at = entries
            .first()
            .and_then(|(key, _)| key.scalar())
            .map(|key| key.at);
        let map_at = map_at.unwrap_or(Position { line: 0, column: 0 });
        for known in KEYS {
            let twice = entries
                .iter()
                .filter(|(key, _)| has_text(key, known))
                .nth(1);
            if let Some(second) = twice.and_then(|(key, _)| key.scalar()) {
                let detail = format!("the key `{known}` stands twice in the map");
                self.refuse(second.at, Cause::DuplicateKey, detail);
                return;
            }
        }
        if self
            .text_of(entries, "digest")
            .is_some_and(|digest| !digest.is_empty())
        {
            self.refuse(map_at, Cause::Digest, self.digest_detail());
            return;
        }
        let no_tag = |at: Position| {
            let detail = format!("{} has no `{key}` here; write one, quoted", self.image);
            (at, Cause::NoTag, detail)
        };
        let Some(value) = entry(entries, key) else {
            let (at, cause, detail) = no_tag(map_at);
            self.refuse(at, cause, detail);
            return;
        };
        let Some(target) = self.resolve(value) else {
            return;
        };
        let at = position_of(value, target);
        if target.value.is_empty() {
            let (at, cause, detail) = no_tag(at);
            self.refuse(at, cause, detail);
        } else if target.value.contains('@') {
            self.refuse(at, Cause::Digest, self.digest_detail());
        } else {
            match Tag::parse(&target.value) {
                Ok(tag) => {
                    path.push(Step::Key(key));
                    self.place(value, target, kind, String::new(), tag, path);
                    path.pop();
                }
                Err(error) => self.refuse(at, Cause::NotATag, error.to_string()),
            }
        }
    }

    /// Takes a scalar as a place, or says why it cannot be edited.
    fn place(
        &mut self,
        value: &'a Node,
        target: &'a Scalar,
        kind: Kind,
        prefix: String,
        current: Tag,
        path: &[Step<'a>],
    ) {
        if let Node::Alias { anchor, at } = value {
            self.aliases.push(AliasUse {
                anchor: *anchor,
                at: *at,
                path: written(path),
            });
            return;
        }
        let as_written = scalar::write(target.style, &target.value);
        let exact = self.text.get(target.bytes.clone()) == Some(as_written.as_str());
        if target.style == Style::Block || !exact {
            let detail =
                "the tag is in a block or has escapes; write it on one line, plain or quoted";
            self.refuse(target.at, Cause::Notation, detail.into());
            return;
        }
        if target.tagged == Tagged::Other {
            let detail = "the tag has a YAML tag other than `!!str`; quote it instead";
            self.refuse(target.at, Cause::Notation, detail.into());
            return;
        }
        let site = Site {
            file: self.file.to_owned(),
            image: self.image.clone(),
            document: self.document,
            line: target.at.line,
            column: target.at.column,
            path: written(path),
            current,
            kind,
            prefix,
            bytes: target.bytes.clone(),
            style: target.style,
            string_by_tag: target.tagged == Tagged::String,
        };
        self.sites.push((site, target.anchor));
    }

    /// An anchored value may be edited only if every use of it is this image too, and a value that
    /// is an alias only if its anchor is a place.
    fn settle_aliases(mut self, document: &Document, found: &mut Found) {
        let mut shared = Vec::new();
        let mut kept = Vec::new();
        for (site, anchor) in std::mem::take(&mut self.sites) {
            let uses = document.uses.get(&anchor).copied().unwrap_or(0);
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
        kept.sort_by_key(|(site, _)| site.bytes.start);
        kept.dedup_by_key(|(site, _)| site.bytes.start);
        found.sites.extend(kept.into_iter().map(|(site, _)| site));
        found.refusals.append(&mut self.refusals);
    }

    /// The scalar that a node is or is an alias of.
    fn resolve(&self, node: &'a Node) -> Option<&'a Scalar> {
        match node {
            Node::Alias { anchor, .. } => self.anchors.get(anchor).and_then(|node| node.scalar()),
            node => node.scalar(),
        }
    }

    fn text_of(&self, entries: &'a [(Node, Node)], key: &str) -> Option<&'a str> {
        let value = entry(entries, key)?;
        self.resolve(value).map(|scalar| scalar.value.as_str())
    }

    fn is_the_image(&self, text: &str) -> bool {
        ImageName::parse(text).is_ok_and(|name| name == *self.image)
    }

    fn digest_detail(&self) -> String {
        format!(
            "{} is pinned by digest here; remove the digest, or update it by hand",
            self.image
        )
    }

    fn refuse(&mut self, at: Position, cause: Cause, detail: String) {
        self.refusals.push(Refusal {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            cause,
            detail,
        });
    }
}

/// Where a value stands: at the alias, if it is one.
fn position_of(value: &Node, target: &Scalar) -> Position {
    match value {
        Node::Alias { at, .. } => *at,
        _ => target.at,
    }
}

fn has_text(key: &Node, text: &str) -> bool {
    key.scalar().is_some_and(|scalar| scalar.value == text)
}

fn entry<'a>(entries: &'a [(Node, Node)], key: &str) -> Option<&'a Node> {
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
fn written(path: &[Step<'_>]) -> String {
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
