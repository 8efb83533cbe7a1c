//! What a person asks for, whether it may be asked for now, and what came of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::decision::Allowed;
use utoipa::ToSchema;

use super::PreviewView;

/// Whether something may be asked for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedAction {
    /// What: the `action` of the request.
    #[schema(example = "rollback")]
    pub action: String,
    /// Why not, for people; absent where it may be.
    pub why_not: Option<String>,
}

impl From<Allowed> for AllowedAction {
    fn from((verb, allowed): Allowed) -> Self {
        Self {
            action: verb.as_str().to_owned(),
            why_not: allowed.err(),
        }
    }
}

/// What is asked of an Application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum ApplicationAction {
    /// A sync now; it goes on with what was stopped.
    Sync,
    /// A look at its Repository now.
    Refresh,
    /// The approval of exactly this plan.
    Approve {
        /// The hash of the plan that was shown.
        plan: String,
    },
    /// What runs ends between two objects, and nothing more of the commit is applied.
    Abort {
        /// Why.
        reason: String,
    },
    /// A commit that brings the files back that it reads. Without a plan it is only previewed.
    Rollback {
        /// The commit to go back to; the one before the last change where it is absent.
        to: Option<String>,
        /// Why, for the message of the commit.
        reason: String,
        /// The hash of the plan that was shown.
        plan: Option<String>,
    },
    /// No sync until it is resumed.
    Suspend {
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// Also where Git has the Application, and may put it back.
        #[serde(default)]
        force: bool,
    },
    /// Syncs again.
    Resume {
        /// As for a suspension.
        #[serde(default)]
        force: bool,
    },
    /// One commit, whatever is pushed.
    Pin {
        /// Its first seven hexadecimal digits, or more.
        commit: String,
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// As for a suspension.
        #[serde(default)]
        force: bool,
    },
    /// The newest commit again.
    Unpin {
        /// As for a suspension.
        #[serde(default)]
        force: bool,
    },
}

impl ApplicationAction {
    /// The word for people and programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Refresh => "refresh",
            Self::Approve { .. } => "approve",
            Self::Abort { .. } => "abort",
            Self::Rollback { .. } => "rollback",
            Self::Suspend { .. } => "suspend",
            Self::Resume { .. } => "resume",
            Self::Pin { .. } => "pin",
            Self::Unpin { .. } => "unpin",
        }
    }
}

/// What is asked of an ImagePolicy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum ImageAction {
    /// A look at the registry now.
    Refresh,
    /// A tag that is not chosen.
    Skip {
        /// The tag.
        tag: String,
        /// Why.
        reason: String,
    },
    /// A held tag that may be chosen again.
    Release {
        /// The tag, as it is held.
        tag: String,
    },
    /// The tag that is chosen, and no other.
    Pin {
        /// The tag.
        tag: String,
        /// Why.
        reason: String,
    },
    /// The newest tag that is allowed, again.
    Unpin,
}

impl ImageAction {
    /// The word for people and programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Skip { .. } => "skip",
            Self::Release { .. } => "release",
            Self::Pin { .. } => "pin",
            Self::Unpin => "unpin",
        }
    }
}

/// What is asked of the agent itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum AgentAction {
    /// No sync, no image update and no deletion, of anything.
    Freeze {
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
    /// Everything again.
    Unfreeze,
}

impl AgentAction {
    /// The word for people and programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Freeze { .. } => "freeze",
            Self::Unfreeze => "unfreeze",
        }
    }
}

/// What came of an action, or what would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionAnswer {
    /// Whether it was done; it was only tried where not.
    pub done: bool,
    /// What happens, for people: one sentence without a full stop.
    pub sentence: String,
    /// What else a person should know before it is done; a sentence each, without a full stop.
    pub notes: Vec<String>,
    /// The command that does the same.
    pub command: String,
    /// What would change in the cluster, where that is known.
    pub preview: Option<PreviewView>,
    /// What a rollback takes back.
    pub rollback: Option<RollbackView>,
}

/// What a rollback takes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackView {
    /// Names this plan: another one has another hash.
    pub plan: String,
    /// The commit whose files come back.
    pub target: String,
    /// The commits that are taken back, the newest first: `5e2d9ab Update web`.
    pub commits: Vec<String>,
    /// The files that come back.
    pub files: Vec<String>,
    /// Other applications that read one of them, as `namespace/name`.
    pub others: Vec<String>,
    /// The commit that was made; absent where it was only previewed.
    pub commit: Option<String>,
}
