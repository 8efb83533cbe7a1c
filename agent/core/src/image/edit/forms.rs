//! The forms in which a file names an image: references, Kustomize and Helm values.

use super::sites::{Entries, Step, Walk, entry, has_text, text_in, written};
use super::{By, Cause, Holds, Kind, Missing, Spot};
use crate::image::reference::{Digest, Reference, Tag, split};
use crate::manifest::yaml::tree::{Node, Position, Scalar, Style};

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

/// Tag and digest of a scalar that says `tag`, `tag@digest` or nothing.
pub(super) fn version_of(text: &str) -> Result<(Option<Tag>, Option<Digest>), String> {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (text, None),
    };
    let tag = (!tag.is_empty()).then(|| Tag::parse(tag)).transpose();
    let digest = digest.map(Digest::parse).transpose();
    Ok((
        tag.map_err(|error| error.to_string())?,
        digest.map_err(|error| error.to_string())?,
    ))
}

impl<'a> Walk<'a> {
    /// A value that is a whole reference, or a text that mentions one.
    pub(super) fn reference(
        &mut self,
        key: &str,
        value: &'a Node,
        siblings: &'a Entries,
        path: &[Step<'a>],
    ) {
        let Some(target) = self.resolve(value) else {
            return;
        };
        let Ok(reference) = Reference::parse(&target.value) else {
            self.mention(value, target, path);
            return;
        };
        if reference.name != *self.wanted.image {
            return;
        }
        let Ok((name, ..)) = split(&target.value) else {
            return;
        };
        let for_an_image = key.to_ascii_lowercase().ends_with("image");
        if reference.tag.is_none() && reference.digest.is_none() {
            if key == "image" && !self.ours && entry(siblings, "tag").is_none() {
                let detail = format!(
                    "{} has no tag, so whatever is `latest` runs; write one",
                    self.wanted.image
                );
                let missing = self.instead(value, target, &format!("{name}:"));
                self.refuse_missing(value.at(), Cause::NoTag, detail, missing);
            }
        } else if (name.contains('/') || for_an_image) && !self.is_marked(value) {
            let holds = Holds::Reference(name.to_owned());
            let scalars = [(value, holds, written(path))];
            self.place(By::Name, Kind::Reference, reference, &scalars);
        }
    }

    /// A longer text that names the image with a tag is left alone, and said to be.
    fn mention(&mut self, value: &'a Node, target: &'a Scalar, path: &[Step<'a>]) {
        let name = self.wanted.image.to_string();
        let mut rest = target.value.as_str();
        while let Some(at) = rest.find(&name) {
            rest = &rest[at + name.len()..];
            if rest.starts_with([':', '@']) {
                let detail = format!(
                    "`{}` names {name} inside a longer text, which is not edited",
                    written(path)
                );
                self.refuse(value.at(), Cause::Text, detail);
                return;
            }
        }
    }

    /// The entries of a Kustomize `images:` list.
    pub(super) fn kustomize(&mut self, list: &'a Node, path: &mut Vec<Step<'a>>) {
        let Node::Sequence { items, .. } = list else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let Node::Mapping { entries, .. } = item else {
                path.push(Step::Index(index));
                self.override_of(item, path);
                path.pop();
                continue;
            };
            let Some(name) = self.text_of(entries, "name") else {
                continue;
            };
            let is_entry = ["newName", "newTag", "digest", "tagSuffix"]
                .iter()
                .any(|key| entry(entries, key).is_some());
            let name = self.text_of(entries, "newName").unwrap_or(name);
            if !is_entry || !self.is_the_image(name) {
                continue;
            }
            path.push(Step::Index(index));
            self.version_in(entries, "newTag", Kind::Kustomize, path);
            path.pop();
        }
    }

    /// `name=new:tag` or `name:tag` in a list, as the `spec.kustomize.images` of an Application has
    /// it.
    fn override_of(&mut self, value: &'a Node, path: &[Step<'a>]) {
        let Some(target) = self.resolve(value) else {
            return;
        };
        let start = target.value.find('=').map_or(0, |at| at + 1);
        let text = &target.value[start..];
        let (Ok(reference), Ok((name, tag, digest))) = (Reference::parse(text), split(text)) else {
            return;
        };
        let names_a_version = tag.is_some() || digest.is_some();
        let is_plain_word = start == 0 && !name.contains('/');
        if reference.name != *self.wanted.image
            || !names_a_version
            || is_plain_word
            || self.is_marked(value)
        {
            return;
        }
        let holds = Holds::Reference(format!("{}{name}", &target.value[..start]));
        let scalars = [(value, holds, written(path))];
        self.place(By::Name, Kind::Reference, reference, &scalars);
    }

