//! Which tags a policy looks at, and which text of each is compared.
//!
//! ```text
//! tag -> attachment? -> exclude -> match -> suffix -> value (extracted, else the tag, without suffix)
//! ```

mod pattern;
mod template;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

pub use pattern::{Pattern, PatternError};
pub use template::{Template, TemplateError};

use crate::image::facts::Platform;
use crate::image::reference::Tag;

/// Tags that move by custom: they say which image is meant today, not which image it is.
const MOVING: [&str; 28] = [
    "alpha",
    "beta",
    "canary",
    "current",
    "dev",
    "devel",
    "develop",
    "development",
    "edge",
    "head",
    "latest",
    "lts",
    "main",
    "mainline",
    "master",
    "next",
    "nightly",
    "prod",
    "production",
    "rc",
    "release",
    "rolling",
    "snapshot",
    "stable",
    "staging",
    "testing",
    "trunk",
    "unstable",
];

/// What a tag has to be to be considered at all. The default lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What it has to match, and which part of it is compared.
    pub matching: Option<Matching>,
    /// None of these may match it.
    pub exclude: Vec<Pattern>,
    /// How it has to end; the rest is compared.
    pub suffix: Option<String>,
    /// What the image has to run on, all of it; anything where it is empty.
    pub platforms: BTreeSet<Platform>,
    /// How long ago the image has to be built, at least.
    pub min_age: Option<Duration>,
}

/// A pattern and what it takes out of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// What has to be found in the tag, anywhere in it unless it says otherwise.
    pub pattern: Pattern,
    /// What is compared in place of the tag.
    pub extract: Option<Template>,
}

/// What a filter makes of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sifted<'a> {
    /// It is considered; this is compared.
    Value(Cow<'a, str>),
    /// It is a signature, attestation or bill of materials of another image.
    Attachment,
    /// The pattern of this number in `exclude` matches.
    Excluded(usize),
    /// The pattern does not match.
    NoMatch,
    /// It does not end with the suffix.
    OtherFlavour,
}

impl Filter {
    /// What it makes of a tag.
    pub fn sift<'a>(&self, tag: &'a Tag) -> Sifted<'a> {
        let text = tag.as_str();
        if is_attachment(text) {
            return Sifted::Attachment;
        }
        let excluded = self.exclude.iter().position(|one| one.is_match(text));
        if let Some(index) = excluded {
            return Sifted::Excluded(index);
        }
        let mut value = Cow::Borrowed(text);
        if let Some(matching) = &self.matching {
            match &matching.extract {
                None if matching.pattern.is_match(text) => {}
                None => return Sifted::NoMatch,
                Some(template) => match template.expand(&matching.pattern, text) {
                    Some(extracted) => value = extracted,
                    None => return Sifted::NoMatch,
                },
            }
        }
        match &self.suffix {
            None => Sifted::Value(value),
            Some(suffix) if text.ends_with(suffix.as_str()) => {
                Sifted::Value(without_suffix(value, suffix))
            }
            Some(_) => Sifted::OtherFlavour,
        }
    }

    /// What of a tag is compared that Git names already, whether or not it is let through.
    pub fn value_of<'a>(&self, tag: &'a Tag) -> Cow<'a, str> {
        let whole = Cow::Borrowed(tag.as_str());
        let matching = self.matching.as_ref();
        let extracted = matching.and_then(|matching| {
            let template = matching.extract.as_ref()?;
            template.expand(&matching.pattern, tag.as_str())
        });
        let value = extracted.unwrap_or(whole);
        match &self.suffix {
            Some(suffix) => without_suffix(value, suffix),
            None => value,
        }
    }

    /// Whether the compared text is one that a person composed.
    pub fn extracts(&self) -> bool {
        let matching = self.matching.as_ref();
        matching.is_some_and(|matching| matching.extract.is_some())
    }

    /// Whether a tag is one that moves by custom, such as `latest`.
    pub fn moves(&self, tag: &Tag) -> bool {
        let text = tag.as_str();
        let suffix = self.suffix.as_deref().unwrap_or_default();
        let base = text.strip_suffix(suffix).unwrap_or(text);
        // No version begins with a letter but `v`.
        base.starts_with(|c: char| c.is_ascii_alphabetic())
            && (base.starts_with("latest-")
                || MOVING.iter().any(|word| base.eq_ignore_ascii_case(word)))
    }

    /// What a person should know of it although it is valid.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(matching) = &self.matching
            && let Some(open) = matching.pattern.open_ends()
        {
            warnings.push(format!(
                "`match`: `{}` is found anywhere in a tag; {open}",
                matching.pattern
            ));
        }
        warnings
    }
}

fn without_suffix<'a>(value: Cow<'a, str>, suffix: &str) -> Cow<'a, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_suffix(suffix).unwrap_or(text)),
        Cow::Owned(mut text) => {
            if text.ends_with(suffix) {
                text.truncate(text.len() - suffix.len());
            }
            Cow::Owned(text)
        }
    }
}

