//! An image policy: what it chose, why not the others, where it writes and what keeps it from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::decision::TagDecision;
use syncline_core::image::hold::Said;
use syncline_core::record::{Name, UpdateRecord};
use syncline_core::{names, shell};
use utoipa::ToSchema;

use super::{AllowedAction, Severity, Why};

/// One line of the list of image policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageSummary {
    /// Namespace of the ImagePolicy object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The image, without tag. Empty where the policy's spec is wrong.
    pub image: String,
    /// Which of two allowed tags is the newer one, in words.
    #[schema(example = ">=1.0 <2")]
    pub select: String,
    /// The Repository that is edited, in the same namespace.
    pub repository: String,
    /// The tag that Git names now.
    pub current: Option<String>,
    /// The tag that the policy chooses.
    pub chosen: Option<String>,
    /// How much it needs attention.
    pub severity: Severity,
    /// Its state in words; where the registry cannot be read, that.
    pub why: Why,
    /// When the registry was last read.
    pub scanned_at: Option<Timestamp>,
    /// When it is read again; absent while it is being read.
    pub next_scan: Option<Timestamp>,
}

/// All image policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageList {
    /// By namespace and name.
    pub items: Vec<ImageSummary>,
}

/// The page of an image policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageDetail {
    /// As in the list.
    pub summary: ImageSummary,
    /// What a tag has to be to be considered, in words; nothing where every tag is.
    #[schema(example = json!(["ends with `-alpine`"]))]
    pub filter: Vec<String>,
    /// What a person should know of the policy although it is valid.
    pub warnings: Vec<String>,
    /// What is the case beside the state: why the registry gives no list, why something newer is not
    /// chosen now, that two writers take turns, that there were too many updates, how many tags have
    /// no order.
    pub remarks: Vec<Why>,
    /// How many tags each rule decided, over all tags that the registry lists.
    pub counts: Vec<RuleCount>,
    /// Where Git names the image.
    pub places: Vec<ImagePlace>,
    /// What may be asked for now, and why not what may not be.
    pub allowed_actions: Vec<AllowedAction>,
    /// The tag that a person pinned.
    pub pinned: Option<PinnedTag>,
    /// Tags that are not chosen because a person skipped them or took them back, or a rollback did.
    pub held: Vec<HeldTag>,
    /// The applications of the namespace that run the image.
    pub applications: Vec<ImageUser>,
}

/// A tag that is held, and how it is released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldTag {
    /// The tag, with its digest where that was written.
    pub tag: String,
    /// Why, for people.
    pub sentence: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// A shell command that releases it.
    pub command: String,
    /// The last line of the message of a commit that releases it; absent where no commit does.
    pub trailer: Option<String>,
}

/// The tag that a person pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedTag {
    /// The tag.
    pub tag: String,
    /// Who and why, for people.
    pub sentence: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
}

impl From<&Said> for PinnedTag {
    fn from(said: &Said) -> Self {
        Self {
            tag: said.value.clone(),
            sentence: said.pinned(),
            since: said.since,
        }
    }
}

impl HeldTag {
    /// A tag that an image policy holds.
    pub fn new(policy: &Name, tag: &str, sentence: String, since: Timestamp) -> Self {
        let Name { namespace, name } = policy;
        let (release, trailer) = (names::ANNOTATION_RELEASE, names::TRAILER_RELEASE);
        Self {
            tag: tag.to_owned(),
            sentence,
            since: Some(since),
            command: format!(
                "kubectl -n {namespace} annotate imagepolicies.syncline.dev {name} --overwrite \
                 {release}={}",
                // What is held was read from the messages of commits, which may say anything.
                shell::word(tag)
            ),
            trailer: Some(format!("{trailer}: {policy} {tag}")),
        }
    }

    /// A tag that a person skips.
    pub fn skipped(policy: &Name, said: &Said) -> Self {
        Self {
            tag: said.value.clone(),
            sentence: said.skipped(),
            since: said.since,
            command: TagDecision::Release(said.value.clone()).command(policy),
            trailer: None,
        }
    }
}

