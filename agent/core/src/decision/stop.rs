//! The annotation `syncline.dev/abort`: a person stopped what ran, and until when that holds.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::outcome::Failure;
use crate::reason::Reason;
use crate::revision::CommitId;

/// What a person stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// Why.
    pub reason: String,
    /// The newest commit that was known then: a newer one that changes what the application reads
    /// ends it. Without it only a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Who, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl Stop {
    /// Reads the annotation. What nobody understands stops all the same: the whole text is the
    /// reason.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self {
            reason: text.trim().chars().take(super::MAX_REASON).collect(),
            commit: None,
            by: None,
            at: None,
        })
    }

    /// Why nothing more is written.
    pub fn failure(&self) -> Failure {
        let mut detail = self.reason.clone();
        if let Some(by) = &self.by {
            detail = format!("{detail} (by {by})");
        }
        Failure {
            reason: Reason::Aborted,
            detail,
        }
    }
}

/// The value of the annotation.
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", json!(self))
    }
}
