//! The keys of terms, and the values that some of them are limited to.

use std::fmt;

use super::pattern::Pattern;

/// What a term compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Whether newer commits are applied without asking.
    Auto,
    /// Author of the commit that is applied.
    Author,
    /// What asked for the last sync.
    Cause,
    /// Whether live objects differ from Git and stay so.
    Drift,
    /// Health.
    Health,
    /// What keeps it from its newest commit.
    Hold,
    /// An image that it runs.
    Image,
    /// A label of the Application: `team`, or `team=shop`.
    Label,
    /// Its name.
    Name,
    /// Its namespace.
    Namespace,
    /// The path in the repository.
    Path,
    /// The state, or why it is so: the name of a reason.
    Reason,
    /// Its Repository.
    Repository,
    /// How the last sync ended.
    Result,
    /// The beginning of the commit that is applied.
    Revision,
    /// How much it needs attention.
    State,
    /// Whether a newer tag of an image waits.
    Update,
    /// What it waits for.
    Waits,
}

const NAMES: [(&str, Key); 18] = [
    ("auto", Key::Auto),
    ("author", Key::Author),
    ("cause", Key::Cause),
    ("drift", Key::Drift),
    ("health", Key::Health),
    ("hold", Key::Hold),
    ("image", Key::Image),
    ("label", Key::Label),
    ("name", Key::Name),
    ("ns", Key::Namespace),
    ("path", Key::Path),
    ("reason", Key::Reason),
    ("repo", Key::Repository),
    ("result", Key::Result),
    ("rev", Key::Revision),
    ("state", Key::State),
    ("update", Key::Update),
    ("waits", Key::Waits),
];

impl Key {
    /// The key of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut found = NAMES.into_iter().filter(|(known, _)| *known == name);
        found.next().map(|(_, key)| key)
    }

    /// All names, for people.
    pub fn list() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// The values that it may have, in lower case; empty where that is any text.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Auto => &["on", "off"],
            Self::Drift | Self::Update => &["yes", "no"],
            Self::Cause => &[
                "start-up",
                "time",
                "rollout",
                "poll",
                "webhook",
                "drift",
                "reference",
                "image",
                "chart",
                "schedule",
                "dependency",
                "retry",
                "user",
            ],
            Self::Health => &[
                "healthy",
                "progressing",
                "degraded",
                "suspended",
                "missing",
                "unknown",
            ],
            Self::Hold => &[
                "frozen",
                "suspended",
                "aborted",
                "pinned",
                "blocked",
                "window",
                "approval",
                "paused",
                "hook",
            ],
            Self::Result => &[
                "running",
                "succeeded",
                "failed",
                "held",
                "interrupted",
                "superseded",
            ],
            Self::State => &["failing", "waiting", "progressing", "suspended", "healthy"],
            _ => &[],
        }
    }

    /// How a value of it is compared: names as a whole, prose and references anywhere in the text.
    pub(super) fn pattern(self, value: &str) -> Pattern {
        match self {
            Self::Author | Self::Image | Self::Waits => Pattern::inside(value),
            Self::Revision => Pattern::beginning(value),
            _ => Pattern::whole(value),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = NAMES.into_iter().filter(|(_, key)| key == self);
        f.write_str(named.next().map_or("", |(name, _)| name))
    }
}