    /// `tag` beside what names the image, as the values of Helm charts have it.
    pub(super) fn values(&mut self, entries: &'a Entries, path: &mut Vec<Step<'a>>) {
        let names = self.names_beside(entries);
        let here = names.iter().any(|name| self.is_the_image(name));
        let elsewhere = names.is_empty()
            && self.text_of(entries, "tag").is_some()
            && self.surroundings.maps.contains(&written(path));
        if here || elsewhere {
            self.version_in(entries, "tag", Kind::Values, path);
        }
    }

    pub(super) fn names_beside(&self, entries: &'a Entries) -> Vec<String> {
        names_beside(entries, &self.registries, |node| self.resolve(node))
    }

    /// Tag and digest of a map that is known to name the image.
    fn version_in(
        &mut self,
        entries: &'a Entries,
        key: &'static str,
        kind: Kind,
        path: &mut Vec<Step<'a>>,
    ) {
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
        let tag_node = entry(entries, key);
        let tag = tag_node.and_then(|node| self.resolve(node));
        let digest_node = entry(entries, "digest").filter(|node| {
            let scalar = self.resolve(node);
            // An empty one without quotes has no bytes to write to.
            scalar.is_some_and(|s| !text_in(s).is_empty() || s.style != Style::Plain)
        });
        for node in [tag_node, digest_node].into_iter().flatten() {
            if self.is_marked(node) {
                return;
            }
        }
        let read = |walk: &Self, node: Option<&'a Node>| {
            let scalar = node.and_then(|node| walk.resolve(node));
            scalar.map_or("", text_in)
        };
        let (tag_text, digest_text) = (read(self, tag_node), read(self, digest_node));
        let parsed = version_of(tag_text).and_then(|(tag, pinned)| match digest_text {
            "" => Ok((tag, pinned)),
            text if pinned.is_none() => match Digest::parse(text) {
                Ok(digest) => Ok((tag, Some(digest))),
                Err(error) => Err(error.to_string()),
            },
            _ => Err("a digest stands behind the tag and in `digest`; remove one".to_owned()),
        });
        let (current_tag, current_digest) = match parsed {
            Ok(parsed) => parsed,
            Err(detail) => {
                let at = tag_node.or(digest_node).map(Node::at);
                self.refuse(at.unwrap_or(start(entries)), Cause::NotATag, detail);
                return;
            }
        };
        if current_tag.is_none() && current_digest.is_none() {
            let detail = format!("{} has no `{key}` here; write one", self.wanted.image);
            let (at, missing) = match (tag_node, tag) {
                (Some(node), Some(tag)) if !tag.bytes.is_empty() => {
                    (node.at(), self.instead(node, tag, ""))
                }
                (Some(_), _) => (start(entries), self.behind(entries, key)),
                _ => (start(entries), self.below(entries, key)),
            };
            self.refuse_missing(at, Cause::NoTag, detail, missing);
            return;
        }
        let current = Reference {
            name: self.wanted.image.clone(),
            tag: current_tag,
            digest: current_digest,
        };
        let at = |path: &mut Vec<Step<'a>>, key| {
            path.push(Step::Key(key));
            let text = written(path);
            path.pop();
            text
        };
        let mut scalars = Vec::with_capacity(2);
        if let Some(node) = tag_node.filter(|_| !tag_text.is_empty()) {
            let holds = match digest_node {
                Some(_) if !tag_text.contains('@') => Holds::Tag,
                _ => Holds::TagAndDigest,
            };
            scalars.push((node, holds, at(path, key)));
        }
        if let Some(node) = digest_node.filter(|_| !tag_text.contains('@')) {
            scalars.push((node, Holds::Digest, at(path, "digest")));
        }
        self.place(By::Name, kind, current, &scalars);
    }

    /// The line of a value as it should read.
    fn instead(&self, value: &Node, target: &Scalar, prefix: &str) -> Option<Missing> {
        let is_here = matches!(value, Node::Scalar(_)) && target.style != Style::Block;
        let line = self.line(target.at.line);
        let start = line.char_indices().nth(target.at.column - 1);
        let start = start.map_or(line.len(), |(at, _)| at);
        let length = target.bytes.len();
        if !is_here || length == 0 || !line.is_char_boundary(start + length) {
            return None;
        }
        Some(Missing {
            line: target.at.line,
            spot: Spot::Instead,
            before: line[..start].to_owned(),
            prefix: prefix.to_owned(),
            style: target.style,
            after: line.get(start + length..)?.to_owned(),
        })
    }

    /// The line of a key without a value, with one.
    fn behind(&self, entries: &'a Entries, key: &str) -> Option<Missing> {
        let (key, _) = entries.iter().find(|(found, _)| has_text(found, key))?;
        let line = self.line(key.at().line);
        let colon = line.char_indices().skip(key.at().column - 1);
        let (colon, _) = colon.into_iter().find(|(_, c)| *c == ':')?;
        let after = line[colon + 1..].trim_end();
        let is_plain = after.is_empty() || after.trim_start().starts_with('#');
        is_plain.then(|| Missing {
            line: key.at().line,
            spot: Spot::Instead,
            before: format!("{} ", &line[..=colon]),
            prefix: String::new(),
            style: Style::DoubleQuoted,
            after: after.to_owned(),
        })
    }

    /// A new line for a key of a map in block style.
    fn below(&self, entries: &'a Entries, key: &str) -> Option<Missing> {
        let first = start(entries);
        let line = self.line(first.line);
        let before = line.chars().take(first.column - 1);
        if !before.clone().all(|c| matches!(c, ' ' | '-' | '?')) {
            return None;
        }
        let named = ["repository", "newName", "name", "image"];
        let named = named.iter().find_map(|name| entry(entries, name))?;
        Some(Missing {
            line: named.at().line,
            spot: Spot::Below,
            before: format!("{}{key}: ", " ".repeat(first.column - 1)),
            prefix: String::new(),
            style: Style::DoubleQuoted,
            after: String::new(),
        })
    }
}

/// What a map of values may name as its image, as it is written first; empty where it names none.
pub(super) fn names_beside<'a>(
    entries: &'a Entries,
    registries: &[String],
    resolve: impl Fn(&'a Node) -> Option<&'a Scalar>,
) -> Vec<String> {
    let text_of = |key| {
        let text = entry(entries, key).and_then(&resolve).map(text_in)?;
        (!text.is_empty()).then_some(text)
    };
    let registry = text_of("registry");
    let has_tag = entry(entries, "tag").is_some();
    let name = text_of("repository")
        .or_else(|| text_of("image").filter(|_| has_tag))
        .or_else(|| {
            let name = text_of("name").filter(|_| has_tag)?;
            (registry.is_some() || name.contains('/')).then_some(name)
        });
    let Some(name) = name else {
        return Vec::new();
    };
    let below = |registry: &str| format!("{}/{name}", registry.trim_end_matches('/'));
    let mut names = vec![registry.map_or_else(|| name.to_owned(), below)];
    names.extend(registries.iter().map(|registry| below(registry)));
    names
}

/// Where a map begins.
fn start(entries: &Entries) -> Position {
    entries
        .first()
        .map_or(Position { line: 0, column: 0 }, |(key, _)| key.at())
}
