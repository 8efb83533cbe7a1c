//! Named tests of the planner's rules.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::manifest::Body;
use crate::record::Name;
use crate::revision::CommitId;

const KEY: &[u8] = b"key";

fn owner() -> Owner {
    Owner {
        instance: "abc".into(),
        application: Name::new("team", "shop"),
    }
}

fn policy() -> SyncPolicy {
    SyncPolicy {
        automatic: true,
        prune: true,
        self_heal: true,
        timeout: Duration::from_secs(300),
    }
}

fn key(kind: &str, name: &str) -> ObjectKey {
    let group = if kind == "Deployment" || kind == "StatefulSet" {
        "apps"
    } else {
        ""
    };
    let namespace = (kind != "Namespace").then(|| "shop".to_owned());
    ObjectKey {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace,
        name: name.into(),
    }
}

fn wire(key: &ObjectKey, value: &str) -> Value {
    json!({"apiVersion": key.api_version(), "kind": key.kind,
           "metadata": {"name": key.name, "namespace": key.namespace}, "spec": {"value": value}})
}

fn desired(keys: &[ObjectKey]) -> ManifestSet {
    let manifests = keys
        .iter()
        .map(|key| Manifest {
            key: key.clone(),
            body: Body::take(wire(key, "1")).unwrap(),
            origin: Origin {
                file: "a.yaml".into(),
                document: 1,
                line: Some(1),
            },
        })
        .collect();
    ManifestSet::new(CommitId::parse(&"a".repeat(40)).unwrap(), manifests).unwrap()
}

fn live_of(key: &ObjectKey, owner: &Owner) -> Live {
    Live {
        uid: format!("uid-{}", key.name),
        resource_version: "7".into(),
        annotations: [
            (names::ANNOTATION_OWNER.to_owned(), owner.record_for(key)),
            (
                names::ANNOTATION_APPLIED.to_owned(),
                applied_hash(KEY, &wire(key, "1")),
            ),
        ]
        .into(),
        managed_fields: vec![json!({"manager": "syncline-abc", "operation": "Apply",
            "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:spec": {"f:value": {}}}})],
        controller: None,
        deleting: false,
    }
}

struct World {
    live: BTreeMap<ObjectKey, Live>,
    policy: SyncPolicy,
    approval: Approval,
}

impl World {
    fn with(keys: &[ObjectKey]) -> Self {
        let live = keys
            .iter()
            .map(|key| (key.clone(), live_of(key, &owner())))
            .collect();
        Self {
            live,
            policy: policy(),
            approval: Approval::default(),
        }
    }

    fn plan(&self, wanted: &[ObjectKey]) -> Plan {
        plan(&Inputs {
            desired: &desired(wanted),
            live: &self.live,
            owner: &owner(),
            key: KEY,
            policy: &self.policy,
            approval: &self.approval,
            agent_namespace: "syncline",
        })
    }
}

fn config_maps(count: usize) -> Vec<ObjectKey> {
    (0..count)
        .map(|n| key("ConfigMap", &format!("c{n:03}")))
        .collect()
}

#[test]
fn an_object_is_created_left_alone_updated_and_pruned() {
    let keys = config_maps(4);
    let mut world = World::with(&keys[1..]);
    world
        .live
        .get_mut(&keys[2])
        .unwrap()
        .annotations
        .remove(names::ANNOTATION_APPLIED);
    let plan = world.plan(&keys[..3]);
    let kinds: Vec<_> = plan.actions.iter().map(|a| a.kind).collect();
    assert_eq!(
        kinds,
        [
            ActionKind::Create,
            ActionKind::Unchanged,
            ActionKind::Update,
            ActionKind::Prune
        ]
    );
    assert_eq!(plan.actions[3].proof, Some(("uid-c003".into(), "7".into())));
    assert_eq!(plan.hold, None);
}

