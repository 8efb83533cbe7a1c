//! What a verified body says: URLs of a repository, and perhaps a branch. Nothing else is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The longest branch name that is passed on.
const BRANCH_LIMIT: usize = 255;

/// What to look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Spellings of the URL of one repository.
    pub(crate) urls: Vec<String>,
    /// The branch without `refs/heads/`; `None` where it is not said, or a tag was pushed.
    pub(crate) branch: Option<String>,
    /// The sender's id of the delivery, where it gave one.
    pub(crate) delivery: Option<String>,
}

/// The body is not what it should be. Carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the body is not a JSON object of the documented form")]
    Json,
    #[error("the body names no repository")]
    Repository,
    #[error("the form has no field `payload`")]
    Form,
}

/// A value that is used only if it is text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Other(IgnoredAny),
}

impl Field {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

type Fields = BTreeMap<String, Field>;

/// The part of a push event that is read
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads#push>).
#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: Option<Field>,
    repository: Fields,
}

/// Reads a push event of GitHub, Gitea or Forgejo, sent as JSON or as a form.
pub(crate) fn github(body: &[u8], content_type: &str) -> Result<Hint, Malformed> {
    let form = content_type.trim_start().to_ascii_lowercase();
    let unwrapped;
    let body = if form.starts_with("application/x-www-form-urlencoded") {
        let mut fields = form_urlencoded::parse(body);
        let field = fields
            .find(|(name, _)| name == "payload")
            .ok_or(Malformed::Form)?;
        unwrapped = field.1;
        unwrapped.as_bytes()
    } else {
        body
    };
    let mut push: Push = object(body)?;
    let urls: Vec<String> = ["clone_url", "html_url", "ssh_url"]
        .into_iter()
        .filter_map(|name| push.repository.remove(name)?.text())
        .collect();
    if urls.is_empty() {
        return Err(Malformed::Repository);
    }
    let branch = push
        .reference
        .and_then(Field::text)
        .and_then(|reference| branch(&reference));
    Ok(Hint {
        urls,
        branch,
        delivery: None,
    })
}

/// Reads `{"repository": "<url>", "branch": "...", "delivery": "..."}`; only the first is needed.
pub(crate) fn generic(body: &[u8]) -> Result<Hint, Malformed> {
    let mut fields: Fields = object(body)?;
    let mut text = |name: &str| fields.remove(name)?.text().filter(|text| !text.is_empty());
    Ok(Hint {
        urls: vec![text("repository").ok_or(Malformed::Repository)?],
        branch: text("branch").and_then(|name| {
            if name.starts_with("refs/") {
                branch(&name)
            } else {
                branch_name(&name)
            }
        }),
        delivery: text("delivery"),
    })
}

/// Reads an object; a list would be taken for the fields in their order.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::Json);
    }
    serde_json::from_slice(body).map_err(|_| Malformed::Json)
}

fn branch(reference: &str) -> Option<String> {
    reference.strip_prefix("refs/heads/").and_then(branch_name)
}

fn branch_name(name: &str) -> Option<String> {
    let fits = !name.is_empty() && name.len() <= BRANCH_LIMIT && !name.contains(char::is_control);
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &str = r#"{"ref": "refs/heads/main", "after": "0", "repository": {
        "id": 1.5e3, "clone_url": "https://git.example.com/acme/config.git", "ssh_url": 7,
        "html_url": "https://git.example.com/acme/config", "owner": {"name": ["acme"]}}}"#;

    #[test]
    fn a_push_names_urls_and_branch() {
        let hint = github(PUSH.as_bytes(), "application/json").unwrap();
        assert_eq!(hint.urls.len(), 2);
        assert_eq!(hint.branch.as_deref(), Some("main"));
    }

    #[test]
    fn a_push_sent_as_a_form_says_the_same() {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", PUSH)
            .finish();
        let hint = github(
            form.as_bytes(),
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        assert_eq!(hint, github(PUSH.as_bytes(), ""));
        let other = github(b"body=1", "application/x-www-form-urlencoded");
        assert_eq!(other, Err(Malformed::Form));
    }

    #[test]
    fn a_tag_or_a_strange_branch_is_no_branch() {
        for reference in [
            "\"refs/tags/v1\"".to_owned(),
            "\"main\"".to_owned(),
            "\"refs/heads/\"".to_owned(),
            "\"refs/heads/a\\u001b[31m\"".to_owned(),
            format!("\"refs/heads/{}\"", "a".repeat(256)),
            "7".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
        ] {
            let body = format!(r#"{{"ref": {reference}, "repository": {{"clone_url": "u"}}}}"#);
            let hint = github(body.as_bytes(), "").unwrap();
            assert_eq!(hint.branch, None, "{reference}");
        }
    }

    #[test]
    fn bad_b62_other_forms_are_malformed() {
        for body in [
            "",
            "null",
            "1.5",
            "\"text\"",
            "[]",
            r#"["refs/heads/main", {"clone_url": "u"}]"#,
            "{}",
            r#"{"ref": "refs/heads/main"}"#,
            r#"{"repository": null}"#,
            r#"{"repository": "https://git.example.com/acme/config"}"#,
            r#"{"repository": ["https://git.example.com/acme/config"]}"#,
            r#"{"repository": {}}"#,
            r#"{"repository": {"clone_url": 7, "html_url": null, "ssh_url": ["u"]}}"#,
            r#"{"repository": {"clone_url": "u"}} trailing"#,
            r#"{"repository": {"clone_url": "u""#,
        ] {
            assert!(
                github(body.as_bytes(), "application/json").is_err(),
                "{body}"
            );
        }
        for body in [
            "",
            "null",
            "[]",
            r#"["https://git.example.com/acme/config"]"#,
            "{}",
            r#"{"repository": 7}"#,
            r#"{"repository": ""}"#,
            r#"{"repository": {"clone_url": "u"}}"#,
        ] {
            assert!(generic(body.as_bytes()).is_err(), "{body}");
        }
        assert!(github(b"\xff\xfe", "").is_err());
        let deep = format!(r#"{{"repository": {}"#, r#"{"a":"#.repeat(100_000));
        assert_eq!(github(deep.as_bytes(), ""), Err(Malformed::Json));
        assert_eq!(generic(deep.as_bytes()), Err(Malformed::Json));
    }

    #[test]
    fn a_generic_delivery_needs_only_the_repository() {
        let hint = generic(br#"{"repository": "git@git.example.com:acme/config.git"}"#).unwrap();
        assert_eq!((hint.branch, hint.delivery), (None, None));
        let hint = generic(
            br#"{"repository": "u", "branch": "refs/heads/main", "delivery": "7", "x": []}"#,
        )
        .unwrap();
        assert_eq!(hint.branch.as_deref(), Some("main"));
        assert_eq!(hint.delivery.as_deref(), Some("7"));
    }
}
