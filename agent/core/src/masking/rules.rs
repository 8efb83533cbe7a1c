//! What is masked beside the values of Secrets: names of variables and paths of fields.

use serde_json::Value;

use crate::field_path::FieldPath;
use crate::object::group_version;

/// Names of environment variables that look like secrets; `*` stands for any text, and upper and lower
/// case are the same. A setting adds to them.
pub const MASKED_NAMES: &[&str] = &[
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*_PWD",
    "*_PASS",
    "PASS",
    "*TOKEN*",
    "*KEY*",
    "*SECRET*",
    "*CREDENTIAL*",
    "*PRIVATE*",
    "*_DSN",
    "DSN",
    "*CONNECTION_STRING*",
    "*CONNECTIONSTRING*",
    "*WEBHOOK_URL*",
    "*BEARER*",
    "*JWT*",
    "*COOKIE*",
    "*_SALT",
    "*_AUTH",
];

/// Fields of well-known kinds that hold secrets though they are no Secrets. A setting adds to them.
pub const MASKED_PATHS: &[&str] = &["Route.route.openshift.io:/spec/tls/key"];

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` {why}")]
pub struct NotARule {
    rule: String,
    why: String,
}

/// What is masked beside the values of Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// In upper case.
    names: Vec<String>,
    paths: Vec<PathRule>,
}

/// A field of a kind, or of every kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PathRule {
    kind: Option<String>,
    group: Option<String>,
    path: FieldPath,
}

impl Default for Rules {
    /// The built-in lists.
    fn default() -> Self {
        Self::with(&[], &[]).expect("the built-in lists are rules, which a test checks")
    }
}

impl Rules {
    /// The built-in lists and these: patterns of names, and paths written `KIND:/path` or
    /// `KIND.GROUP:/path` or, for every kind, `/path`.
    pub fn with(names: &[String], paths: &[String]) -> Result<Self, NotARule> {
        let more = names.iter().map(String::as_str);
        let names = MASKED_NAMES.iter().copied().chain(more).map(|name| {
            let known =
                !name.is_empty() && name.trim() == name && !name.trim_matches('*').is_empty();
            if known {
                Ok(name.to_ascii_uppercase())
            } else {
                Err(refused(name, "is no pattern of a name"))
            }
        });
        let more = paths.iter().map(String::as_str);
        let paths = MASKED_PATHS.iter().copied().chain(more).map(path_rule);
        Ok(Self {
            names: names.collect::<Result<_, _>>()?,
            paths: paths.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the name of a variable looks like that of a secret.
    pub(super) fn is_secret_name(&self, name: &str) -> bool {
        let name = name.to_ascii_uppercase();
        self.names.iter().any(|pattern| fits(pattern, &name))
    }

    /// The paths that are masked in an object.
    pub(super) fn paths_of(&self, object: &Value) -> Vec<&[String]> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let (group, _) = group_version(object["apiVersion"].as_str().unwrap_or_default());
        let speaks = |rule: &&PathRule| {
            rule.kind.as_deref().is_none_or(|wanted| wanted == kind)
                && rule.group.as_deref().is_none_or(|wanted| wanted == group)
        };
        let rules = self.paths.iter().filter(speaks);
        rules.map(|rule| rule.path.steps()).collect()
    }
}

fn refused(rule: &str, why: impl Into<String>) -> NotARule {
    NotARule {
        rule: rule.to_owned(),
        why: why.into(),
    }
}

fn path_rule(text: &str) -> Result<PathRule, NotARule> {
    let (what, path) = match text.find('/') {
        Some(0) => ("", text),
        Some(at) if text[..at].ends_with(':') => (&text[..at - 1], &text[at..]),
        _ => {
            return Err(refused(
                text,
                "is not written `KIND:/path`, `KIND.GROUP:/path` or `/path`",
            ));
        }
    };
    let path = FieldPath::parse(path).map_err(|failure| refused(text, failure.detail))?;
    let (kind, group) = match what.split_once('.') {
        Some((kind, group)) => (kind, Some(group.to_owned())),
        None => (what, None),
    };
    if !kind.bytes().all(|b| b.is_ascii_alphanumeric()) || group.as_deref() == Some("") {
        return Err(refused(text, "names no kind"));
    }
    Ok(PathRule {
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        group,
        path,
    })
}

/// Whether a text is a pattern with any text in place of each `*`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(after) = text.strip_prefix(begin) else {
        return false;
    };
    let mut places = (0..=after.len()).filter(|at| after.is_char_boundary(*at));
    places.any(|at| fits(rest, &after[at..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_look_like_secrets_in_any_case_and_others_do_not() {
        let rules = Rules::with(&["LICENCE_*".to_owned()], &[]).unwrap();
        for name in [
            "DB_PASSWORD",
            "password",
            "GITHUB_TOKEN",
            "awsSecretAccessKey",
            "API_KEY",
            "SENTRY_DSN",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "MYSQL_PWD",
            "LICENCE_OF_US",
        ] {
            assert!(rules.is_secret_name(name), "{name}");
        }
        for name in [
            "PATH",
            "PWD",
            "LOG_LEVEL",
            "DB_HOST",
            "PASSENGERS",
            "OUR_LICENCE",
        ] {
            assert!(!rules.is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_path_speaks_of_its_kind_or_of_all() {
        let paths = ["Thing.example.com:/spec/a", "/spec/b", "Other:/spec/c"];
        let rules = Rules::with(&[], &paths.map(str::to_owned)).unwrap();
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing"});
        let steps = |steps: &[&str]| steps.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            rules.paths_of(&thing),
            [steps(&["spec", "a"]), steps(&["spec", "b"])]
        );
        let another = json!({"apiVersion": "example.org/v1", "kind": "Thing"});
        assert_eq!(rules.paths_of(&another), [steps(&["spec", "b"])]);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_text() {
        for path in [
            "spec/a",
            "Thing:",
            "Thing/spec",
            "Th ing:/a",
            "Thing.:/a",
            "/kind",
            "",
        ] {
            let refused = Rules::with(&[], &[path.to_owned()]).unwrap_err();
            assert!(refused.to_string().contains(path), "{refused}");
        }
        for name in ["", "*", " A"] {
            assert!(Rules::with(&[name.to_owned()], &[]).is_err(), "{name}");
        }
    }
}
