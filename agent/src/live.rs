//! The live objects as watches, lists and our own writes show them: reduced to what tells whether
//! an object stands, and how it is.

use std::collections::HashMap;

use serde_json::Value;
use syncline_core::digest::Digest;
use syncline_core::health::{Health, ObjectHealth, assess};
use syncline_core::kept::{FieldDigests, KeptObject, Written};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::owner::Owner;
use syncline_core::ownership;
use syncline_core::plan;
use syncline_core::record::Name;
use syncline_core::url::without_credentials;

/// A live object at one resource version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `metadata.uid`.
    pub(crate) uid: String,
    /// `metadata.resourceVersion`.
    pub(crate) resource_version: String,
    /// The application of this installation that its owner record names.
    pub(crate) owner: Option<Name>,
    /// The hash that it was applied with.
    pub(crate) applied: Option<Digest>,
    /// Who holds which field.
    pub(crate) fields: FieldDigests,
    /// The run of a hook that it is the object of; `None` for what is no hook.
    pub(crate) run: Option<String>,
    /// It is being deleted.
    pub(crate) deleting: bool,
    /// How it is.
    pub(crate) health: ObjectHealth,
    /// The label selector of its pods, where it is a workload.
    pub(crate) selector: Option<String>,
}

impl Seen {
    /// Reduces what a watch, a list or a write answered with.
    pub(crate) fn of(live: &syncline_cluster::Live, instance: &str) -> Self {
        let annotation = |name: &str| live.annotations.get(name);
        let owner = annotation(names::ANNOTATION_OWNER)
            .and_then(|record| Owner::read(record, &live.key))
            .filter(|owner| owner.instance == instance)
            .map(|owner| owner.application);
        let manager = names::field_manager(instance);
        Self {
            uid: live.uid.clone(),
            resource_version: live.resource_version.clone(),
            owner,
            applied: annotation(names::ANNOTATION_APPLIED).and_then(|hash| hash.parse().ok()),
            fields: ownership::digests(&live.managed_fields, &manager),
            run: annotation(names::ANNOTATION_HOOK_RUN).cloned(),
            deleting: live.deleted.is_some(),
            // Kinds of which only metadata is read have no health of their own.
            health: match &live.object {
                Some(object) if live.annotations.contains_key(names::ANNOTATION_HOOK_RUN) => {
                    until_its_end(object, masked(assess(object)))
                }
                Some(object) => masked(assess(object)),
                None => ObjectHealth::new(Health::Healthy, ""),
            },
            selector: live.object.as_ref().and_then(selector),
        }
    }

    /// Whether this is not newer than another state of the same object. Resource versions of one
    /// kind are ordered numbers (KEP-5504).
    fn is_old(&self, known: &Self) -> bool {
        let number = |version: &str| version.parse::<u128>().ok();
        let (mine, theirs) = (&self.resource_version, &known.resource_version);
        match (number(mine), number(theirs)) {
            (Some(mine), Some(theirs)) => mine < theirs,
            _ => false,
        }
    }

    /// What is kept of it as the state that is good.
    pub(crate) fn written(&self) -> Written {
        Written {
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
            fields: self.fields,
        }
    }

    /// Whether it is as an application left it: nothing was changed, taken or added since.
    pub(crate) fn stands(&self, kept: &KeptObject, owner: &Name) -> bool {
        let written = kept.written.as_ref();
        self.owner.as_ref() == Some(owner)
            && self.applied == Some(kept.applied)
            && written.is_some_and(|written| self.is_as(written))
    }

    /// Whether it is the same object, and nobody has taken or left a field of it since.
    pub(crate) fn is_as(&self, written: &Written) -> bool {
        written.uid == self.uid && written.fields == self.fields
    }
}

/// What was told of an object, with its newer sentence in the place of its older one, with which it
/// begins.
fn renewed(told: &ObjectHealth, older: &ObjectHealth, newer: &ObjectHealth) -> ObjectHealth {
    let rest = told.message.strip_prefix(older.message.as_str());
    let message = rest.filter(|_| !older.message.is_empty()).map_or_else(
        || told.message.clone(),
        |rest| format!("{}{rest}", newer.message),
    );
    ObjectHealth::new(newer.health, message)
}

