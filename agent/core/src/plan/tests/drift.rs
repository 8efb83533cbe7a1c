//! What others changed: put back, removed, given up, or left alone and named.

use super::*;
use crate::field_path::FieldPath;

fn ignoring(kind: &str, path: &str) -> Ignore {
    Ignore {
        kind: Some(kind.to_owned()),
        fields: vec![FieldPath::parse(path).unwrap()],
        ..Ignore::default()
    }
}

/// A Deployment with a number of replicas, or without.
fn deployment(replicas: Option<u32>) -> (ObjectKey, Value) {
    let key = key("Deployment", "web");
    let mut wire = wire(&key, "1");
    if let Some(replicas) = replicas {
        wire["spec"]["replicas"] = replicas.into();
    }
    (key, wire)
}

#[test]
fn a_lost_field_is_put_back_and_the_manager_is_named() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.take_value(&keys[0], "kubectl-edit");
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    assert_eq!(plan.actions[0].lost, ["spec"]);
    assert_eq!(
        plan.actions[0].notes,
        ["put back spec (changed by kubectl-edit)"]
    );
    assert_eq!(plan.drift.len(), 1);
    assert_eq!(plan.drift[0].object, "ConfigMap shop/c000");
    assert_eq!(plan.drift[0].manager, "kubectl-edit");
    assert!(plan.drift[0].time.is_some());
}

#[test]
fn a_field_that_somebody_added_by_hand_is_removed_and_one_of_a_controller_stays() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.add_field(&keys[0], "kubectl-patch");
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    let rewrite = plan.actions[0].rewrite.as_ref().expect("a rewrite");
    let ours = applied_entry(rewrite, MANAGER).unwrap();
    assert!(!ours["f:spec"]["f:extra"].is_null(), "{ours}");
    assert_eq!(plan.drift[0].fields, ["spec.extra"]);
    assert_eq!(plan.drift[0].manager, "kubectl-patch");
    world.policy.foreign = ForeignFields::Keep;
    assert!(!world.plan(&keys).has_writes());
    let mut world = World::with(&keys);
    world.add_field(&keys[0], "a-controller");
    assert!(!world.plan(&keys).has_writes());
    world.policy.foreign = ForeignFields::RemoveAll;
    assert!(world.plan(&keys).has_writes());
}

#[test]
fn a_field_that_somebody_wrote_under_our_name_is_removed() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.live(&keys[0]).managed_fields[0]["fieldsV1"]["f:spec"]["f:extra"] = json!({});
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    assert_eq!(plan.drift[0].fields, ["spec.extra"]);
    assert_eq!(plan.drift[0].manager, MANAGER);
    world.policy.self_heal = false;
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Unchanged);
    assert_eq!(because(&action).0, Reason::DriftFound);
}

#[test]
fn a_value_that_somebody_wrote_under_our_name_is_put_back() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    assert!(!world.plan(&keys).has_writes());
    world.facts.forged.insert(keys[0].clone());
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    assert_eq!(plan.drift[0].manager, MANAGER);
    let said = "a value that somebody wrote under our name";
    assert_eq!(
        (&plan.drift[0].fields[..], &plan.actions[0].notes[..]),
        (&[said.to_owned()][..], &[said.to_owned()][..])
    );
    world.policy.self_heal = false;
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Unchanged);
    assert!(because(&action).1.contains(said));
}

#[test]
fn after_a_reset_of_managed_fields_everything_is_applied_again() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.live(&keys[0]).managed_fields.clear();
    let plan = world.plan(&keys);
    assert_eq!(plan.actions[0].kind, ActionKind::Update);
    assert_eq!(plan.drift[0].manager, "unknown client");
}

#[test]
fn an_object_that_stood_and_is_gone_is_made_anew_and_counts_as_drift() {
    let keys = config_maps(2);
    let mut world = World::with(&keys[..1]);
    world.live.clear();
    let plan = world.plan(&keys);
    assert_eq!(kinds(&plan), [ActionKind::Create, ActionKind::Create]);
    assert_eq!(plan.drift.len(), 1, "the other one is new");
    assert_eq!(plan.drift[0].object, "ConfigMap shop/c000");
}

