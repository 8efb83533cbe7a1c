//! An image policy, what it chose and why not the others.

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::record::UpdateRecord;
use utoipa::ToSchema;

use super::Why;

/// An image policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyView {
    /// Namespace of the ImagePolicy object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The image, without tag.
    pub image: String,
    /// The range of versions that it allows.
    pub range: String,
    /// The Repository that is edited, in the same namespace.
    pub repository: String,
    /// The tag that Git names now.
    pub current: Option<String>,
    /// The newest tag that the policy allows.
    pub latest: Option<String>,
    /// Its state in words.
    pub why: Why,
    /// When the registry was last read.
    pub scanned_at: Option<Timestamp>,
    /// What the policy says of each tag, the newest first. May be cut.
    pub verdicts: Vec<TagVerdict>,
    /// The last commit that it made.
    pub last_update: Option<ImageUpdate>,
}

/// All image policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyList {
    /// By namespace and name.
    pub items: Vec<ImagePolicyView>,
}

/// What a policy says of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagVerdict {
    /// The tag.
    pub tag: String,
    /// Whether it was chosen.
    pub verdict: Verdict,
    /// The rule that decided, for people.
    pub rule: String,
}

/// Whether a tag was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The one to run.
    Chosen,
    /// Allowed, but another one is newer.
    Allowed,
    /// Not allowed.
    Refused,
}

/// A commit of the image flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
