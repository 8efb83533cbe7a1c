//! Which events let a rollout go on: asked for each event, so it costs next to nothing.

use std::collections::BTreeSet;

use crate::health::Health;
use crate::object::ObjectKey;

/// The events that a rollout waits for. All of a set have to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awaits {
    /// These objects have to become healthy.
    pub healthy: BTreeSet<ObjectKey>,
    /// These objects have to go.
    pub gone: BTreeSet<ObjectKey>,
    /// This run of a hook has to end: its id and the object as Git names it.
    pub run: Option<(String, ObjectKey)>,
}

impl Awaits {
    /// Takes the health of an object in. Answers whether the rollout can go on.
    pub fn saw(&mut self, key: &ObjectKey, health: Health) -> bool {
        let good = matches!(health, Health::Healthy | Health::Suspended);
        good && self.healthy.remove(key) && self.healthy.is_empty()
    }

    /// Takes the end of an object in. Answers whether the rollout can go on.
    pub fn went(&mut self, key: &ObjectKey) -> bool {
        self.gone.remove(key) && self.gone.is_empty()
    }

    /// Whether the state of a hook's object is the end of the run that is waited for.
    pub fn is_ended(&self, run: &str, health: Health) -> bool {
        let awaited = self.run.as_ref().is_some_and(|(id, _)| id == run);
        awaited && matches!(health, Health::Healthy | Health::Degraded)
    }
}
