//! What is never pruned, and what is not pruned yet.

use super::*;

#[test]
fn inv_i07_the_namespaces_of_kubernetes_and_the_agent_are_never_pruned() {
    let mut keys = keys_of(
        "Namespace",
        ["default", "kube-system", "kube-public", "syncline"],
    )
    .to_vec();
    keys.push(key("CustomResourceDefinition", "applications.syncline.dev"));
    let mut own = key("ConfigMap", "syncline-instance");
    own.namespace = Some("syncline".into());
    keys.push(own);
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    world.policy.prune_approval = PruneApproval::Never;
    for key in &keys {
        world.annotate(key, names::ANNOTATION_PRUNE, "always");
    }
    let plan = world.plan(&[key("ConfigMap", "x")]);
    assert_eq!(pruned_and_skipped(&plan), (0, 6));
    for action in &plan.actions[1..] {
        assert_eq!(because(action).0, Reason::Protected, "{}", action.key);
    }
}

#[test]
fn a_controller_an_annotation_and_the_policy_keep_objects() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    world.live(&keys[1]).controller = Some("Operator x".into());
    world.annotate(&keys[2], names::ANNOTATION_PRUNE, "never");
    let plan = world.plan(&keys[..1]);
    assert_eq!(pruned_and_skipped(&plan), (0, 2));
    let reasons: Vec<_> = plan.actions[1..].iter().map(|a| because(a).0).collect();
    assert_eq!(reasons, [Reason::Synced, Reason::AdoptedByController]);
    let mut world = World::with(&keys);
    world.policy.prune = false;
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (0, 2));
}

#[test]
fn inv_i10_prunes_wait_for_applications_that_are_not_rendered_and_name_them() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    world.annotate(&keys[2], names::ANNOTATION_PRUNE, "always");
    world.facts.unrendered = vec![Name::new("team", "broken")];
    let plan = world.plan(&keys[..1]);
    assert_eq!(pruned_and_skipped(&plan), (0, 2));
    for action in &plan.actions[1..] {
        let (reason, detail) = because(action);
        assert_eq!(reason, Reason::WaitsForRender);
        assert!(
            detail.contains("waits for application team/broken"),
            "{detail}"
        );
    }
    assert_eq!(plan.hold, None, "no person can help");
    world.facts.unrendered.push(Name::new("team", "other"));
    let plan = world.plan(&keys[..1]);
    let detail = because(&plan.actions[1]).1;
    assert!(
        detail.contains("2 applications, among them team/broken"),
        "{detail}"
    );
    world.facts.unrendered.clear();
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (2, 0));
}

#[test]
fn inv_i10_what_could_not_be_read_is_not_pruned_and_the_rest_is() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    world.facts.unread = vec![Failure {
        reason: Reason::InventoryUnreadable,
        detail: "Widget.example.com".into(),
    }];
    // An object of that kind left Git as well; nothing of it is known.
    let plan = world.plan(&keys[..1]);
    assert_eq!(pruned_and_skipped(&plan), (1, 0));
    assert_eq!(plan.actions[1].key, keys[1]);
}

#[test]
fn only_what_was_read_and_carries_our_record_is_pruned() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    world
        .live(&keys[1])
        .annotations
        .remove(names::ANNOTATION_OWNER);
    world.annotate(&keys[2], names::ANNOTATION_OWNER, "abc/team/shop");
    let plan = world.plan(&keys[..1]);
    assert_eq!(kinds(&plan), [ActionKind::Unchanged]);
}

#[test]
fn deleting_an_application_leaves_what_holds_data_or_is_protected() {
    let live = Live::default();
    let kept = |kind: &str, name: &str| is_kept_on_deletion(&key(kind, name), &live, "syncline");
    for (kind, name) in [
        ("Namespace", "shop"),
        ("Namespace", "default"),
        ("PersistentVolumeClaim", "disk"),
        ("PersistentVolume", "disk"),
        ("CustomResourceDefinition", "widgets.example.com"),
    ] {
        assert!(kept(kind, name), "{kind} {name}");
    }
    assert!(!kept("StatefulSet", "db") && !kept("ConfigMap", "a"));
    let said = |value: &str| Live {
        annotations: [(names::ANNOTATION_PRUNE.to_owned(), value.to_owned())].into(),
        ..Live::default()
    };
    let disk = key("PersistentVolumeClaim", "disk");
    assert!(!is_kept_on_deletion(&disk, &said("always"), "syncline"));
    let default = key("Namespace", "default");
    assert!(is_kept_on_deletion(&default, &said("always"), "syncline"));
    assert!(is_kept_on_deletion(
        &key("ConfigMap", "a"),
        &said("never"),
        "syncline"
    ));
}
