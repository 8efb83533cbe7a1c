//! Markers that say which policy owns a value: `# {"$imagepolicy": "namespace:name:tag"}` behind
//! it, as Flux has them.
//!
//! It reads the comment alone; which value it stands at is for [`edit`](mod@crate::image::edit) to say.

use serde_json::Value;

use crate::record::Name;

/// What every comment that is a marker contains.
pub const KEY: &str = "$imagepolicy";

/// Which part of the image's reference the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of it: `name:tag`, or `name:tag@digest`.
    Reference,
    /// `:name`, the image without tag and digest.
    Name,
    /// `:tag`.
    Tag,
    /// `:digest`.
    Digest,
}

/// A marker that could be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker {
    /// The policy that it names.
    pub policy: Name,
    /// Which part of the reference stands there.
    pub part: Part,
}

/// Why a comment that looks like a marker is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// No JSON object, or not one alone.
    #[error(
        "the marker is not one JSON object such as `{{\"$imagepolicy\": \"namespace:name\"}}`: {0}"
    )]
    Json(String),
    /// The value of the key is not a text.
    #[error("the value of `$imagepolicy` is not a text")]
    NotText,
    /// The key stands twice.
    #[error("the marker names several policies; a value has one")]
    Several,
    /// Something else than `namespace:name`, and perhaps `:tag`, `:name` or `:digest`.
    #[error(
        "the marker says `{0}`, which is not `namespace:name`, perhaps with `:tag`, `:name` or `:digest`"
    )]
    Policy(String),
}

/// Reads the text of a comment without its `#`. `None` where it is no marker at all.
///
/// It is meant as one where it begins as a JSON object and contains [`KEY`], or has the quoted key
/// in braces somewhere: a sentence about markers is none.
pub fn parse(comment: &str) -> Option<Result<Marker, MarkerError>> {
    let text = comment.trim_matches(|c: char| c == '#' || c.is_whitespace());
    let is_meant = match text.strip_prefix('{') {
        Some(rest) => rest.contains(KEY),
        None => text.contains('{') && text.contains("\"$imagepolicy\""),
    };
    is_meant.then(|| read(text))
}

/// How a marker writes the name of a policy.
pub(crate) fn written(policy: &Name) -> String {
    format!("{}:{}", policy.namespace, policy.name)
}

/// The comment that makes a policy the owner of the value before it.
pub fn comment(policy: &Name, part: Part) -> String {
    let suffix = match part {
        Part::Reference => "",
        Part::Name => ":name",
        Part::Tag => ":tag",
        Part::Digest => ":digest",
    };
    format!("# {{\"{KEY}\": \"{}{suffix}\"}}", written(policy))
}

fn read(text: &str) -> Result<Marker, MarkerError> {
    if text.matches(KEY).nth(1).is_some() {
        return Err(MarkerError::Several);
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| MarkerError::Json(error.to_string()))?;
    let value = value
        .get(KEY)
        .ok_or_else(|| MarkerError::Json(format!("the object has no key `{KEY}`")))?;
    let policy = value.as_str().ok_or(MarkerError::NotText)?;
    let wrong = || MarkerError::Policy(policy.chars().take(200).collect());
    let mut parts = policy.split(':');
    let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let part = match (parts.next(), parts.next()) {
        (None, _) => Part::Reference,
        (Some("name"), None) => Part::Name,
        (Some("tag"), None) => Part::Tag,
        (Some("digest"), None) => Part::Digest,
        _ => return Err(wrong()),
    };
    if !is_name(namespace) || !is_name(name) {
        return Err(wrong());
    }
    Ok(Marker {
        policy: Name::new(namespace, name),
        part,
    })
}

/// Whether Kubernetes could have an object of that name.
fn is_name(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_names_a_policy_and_a_part() {
        for (text, part) in [
            (r#" {"$imagepolicy": "apps:web"}"#, Part::Reference),
            (r#"{"$imagepolicy":"apps:web:tag"}  "#, Part::Tag),
            (r#"# {"$imagepolicy": "apps:web:name", "x": 1}"#, Part::Name),
            (
                r#" {"x": {}, "$imagepolicy": "apps:web:digest"}"#,
                Part::Digest,
            ),
        ] {
            let policy = Name::new("apps", "web");
            assert_eq!(parse(text), Some(Ok(Marker { policy, part })), "{text}");
        }
        for text in [
            " about `$imagepolicy` markers",
            " {x}",
            "",
            " TODO: {$imagepolicy}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn bad_b60_a_marker_that_cannot_be_read_says_why() {
        for (text, expected) in [
            (r#"{"$imagepolicy": "apps:web""#, "not one JSON object"),
            (r"{'$imagepolicy': 'apps:web'}", "not one JSON object"),
            (r#"web {"$imagepolicy": "apps:web"}"#, "not one JSON object"),
            (r#"{"a": "$imagepolicy"}"#, "no key"),
            (r#"{"$imagepolicy": 3}"#, "not a text"),
            (
                r#"{"$imagepolicy": "a:b", "$imagepolicy": "a:c"}"#,
                "several",
            ),
            (
                r#"{"$imagepolicy": "a:b"} {"$imagepolicy": "a:c"}"#,
                "several",
            ),
            (r#"{"$imagepolicy": "web"}"#, "says `web`"),
            (
                r#"{"$imagepolicy": "apps:web:latest"}"#,
                "says `apps:web:latest`",
            ),
            (r#"{"$imagepolicy": "apps:web:tag:x"}"#, "says"),
            (r#"{"$imagepolicy": ":web"}"#, "says"),
            (r#"{"$imagepolicy": "Apps:web"}"#, "says"),
        ] {
            let error = parse(text).unwrap().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
