//! Names of images as people and manifests write them: `registry.example.com/team/app:1.2`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Failure;
use crate::reason::Reason;

/// The registry that an image without a registry comes from.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// The longest repository path.
const MAX_REPOSITORY: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// An image without tag and digest: a registry and a repository in it.
///
/// Two spellings of the same image are equal: `nginx`, `library/nginx` and
/// `docker.io/library/nginx` are one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    registry: String,
    repository: String,
}

/// Why a text is not the name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there.
    #[error("the image name is empty")]
    Empty,
    /// `https://` and friends.
    #[error("an image name has no scheme: leave out everything up to `://`")]
    Scheme,
    /// `name:tag` where only a name is allowed.
    #[error("the image name carries the tag `{0}`; name the repository only")]
    HasTag(String),
    /// `name@digest` where only a name is allowed.
    #[error("the image name carries a digest; name the repository only")]
    HasDigest,
    /// The part before the first slash is not a host with an optional port.
    #[error("`{0}` is not the host of a registry")]
    Registry(String),
    /// The part after the host.
    #[error("`{0}` is not a repository: lower-case letters, digits, `.`, `_`, `-` and `/`")]
    Repository(String),
    /// What follows the colon.
    #[error("`{0}` is not a tag: up to 128 letters, digits, `.`, `_` and `-`")]
    Tag(String),
    /// What follows the `@`.
    #[error("`{0}` is not a digest such as `sha256:` with 64 hexadecimal digits")]
    Digest(String),
}

impl NameError {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        Reason::InvalidImage
    }

    /// As a failure with its detail.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }
}

impl ImageName {
    /// Reads a name. A tag or a digest is refused.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let reference = Reference::parse(text)?;
        if reference.digest.is_some() {
            return Err(NameError::HasDigest);
        }
        match reference.tag {
            Some(tag) => Err(NameError::HasTag(tag.into())),
            None => Ok(reference.name),
        }
    }

    /// Host and optional port of the registry, lower case; `docker.io` where none was written.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The last part of the repository, such as `nginx`.
    pub fn base_name(&self) -> &str {
        self.repository
            .rsplit('/')
            .next()
            .unwrap_or(&self.repository)
    }

    fn from_written(written: &str) -> Result<Self, NameError> {
        if written.is_empty() {
            return Err(NameError::Empty);
        }
        let (registry, path) = match written.split_once('/') {
            Some((first, rest)) if names_a_host(first) => (first.to_ascii_lowercase(), rest),
            _ => (DEFAULT_REGISTRY.to_owned(), written),
        };
        if !is_registry(&registry) {
            return Err(NameError::Registry(clip(&registry)));
        }
        let registry = match registry.as_str() {
            "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.to_owned(),
            _ => registry,
        };
        let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if repository.len() > MAX_REPOSITORY || !repository.split('/').all(is_path_component) {
            return Err(NameError::Repository(clip(path)));
        }
        Ok(Self {
            registry,
            repository,
        })
    }
}

/// In full, such as `docker.io/library/nginx`.
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl TryFrom<String> for ImageName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.to_string()
    }
}

/// A tag. Ordered by its bytes, which says nothing about versions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Reads a tag: up to 128 letters, digits, `.`, `_` and `-`, none of the last two first.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= MAX_TAG {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Tag(clip(text)))
        }
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Tag {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// The digest of a manifest, such as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Reads a digest: SHA-256 or SHA-512, lower-case hexadecimal.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let length = match text.split_once(':') {
            Some(("sha256", hex)) => (hex.len() == 64).then_some(hex),
            Some(("sha512", hex)) => (hex.len() == 128).then_some(hex),
            _ => None,
        };
        match length {
            Some(hex) if hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NameError::Digest(clip(text))),
        }
    }

    /// The digest with its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// What a policy wants Git to name of an image: a tag, perhaps with the digest that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The tag.
    pub tag: Tag,
    /// The digest, where it is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl From<Tag> for Version {
    fn from(tag: Tag) -> Self {
        Self { tag, digest: None }
    }
}

