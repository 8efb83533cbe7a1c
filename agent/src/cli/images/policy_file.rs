//! A file with an ImagePolicy, read as the agent reads it from the API server, with the lines of
//! what is wrong.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use syncline_cluster::kinds;
use syncline_core::image::Policy;
use syncline_core::manifest::{Raw, yaml};

use crate::conversion;
use crate::settings::DEFAULT_ACCOUNT;

/// What a file says.
#[derive(Debug)]
pub(super) struct PolicyFile {
    /// The policy.
    pub(super) policy: Policy,
    /// What a person should know of it, with lines.
    pub(super) warnings: Vec<String>,
}

/// Reads the ImagePolicy of a file; the one of that name where there are several.
pub(super) fn read(file: &Path, name: Option<&str>) -> anyhow::Result<PolicyFile> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file).with_context(|| format!("read `{shown}`"))?;
    parse(&shown, &bytes, name)
}

fn parse(file: &str, bytes: &[u8], name: Option<&str>) -> anyhow::Result<PolicyFile> {
    let objects = yaml::parse(file, bytes, &yaml::Limits::default()).map_err(|failures| {
        let details: Vec<_> = failures.into_iter().map(|failure| failure.detail).collect();
        anyhow!(details.join("; "))
    })?;
    let is_wanted = |raw: &&Raw| {
        let group = raw.value["apiVersion"].as_str().unwrap_or_default();
        group.starts_with("syncline.dev/")
            && raw.value["kind"] == "ImagePolicy"
            && name.is_none_or(|name| raw.value["metadata"]["name"] == name)
    };
    let found: Vec<&Raw> = objects.iter().filter(is_wanted).collect();
    let raw = match (&found[..], name) {
        ([only], _) => *only,
        ([], Some(name)) => bail!("{file}: there is no ImagePolicy `{name}`"),
        ([], None) => bail!("{file}: there is no ImagePolicy of `syncline.dev`"),
        (_, Some(name)) => bail!("{file}: there are several ImagePolicies `{name}`"),
        (_, None) => bail!("{file}: there are several ImagePolicies; say which with `--name`"),
    };
    let text = String::from_utf8_lossy(bytes);
    let place = |pointer: &str| match yaml::line_in(&text, &raw.origin, pointer) {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    };
    let wire: kinds::ImagePolicy =
        serde_path_to_error::deserialize(&raw.value).map_err(|error| {
            let field = error.path().to_string();
            anyhow!("{}: `{field}`: {}", place(&pointer(&field)), error.inner())
        })?;
    let update = conversion::image_policy(&wire, DEFAULT_ACCOUNT).map_err(|failure| {
        // The detail begins with the field, in backquotes.
        let field = failure.detail.split('`').nth(1).unwrap_or_default();
        anyhow!("{}: {}", place(&pointer(field)), failure.detail)
    })?;
    let mut unknown = Vec::new();
    let known = serde_json::to_value(&wire.spec)?;
    unknown_fields(&raw.value["spec"], &known, "spec", &mut unknown);
    let unknown = unknown.into_iter().map(|field| {
        let place = place(&pointer(&field));
        format!("{place}: there is no field `{field}`")
    });
    let mut warnings: Vec<String> = unknown.collect();
    let of_policy = update.policy.warnings();
    warnings.extend(of_policy.into_iter().map(|warning| {
        let field = warning.split('`').nth(1).unwrap_or_default().to_owned();
        format!("{}: {warning}", place(&format!("/spec/tags/{field}")))
    }));
    Ok(PolicyFile {
        policy: update.policy,
        warnings,
    })
}

/// `spec.tags.exclude[1]` as a JSON pointer.
fn pointer(field: &str) -> String {
    let parts = field.split(['.', '[', ']']);
    parts
        .filter(|part| !part.is_empty())
        .fold(String::new(), |pointer, part| format!("{pointer}/{part}"))
}

/// The fields that were written and that were not read.
fn unknown_fields(written: &Value, read: &Value, at: &str, unknown: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (name, value) in written {
                let at = format!("{at}.{name}");
                match read.get(name) {
                    Some(read) => unknown_fields(value, read, &at, unknown),
                    // What is empty is left out when it is written again.
                    None if value.is_null() || *value == Value::Array(Vec::new()) => {}
                    None => unknown.push(at),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) => {
            for (index, (written, read)) in written.iter().zip(read).enumerate() {
                unknown_fields(written, read, &format!("{at}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
# Which image.
apiVersion: syncline.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: web
  namespace: shop
spec:
  image: registry.example.com/shop/web
  tags:
    match: ^v(?P<v>.*)$
    extract: $v
    exclude: [rc, dev]
  select:
    semver: '>=1.0 <2'
  update:
    repository: config
";

    fn refusal(text: &str) -> String {
        parse("web.yaml", text.as_bytes(), None)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_policy_is_read_as_the_agent_reads_it() {
        let file = parse("web.yaml", POLICY.as_bytes(), Some("web")).unwrap();
        assert_eq!(file.policy.to_string(), ">=1.0 <2");
        assert_eq!(file.warnings, Vec::<String>::new());
        assert_eq!(file.policy.filter.exclude.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (from, to, expected) in [
            ("'>=1.0 <2'", "'>='", "web.yaml:14: `spec.select.semver`: "),
            (
                "extract: $v",
                "extract: $x",
                "web.yaml:11: `spec.tags.extract`: ",
            ),
            (
                "[rc, dev]",
                "[rc, '(']",
                "web.yaml:12: `spec.tags.exclude[1]`: ",
            ),
            ("[rc, dev]", "rc", "web.yaml:12: `spec.tags.exclude`: "),
            (
                "image: registry",
                "image: https://registry",
                "web.yaml:8: `spec.image`: ",
            ),
            ("  select:", "\tselect:", "web.yaml:13"),
        ] {
            let error = refusal(&POLICY.replacen(from, to, 1));
            assert!(error.starts_with(expected), "{to}: {error}");
        }
        assert!(refusal("kind: Pod\n").contains("no ImagePolicy"));
        let two = format!("{POLICY}---\n{POLICY}");
        assert!(refusal(&two).contains("--name"));
    }

    #[test]
    fn a_field_that_is_not_known_and_a_loose_pattern_are_warned_of() {
        let text = POLICY.replacen("exclude:", "exclud:", 1);
        let file = parse("web.yaml", text.as_bytes(), None).unwrap();
        assert_eq!(
            file.warnings,
            ["web.yaml:12: there is no field `spec.tags.exclud`"]
        );
        let text = POLICY.replacen("^v(?P<v>.*)$", "^v(?P<v>.*)", 1);
        let file = parse("web.yaml", text.as_bytes(), None).unwrap();
        assert_eq!(file.warnings.len(), 1);
        assert!(
            file.warnings[0].starts_with("web.yaml:10: `match`: "),
            "{:?}",
            file.warnings
        );
    }
}
