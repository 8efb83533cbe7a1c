//! What happens to the changes of an application when one of them is lost.
//!
//! A change is a difference, so the rows are true only if every change before it was written.
//! After a loss the changes that wait are dropped, and in their place one entry deletes the rows.
//! It takes no room, so it always fits. Until the caller forgets the application and keeps all of
//! it anew, later changes are dropped as well.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syncline_core::record::Name;

use super::{Item, Queue, State};

impl Queue {
    /// Deletes what is kept of an application, and drops the changes that wait. What is kept of it
    /// later begins anew, also after a loss.
    pub(crate) fn forget(&self, application: &Name) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.lost.remove(application);
        if state.all_lost {
            state.begun_anew.insert(application.clone());
        }
        state.forget(application);
        drop(state);
        self.progress.notify_waiters();
        self.work.notify_one();
    }

    /// Deletes all that is kept, before anything is: what is there could not be read.
    pub(crate) fn forget_all(&self) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        let place = state.next;
        state.insert(place, Item::ForgetAll);
        drop(state);
        self.work.notify_one();
    }

    /// Every application has lost what was kept of it: the database began anew.
    pub(crate) fn lose_all(&self) {
        let mut state = self.state();
        state.all_lost = true;
        state.begun_anew.clear();
        let dropped = state.drop_all_waiting();
        drop(state);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.progress.notify_waiters();
    }

    /// Whether a change of the application was lost since it was last forgotten by the caller.
    pub(crate) fn has_lost(&self, application: &Name) -> bool {
        self.state().has_lost(application)
    }
}

impl State {
    /// Whether later changes of the application have nothing to stand on.
    pub(super) fn has_lost(&self, application: &Name) -> bool {
        self.lost.contains(application) || (self.all_lost && !self.begun_anew.contains(application))
    }

    /// Drops every change that waits. Returns how many.
    pub(super) fn drop_all_waiting(&mut self) -> u64 {
        let applications: Vec<Name> = self.kept.keys().cloned().collect();
        let waiting = applications.iter().map(|name| self.drop_waiting(name));
        waiting.sum()
    }

    /// After a change was lost: the rows go, and later changes are dropped. Returns how many
    /// waiting changes were dropped.
    pub(super) fn lose(&mut self, application: &Name) -> u64 {
        self.lost.insert(application.clone());
        self.forget(application)
    }

    /// After the rows could not be deleted: they stay as old as they are, and later changes are
    /// dropped. Returns how many waiting changes were dropped.
    pub(super) fn abandon(&mut self, application: &Name) -> u64 {
        self.lost.insert(application.clone());
        self.drop_waiting(application)
    }

    fn forget(&mut self, application: &Name) -> u64 {
        let dropped = self.drop_waiting(application);
        // A new place: the writer may be at work on what waited, and this must come after it.
        self.insert(self.next, Item::Forget(Arc::new(application.clone())));
        dropped
    }