/// As it is written behind the name and a colon: `1.2`, or `1.2@sha256:` and the digits.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tag)?;
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// What a manifest names: an image, perhaps with a tag, perhaps with a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The image.
    pub name: ImageName,
    /// The tag, where one is written.
    pub tag: Option<Tag>,
    /// The digest, where one is written.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference as a manifest writes it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (written, tag, digest) = split(text)?;
        Ok(Self {
            name: ImageName::from_written(written)?,
            tag: tag.map(Tag::parse).transpose()?,
            digest: digest.map(Digest::parse).transpose()?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Name, tag and digest as they are written; the tag is what follows a colon after the last slash.
pub(crate) fn split(text: &str) -> Result<(&str, Option<&str>, Option<&str>), NameError> {
    if text.contains("://") {
        return Err(NameError::Scheme);
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let name_at = rest.rfind('/').map_or(0, |at| at + 1);
    match rest[name_at..].split_once(':') {
        Some((base, tag)) => Ok((&rest[..name_at + base.len()], Some(tag), digest)),
        None => Ok((rest, None, digest)),
    }
}

/// Whether the part before the first slash is a host and not the first part of a repository.
fn names_a_host(first: &str) -> bool {
    first.contains('.') || first.contains(':') || first == "localhost"
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (address, None),
            Some((address, port)) => match port.strip_prefix(':') {
                Some(port) => (address, Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host_is_valid = if text.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
    };
    let port_is_valid = port.is_none_or(|port| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    host_is_valid && port_is_valid
}

/// Runs of lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn is_path_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(word) && text.bytes().next_back().is_some_and(word);
    ends && text
        .split(|c: char| c.is_ascii() && word(c as u8))
        .all(|join| matches!(join, "" | "." | "_" | "__") || join.bytes().all(|b| b == b'-'))
}

/// The start of a text for a message.
fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        ImageName::parse(text).unwrap()
    }

    #[test]
    fn a_registry_with_a_port_is_told_from_a_tag() {
        let image = name("registry.example.com:5000/team/app");
        assert_eq!(image.registry(), "registry.example.com:5000");
        assert_eq!(image.repository(), "team/app");
        assert_eq!(image.base_name(), "app");
        let image = name("localhost:5000/app");
        assert_eq!(
            (image.registry(), image.repository()),
            ("localhost:5000", "app")
        );
        assert_eq!(name("[::1]:5000/app").registry(), "[::1]:5000");
    }

    #[test]
    fn all_spellings_of_an_image_of_docker_hub_are_one_name() {
        for text in [
            "nginx",
            "library/nginx",
            "docker.io/nginx",
            "index.docker.io/library/nginx",
            "registry-1.docker.io/library/nginx",
        ] {
            assert_eq!(name(text).to_string(), "docker.io/library/nginx", "{text}");
        }
        assert_eq!(name("team/app").to_string(), "docker.io/team/app");
        assert_eq!(name("GHCR.io/team/app"), name("ghcr.io/team/app"));
    }

    #[test]
    fn a_name_with_a_tag_or_a_digest_is_refused_with_what_is_wrong() {
        let digest = format!("app@sha256:{}", "a".repeat(64));
        assert_eq!(
            ImageName::parse("app:1.2"),
            Err(NameError::HasTag("1.2".into()))
        );
        assert_eq!(ImageName::parse(&digest), Err(NameError::HasDigest));
        assert_eq!(ImageName::parse("https://a.io/app"), Err(NameError::Scheme));
        assert_eq!(ImageName::parse(""), Err(NameError::Empty));
        for text in [
            "App",
            "a.io/",
            "a.io/a//b",
            "a.io/-a",
            "a.io/a b",
            "a.io/a._b",
            "{{ x }}",
        ] {
            assert!(
                matches!(ImageName::parse(text), Err(NameError::Repository(_))),
                "{text}"
            );
        }
        for text in [
            "a.io:0/app",
            "a.io:70000/app",
            "a..io/app",
            "-a.io/app",
            "[x]:1/app",
        ] {
            assert!(
                matches!(ImageName::parse(text), Err(NameError::Registry(_))),
                "{text}"
            );
        }
        assert_eq!(NameError::Empty.failure().reason, Reason::InvalidImage);
    }

    #[test]
    fn a_reference_keeps_tag_and_digest_apart() {
        let hex = "0".repeat(64);
        let full = Reference::parse(&format!("a.io:5000/b/c:1.2@sha256:{hex}")).unwrap();
        assert_eq!(full.name.to_string(), "a.io:5000/b/c");
        assert_eq!(full.tag, Some(Tag::parse("1.2").unwrap()));
        assert_eq!(full.to_string(), format!("a.io:5000/b/c:1.2@sha256:{hex}"));
        assert!(matches!(
            Reference::parse("app@sha256:12"),
            Err(NameError::Digest(_))
        ));
        assert!(matches!(Reference::parse("app:"), Err(NameError::Tag(_))));
    }

    #[test]
    fn bad_b56_a_tag_of_129_characters_or_with_a_plus_is_no_tag() {
        assert!(Tag::parse(&"a".repeat(128)).is_ok());
        for text in ["", ".a", "-a", "1.2.3+b", "a b", &"a".repeat(129)] {
            assert!(Tag::parse(text).is_err(), "{text}");
        }
    }
}
