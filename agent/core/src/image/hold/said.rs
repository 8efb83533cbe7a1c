//! What a person said of tags in annotations of an ImagePolicy: which ones are skipped, which one is
//! pinned.
//!
//! A line each, for people who write them by hand: the tag, when that was said, and why. The last two
//! may be missing.
//!
//! ```text
//! 1.9.0 2026-11-21T19:04:05Z it crashes at the start
//! 1.9.1
//! ```

use std::fmt;

use jiff::Timestamp;

use super::is_same;

/// What was said of one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The tag, with its digest where one was meant.
    pub value: String,
    /// When, where that is known.
    pub since: Option<Timestamp>,
    /// Why; may be empty.
    pub reason: String,
}

impl Said {
    /// Whether a value (tag, digest or both) is meant.
    pub fn holds(&self, value: &str) -> bool {
        is_same(&self.value, value)
    }

    /// For people, without a full stop.
    pub fn skipped(&self) -> String {
        self.told("skipped")
    }

    /// For people, without a full stop.
    pub fn pinned(&self) -> String {
        self.told("pinned")
    }

    fn told(&self, what: &str) -> String {
        match self.reason.as_str() {
            "" => format!("`{}` was {what} by a person", self.value),
            reason => format!("`{}` was {what} by a person: {reason}", self.value),
        }
    }

    fn read(line: &str) -> Option<Self> {
        let (value, rest) = split(line);
        if value.is_empty() {
            return None;
        }
        let (time, reason) = split(rest);
        let since: Option<Timestamp> = time.parse().ok();
        Some(Self {
            value: value.to_owned(),
            since,
            reason: if since.is_some() { reason } else { rest }.to_owned(),
        })
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

/// A line of the annotation.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)?;
        if let Some(since) = self.since {
            write!(f, " {}", since.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        }
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, " {reason}"),
        }
    }
}

/// The tags that the annotation `syncline.dev/skip` names.
pub fn skips(annotation: Option<&str>) -> Vec<Said> {
    let lines = annotation.into_iter().flat_map(str::lines);
    lines.filter_map(Said::read).collect()
}

/// The tag that the annotation `syncline.dev/pin-tag` names; the first line counts.
pub fn pin(annotation: Option<&str>) -> Option<Said> {
    annotation?.lines().find_map(Said::read)
}

/// The value of the annotation `syncline.dev/skip`.
pub fn written(skips: &[Said]) -> String {
    let lines: Vec<String> = skips.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_tag_and_perhaps_a_time_and_a_reason() {
        let text =
            "1.9.0 2026-11-21T19:04:05Z it crashes at the start\n\n 1.9.1\n1.9.2 odd, slow\n";
        let all = skips(Some(text));
        let told: Vec<String> = all.iter().map(Said::skipped).collect();
        assert_eq!(
            told,
            [
                "`1.9.0` was skipped by a person: it crashes at the start",
                "`1.9.1` was skipped by a person",
                "`1.9.2` was skipped by a person: odd, slow",
            ]
        );
        assert_eq!(all[0].since, Some("2026-11-21T19:04:05Z".parse().unwrap()));
        assert_eq!(all[1].since, None);
        assert_eq!(skips(Some(&written(&all))), all, "what is written is read");
        assert!(skips(None).is_empty() && skips(Some(" \n")).is_empty());
    }

    #[test]
    fn a_tag_without_a_digest_is_meant_with_any() {
        let all = skips(Some("1.9.0"));
        assert!(all[0].holds("1.9.0@sha256:ab") && !all[0].holds("1.9.01"));
        let one = skips(Some("1.9.0@sha256:ab"));
        assert!(!one[0].holds("1.9.0@sha256:cd"));
    }

    #[test]
    fn one_tag_is_pinned() {
        assert_eq!(
            pin(Some("\n1.8.4 stay here\n1.9.0")).unwrap().value,
            "1.8.4"
        );
        assert_eq!(pin(Some("  ")), None);
    }
}