#[test]
fn a_lost_field_is_put_back_and_the_manager_is_named() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    let live = world.live.get_mut(&keys[0]).unwrap();
    live.managed_fields[0]["fieldsV1"] = json!({});
    live.managed_fields
        .push(json!({"manager": "kubectl-edit", "operation": "Update",
        "time": "2026-11-21T11:00:00Z", "fieldsV1": {"f:spec": {"f:value": {}}}}));
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    assert_eq!(plan.drift.len(), 1);
    assert_eq!(plan.drift[0].manager, "kubectl-edit");
}

#[test]
fn without_self_heal_a_lost_field_is_left_and_named_and_a_change_in_git_is_applied() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.policy.self_heal = false;
    let live = world.live.get_mut(&keys[0]).unwrap();
    live.managed_fields[0]["fieldsV1"] = json!({});
    let plan = world.plan(&keys);
    let because = plan.actions[0].because.as_ref().unwrap();
    assert_eq!(plan.actions[0].kind, ActionKind::Unchanged);
    assert_eq!(because.reason, Reason::DriftFound);
    assert!(because.detail.contains("spec"), "{}", because.detail);
    let live = world.live.get_mut(&keys[0]).unwrap();
    live.annotations
        .insert(names::ANNOTATION_APPLIED.into(), "older".into());
    assert_eq!(world.plan(&keys).actions[0].kind, ActionKind::Update);
}

#[test]
fn inv_i04_what_carries_another_owner_is_neither_written_nor_pruned() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    let other = Owner {
        application: Name::new("team", "other"),
        ..owner()
    };
    world
        .live
        .insert(keys[0].clone(), live_of(&keys[0], &other));
    world
        .live
        .insert(keys[1].clone(), live_of(&keys[1], &other));
    // A copied record: names another object.
    world
        .live
        .insert(keys[2].clone(), live_of(&keys[1], &owner()));
    let plan = world.plan(&keys[..1]);
    assert_eq!(plan.actions.len(), 1);
    assert_eq!(plan.actions[0].kind, ActionKind::Skip);
    assert_eq!(
        plan.actions[0].because.as_ref().unwrap().reason,
        Reason::OwnedBy
    );
}

#[test]
fn fault_f44_what_another_installation_owns_is_refused_with_its_name() {
    let keys = config_maps(1);
    let mut world = World::with(&[]);
    let other = Owner {
        instance: "zzz".into(),
        ..owner()
    };
    world
        .live
        .insert(keys[0].clone(), live_of(&keys[0], &other));
    let plan = world.plan(&keys);
    let because = plan.actions[0].because.as_ref().unwrap();
    assert!(
        because.detail.contains("another Syncline (zzz"),
        "{}",
        because.detail
    );
}

#[test]
fn inv_i08_an_empty_set_holds_every_prune() {
    let keys = config_maps(2);
    let plan = World::with(&keys).plan(&[]);
    assert_eq!(plan.count(ActionKind::Prune), 0);
    assert_eq!(plan.hold.unwrap().reason, Reason::EmptyPath);
}

#[test]
fn inv_i08_losing_more_than_half_is_held_and_less_is_not() {
    let keys = config_maps(100);
    let world = World::with(&keys);
    let held = world.plan(&keys[..49]);
    assert_eq!(
        (held.count(ActionKind::Prune), held.count(ActionKind::Skip)),
        (0, 51)
    );
    assert_eq!(held.hold.unwrap().reason, Reason::PruneHeld);
    let done = world.plan(&keys[..79]);
    assert_eq!((done.count(ActionKind::Prune), done.hold), (21, None));
    // A few of a small application are no reason to ask.
    let keys = config_maps(4);
    assert_eq!(
        World::with(&keys).plan(&keys[..1]).count(ActionKind::Prune),
        3
    );
}

#[test]
fn an_approval_holds_for_its_plan_only() {
    let keys = config_maps(10);
    let mut world = World::with(&keys);
    let held = world.plan(&keys[..1]);
    world.approval.plan_hash = Some(held.hash.clone());
    assert_eq!(world.plan(&keys[..1]).count(ActionKind::Prune), 9);
    assert_eq!(
        world.plan(&keys[..2]).count(ActionKind::Prune),
        0,
        "another plan, another hash"
    );
    world.approval = Approval {
        in_git: true,
        plan_hash: None,
    };
    assert_eq!(world.plan(&keys[..2]).count(ActionKind::Prune), 8);
}

