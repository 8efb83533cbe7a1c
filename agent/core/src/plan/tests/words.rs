//! Annotations on single objects: ours, and those of other tools.

use super::*;
use crate::application::PruneApproval;

const PRUNE: &str = names::ANNOTATION_PRUNE;
const APPLY: &str = names::ANNOTATION_APPLY;

#[test]
fn what_is_applied_only_where_it_is_missing_is_created_and_then_left() {
    let key = key("ConfigMap", "a");
    for (name, value) in [(APPLY, "ifNotPresent"), (names::FLUX_SSA, "IfNotPresent")] {
        let wanted = (key.clone(), annotated(&key, name, value));
        let action = World::with(&[]).action(&wanted);
        assert_eq!(action.kind, ActionKind::Create, "{name}");
        // One of ours that drifted, and somebody else's.
        let mut world = World::with(std::slice::from_ref(&key));
        world.take_value(&key, "kubectl-edit");
        assert_eq!(world.action(&wanted).kind, ActionKind::Unchanged, "{name}");
        let object = stranger(&key, &wire(&key, "other"), &[]);
        world.live.insert(key.clone(), object);
        let action = world.action(&wanted);
        assert_eq!(action.kind, ActionKind::Unchanged, "{name}");
        assert_eq!(action.rewrite, None);
    }
}

#[test]
fn what_is_ignored_is_neither_created_nor_changed_nor_pruned() {
    let key = key("ConfigMap", "a");
    for (name, value) in [
        (APPLY, "ignore"),
        (names::FLUX_SSA, "Ignore"),
        (names::FLUX_RECONCILE, "disabled"),
    ] {
        let wanted = (key.clone(), annotated(&key, name, value));
        let action = World::with(&[]).action(&wanted);
        assert_eq!(action.kind, ActionKind::Unchanged, "{name}");
        let mut world = World::with(std::slice::from_ref(&key));
        world.take_value(&key, "kubectl-edit");
        assert_eq!(world.action(&wanted).kind, ActionKind::Unchanged, "{name}");
        let world = World::with_wires(&[wanted]);
        let plan = world.plan(&config_maps(1));
        assert_eq!(pruned_and_skipped(&plan), (0, 1), "{name}");
    }
}

#[test]
fn the_words_of_other_tools_that_keep_an_object_are_understood() {
    let gone = key("ConfigMap", "gone");
    for (name, value) in [
        (PRUNE, "never"),
        (names::FLUX_PRUNE, "disabled"),
        (names::ARGO_SYNC_OPTIONS, "Replace=true,Prune=false"),
        (names::HELM_RESOURCE_POLICY, "keep"),
    ] {
        let mut world = World::with(std::slice::from_ref(&gone));
        world.approval.in_git = true;
        world.policy.prune_approval = PruneApproval::Never;
        world.annotate(&gone, name, value);
        let plan = world.plan(&config_maps(1));
        assert_eq!(pruned_and_skipped(&plan), (0, 1), "{name}");
        assert_eq!(plan.hold, None, "{name}");
    }
    let mut world = World::with(std::slice::from_ref(&gone));
    world.annotate(&gone, names::ARGO_SYNC_OPTIONS, "Prune=confirm");
    let plan = world.plan(&config_maps(1));
    assert_eq!(because(&plan.actions[1]).0, Reason::PruneHeld);
}

#[test]
fn flux_keeps_an_object_by_a_label_as_well() {
    let gone = key("ConfigMap", "gone");
    let mut world = World::with(std::slice::from_ref(&gone));
    let label = (names::FLUX_PRUNE.to_owned(), "disabled".to_owned());
    world.live(&gone).labels.extend([label]);
    assert_eq!(pruned_and_skipped(&world.plan(&config_maps(1))), (0, 1));
}

#[test]
fn the_live_object_decides_about_its_prune_and_git_about_its_apply() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    // Somebody wrote on the live object that it is to be left alone; Git does not say so.
    world.annotate(&keys[0], APPLY, "ignore");
    world.take_value(&keys[0], "kubectl-edit");
    assert_eq!(world.plan(&keys).actions[0].kind, ActionKind::Update);
    world.annotate(&keys[1], PRUNE, "never");
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (0, 1));
}

#[test]
fn fault_f26_an_object_is_replaced_only_where_it_says_so_itself() {
    let key = key("ConfigMap", "a");
    let mut world = World::with(std::slice::from_ref(&key));
    world.take_value(&key, "kubectl-edit");
    assert_eq!(world.action_on(&key).replace, Replace::Forbidden);
    for (name, value) in [
        (names::ANNOTATION_REPLACE, "allowed"),
        (names::FLUX_FORCE, "enabled"),
        (names::ARGO_SYNC_OPTIONS, "Replace=true"),
    ] {
        let action = world.action(&(key.clone(), annotated(&key, name, value)));
        assert_eq!(action.kind, ActionKind::Update, "{name}");
        assert_eq!(action.replace, Replace::Allowed, "{name}");
    }
    // The live object alone does not allow it.
    world.annotate(&key, names::ANNOTATION_REPLACE, "allowed");
    assert_eq!(world.action_on(&key).replace, Replace::Forbidden);
}

#[test]
fn what_becomes_of_dependents_is_read_from_the_live_object() {
    let gone = key("Deployment", "gone");
    for (value, propagation) in [
        ("background", Propagation::Background),
        ("foreground", Propagation::Foreground),
        ("orphan", Propagation::Orphan),
    ] {
        let mut world = World::with(std::slice::from_ref(&gone));
        world.annotate(&gone, names::ANNOTATION_PRUNE_PROPAGATION, value);
        let plan = world.plan(&config_maps(1));
        assert_eq!(plan.actions[1].kind, ActionKind::Prune);
        assert_eq!(plan.actions[1].propagation, propagation);
    }
}

#[test]
fn a_word_that_nobody_knows_is_named_and_deletes_nothing() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    world.annotate(&keys[1], PRUNE, "alway");
    let plan = world.plan_wires(&[(keys[0].clone(), annotated(&keys[0], APPLY, "sometimes"))]);
    assert_eq!(pruned_and_skipped(&plan), (0, 1));
    assert_eq!(plan.actions[0].kind, ActionKind::Unchanged);
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    assert!(
        plan.warnings[0].starts_with("a.yaml:1: "),
        "{:?}",
        plan.warnings
    );
    assert!(
        plan.warnings[1].starts_with("ConfigMap shop/c001: "),
        "{:?}",
        plan.warnings
    );
}
