//! A file with the tags of an image: a tag per line, or a JSON object per line with what is known
//! of its image.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use syncline_core::image::{Digest, Examined, Facts, Pin, Platform, Tag};

use crate::cli::connection::plain;

/// The annotation with the time at which an image was built (OCI image annotations).
const CREATED: &str = "org.opencontainers.image.created";

/// The tags of a file.
#[derive(Debug)]
pub(super) struct TagFile {
    /// Name of the file, for messages.
    pub(super) name: String,
    /// The tags, in their order.
    pub(super) tags: Vec<Tag>,
    /// What is no tag; such lines are left out.
    pub(super) warnings: Vec<String>,
    lines: BTreeMap<Tag, usize>,
    known: BTreeMap<Tag, Known>,
}

/// What a line says of an image.
#[derive(Debug)]
struct Known {
    digest: Option<Digest>,
    facts: Facts,
}

/// A line with JSON.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    tag: String,
    #[serde(default)]
    created: Option<Timestamp>,
    #[serde(default)]
    digest: Option<Digest>,
    #[serde(default)]
    platforms: Vec<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl TagFile {
    /// Reads the lines; empty ones and those that begin with `#` say nothing.
    pub(super) fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let mut file = Self {
            name: name.to_owned(),
            tags: Vec::new(),
            warnings: Vec::new(),
            lines: BTreeMap::new(),
            known: BTreeMap::new(),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = if line.starts_with('{') {
                serde_json::from_str(line).with_context(|| format!("{name}:{number}"))?
            } else {
                Line {
                    tag: line.to_owned(),
                    ..Line::default()
                }
            };
            file.take(line, number);
        }
        Ok(file)
    }

    fn take(&mut self, line: Line, number: usize) {
        let tag = match Tag::parse(&line.tag) {
            Ok(tag) => tag,
            Err(error) => {
                let warning = format!("{}:{number}: {error}; it is left out", self.name);
                self.warnings.push(plain(&warning));
                return;
            }
        };
        let annotated = line.annotations.get(CREATED);
        let created = line.created.or_else(|| annotated?.parse().ok());
        let says_something = created.is_some()
            || line.digest.is_some()
            || !line.platforms.is_empty()
            || !line.annotations.is_empty();
        if says_something {
            let nothing = format!("sha256:{}", "0".repeat(64));
            let nothing = Digest::parse(&nothing).expect("64 digits are a digest");
            let facts = Facts {
                digest: line.digest.clone().unwrap_or(nothing),
                created,
                platforms: line.platforms.into_iter().collect(),
                labels: line.annotations,
            };
            let digest = line.digest;
            self.known.insert(tag.clone(), Known { digest, facts });
        }
        self.lines.entry(tag.clone()).or_insert(number);
        self.tags.push(tag);
    }

    /// The line that names a tag first.
    pub(super) fn line(&self, tag: &Tag) -> Option<usize> {
        self.lines.get(tag).copied()
    }

    /// What is known of images; without those whose digest would be written and is not known.
    pub(super) fn facts_for(&self, pin: Pin) -> BTreeMap<Tag, Examined> {
        let usable = self.known.iter().filter(|(_, known)| match pin {
            Pin::Tag => true,
            Pin::Digest => known.digest.is_some(),
        });
        usable
            .map(|(tag, known)| (tag.clone(), Examined::Facts(Arc::new(known.facts.clone()))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_and_json_lines_may_be_mixed() {
        let text = "\u{feff}# from the registry\r\n1.0.0\r\n\r\n{\"tag\": \"1.1.0\", \"platforms\": [\"linux/amd64\"]}\n";
        let file = TagFile::parse("tags.txt", text).unwrap();
        let tags: Vec<&str> = file.tags.iter().map(Tag::as_str).collect();
        assert_eq!(tags, ["1.0.0", "1.1.0"]);
        assert_eq!(file.line(&file.tags[1]), Some(4));
        assert_eq!(file.facts_for(Pin::Tag).len(), 1);
        assert!(file.facts_for(Pin::Digest).is_empty());
    }

    #[test]
    fn the_time_may_stand_in_the_annotations() {
        let line = r#"{"tag": "a", "annotations": {"org.opencontainers.image.created": "2026-01-31T12:00:00Z"}}"#;
        let file = TagFile::parse("tags.txt", line).unwrap();
        let facts = file.facts_for(Pin::Tag);
        let Some(Examined::Facts(facts)) = facts.get(&file.tags[0]) else {
            panic!("{facts:?}");
        };
        assert_eq!(facts.created, "2026-01-31T12:00:00Z".parse().ok());
    }

    #[test]
    fn bad_b56_what_is_no_tag_is_left_out_with_its_line() {
        let text = format!("v1.2\n1.2.3+b\nlatest\n{}\n", "a".repeat(129));
        let file = TagFile::parse("tags.txt", &text).unwrap();
        assert_eq!(file.tags.len(), 2);
        assert_eq!(file.warnings.len(), 2);
        assert!(file.warnings[0].starts_with("tags.txt:2: `1.2.3+b` is not a tag"));
        assert!(file.warnings[1].starts_with("tags.txt:4: "));
    }

    #[test]
    fn json_that_does_not_read_is_an_error_with_its_line() {
        for line in [
            "{\"tag\": 1}",
            "{\"tag\": \"a\"",
            "{\"tag\": \"a\", \"size\": 1}",
            "{\"created\": \"2026-01-31T12:00:00Z\"}",
            "{\"tag\": \"a\", \"created\": \"yesterday\"}",
            "{\"tag\": \"a\", \"digest\": \"sha256:1\"}",
            "{\"tag\": \"a\", \"platforms\": [\"linux\"]}",
        ] {
            let error = TagFile::parse("tags.txt", &format!("ok\n{line}")).unwrap_err();
            assert_eq!(error.to_string(), "tags.txt:2", "{line}");
        }
    }
}
