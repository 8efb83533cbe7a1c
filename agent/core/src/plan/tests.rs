//! Named tests of the planner's rules; here the world that they share.

mod drift;
mod handover;
mod hash;
mod hold;
mod model;
mod prune;
mod words;
mod writes;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::application::{Conflicts, ForeignFields, PruneApproval};
use crate::handover::{Holder, Right};
use crate::manifest::{Body, Manifest};
use crate::owner::applied_hash;
use crate::ownership::{MANUAL_TOOLS, applied_entry};
use crate::revision::CommitId;

const KEY: &[u8] = b"key";
const MANAGER: &str = "syncline-abc";

fn owner() -> Owner {
    owner_named("shop")
}

fn owner_named(application: &str) -> Owner {
    Owner {
        instance: "abc".into(),
        application: Name::new("team", application),
    }
}

fn policy() -> SyncPolicy {
    SyncPolicy {
        automatic: true,
        prune: true,
        self_heal: true,
        foreign: ForeignFields::default(),
        conflicts: Conflicts::default(),
        atomic: false,
        prune_approval: PruneApproval::default(),
        timeout: Duration::from_secs(300),
        retry: crate::application::Retry::default(),
        windows: Vec::new(),
        on_failure: crate::application::OnFailure::default(),
        pauses: Vec::new(),
    }
}

fn key(kind: &str, name: &str) -> ObjectKey {
    let group = match kind {
        "Deployment" | "StatefulSet" => "apps",
        "CustomResourceDefinition" => "apiextensions.k8s.io",
        "Widget" => "example.com",
        _ => "",
    };
    let cluster = matches!(
        kind,
        "Namespace" | "CustomResourceDefinition" | "PersistentVolume"
    );
    ObjectKey {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: (!cluster).then(|| "shop".to_owned()),
        name: name.into(),
    }
}

fn keys_of<const N: usize>(kind: &str, names: [&str; N]) -> [ObjectKey; N] {
    names.map(|name| key(kind, name))
}

fn config_maps(count: usize) -> Vec<ObjectKey> {
    (0..count)
        .map(|n| key("ConfigMap", &format!("c{n:03}")))
        .collect()
}

/// What Git says of an object: one value.
fn wire(key: &ObjectKey, value: &str) -> Value {
    json!({"apiVersion": key.api_version(), "kind": key.kind,
           "metadata": {"name": key.name, "namespace": key.namespace}, "spec": {"value": value}})
}

/// The same with an annotation.
fn annotated(key: &ObjectKey, name: &str, value: &str) -> Value {
    let mut wire = wire(key, "1");
    wire["metadata"]["annotations"] = json!({ name: value });
    wire
}

fn manifest(key: &ObjectKey, wire: Value) -> Manifest {
    Manifest {
        key: key.clone(),
        body: Body::take(wire).unwrap(),
        origin: Origin {
            file: "a.yaml".into(),
            document: 1,
            line: Some(1),
        },
    }
}

fn desired(manifests: Vec<Manifest>) -> ManifestSet {
    ManifestSet::new(CommitId::parse(&"a".repeat(40)).unwrap(), manifests).unwrap()
}

/// The set of fields that an apply of an object leaves in its entry.
fn fields_of(wire: &Value) -> Value {
    let mut fields = fields_below(wire);
    let map = fields.as_object_mut().unwrap();
    map.remove("f:apiVersion");
    map.remove("f:kind");
    let metadata = map["f:metadata"].as_object_mut().unwrap();
    metadata.remove("f:name");
    metadata.remove("f:namespace");
    if metadata.is_empty() {
        map.remove("f:metadata");
    }
    fields
}