#[test]
fn without_self_heal_a_lost_field_is_left_and_named_and_a_change_in_git_is_applied() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.policy.self_heal = false;
    world.take_value(&keys[0], "kubectl-edit");
    let plan = world.plan(&keys);
    let (reason, detail) = because(&plan.actions[0]);
    assert_eq!(plan.actions[0].kind, ActionKind::Unchanged);
    assert_eq!(reason, Reason::DriftFound);
    assert_eq!(detail, "ConfigMap shop/c000: spec");
    assert_eq!(plan.actions[0].rewrite, None);
    assert!(!plan.has_writes() && plan.actions[0].is_left());
    assert_eq!(plan.drift[0].manager, "kubectl-edit");
    let changed = (keys[0].clone(), wire(&keys[0], "2"));
    assert_eq!(world.action(&changed).kind, ActionKind::Update);
}

#[test]
fn without_self_heal_an_added_field_is_left_and_named_until_git_changes() {
    let keys = config_maps(1);
    let mut world = World::with(&keys);
    world.policy.self_heal = false;
    world.add_field(&keys[0], "kubectl-patch");
    let action = world.action_on(&keys[0]);
    assert_eq!((action.kind, action.rewrite), (ActionKind::Unchanged, None));
    let action = world.action_on(&keys[0]);
    let (reason, detail) = because(&action);
    assert_eq!(reason, Reason::DriftFound);
    assert!(detail.contains("spec.extra"), "{detail}");
    let changed = world.action(&(keys[0].clone(), wire(&keys[0], "2")));
    assert_eq!(changed.kind, ActionKind::Update);
    assert!(changed.rewrite.is_some());
}

#[test]
fn without_self_heal_an_object_that_is_gone_is_left_so_and_a_new_one_is_created() {
    let keys = config_maps(2);
    let mut world = World::with(&keys[..1]);
    world.policy.self_heal = false;
    world.live.clear();
    let plan = world.plan(&keys);
    assert_eq!(kinds(&plan), [ActionKind::Unchanged, ActionKind::Create]);
    let (reason, detail) = because(&plan.actions[0]);
    assert_eq!(reason, Reason::DriftFound);
    assert_eq!(detail, "ConfigMap shop/c000 is gone");
    let changed = world.action(&(keys[0].clone(), wire(&keys[0], "2")));
    assert_eq!(changed.kind, ActionKind::Create);
}

#[test]
fn a_field_that_becomes_ignored_is_given_up_and_keeps_its_value() {
    let mut world = World::with_wires(&[deployment(Some(2))]);
    world.ignore = vec![ignoring("Deployment", "/spec/replicas")];
    // Ignored fields are no part of what is desired any more.
    let action = world.action(&deployment(None));
    assert_eq!(action.kind, ActionKind::Update);
    assert_eq!(action.notes, ["gave up spec.replicas"]);
    let rewrite = action.rewrite.expect("a rewrite");
    let ours = applied_entry(&rewrite, MANAGER).unwrap();
    assert!(ours["f:spec"]["f:replicas"].is_null(), "{ours}");
    assert!(!ours["f:spec"]["f:value"].is_null(), "{ours}");
    // Once it is given up there is nothing more to do, whoever sets it.
    let key = deployment(None).0;
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let live = world.live(&key);
    live.managed_fields = rewrite;
    live.managed_fields
        .push(entry("kubectl", "Update", &replicas));
    let applied = applied_hash(KEY, &deployment(None).1).to_string();
    live.annotations
        .insert(names::ANNOTATION_APPLIED.into(), applied);
    assert_eq!(world.action(&deployment(None)).kind, ActionKind::Unchanged);
    // A rule for another kind changes nothing.
    let mut world = World::with_wires(&[deployment(Some(2))]);
    world.ignore = vec![ignoring("StatefulSet", "/spec/replicas")];
    assert_eq!(
        world.action(&deployment(Some(2))).kind,
        ActionKind::Unchanged
    );
}

#[test]
fn replicas_that_leave_git_are_given_up_where_an_autoscaler_sets_them() {
    let mut world = World::with_wires(&[deployment(Some(2))]);
    let key = deployment(None).0;
    let removed = world.action(&deployment(None));
    assert_eq!(removed.kind, ActionKind::Update);
    assert_eq!(removed.rewrite, None, "the apply removes them");
    world.facts.autoscaled.insert(key);
    let given_up = world.action(&deployment(None));
    assert_eq!(given_up.notes, ["gave up spec.replicas"]);
    let rewrite = given_up.rewrite.expect("a rewrite");
    let ours = applied_entry(&rewrite, MANAGER).unwrap();
    assert!(ours["f:spec"]["f:replicas"].is_null(), "{ours}");
}
