//! What a person asked for: an Application and a Repository after their fields were checked.

mod order;
mod rendering;

use std::time::Duration;

use jiff::Timestamp;

use crate::field_path::FieldPath;
use crate::image::message::MessageTemplate;
use crate::object::ObjectKey;
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::record::Name;
use crate::url::RepoUrl;

pub use order::{
    Dependency, HealthRule, ObjectReference, OnFailure, Pause, Pin, Retry, Suspension, Until,
};
pub use rendering::{
    ChartSource, Helm, Overrides, Patch, PostRender, Referent, Renderer, Rendering, Substitute,
    Validate, ValuesFrom, VariablesFrom,
};

/// A path inside a repository: relative, no `..`, no empty part; empty for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(String);

impl TreePath {
    /// Checks a path; `./a//b/` becomes `a/b`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Err(Failure {
                reason: Reason::PathEscape,
                detail: format!("path `{text}` {why}"),
            })
        };
        if text.starts_with('/') {
            return refuse("is absolute; it is relative to the root of the repository");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        let parts: Vec<_> = text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            return refuse("leaves the repository");
        }
        Ok(Self(parts.join("/")))
    }

    /// The path without slashes at its ends; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a file of the repository lies at or below this path.
    pub fn contains(&self, file: &str) -> bool {
        self.0.is_empty()
            || file == self.0
            || file
                .strip_prefix(&self.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl std::fmt::Display for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// What a sync may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncPolicy {
    /// Whether a new commit is applied by itself.
    pub automatic: bool,
    /// Whether objects that left Git are deleted.
    pub prune: bool,
    /// Whether lost fields are put back.
    pub self_heal: bool,
    /// What is done about fields that Git does not name and somebody else set.
    pub foreign: ForeignFields,
    /// What is done about fields that Git names and somebody else holds.
    pub conflicts: Conflicts,
    /// Whether everything is tried without effect first, and nothing written if one object fails.
    pub atomic: bool,
    /// When a prune waits for a person.
    pub prune_approval: PruneApproval,
    /// How long the workloads may take to become healthy before the state is Degraded.
    pub timeout: Duration,
    /// How a failed sync is tried again.
    pub retry: Retry,
    /// When a new commit may be applied; at any time where it is empty.
    pub windows: Vec<crate::window::Window>,
    /// What happens when a rollout fails.
    pub on_failure: OnFailure,
    /// Where a rollout stops for a while.
    pub pauses: Vec<Pause>,
}

/// What is done about fields that Git does not name and somebody else set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForeignFields {
    /// What tools of people set is removed; what controllers set stays and is shown.
    #[default]
    RemoveManual,
    /// Everything stays.
    Keep,
    /// Everything is removed, but for what `ignore` names.
    RemoveAll,
}

/// What is done about fields that Git names and somebody else holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Conflicts {
    /// Git wins, and the outcome says what was taken from whom.
    #[default]
    Take,
    /// The object fails with the field and its manager, and nothing of it is written.
    Fail,
}

/// When a prune waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PruneApproval {
    /// When it is large, or removes what holds data.
    #[default]
    WhenRisky,
    /// Each time.
    Always,
    /// Not at all, as for a preview; what is never pruned stays all the same.
    Never,
}

/// Fields that are left to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ignore {
    /// Group of the objects; any where it is absent.
    pub group: Option<String>,
    /// Kind of the objects; any where it is absent.
    pub kind: Option<String>,
    /// Name of the object; any where it is absent.
    pub name: Option<String>,
    /// Fields that are neither written nor repaired.
    pub fields: Vec<FieldPath>,
    /// A field manager whose fields are neither taken nor removed, whatever they are; a `*` at its
    /// end stands for any end.
    pub manager: Option<String>,
}

impl Ignore {
    /// Whether it speaks of an object.
    pub fn selects(&self, key: &ObjectKey) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        fits(&self.group, &key.group) && fits(&self.kind, &key.kind) && fits(&self.name, &key.name)
    }
}

/// What happens to the objects when the Application is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeletionPolicy {
    /// They are deleted, but for those that hold data.
    Prune,
    /// They stay.
    Orphan,
}

/// A checked Application.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Namespace and name.
    pub name: Name,
    /// Name of the Repository, in the same namespace.
    pub repository: String,
    /// Where in the repository.
    pub path: TreePath,
    /// How it is rendered.
    pub rendering: Rendering,
    /// Namespace for objects that name none.
    pub namespace: String,
    /// Whether that namespace is created where it is missing.
    pub create_namespace: bool,
    /// Service account, in the Application's own namespace, that reads and writes the objects.
    pub account: String,
    /// What a sync may do.
    pub sync: SyncPolicy,
    /// Fields that are left to others.
    pub ignore: Vec<Ignore>,
    /// Another Application of the namespace whose objects this one may take over.
    pub adopt_from: Option<String>,
    /// What happens to the objects when the Application is deleted.
    pub deletion: DeletionPolicy,
    /// What it waits for before a new commit is applied.
    pub depends_on: Vec<Dependency>,
    /// What the health of its objects is judged by, beside the rules that are built in.
    pub health: Vec<HealthRule>,
    /// The one commit that is applied; the newest where it is absent.
    pub pin: Option<Pin>,
    /// Why it is suspended; `None` where it is not.
    pub suspend: Option<Suspension>,
}