/// How many tags a rule decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleCount {
    /// The rule, a word for programs.
    #[schema(example = "outside-range")]
    pub rule: String,
    /// How its tags came out.
    pub verdict: Verdict,
    /// How many tags.
    pub tags: u32,
}

/// A place in Git that names the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePlace {
    /// Path from the root of the repository.
    pub file: String,
    /// Line, from 1; absent where it is the whole file.
    pub line: Option<u32>,
    /// What stands there, the tag with its digest where there is one; absent where it cannot be read.
    pub tag: Option<String>,
    /// Whether a marker in a comment says that it is of this policy.
    pub marked: bool,
    /// Why it is not edited; absent where it is.
    pub refused: Option<Why>,
}

/// An application that runs the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUser {
    /// Namespace of the Application.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The references that it runs, with tag or digest.
    pub images: Vec<String>,
}

/// An image policy that speaks for an image of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyName {
    /// Namespace of the ImagePolicy.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The reference that the application runs.
    pub image: String,
}

/// A part of the tags of an image, each with its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagList {
    /// The newest first, in the order of the policy; then those that have no order.
    pub items: Vec<TagVerdict>,
    /// How many match what was asked for.
    pub total: u32,
    /// The `from` of the next part; absent at the end.
    pub next: Option<u32>,
}

/// What a policy says of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagVerdict {
    /// The tag.
    pub tag: String,
    /// Whether it was chosen.
    pub verdict: Verdict,
    /// The rule that decided, a word for programs.
    #[schema(example = "outside-range")]
    pub rule: String,
    /// The same for people.
    pub sentence: String,
    /// What was read of the image behind the tag; absent where the policy needed nothing of it.
    pub facts: Option<TagFacts>,
}

/// What was read of the image behind a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagFacts {
    /// Digest of the manifest or index, `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// When it was built, as the image says.
    pub created: Option<Timestamp>,
    /// What it runs on, for example `linux/arm64`.
    pub platforms: Vec<String>,
}

/// Whether a tag was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The one that Git should name.
    Chosen,
    /// Allowed, but another one is newer.
    Allowed,
    /// Not allowed.
    Refused,
    /// Not known yet: something of it is still to be read.
    Pending,
}

/// What a policy would say of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagAnswer {
    /// Whether the registry lists it; where it does not, this is what would be if it did.
    pub listed: bool,
    /// The verdict.
    pub verdict: TagVerdict,
}

/// Commits of an image policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateList {
    /// The newest first.
    pub items: Vec<ImageUpdate>,
    /// The `before` of the next page; absent at the end.
    pub next: Option<String>,
}

/// A commit of the image flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdate {
    /// Id of the update, also in the commit's trailer.
    pub id: String,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
    /// The commit.
    pub commit: String,
    /// `file:line` of each edit.
    pub files: Vec<String>,
    /// When it was pushed.
    pub time: Timestamp,
}

impl From<&UpdateRecord> for ImageUpdate {
    fn from(record: &UpdateRecord) -> Self {
        Self {
            id: record.id.clone(),
            old: record.old.clone(),
            new: record.new.clone(),
            commit: record.commit.as_str().to_owned(),
            files: record.files.clone(),
            time: record.time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_copied_runs_nothing_that_a_commit_says() {
        let name = Name::new("shop", "web");
        let command = |tag: &str| {
            let held = HeldTag::new(&name, tag, String::new(), Timestamp::UNIX_EPOCH);
            let (_, value) = held.command.rsplit_once('=').unwrap();
            value.to_owned()
        };
        assert_eq!(command("1.2.3-rc.1"), "1.2.3-rc.1");
        assert_eq!(command("1@sha256:ab"), "1@sha256:ab");
        assert_eq!(command("1;$(id)"), "'1;$(id)'");
        assert_eq!(command("1'`id`"), r"'1'\''`id`'");
    }
}
