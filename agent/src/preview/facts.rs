//! What a preview knows beyond the objects themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use syncline_cluster::{Cluster, Resource};
use syncline_core::digest::Digest;
use syncline_core::handover::{Holder, Other, Right};
use syncline_core::manifest::ManifestSet;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::Owner;
use syncline_core::plan::{Facts, Live, Plan};
use syncline_core::reason::Reason;
use syncline_core::record::Name;

use super::Subject;
use super::look::Seen;
use crate::sync::{self, Known};

pub(super) async fn facts(
    subject: &Subject<'_>,
    owner: &Owner,
    (set, hashes): (&ManifestSet, &BTreeMap<ObjectKey, Digest>),
    known: &Known,
    seen: &Seen,
) -> Facts {
    let live = &seen.live;
    let (discovery, account) = (subject.cluster.discovery(), subject.account);
    let quiet = subject.settings.tool_quiet_period;
    let facts = Facts {
        tools: sync::tools(discovery, account, set, live, Timestamp::now(), quiet).await,
        autoscaled: sync::autoscaled(&owner.instance, account, set, live).await,
        unread: known.unread.clone(),
        unreadable: seen.unreadable.clone(),
        ..Facts::default()
    };
    if let Some(agent) = subject.memory {
        let application = subject.application;
        return sync::remembered(agent, application, owner, set, hashes, live, facts);
    }
    let mut others = BTreeMap::new();
    for (key, object) in live {
        let other = object
            .owner(key)
            .filter(|other| other.instance == owner.instance && other != owner);
        if let (Some(other), Some(_)) = (other, set.get(key)) {
            let name = other.application;
            others.insert(key.clone(), holder(subject, name).await);
        }
    }
    Facts { others, ..facts }
}

/// What is known of the application that has an object: what it wants, a running agent alone knows.
async fn holder(subject: &Subject<'_>, application: Name) -> Other {
    let namespace = Some(application.namespace.clone());
    let exists = match own_kind(subject.cluster).await {
        Ok(resource) => {
            let key = resource.key(namespace, application.name.as_str());
            let found = subject.account.get_metadata(&resource, &key).await;
            // What cannot be read may be there.
            found.map_or(true, |found| found.is_some_and(|it| it.deleted.is_none()))
        }
        Err(_) => true,
    };
    let near = application.namespace == subject.application.name.namespace;
    Other {
        application,
        holder: if exists {
            Holder::WantsAnother
        } else {
            Holder::LeftIt
        },
        right: if near { Right::Granted } else { Right::Missing },
    }
}

/// The kind `Application` as the cluster serves it.
pub(crate) async fn own_kind(cluster: &Cluster) -> Result<Resource, syncline_cluster::Error> {
    let kind = syncline_cluster::Kind::Application.as_str();
    cluster.discovery().preferred(names::GROUP, kind).await
}

/// What was applied to the live objects of ours before.
pub(super) fn before(
    owner: &Owner,
    live: &BTreeMap<ObjectKey, Live>,
) -> BTreeMap<ObjectKey, Digest> {
    let ours = live.iter().filter(|(key, object)| {
        let found = object.owner(key);
        found.as_ref() == Some(owner)
    });
    ours.filter_map(|(key, object)| Some((key.clone(), object.applied()?)))
        .collect()
}

/// An object of a kind that nobody serves cannot be made, unless its definition comes with it.
pub(super) fn not_served(plan: &mut Plan, known: &Known, set: &ManifestSet) {
    let defined: BTreeSet<String> = set
        .iter()
        .filter(|manifest| manifest.key.kind == "CustomResourceDefinition")
        .filter_map(|manifest| {
            let spec = &manifest.body.visible()["spec"];
            let (group, kind) = (spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
            Some(format!("{kind}.{group}"))
        })
        .collect();
    for action in &mut plan.actions {
        let kind = action.key.group_kind();
        let unknown = !known.resources.contains_key(&kind) && !defined.contains(&kind);
        let unread = known
            .unread
            .iter()
            .any(|failure| failure.detail.starts_with(&kind));
        if action.kind == ActionKind::Create && unknown && !unread {
            action.kind = ActionKind::Skip;
            action.because = Some(Failure {
                reason: Reason::UnknownKind,
                detail: format!("{}: {}", action.key, action.key.api_version()),
            });
        }
    }
}
