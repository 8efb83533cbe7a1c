//! Hooks: objects that run once at a point of a rollout. Ours, Helm's and Argo CD's annotations are
//! read into one form.

mod identity;
mod logs;
mod read;
mod split;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::object::ObjectKey;

pub use identity::{duplicates, identity, in_order, named, turn};
pub use logs::shorten;
pub(crate) use logs::{KEY_END, pattern, plain, without_likely_secrets};
pub use read::{Invalid, Reading, Terms, read};
pub use split::{Found, Split, split};

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the first wave.
    Before,
    /// Among the waves, of which its weight is one: when what lower waves hold is healthy. Higher
    /// waves wait for its end. Only Argo CD's `Sync` asks for it.
    During,
    /// After everything is applied and healthy.
    After,
    /// When the rollout failed.
    Failure,
    /// Before the objects of a deleted Application go.
    BeforeDelete,
    /// After they went.
    AfterDelete,
}

impl Moment {
    /// The word for people, as in our annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
            Self::Failure => "failure",
            Self::BeforeDelete => "before-delete",
            Self::AfterDelete => "after-delete",
        }
    }
}

/// In which rollouts a hook takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// In each.
    #[default]
    Any,
    /// Only in the first of an application (Helm's `*-install`).
    Install,
    /// In each but the first (Helm's `*-upgrade`).
    Upgrade,
}

/// When the object of a hook is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeletePolicy {
    /// Before it runs again.
    pub before_creation: bool,
    /// When it succeeded.
    pub succeeded: bool,
    /// When it failed.
    pub failed: bool,
}

impl Default for DeletePolicy {
    fn default() -> Self {
        Self {
            before_creation: true,
            succeeded: false,
            failed: false,
        }
    }
}

/// A hook of an application. An object with several moments is several hooks.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The object as it is created, complete and normalised; with `generateName` it has no name yet.
    pub manifest: Manifest,
    /// Hash of the desired object.
    pub hash: Digest,
    /// When it runs.
    pub moment: Moment,
    /// In which rollouts.
    pub occasion: Occasion,
    /// Its place among the hooks of its moment: lower first, then by kind and name. One runs at a
    /// time.
    pub weight: i32,
    /// When its object is deleted.
    pub delete: DeletePolicy,
    /// How long it may take; `spec.sync.timeout` where it is absent.
    pub timeout: Option<Duration>,
}

impl Hook {
    /// What the ledger knows it by: moment and object.
    pub fn id(&self) -> HookId {
        HookId {
            moment: self.moment,
            key: self.manifest.key.clone(),
        }
    }
}

/// A hook of an application by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HookId {
    /// When it runs.
    pub moment: Moment,
    /// The object as Git names it.
    pub key: ObjectKey,
}

#[cfg(test)]
mod tests;