/// Health without the credentials of URLs in its sentence.
pub(crate) fn masked(health: ObjectHealth) -> ObjectHealth {
    ObjectHealth {
        message: without_credentials(&health.message).into_owned(),
        ..health
    }
}

/// How the object of a hook is: a Pod that is ready is not at its end, and one that fails to start is
/// tried again by its kubelet until the hook's time is over.
pub(crate) fn until_its_end(object: &Value, health: ObjectHealth) -> ObjectHealth {
    let is_pod = object["apiVersion"] == "v1" && object["kind"] == "Pod";
    let phase = object["status"]["phase"].as_str();
    if !is_pod || matches!(phase, Some("Succeeded" | "Failed")) {
        return health;
    }
    let message = match health.health {
        Health::Healthy => "the pod runs".to_owned(),
        _ => health.message,
    };
    ObjectHealth::new(Health::Progressing, message)
}

/// The selector of the pods of a workload, as a list of pods takes it.
fn selector(object: &Value) -> Option<String> {
    let group = object["apiVersion"].as_str()?.split_once('/')?.0;
    let kind = object["kind"].as_str()?;
    let workload = match group {
        "apps" => ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].contains(&kind),
        "batch" => kind == "Job",
        _ => false,
    };
    if !workload {
        return None;
    }
    let selector = &object["spec"]["selector"];
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    let expressions = expressions.filter_map(|expression| {
        let key = expression["key"].as_str()?;
        let values = expression["values"].as_array().into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        let values = values.join(",");
        Some(match expression["operator"].as_str()? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        })
    });
    let parts: Vec<String> = labels.chain(expressions).collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// What the plan needs of a live object.
pub(crate) fn reduced(live: &syncline_cluster::Live) -> plan::Live {
    plan::Live {
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
        labels: live.labels.clone(),
        annotations: live.annotations.clone(),
        managed_fields: live.managed_fields.clone(),
        controller: live
            .controller()
            .map(|owner| format!("{} {}", owner.kind, owner.name)),
        deleting: live.deleted.is_some(),
    }
}

/// What a new state of an object changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The application that its record named before, where that is another one now.
    pub(crate) former_owner: Option<Name>,
    /// Its health is another.
    pub(crate) health: bool,
}

#[derive(Debug, Default)]
struct Tracked {
    seen: Option<Seen>,
    /// Its health with the cause that its pods tell, where they were looked at.
    explained: Option<ObjectHealth>,
    claims: Vec<Name>,
}

/// All live objects that carry our label or that an application wants.
#[derive(Debug, Default)]
pub(crate) struct Table {
    objects: HashMap<ObjectKey, Tracked>,
}

impl Table {
    /// The object as it was seen last; `None` where it is not known to be there.
    pub(crate) fn seen(&self, key: &ObjectKey) -> Option<&Seen> {
        self.objects.get(key)?.seen.as_ref()
    }

    /// How an object is, and why as far as that is known; `None` where it is not known to be there.
    pub(crate) fn health(&self, key: &ObjectKey) -> Option<&ObjectHealth> {
        let tracked = self.objects.get(key)?;
        let seen = tracked.seen.as_ref()?;
        Some(tracked.explained.as_ref().unwrap_or(&seen.health))
    }

    /// Takes in why an object is not healthy that was in the health `own` when it was looked at.
    /// Answers whether that is news; it is not where the object is another one or in another health
    /// by now.
    pub(crate) fn explain(
        &mut self,
        key: &ObjectKey,
        uid: &str,
        own: &ObjectHealth,
        health: ObjectHealth,
    ) -> bool {
        let Some(tracked) = self.objects.get_mut(key) else {
            return false;
        };
        let seen = tracked.seen.as_ref();
        let Some(seen) = seen.filter(|seen| seen.uid == uid && seen.health.health == own.health)
        else {
            return false;
        };
        let health = renewed(&health, own, &seen.health);
        let news = tracked.explained.as_ref() != Some(&health);
        tracked.explained = Some(health);
        news
    }

    /// The applications that want it.
    pub(crate) fn claims(&self, key: &ObjectKey) -> &[Name] {
        self.objects
            .get(key)
            .map(|tracked| tracked.claims.as_slice())
            .unwrap_or_default()
    }