impl Application {
    /// The pin that holds at a time.
    pub fn pinned(&self, now: Timestamp) -> Option<&Pin> {
        self.pin.as_ref().filter(|pin| pin.holds(now))
    }
}

/// Where the image flow writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Secret with the credentials that may push.
    pub secret: Option<String>,
    /// Author's name of the commits.
    pub author_name: String,
    /// Author's address of the commits.
    pub author_email: String,
    /// Template of the message.
    pub message: MessageTemplate,
    /// What stands at the end of the first line of a message, so that CI leaves the commit alone.
    pub skip_ci: Option<String>,
    /// Secret with the key that signs commits; `None` leaves them unsigned.
    pub signing: Option<String>,
    /// Updates that are ready within it become one commit.
    pub window: Duration,
}

/// What has to be signed before a commit may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyMode {
    /// The commit itself.
    Commit,
    /// An annotated tag that points to it.
    Tag,
    /// Both.
    CommitAndTag,
}

/// Only commits that are signed may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// What has to be signed.
    pub mode: VerifyMode,
    /// Secret with the public keys of those who may sign.
    pub secret: String,
}

/// A checked Repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Namespace and name.
    pub name: Name,
    /// Where it is.
    pub url: RepoUrl,
    /// The branch.
    pub branch: String,
    /// How often it is polled.
    pub interval: Duration,
    /// Deadline of one Git operation.
    pub timeout: Duration,
    /// Service account of the same namespace that reads the Secrets named here.
    pub account: String,
    /// Secret with the credentials that read.
    pub secret: Option<String>,
    /// Which commits may be used; all where it is absent.
    pub verify: Option<Verify>,
    /// Secret with the key of the webhook.
    pub webhook_secret: Option<String>,
    /// Where the image flow writes; `None` where it must not.
    pub write: Option<Write>,
    /// Why it is suspended; `None` where it is not.
    pub suspend: Option<Suspension>,
}

impl Repository {
    /// Whether a commit is used only with a tag.
    pub fn wants_tags(&self) -> bool {
        let mode = self.verify.as_ref().map(|verify| verify.mode);
        matches!(mode, Some(VerifyMode::Tag | VerifyMode::CommitAndTag))
    }
}

/// Checks a branch name against the rules of `git check-ref-format` that protect us (B51).
pub fn check_branch(branch: &str) -> Result<(), Failure> {
    let bad = branch.is_empty()
        || branch.len() > 250
        || branch.starts_with(['-', '/', '.'])
        || branch.ends_with(['/', '.'])
        || branch
            .rsplit_once('.')
            .is_some_and(|(_, end)| end == "lock")
        || ["..", "@{", "//", "/."]
            .iter()
            .any(|part| branch.contains(part))
        || branch
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c));
    if bad {
        let detail = format!("`spec.ref.branch`: `{branch}` is not a branch name");
        return Err(Failure {
            reason: Reason::InvalidSpec,
            detail,
        });
    }
    Ok(())
}

/// Refuses a length of time outside of its bounds (B64).
pub fn check_period(
    field: &str,
    period: Duration,
    least: Duration,
    most: Duration,
) -> Result<Duration, Failure> {
    if period < least || period > most {
        let detail = format!("`{field}`: {period:?} is not between {least:?} and {most:?}");
        return Err(Failure {
            reason: Reason::InvalidSpec,
            detail,
        });
    }
    Ok(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_repository() {
        for (text, path) in [
            ("./apps//web/", "apps/web"),
            (".", ""),
            ("", ""),
            ("a.b", "a.b"),
        ] {
            assert_eq!(TreePath::parse(text).unwrap().as_str(), path);
        }
        for text in ["/etc", "../x", "a/../../b", "a\nb", "a/.."] {
            assert_eq!(
                TreePath::parse(text).unwrap_err().reason,
                Reason::PathEscape,
                "{text}"
            );
        }
        let web = TreePath::parse("apps/web").unwrap();
        assert!(web.contains("apps/web/a.yaml") && web.contains("apps/web"));
        assert!(!web.contains("apps/web2/a.yaml"));
    }

    #[test]
    fn bad_b51_branch_names_that_git_would_misread_are_refused() {
        for good in ["main", "release/1.2", "feature-x"] {
            assert!(check_branch(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "--upload-pack=x",
            "@{-1}",
            "a..b",
            "a b",
            "a.lock",
            "a\u{7}",
            "x:y",
            "/a",
        ] {
            assert!(check_branch(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_b64_periods_are_bounded() {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(86_400));
        assert!(check_period("f", least, least, most).is_ok());
        for bad in [Duration::ZERO, Duration::from_secs(86_401), Duration::MAX] {
            let failure = check_period("spec.interval", bad, least, most).unwrap_err();
            assert!(failure.detail.contains("spec.interval"), "{bad:?}");
        }
    }
}
