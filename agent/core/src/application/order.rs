//! What an Application says of order, time and health.

use std::time::Duration;

use jiff::Timestamp;

use crate::expression::Expression;
use crate::object::ObjectKey;

/// While it holds no sync runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Why.
    pub reason: String,
    /// When it ends by itself; never where it is absent.
    pub until: Option<Timestamp>,
}

impl Suspension {
    /// Whether it holds at a time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The one commit that is applied while it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The commit, in full or its beginning of at least seven digits.
    pub commit: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself; never where it is absent.
    pub until: Option<Timestamp>,
}

impl Pin {
    /// Whether it holds at a time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// How a failed sync is tried again. What is absent is the agent's setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How often in a row; without end where it is absent.
    pub limit: Option<u32>,
    /// The first delay.
    pub first: Option<Duration>,
    /// The longest delay.
    pub most: Option<Duration>,
}

/// What happens when a rollout fails: a wave that does not become healthy in time, a hook that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It stays as it is until a newer commit comes or a person asks.
    #[default]
    Hold,
    /// It is tried again like any failed sync; hooks that succeeded do not run again.
    Retry,
    /// Its commits are reverted in Git, once; it stays as it is until the revert comes.
    Revert,
}

/// One object of the cluster, named by a person. The namespace means nothing for a kind of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectReference {
    /// Group, version, kind, namespace and name.
    pub key: ObjectKey,
}

/// What an application waits for before a new commit of it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// Another Application of the same namespace: applied and healthy.
    Application {
        /// Its name.
        name: String,
        /// Must be true as well; sees the Application as `self`.
        ready: Option<Expression>,
    },
    /// Any object that the application's account may read.
    Object {
        /// Which.
        object: ObjectReference,
        /// Must be true, and sees the object as `self`; without it the object must be healthy.
        ready: Option<Expression>,
    },
}

/// How the health of some objects is judged, instead of the rule that is built in. All expressions
/// see the object as `self`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRule {
    /// Group of the objects; any where it is absent.
    pub group: Option<String>,
    /// Kind of the objects.
    pub kind: String,
    /// Name of the object; any where it is absent.
    pub name: Option<String>,
    /// It does its work.
    pub healthy: Option<Expression>,
    /// It failed.
    pub degraded: Option<Expression>,
    /// It is on its way.
    pub progressing: Option<Expression>,
}

impl HealthRule {
    /// Whether it speaks of an object.
    pub fn selects(&self, key: &ObjectKey) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        self.kind == key.kind && fits(&self.group, &key.group) && fits(&self.name, &key.name)
    }
}

/// A stop of a rollout after a wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The wave after which it stops; once this wave is healthy.
    pub after: i32,
    /// How it ends.
    pub until: Until,
}

/// How a pause ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so long.
    Elapsed(Duration),
    /// When a condition on an object holds.
    Holds {
        /// The object; read as the application's account.
        object: ObjectReference,
        /// Must be true; sees the object as `self`.
        condition: Expression,
        /// How long it may take before the rollout fails; `spec.sync.timeout` where it is absent.
        timeout: Option<Duration>,
    },
}
