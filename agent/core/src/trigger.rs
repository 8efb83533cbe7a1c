//! Why a sync runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What asked for a sync of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The agent started.
    StartUp,
    /// Its time has come: a window opened, a pause, suspension or pin ended.
    Time,
    /// What a rollout waited for has come: a healthy wave, the end of a hook.
    Rollout,
    /// A poll of the repository found a new commit.
    Poll,
    /// A webhook asked for a look, and there was a new commit.
    Webhook,
    /// A live object lost fields that Git names, or is gone.
    Drift,
    /// The Application or Repository object, or something that it names, changed.
    Reference,
    /// A commit of the image flow.
    Image,
    /// A newer version of a chart.
    Chart,
    /// The slow check of everything.
    Schedule,
    /// Another application was rendered or deleted, which this one waited for.
    Dependency,
    /// A retry after a failure.
    Retry,
    /// A person asked (annotation `syncline.dev/requested-at`, UI or command line).
    User,
}

impl Cause {
    /// The word for people and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartUp => "start-up",
            Self::Time => "time",
            Self::Rollout => "rollout",
            Self::Poll => "poll",
            Self::Webhook => "webhook",
            Self::Drift => "drift",
            Self::Reference => "reference",
            Self::Image => "image",
            Self::Chart => "chart",
            Self::Schedule => "schedule",
            Self::Dependency => "dependency",
            Self::Retry => "retry",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