fn fields_below(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| (format!("f:{name}"), fields_below(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "time": "2026-11-21T10:00:00Z",
           "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
}

/// A live object as an apply by an application left it.
fn live_of(key: &ObjectKey, wire: &Value, owner: &Owner) -> Live {
    let mut live = stranger(key, wire, &[entry(MANAGER, "Apply", &fields_of(wire))]);
    let hash = applied_hash(KEY, wire).to_string();
    let annotations = &mut live.annotations;
    annotations.insert(names::ANNOTATION_OWNER.to_owned(), owner.record_for(key));
    annotations.insert(names::ANNOTATION_APPLIED.to_owned(), hash);
    live
}

/// A live object that nobody marked as his.
fn stranger(key: &ObjectKey, wire: &Value, managed_fields: &[Value]) -> Live {
    let annotations = wire["metadata"]["annotations"].as_object();
    Live {
        uid: format!("uid-{}", key.name),
        resource_version: "7".into(),
        annotations: annotations
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        managed_fields: managed_fields.to_vec(),
        ..Live::default()
    }
}

/// Everything that a plan is made of, to be changed by a test.
struct World {
    before: BTreeMap<ObjectKey, Digest>,
    standing: BTreeSet<ObjectKey>,
    live: BTreeMap<ObjectKey, Live>,
    policy: SyncPolicy,
    ignore: Vec<Ignore>,
    approval: Approval,
    facts: Facts,
}

impl World {
    /// Objects of ours that were read and are as Git says.
    fn with(keys: &[ObjectKey]) -> Self {
        let wires = keys.iter().map(|key| (key.clone(), wire(key, "1")));
        Self::with_wires(&wires.collect::<Vec<_>>())
    }

    fn with_wires(wires: &[(ObjectKey, Value)]) -> Self {
        let live = |(key, wire): &(ObjectKey, Value)| (key.clone(), live_of(key, wire, &owner()));
        let before = |(key, wire): &(ObjectKey, Value)| (key.clone(), applied_hash(KEY, wire));
        Self {
            before: wires.iter().map(before).collect(),
            standing: BTreeSet::new(),
            live: wires.iter().map(live).collect(),
            policy: policy(),
            ignore: Vec::new(),
            approval: Approval::default(),
            facts: Facts::default(),
        }
    }

    fn live(&mut self, key: &ObjectKey) -> &mut Live {
        self.live.get_mut(key).unwrap()
    }

    fn annotate(&mut self, key: &ObjectKey, name: &str, value: &str) {
        let annotations = &mut self.live(key).annotations;
        annotations.insert(name.to_owned(), value.to_owned());
    }

    /// Somebody takes the value of an object from us.
    fn take_value(&mut self, key: &ObjectKey, manager: &str) {
        let fields = json!({"f:spec": {"f:value": {}}});
        let live = self.live(key);
        live.managed_fields[0]["fieldsV1"] = json!({});
        live.managed_fields.push(entry(manager, "Update", &fields));
    }

    /// Somebody adds a field that Git does not name.
    fn add_field(&mut self, key: &ObjectKey, manager: &str) {
        let fields = json!({"f:spec": {"f:extra": {}}});
        let live = self.live(key);
        live.managed_fields.push(entry(manager, "Update", &fields));
    }

    /// Tells of another application that wants or has an object.
    fn other(&mut self, key: &ObjectKey, application: &str, holder: Holder, right: Right) {
        let application = Name::new("team", application);
        let other = Other {
            application,
            holder,
            right,
        };
        self.facts.others.insert(key.clone(), other);
    }

    /// The plan for objects that say what they did before.
    fn plan(&self, wanted: &[ObjectKey]) -> Plan {
        let wires = wanted.iter().map(|key| (key.clone(), wire(key, "1")));
        self.plan_wires(&wires.collect::<Vec<_>>())
    }

    fn plan_wires(&self, wires: &[(ObjectKey, Value)]) -> Plan {
        let manifests = wires.iter().map(|(key, wire)| manifest(key, wire.clone()));
        let hashes = wires
            .iter()
            .map(|(key, wire)| (key.clone(), applied_hash(KEY, wire)));
        let tools: Vec<String> = MANUAL_TOOLS.iter().map(|tool| (*tool).to_owned()).collect();
        plan(&Inputs {
            desired: &desired(manifests.collect()),
            hashes: &hashes.collect(),
            before: &self.before,
            standing: &self.standing,
            live: &self.live,
            owner: &owner(),
            policy: &self.policy,
            ignore: &self.ignore,
            manual_tools: &tools,
            approval: &self.approval,
            facts: &self.facts,
            agent_namespace: "syncline",
        })
    }

    /// The only action of a plan for one object.
    fn action(&self, wire: &(ObjectKey, Value)) -> Action {
        let mut plan = self.plan_wires(std::slice::from_ref(wire));
        assert_eq!(plan.actions.len(), 1, "{plan:?}");
        plan.actions.remove(0)
    }

    /// The only action of a plan for one object that says what it did before.
    fn action_on(&self, key: &ObjectKey) -> Action {
        self.action(&(key.clone(), wire(key, "1")))
    }
}

fn because(action: &Action) -> (Reason, &str) {
    let because = action.because.as_ref().expect("a reason");
    (because.reason, &because.detail)
}

fn kinds(plan: &Plan) -> Vec<ActionKind> {
    plan.actions.iter().map(|action| action.kind).collect()
}

/// How many objects are pruned and how many are skipped.
fn pruned_and_skipped(plan: &Plan) -> (usize, usize) {
    (plan.count(ActionKind::Prune), plan.count(ActionKind::Skip))
}