    /// An application wants it.
    pub(crate) fn claim(&mut self, key: &ObjectKey, application: &Name) {
        if self.claims(key).contains(application) {
            return;
        }
        let tracked = self.objects.entry(key.clone()).or_default();
        tracked.claims.push(application.clone());
    }

    /// An application no longer wants it.
    pub(crate) fn unclaim(&mut self, key: &ObjectKey, application: &Name) {
        if let Some(tracked) = self.objects.get_mut(key) {
            tracked.claims.retain(|name| name != application);
            self.drop_if_empty(key);
        }
    }

    /// Takes a state in; `None` where a newer one is known.
    pub(crate) fn see(&mut self, key: &ObjectKey, seen: Seen) -> Option<Sight> {
        let tracked = self.objects.entry(key.clone()).or_default();
        let sight = match &tracked.seen {
            Some(known) if seen.is_old(known) => return None,
            Some(known) => Sight {
                former_owner: known.owner.clone().filter(|_| known.owner != seen.owner),
                health: known.health != seen.health,
            },
            None => Sight {
                former_owner: None,
                health: true,
            },
        };
        // What its pods told holds until they are looked at again, as long as it is in this health.
        let same =
            |known: &&Seen| known.uid == seen.uid && known.health.health == seen.health.health;
        let known = tracked.seen.as_ref().filter(same);
        tracked.explained = known.and_then(|known| {
            let told = tracked.explained.as_ref()?;
            Some(renewed(told, &known.health, &seen.health))
        });
        tracked.seen = Some(seen);
        Some(sight)
    }

    /// The object is gone; answers with its last state.
    pub(crate) fn gone(&mut self, key: &ObjectKey) -> Option<Seen> {
        let tracked = self.objects.get_mut(key)?;
        tracked.explained = None;
        let last = tracked.seen.take();
        self.drop_if_empty(key);
        last
    }

