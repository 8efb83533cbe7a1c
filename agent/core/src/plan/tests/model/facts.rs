//! What the agent of the model knows when it plans: what stands, what is live, who wants what.

use super::agent::{Agent, Git, Kept};
use super::cluster::Cluster;
use super::*;
use crate::ownership::digests;

/// Whether a live object is as it was left.
fn seen_stands(application: usize, key: &ObjectKey, kept: &Kept, cluster: &Cluster) -> bool {
    let Some(object) = cluster.objects.get(key) else {
        return false;
    };
    let live = object.live();
    live.owner(key) == Some(owner_of(application))
        && live.applied() == Some(kept.applied)
        && kept.written.as_ref().is_some_and(|(uid, fields)| {
            *uid == live.uid && *fields == digests(&live.managed_fields, MANAGER)
        })
}

impl Agent {
    /// Objects that carry our record and that Git no longer names, as far as is known.
    fn left(&self, application: usize, cluster: &Cluster) -> Vec<ObjectKey> {
        let owner = owner_of(application);
        let objects = cluster.objects.iter();
        objects
            .filter(|(key, object)| object.live().owner(key).as_ref() == Some(&owner))
            .map(|(key, _)| key.clone())
            .filter(|key| !self.entries[application].objects.contains_key(key))
            .collect()
    }

    pub(super) fn all_stands(&self, application: usize, git: &Git, cluster: &Cluster) -> bool {
        let entry = &self.entries[application];
        let quiet = entry.plan_hash.is_none() && !entry.waits;
        quiet
            && entry
                .kept
                .is_some_and(|commit| commit >= git.changed[application])
            && self.left(application, cluster).is_empty()
            && entry
                .objects
                .iter()
                .all(|(key, kept)| seen_stands(application, key, kept, cluster))
    }

    pub(super) fn plan(
        &self,
        application: usize,
        git: &Git,
        cluster: &Cluster,
        set: &ManifestSet,
        hashes: &BTreeMap<ObjectKey, Digest>,
    ) -> (Plan, bool) {
        let entry = &self.entries[application];
        let stands =
            |(key, kept): &(&ObjectKey, &Kept)| seen_stands(application, key, kept, cluster);
        let standing = entry.objects.iter().filter(stands);
        let standing: BTreeSet<ObjectKey> = standing.map(|(key, _)| key.clone()).collect();
        // More than what is ours: a watch may be late.
        let all = cluster.objects.keys().chain(hashes.keys());
        let read = all.filter(|key| !standing.contains(*key));
        let live: BTreeMap<ObjectKey, Live> = read
            .filter_map(|key| Some((key.clone(), cluster.objects.get(key)?.live())))
            .collect();
        let before = entry
            .objects
            .iter()
            .filter(|(_, kept)| kept.written.is_some());
        let applied = self.lasting.applied[application];
        let trailer = git.trailer[application];
        let in_git = applied.is_some_and(|applied| trailer.is_some_and(|at| at > applied));
        let tools: Vec<String> = MANUAL_TOOLS.iter().map(|tool| (*tool).to_owned()).collect();
        let plan = plan(&Inputs {
            desired: set,
            hashes,
            before: &before
                .map(|(key, kept)| (key.clone(), kept.applied))
                .collect(),
            standing: &standing,
            live: &live,
            owner: &owner_of(application),
            policy: &policy(),
            ignore: &[],
            manual_tools: &tools,
            approval: &Approval {
                in_git,
                plan_hash: self.lasting.approve[application].clone(),
                ..Approval::default()
            },
            facts: &self.facts(application, hashes, &live),
            agent_namespace: "syncline",
        });
        (plan, in_git)
    }

    fn facts(
        &self,
        application: usize,
        hashes: &BTreeMap<ObjectKey, Digest>,
        live: &BTreeMap<ObjectKey, Live>,
    ) -> Facts {
        let entry = &self.entries[application];
        let mut others = BTreeMap::new();
        for (key, object) in live {
            let other = match hashes.get(key) {
                Some(hash) => object
                    .owner(key)
                    .filter(|owner| owner.instance == "abc")
                    .and_then(|owner| (0..APPLICATIONS).find(|other| owner_of(*other) == owner))
                    .filter(|other| *other != application)
                    .map(|other| self.holder(application, other, key, *hash)),
                None => self.heir(application, key),
            };
            others.extend(other.map(|other| (key.clone(), other)));
        }
        let pending = self.unrendered.iter();
        let pending = pending.filter(|(other, head)| {
            let untried = self.entries[**other].failed < **head;
            **other != application && (**head > entry.settled || untried)
        });
        let held = match (&entry.held, &entry.plan_hash) {
            (Some(held), _) => held.clone(),
            (None, None) => BTreeMap::new(),
            (None, Some(_)) => {
                let left = live.keys().filter(|key| !hashes.contains_key(key));
                left.map(|key| (key.clone(), Reason::PruneHeld)).collect()
            }
        };
        Facts {
            others,
            unrendered: pending
                .map(|(other, _)| owner_of(*other).application)
                .collect(),
            held,
            ..Facts::default()
        }
    }

    fn holder(&self, application: usize, other: usize, key: &ObjectKey, hash: Digest) -> Other {
        let entry = &self.entries[other];
        let pending = self.unrendered.contains_key(&other) || entry.kept.is_none();
        let holder = match entry.objects.get(key) {
            _ if pending => Holder::Unrendered,
            Some(kept) if kept.applied == hash => Holder::WantsTheSame,
            Some(_) => Holder::WantsAnother,
            None => Holder::LeftIt,
        };
        Other {
            application: owner_of(other).application,
            holder,
            right: right(application, other),
        }
    }

    fn heir(&self, application: usize, key: &ObjectKey) -> Option<Other> {
        let claims = |other: &usize| self.entries[*other].objects.contains_key(key);
        let others = (0..APPLICATIONS).filter(|other| *other != application);
        let claims: Vec<usize> = others.filter(claims).collect();
        let granted = |other: &&usize| right(application, **other) == Right::Granted;
        let other = claims.iter().find(granted).or(claims.first())?;
        Some(Other {
            application: owner_of(*other).application,
            holder: Holder::LeftIt,
            right: right(application, *other),
        })
    }
}