/// `sha256-<hex>` with or without an ending: what cosign and the referrers of OCI put beside an
/// image.
fn is_attachment(text: &str) -> bool {
    let (digest, length) = if let Some(digest) = text.strip_prefix("sha256-") {
        (digest, 64)
    } else if let Some(digest) = text.strip_prefix("sha512-") {
        // A tag is too short for all 128 digits.
        (digest, 121)
    } else {
        return false;
    };
    let hex = digest.split_once('.').map_or(digest, |(hex, _kind)| hex);
    hex.len() >= length.min(64) && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        Tag::parse(text).unwrap()
    }

    fn filter(pattern: &str, extract: Option<&str>) -> Filter {
        let pattern = Pattern::parse(pattern).unwrap();
        let extract = extract.map(|text| Template::parse(text, &pattern).unwrap());
        Filter {
            matching: Some(Matching { pattern, extract }),
            ..Filter::default()
        }
    }

    fn value(filter: &Filter, text: &str) -> Option<String> {
        match filter.sift(&tag(text)) {
            Sifted::Value(value) => Some(value.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn everything_but_attachments_passes_where_nothing_is_asked() {
        let all = Filter::default();
        assert_eq!(value(&all, "1.2.3").as_deref(), Some("1.2.3"));
        let hex = "a".repeat(64);
        for text in [
            format!("sha256-{hex}"),
            format!("sha256-{hex}.sig"),
            format!("sha256-{hex}.att"),
            format!("sha256-{hex}.sbom"),
            format!("sha512-{}", "a".repeat(121)),
        ] {
            assert_eq!(all.sift(&tag(&text)), Sifted::Attachment, "{text}");
        }
        assert!(value(&all, "sha256-abc").is_some());
        assert!(value(&all, "sha-abcdef0").is_some());
    }

    #[test]
    fn a_pattern_matches_anywhere_and_keeps_the_whole_tag_unless_it_extracts() {
        let plain = filter("rc", None);
        assert_eq!(value(&plain, "1.2.3-rc.1").as_deref(), Some("1.2.3-rc.1"));
        assert_eq!(plain.sift(&tag("1.2.3")), Sifted::NoMatch);
        let named = filter("^main-[a-f0-9]+-(?P<ts>[0-9]+)", Some("$ts"));
        assert_eq!(
            value(&named, "main-0a1b2c3-1700000000").as_deref(),
            Some("1700000000")
        );
        assert_eq!(value(&named, "dev-0a1b2c3-1700000000"), None);
    }

    #[test]
    fn a_suffix_chooses_the_flavour_and_is_not_compared() {
        let mut alpine = Filter {
            suffix: Some("-alpine".into()),
            ..Filter::default()
        };
        assert_eq!(value(&alpine, "1.2.3-alpine").as_deref(), Some("1.2.3"));
        assert_eq!(alpine.sift(&tag("1.2.3")), Sifted::OtherFlavour);
        assert_eq!(alpine.sift(&tag("1.2.3-alpine3.20")), Sifted::OtherFlavour);
        alpine.matching = filter("^v(?P<v>.*)$", Some("$v")).matching;
        assert_eq!(value(&alpine, "v1.2.3-alpine").as_deref(), Some("1.2.3"));
        alpine.matching = filter(r"^v(\d+)\.(\d+)", Some("$1.$2")).matching;
        assert_eq!(value(&alpine, "v1.2.3-alpine").as_deref(), Some("1.2"));
        assert_eq!(alpine.value_of(&tag("v1.2.3")), "1.2");
        assert_eq!(alpine.value_of(&tag("other-alpine")), "other");
    }

    #[test]
    fn an_exclusion_wins_over_a_match() {
        let mut some = filter("^1", None);
        some.exclude = vec![
            Pattern::parse("rc").unwrap(),
            Pattern::parse("-dev$").unwrap(),
        ];
        assert_eq!(some.sift(&tag("1.2-dev")), Sifted::Excluded(1));
        assert_eq!(some.sift(&tag("1.2-rc1")), Sifted::Excluded(0));
        assert_eq!(value(&some, "1.2-dev.1").as_deref(), Some("1.2-dev.1"));
    }

    #[test]
    fn words_that_move_are_known_with_and_without_their_flavour() {
        let plain = Filter::default();
        for text in [
            "latest",
            "Latest",
            "main",
            "nightly",
            "stable",
            "latest-arm64",
        ] {
            assert!(plain.moves(&tag(text)), "{text}");
        }
        for text in ["main-0a1b2c3-17", "1.2.3", "stable-1", "b42"] {
            assert!(!plain.moves(&tag(text)), "{text}");
        }
        let alpine = Filter {
            suffix: Some("-alpine".into()),
            ..Filter::default()
        };
        assert!(alpine.moves(&tag("stable-alpine")));
    }
}
