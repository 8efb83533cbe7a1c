//! What is live of the objects that a preview is about.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::manifest::ManifestSet;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::owner::Owner;
use syncline_core::plan::Live;
use syncline_core::reason::Reason;

use super::{Certainty, Subject};
use crate::live::reduced;
use crate::sync::{self, Extent, Known};

/// What was read of single objects.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) live: BTreeMap<ObjectKey, Live>,
    pub(super) unreadable: BTreeMap<ObjectKey, Failure>,
}

pub(super) async fn read(
    subject: &Subject<'_>,
    known: &Known,
    set: &ManifestSet,
    standing: &BTreeSet<ObjectKey>,
) -> Result<Seen, Vec<Failure>> {
    let unknown = set
        .iter()
        .filter(|manifest| !standing.contains(&manifest.key));
    let keys = unknown.filter_map(|manifest| {
        let resource = known.resources.get(&manifest.key.group_kind())?;
        let readable = resource.supports("get");
        readable.then(|| (resource.clone(), manifest.key.clone()))
    });
    let discovery = subject.cluster.discovery();
    let concurrency = subject.settings.concurrency;
    let answers = sync::read(discovery, subject.account, keys.collect(), concurrency).await;
    let mut seen = Seen::default();
    for answer in answers {
        let key = answer.key;
        match answer.found {
            Ok(Some(live)) => {
                seen.live.insert(key, reduced(&live));
            }
            Ok(None) => {}
            Err(error) => {
                let place = set.get(&key).map(|manifest| manifest.origin.to_string());
                let failure = Failure {
                    reason: error.reason(),
                    detail: format!("{}: {key}: {error}", place.unwrap_or_default()),
                };
                if failure.reason == Reason::ApiUnavailable && !answer.down {
                    return Err(vec![failure]);
                }
                seen.unreadable.insert(key, failure);
            }
        }
    }
    Ok(seen)
}

/// The owner that most of the live objects name, where ours is not known for sure.
pub(super) fn likely_owner(
    subject: &Subject<'_>,
    owner: &Owner,
    live: &BTreeMap<ObjectKey, Live>,
) -> Option<Owner> {
    let known = subject.identity.instance.is_some();
    if known && subject.identity.name == Certainty::Known {
        return None;
    }
    let mut counts: BTreeMap<Owner, usize> = BTreeMap::new();
    for (key, object) in live {
        let Some(found) = object.owner(key) else {
            continue;
        };
        let same_instance = !known || found.instance == owner.instance;
        let same_name =
            subject.identity.name == Certainty::Guessed || found.application == owner.application;
        if same_instance && same_name {
            *counts.entry(found).or_default() += 1;
        }
    }
    let found = counts.into_iter().max_by_key(|(_, count)| *count);
    found.map(|(found, _)| found).filter(|found| found != owner)
}

/// Looks for objects of ours that Git no longer names.
pub(super) async fn left(
    subject: &Subject<'_>,
    owner: &Owner,
    extent: &Extent,
    known: &mut Known,
    set: &ManifestSet,
    seen: &mut Seen,
) -> Result<(), Vec<Failure>> {
    let selector = format!("{}={}", names::LABEL_MANAGED, owner.instance);
    let parts = known.parts(extent);
    let discovery = subject.cluster.discovery();
    let concurrency = subject.settings.concurrency;
    let lists = sync::list_parts(
        discovery,
        subject.account,
        parts,
        &selector,
        concurrency,
        known,
    )
    .await;
    for (_, list) in lists.map_err(sync::Stopped::into_failures)? {
        for object in list {
            let live = reduced(&object);
            // What a run of a hook made is no object that left Git.
            let is_hook = live.annotations.contains_key(names::ANNOTATION_HOOK_RUN);
            if is_hook {
                continue;
            }
            if set.get(&object.key).is_none() && live.owner(&object.key).as_ref() == Some(owner) {
                seen.live.insert(object.key, live);
            }
        }
    }
    Ok(())
}
