//! The messages of our commits: from the template of the Repository, with what changed, and the
//! trailers by which we know the commit again.
//!
//! A template is written in the language of Jinja. It sees the fields of [`CommitText`] and nothing
//! else: no files, no clock, no environment. See `template` for what it may do.

mod template;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::image::update::UpdateNote;
use crate::names;
use crate::record::Name;
use crate::revision::CommitId;
use crate::trailers::{self, Trailer};

pub use template::{DEFAULT_TEMPLATE, MessageTemplate, TemplateError};

/// The longest value that a template sees, in characters.
const MAX_VALUE: usize = 512;

/// What a template sees of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommitText {
    /// The Repository.
    pub repository: String,
    /// Its branch.
    pub branch: String,
    /// The images that change, at least one.
    pub updates: Vec<UpdateText>,
}

/// What a template sees of one image that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpdateText {
    /// The ImagePolicy, `namespace/name`.
    pub policy: String,
    /// The image, without tag and digest.
    pub image: String,
    /// Tag, digest or both before.
    pub old: String,
    /// The same after.
    pub new: String,
    /// What changed, each `file:line`.
    pub files: Vec<String>,
    /// The Applications that change by it, each `namespace/name`.
    pub applications: Vec<String>,
    /// The label `org.opencontainers.image.source` of the new image; empty where it has none.
    pub source: String,
    /// The label `org.opencontainers.image.revision` of the new image; empty where it has none.
    pub revision: String,
    /// All labels and annotations of the new image that were read.
    pub labels: BTreeMap<String, String>,
}

/// The whole message of an update: what the template says, the marker for CI at the end of its first
/// line, and the trailers.
///
/// # Errors
/// Those of [`MessageTemplate::parse`], where what changed is more than the template can take.
pub fn message(
    template: &MessageTemplate,
    commit: &CommitText,
    skip_ci: Option<&str>,
    id: &str,
    notes: &[UpdateNote],
) -> Result<String, TemplateError> {
    let text = template.render(&harmless(commit))?;
    let mut own = vec![Trailer::new(names::TRAILER_UPDATE, id)];
    own.extend(notes.iter().map(UpdateNote::trailer));
    Ok(trailers::append(&marked(&text, skip_ci), &own))
}

/// What a commit that takes commits back says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevertText {
    /// The commits that are taken back, newest first, each with its first line.
    pub reverted: Vec<(CommitId, String)>,
    /// The Application whose files go back, and the commit whose state they get.
    pub restored: Option<(Name, CommitId)>,
    /// Why.
    pub reason: String,
}

/// The whole message of a commit that takes commits back: the first line of one commit as `git
/// revert` writes it, then the reason, the commits and the trailers.
pub fn revert_message(revert: &RevertText, skip_ci: Option<&str>, id: &str) -> String {
    let subject = match (&revert.restored, &revert.reverted[..]) {
        (Some((application, commit)), _) => {
            format!("Restore {application} to {}", commit.short())
        }
        (None, [(_, subject)]) => reverted(subject),
        (None, [(_, subject), rest @ ..]) => {
            format!("{} and {} more", reverted(subject), rest.len())
        }
        (None, []) => "Revert".to_owned(),
    };
    let mut text = marked(&in_one_line(&subject), skip_ci);
    let reason = in_one_line(&revert.reason);
    if !reason.is_empty() {
        text.push_str("\n\n");
        text.push_str(&quoted(&reason));
    }
    if !revert.reverted.is_empty() {
        text.push('\n');
    }
    for (commit, _) in &revert.reverted {
        for part in ["\nThis reverts commit ", commit.as_str(), "."] {
            text.push_str(part);
        }
    }
    let mut own = vec![Trailer::new(names::TRAILER_UPDATE, id)];
    for (commit, _) in &revert.reverted {
        own.push(Trailer::new(names::TRAILER_REVERTS, commit.as_str()));
    }
    if !reason.is_empty() {
        own.push(Trailer::new(names::TRAILER_REASON, &reason));
    }
    trailers::append(&text, &own)
}

/// The first line of a commit that takes one back: a revert of a revert is a `Reapply`.
fn reverted(subject: &str) -> String {
    let again = subject
        .strip_prefix("Revert \"")
        .and_then(|rest| rest.strip_suffix('"'))
        .filter(|_| !subject.starts_with("Revert \"Revert \""));
    match again {
        Some(first) => format!("Reapply \"{first}\""),
        None => format!("Revert \"{subject}\""),
    }
}

/// The text with a marker at the end of its first line, unless it is in the text already.
fn marked(text: &str, marker: Option<&str>) -> String {
    let Some(marker) = marker.filter(|marker| !text.contains(*marker)) else {
        return text.to_owned();
    };
    match text.split_once('\n') {
        Some((subject, body)) => format!("{} {marker}\n{body}", subject.trim_end()),
        None => format!("{text} {marker}"),
    }
}

/// The text without blanks at the ends of lines and control characters, with at most one empty line
/// in a row. A line cannot be taken for a trailer of ours: labels of images come from outside.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.trim().lines() {
        let line: String = line
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = quoted(line.trim_end());
        if !(line.is_empty() && lines.last().is_some_and(String::is_empty)) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// A line that begins like a trailer of ours, set apart.
fn quoted(line: &str) -> String {
    let ours = line
        .get(..9)
        .is_some_and(|start| start.eq_ignore_ascii_case("syncline-"));
    if ours {
        format!("> {line}")
    } else {
        line.to_owned()
    }
}

/// The same with every value in one line and not too long.
fn harmless(commit: &CommitText) -> CommitText {
    let all = |texts: &[String]| texts.iter().map(|text| in_one_line(text)).collect();
    CommitText {
        repository: in_one_line(&commit.repository),
        branch: in_one_line(&commit.branch),
        updates: commit
            .updates
            .iter()
            .map(|update| UpdateText {
                policy: in_one_line(&update.policy),
                image: in_one_line(&update.image),
                old: in_one_line(&update.old),
                new: in_one_line(&update.new),
                files: all(&update.files),
                applications: all(&update.applications),
                source: in_one_line(&update.source),
                revision: in_one_line(&update.revision),
                labels: update
                    .labels
                    .iter()
                    .map(|(key, value)| (in_one_line(key), in_one_line(value)))
                    .collect(),
            })
            .collect(),
    }
}

fn in_one_line(text: &str) -> String {
    let short: String = text.chars().take(MAX_VALUE).collect();
    short
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests;