#[test]
fn inv_i09_kinds_that_hold_data_wait_for_a_person_and_the_rest_goes() {
    let keys = [
        key("ConfigMap", "a"),
        key("ConfigMap", "b"),
        key("StatefulSet", "db"),
        key("PersistentVolumeClaim", "data"),
    ];
    let mut world = World::with(&keys);
    let plan = world.plan(&keys[..1]);
    assert_eq!(
        (plan.count(ActionKind::Prune), plan.count(ActionKind::Skip)),
        (1, 2)
    );
    assert!(plan.hold.is_some());
    for live in world.live.values_mut() {
        live.annotations
            .insert(names::ANNOTATION_PRUNE.into(), "always".into());
    }
    let plan = world.plan(&keys[..1]);
    assert_eq!((plan.count(ActionKind::Prune), plan.hold), (3, None));
}

#[test]
fn an_approval_still_holds_when_what_did_not_wait_is_gone() {
    let keys = [
        key("ConfigMap", "a"),
        key("ConfigMap", "b"),
        key("StatefulSet", "db"),
        key("PersistentVolumeClaim", "data"),
    ];
    let mut world = World::with(&keys);
    let shown = world.plan(&keys[..1]).hash;
    world.live.remove(&keys[1]);
    world.approval.plan_hash = Some(shown);
    let plan = world.plan(&keys[..1]);
    assert_eq!((plan.count(ActionKind::Prune), plan.hold), (2, None));
}

#[test]
fn what_is_being_deleted_already_waits_for_nobody() {
    let keys = [key("ConfigMap", "a"), key("PersistentVolumeClaim", "data")];
    let mut world = World::with(&keys);
    assert!(world.plan(&keys[..1]).hold.is_some());
    for live in world.live.values_mut() {
        live.deleting = true;
    }
    assert_eq!(world.plan(&keys[..1]).hold, None);
}

#[test]
fn inv_i07_the_namespaces_of_kubernetes_and_the_agent_are_never_pruned() {
    let mut keys: Vec<_> = ["default", "kube-system", "syncline"]
        .iter()
        .map(|n| key("Namespace", n))
        .collect();
    let mut own = key("ConfigMap", "syncline-instance");
    own.namespace = Some("syncline".into());
    keys.push(own);
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    let plan = world.plan(&[key("ConfigMap", "x")]);
    assert_eq!(plan.count(ActionKind::Prune), 0);
    assert_eq!(plan.count(ActionKind::Skip), 4);
}

#[test]
fn a_controller_an_annotation_and_the_policy_keep_objects() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    world.live.get_mut(&keys[1]).unwrap().controller = Some("Operator x".into());
    world
        .live
        .get_mut(&keys[2])
        .unwrap()
        .annotations
        .insert(names::ANNOTATION_PRUNE.into(), "never".into());
    assert_eq!(world.plan(&keys[..1]).count(ActionKind::Prune), 0);
    let mut world = World::with(&keys);
    world.policy.prune = false;
    assert_eq!(world.plan(&keys[..1]).count(ActionKind::Prune), 0);
}

#[test]
fn stages_order_creation_and_reverse_deletion() {
    let keys = [
        key("ConfigMap", "a"),
        key("Namespace", "n"),
        key("ServiceAccount", "s"),
    ];
    let world = World::with(&[]);
    let order: Vec<_> = world
        .plan(&keys)
        .actions
        .iter()
        .map(|a| a.key.kind.clone())
        .collect();
    assert_eq!(order, ["Namespace", "ServiceAccount", "ConfigMap"]);
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    let plan = world.plan(&[key("ConfigMap", "other")]);
    let order: Vec<_> = plan.actions[1..]
        .iter()
        .map(|a| a.key.kind.clone())
        .collect();
    assert_eq!(order, ["ConfigMap", "ServiceAccount", "Namespace"]);
}

#[test]
fn repairs_of_the_same_object_slow_down() {
    let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
    let delays: Vec<_> = (0..9)
        .map(|n| repair_delay(n, first, most).as_secs())
        .collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
}