    fn drop_waiting(&mut self, application: &Name) -> u64 {
        let mut dropped = 0;
        for place in self.kept.get(application).cloned().unwrap_or_default() {
            if let Some(Item::Keep(_)) = self.remove(place) {
                dropped += 1;
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use syncline_core::digest::Digest;
    use syncline_core::kept::{Kept, KeptChange, KeptObject};
    use syncline_core::object::{ObjectKey, Origin};
    use syncline_core::read_set::ReadSet;
    use syncline_core::revision::CommitId;

    use super::*;

    type Rows = BTreeMap<ObjectKey, KeptObject>;

    /// Numbers that look random and are the same in each run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }

    /// What the agent holds in memory of an application, and all that it ever held.
    #[derive(Default)]
    struct Agent {
        holds: Rows,
        moments: HashSet<Vec<(String, Digest)>>,
        writes: u64,
    }

    impl Agent {
        /// Changes, adds or removes up to three objects.
        fn change(&mut self, application: &Name, dice: &mut Dice) -> KeptChange {
            let before = self.holds.clone();
            for _ in 0..=dice.roll(3) {
                let key = ObjectKey {
                    group: String::new(),
                    version: "v1".into(),
                    kind: "ConfigMap".into(),
                    namespace: None,
                    name: dice.roll(6).to_string(),
                };
                if dice.roll(3) == 0 {
                    self.holds.remove(&key);
                } else {
                    self.writes += 1;
                    let object = KeptObject {
                        origin: Origin::default(),
                        applied: Digest::from_hash(&self.writes.to_be_bytes()),
                        written: None,
                    };
                    self.holds.insert(key, object);
                }
            }
            self.moments.insert(moment(&self.holds));
            difference(application, &before, &self.holds)
        }
    }

    fn moment(rows: &Rows) -> Vec<(String, Digest)> {
        rows.iter()
            .map(|(key, object)| (key.name.clone(), object.applied))
            .collect()
    }

    fn difference(application: &Name, before: &Rows, after: &Rows) -> KeptChange {
        let changed = after
            .iter()
            .filter(|(key, object)| before.get(key) != Some(object));
        let removed = before.keys().filter(|key| !after.contains_key(key));
        KeptChange {
            kept: Kept {
                application: application.clone(),
                commit: CommitId::parse(&"0".repeat(40)).unwrap(),
                inputs: Digest::default(),
                reads: ReadSet::default(),
                others: BTreeMap::new(),
                images: Vec::new(),
            },
            changed: changed
                .map(|(key, object)| (key.clone(), object.clone()))
                .collect(),
            removed: removed.cloned().collect(),
        }
    }

    fn write(database: &mut BTreeMap<Name, Rows>, item: &Item) {
        match item {
            Item::Keep(change) => {
                let rows = database.entry(change.kept.application.clone()).or_default();
                for key in &change.removed {
                    rows.remove(key);
                }
                rows.extend(change.changed.iter().cloned());
            }
            Item::Forget(application) => {
                database.remove(application);
            }
            _ => {}
        }
    }

    /// Keeps changes of random applications, as the agent does after a sync.
    fn keep_some(queue: &Queue, agents: &mut BTreeMap<Name, Agent>, dice: &mut Dice) {
        for _ in 0..dice.roll(6) {
            let number = usize::try_from(dice.roll(3)).unwrap();
            let (application, agent) = agents.iter_mut().nth(number).unwrap();
            let change = agent.change(application, dice);
            if queue.has_lost(application) && dice.roll(2) == 0 {
                queue.forget(application);
                let all = difference(application, &Rows::new(), &agent.holds);
                queue.push(Item::Keep(Arc::new(all)));
            } else {
                queue.push(Item::Keep(Arc::new(change)));
            }
        }
    }

    #[tokio::test]
    async fn rows_are_always_those_of_one_moment_whatever_is_lost() {
        for seed in 1..=100 {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
            let queue = Queue::new(4, 20);
            let mut database: BTreeMap<Name, Rows> = BTreeMap::new();
            let mut agents: BTreeMap<Name, Agent> = ["web", "api", "db"]
                .map(|name| (Name::new("shop", name), Agent::default()))
                .into();
            for round in 0..200 {
                let last = round == 199;
                keep_some(&queue, &mut agents, &mut dice);
                while !queue.is_empty() {
                    let batch = queue.batch(3).await.unwrap();
                    // More arrives while the writer is at work.
                    if !last {
                        keep_some(&queue, &mut agents, &mut dice);
                    }
                    let fate = if last { 0 } else { dice.roll(4) };
                    match fate {
                        0 | 1 => {
                            for (_, item) in &batch {
                                write(&mut database, item);
                            }
                            queue.written(&batch);
                        }
                        2 => {
                            for entry in &batch {
                                if !queue.holds(entry) {
                                    continue;
                                }
                                if dice.roll(3) == 0 {
                                    queue.give_up(std::slice::from_ref(entry));
                                } else {
                                    write(&mut database, &entry.1);
                                    queue.written(std::slice::from_ref(entry));
                                }
                            }
                        }
                        _ => {}
                    }
                    for (application, rows) in &database {
                        let agent = &agents[application];
                        assert!(
                            agent.moments.contains(&moment(rows)),
                            "seed {seed}, round {round}: {application} never had {rows:?}"
                        );
                    }
                    if !last && dice.roll(3) == 0 {
                        break;
                    }
                }
            }
            for (application, agent) in &agents {
                if !queue.has_lost(application) {
                    let rows = database.get(application);
                    assert_eq!(rows, Some(&agent.holds), "seed {seed}: {application}");
                }
            }
        }
    }
}