    /// All objects that an application wants.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = &ObjectKey> {
        let objects = self.objects.iter();
        objects
            .filter(|(_, tracked)| !tracked.claims.is_empty())
            .map(|(key, _)| key)
    }

    /// All live objects whose record names an application.
    pub(crate) fn owned_by<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a ObjectKey> {
        let objects = self.objects.iter();
        let owner = |tracked: &'a Tracked| tracked.seen.as_ref()?.owner.as_ref();
        objects
            .filter(move |(_, tracked)| owner(tracked) == Some(name))
            .map(|(key, _)| key)
    }

    fn drop_if_empty(&mut self, key: &ObjectKey) {
        let empty = |t: &Tracked| t.seen.is_none() && t.claims.is_empty();
        if self.objects.get(key).is_some_and(empty) {
            self.objects.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: "a".into(),
        }
    }

    fn seen(version: &str, owner: &str) -> Seen {
        Seen {
            uid: "u".into(),
            resource_version: version.into(),
            owner: Some(Name::new("team", owner)),
            applied: None,
            fields: FieldDigests::default(),
            run: None,
            deleting: false,
            health: ObjectHealth::new(Health::Healthy, ""),
            selector: None,
        }
    }

    #[test]
    fn what_its_pods_told_holds_while_the_object_is_in_that_health() {
        let unhealthy = |version: &str, message: &str| Seen {
            health: ObjectHealth::new(Health::Progressing, message),
            ..seen(version, "a")
        };
        let told = |table: &Table| table.health(&key()).unwrap().message.clone();
        let own = |message: &str| ObjectHealth::new(Health::Progressing, message);
        let (before, cause) = (own("0 of 1"), own("0 of 1: no image"));
        let mut table = Table::default();
        assert!(!table.explain(&key(), "u", &before, cause.clone()));
        table.see(&key(), unhealthy("1", "0 of 1"));
        assert!(table.explain(&key(), "u", &before, cause.clone()));
        assert!(!table.explain(&key(), "u", &before, cause.clone()));
        assert!(!table.explain(&key(), "another", &before, cause.clone()));
        table.see(&key(), unhealthy("2", "0 of 2"));
        assert_eq!(told(&table), "0 of 2: no image");
        // The look began before.
        assert!(!table.explain(&key(), "u", &before, cause.clone()));
        assert!(table.explain(&key(), "u", &before, own("0 of 1: crashed")));
        assert_eq!(told(&table), "0 of 2: crashed");
        table.see(&key(), seen("3", "a"));
        assert_eq!(told(&table), "");
        assert!(!table.explain(&key(), "u", &before, cause));
        table.see(&key(), unhealthy("4", "0 of 3"));
        assert_eq!(told(&table), "0 of 3");
    }

    #[test]
    fn the_selector_of_a_workload_is_that_of_its_pods() {
        let object = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "spec": { "selector": {
                "matchLabels": { "app": "web" },
                "matchExpressions": [
                    { "key": "tier", "operator": "In", "values": ["a", "b"] },
                    { "key": "old", "operator": "DoesNotExist" },
                ],
            } },
        });
        let found = selector(&object);
        assert_eq!(found.as_deref(), Some("app=web,tier in (a,b),!old"));
        let mut service = object;
        service["apiVersion"] = "v1".into();
        service["kind"] = "Service".into();
        assert_eq!(selector(&service), None);
    }

    #[test]
    fn an_older_event_changes_nothing_and_a_new_owner_is_told() {
        let mut table = Table::default();
        assert!(table.see(&key(), seen("10", "a")).unwrap().health);
        assert_eq!(table.see(&key(), seen("9", "b")), None);
        let sight = table.see(&key(), seen("11", "b")).unwrap();
        assert_eq!(sight.former_owner, Some(Name::new("team", "a")));
        assert_eq!(table.gone(&key()).unwrap().resource_version, "11");
        assert_eq!(table.seen(&key()), None);
    }

    #[test]
    fn an_object_stands_only_as_it_was_left() {
        let live = seen("10", "a");
        let owner = Name::new("team", "a");
        let kept = KeptObject {
            origin: syncline_core::object::Origin::default(),
            applied: Digest::default(),
            written: Some(live.written()),
        };
        let good = Seen {
            applied: Some(Digest::default()),
            ..live
        };
        assert!(good.stands(&kept, &owner));
        assert!(!good.stands(&kept, &Name::new("team", "b")));
        let changed = FieldDigests {
            ours: Digest::from_hash(b"x"),
            ..good.fields
        };
        let digest = Some(Digest::from_hash(b"x"));
        for other in [
            Seen {
                fields: changed,
                ..good.clone()
            },
            Seen {
                applied: digest,
                ..good.clone()
            },
            Seen {
                uid: "v".into(),
                ..good.clone()
            },
            Seen {
                owner: None,
                ..good.clone()
            },
        ] {
            assert!(!other.stands(&kept, &owner), "{other:?}");
        }
        let unwritten = KeptObject {
            written: None,
            ..kept
        };
        assert!(!good.stands(&unwritten, &owner));
    }

    #[test]
    fn what_nobody_wants_and_nobody_sees_is_forgotten() {
        let mut table = Table::default();
        let a = Name::new("team", "a");
        table.claim(&key(), &a);
        table.claim(&key(), &a);
        assert_eq!(table.claims(&key()), std::slice::from_ref(&a));
        table.unclaim(&key(), &a);
        assert_eq!((table.claimed().count(), table.objects.len()), (0, 0));
    }

    #[test]
    fn a_pod_of_a_hook_is_well_only_when_it_has_ended_well() {
        let healthy = || ObjectHealth::new(Health::Healthy, "");
        let pod = |phase: &str| serde_json::json!({ "apiVersion": "v1", "kind": "Pod", "status": { "phase": phase } });
        let of = |object: &Value| until_its_end(object, healthy()).health;
        assert_eq!(of(&pod("Running")), Health::Progressing);
        assert_eq!(of(&pod("Succeeded")), Health::Healthy);
        let failing = ObjectHealth::new(Health::Degraded, "CrashLoopBackOff");
        let told = until_its_end(&pod("Running"), failing);
        assert_eq!(told.health, Health::Progressing);
        assert_eq!(told.message, "CrashLoopBackOff");
        let job = serde_json::json!({ "apiVersion": "batch/v1", "kind": "Job" });
        assert_eq!(of(&job), Health::Healthy);
    }
}
