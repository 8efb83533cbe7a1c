//! Which prunes wait for a person, and what an approval covers.

use super::*;

/// A plan for everything but one ConfigMap and objects of a kind.
fn data() -> [ObjectKey; 4] {
    [
        key("ConfigMap", "a"),
        key("ConfigMap", "b"),
        key("StatefulSet", "db"),
        key("PersistentVolumeClaim", "data"),
    ]
}

#[test]
fn inv_i08_an_empty_set_holds_every_prune() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    let plan = world.plan(&[]);
    assert_eq!(pruned_and_skipped(&plan), (0, 2));
    let hold = plan.hold.unwrap();
    assert_eq!(hold.reason, Reason::EmptyPath);
    assert!(hold.detail.contains(&plan.hash), "{}", hold.detail);
    // A preview asks for nothing, but an empty path is no smaller application.
    world.policy.prune_approval = PruneApproval::Never;
    assert_eq!(world.plan(&[]).count(ActionKind::Prune), 0);
    world.approval.plan_hash = Some(plan.hash);
    assert_eq!(pruned_and_skipped(&world.plan(&[])), (2, 0));
}

#[test]
fn inv_i08_losing_more_than_half_is_held_and_less_is_not() {
    let keys = config_maps(100);
    let mut world = World::with(&keys);
    let held = world.plan(&keys[..49]);
    assert_eq!(pruned_and_skipped(&held), (0, 51));
    let hold = held.hold.unwrap();
    assert_eq!(hold.reason, Reason::PruneHeld);
    assert!(hold.detail.contains("51 of 100"), "{}", hold.detail);
    let done = world.plan(&keys[..79]);
    assert_eq!((pruned_and_skipped(&done), done.hold), ((21, 0), None));
    // What stands and was not read counts as well.
    for key in &keys[..49] {
        world.live.remove(key);
        world.standing.insert(key.clone());
    }
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..49])), (0, 51));
    // A few of a small application are no reason to ask.
    let keys = config_maps(4);
    let plan = World::with(&keys).plan(&keys[..1]);
    assert_eq!(pruned_and_skipped(&plan), (3, 0));
}

#[test]
fn inv_i08_new_names_for_the_same_objects_are_not_held() {
    let old = [
        "a-7f9c2", "b-7f9c2", "c-7f9c2", "d-7f9c2", "e-7f9c2", "f-7f9c2", "g-7f9c2",
    ];
    let new = [
        "a-5t6f8", "b-5t6f8", "c-5t6f8", "d-5t6f8", "e-5t6f8", "f-5t6f8", "g-5t6f8",
    ];
    for kind in ["ConfigMap", "Deployment"] {
        let world = World::with(&keys_of(kind, old));
        let plan = world.plan(&keys_of(kind, new));
        assert_eq!(
            (pruned_and_skipped(&plan), plan.hold),
            ((7, 0), None),
            "{kind}"
        );
    }
}

#[test]
fn inv_i08_a_changed_prefix_of_workloads_is_held_and_the_new_ones_are_made() {
    let old = keys_of("Deployment", ["web", "api", "worker"]);
    let new = keys_of("Deployment", ["x-web", "x-api", "worker"]);
    let world = World::with(&old);
    let plan = world.plan(&new);
    assert_eq!(plan.count(ActionKind::Create), 2);
    assert_eq!(pruned_and_skipped(&plan), (0, 2));
    assert_eq!(plan.hold.unwrap().reason, Reason::ReplaceHeld);
    // Half of them or less is every day's work, and so is a removal without a replacement.
    let one = keys_of("Deployment", ["x-web", "api", "worker"]);
    assert_eq!(pruned_and_skipped(&world.plan(&one)), (1, 0));
    assert_eq!(pruned_and_skipped(&world.plan(&old[..1])), (2, 0));
    // Objects beside the workloads go and come.
    let keys = config_maps(4);
    let mut both = old.to_vec();
    both.extend_from_slice(&keys[..2]);
    let mut next = new.to_vec();
    next.extend_from_slice(&keys[2..]);
    assert_eq!(pruned_and_skipped(&World::with(&both).plan(&next)), (2, 2));
}

/// The next sync after a plan: what it created is there, and nothing else has changed.
fn next(world: &mut World, wanted: &[ObjectKey], plan: &Plan) -> Plan {
    let others = World::with(wanted);
    for (key, live) in others.live {
        world.live.entry(key).or_insert(live);
    }
    world.before = others.before;
    world.facts.held.clone_from(&plan.held);
    world.plan(wanted)
}

#[test]
fn inv_i08_what_is_held_stays_so_in_the_next_sync_until_it_is_approved() {
    let old = keys_of("Deployment", ["web", "api", "worker"]);
    let new = keys_of("Deployment", ["x-web", "x-api", "worker"]);
    let mut world = World::with(&old);
    let first = world.plan(&new);
    let second = next(&mut world, &new, &first);
    assert_eq!(pruned_and_skipped(&second), (0, 2));
    assert_eq!((&second.hash, &second.held), (&first.hash, &first.held));
    assert_eq!(second.hold.as_ref().unwrap().reason, Reason::ReplaceHeld);
    world.approval.plan_hash = Some(second.hash);
    let approved = world.plan(&new);
    assert_eq!(pruned_and_skipped(&approved), (2, 0));
    assert!(approved.held.is_empty());
    // Where Git goes back, nothing is replaced.
    world.approval = Approval::default();
    let back = world.plan(&old);
    assert_eq!((pruned_and_skipped(&back), back.hold), ((2, 0), None));
    assert!(back.held.is_empty());
}

#[test]
fn inv_i08_a_later_commit_that_adds_objects_does_not_end_a_hold() {
    let keys = config_maps(104);
    let mut world = World::with(&keys[..100]);
    let first = world.plan(&keys[51..100]);
    assert_eq!(pruned_and_skipped(&first), (0, 51));
    let second = next(&mut world, &keys[51..], &first);
    assert_eq!(pruned_and_skipped(&second), (0, 51));
    assert_eq!(second.hash, first.hash);
    world.policy.prune_approval = PruneApproval::Never;
    assert_eq!(pruned_and_skipped(&world.plan(&keys[51..])), (51, 0));
}

#[test]
fn inv_i08_a_replacement_is_held_after_a_wait_for_renders_and_after_a_crash() {
    let old = keys_of("Deployment", ["web", "api", "worker"]);
    let new = keys_of("Deployment", ["x-web", "x-api", "worker"]);
    let mut world = World::with(&old);
    world.facts.unrendered = vec![Name::new("team", "other")];
    let waits = world.plan(&new);
    assert_eq!((waits.hold.clone(), waits.held.len()), (None, 2));
    world.facts.unrendered.clear();
    let after = next(&mut world, &new, &waits);
    assert_eq!(pruned_and_skipped(&after), (0, 2));
    // The agent died when the new ones were made: it knows only what it knew before.
    let mut world = World::with(&old);
    for (key, live) in World::with(&new).live {
        world.live.insert(key, live);
    }
    let plan = world.plan(&new);
    assert_eq!(pruned_and_skipped(&plan), (0, 2));
    assert_eq!(plan.hold.unwrap().reason, Reason::ReplaceHeld);
}

#[test]
fn inv_i09_kinds_that_hold_data_wait_for_a_person_and_the_rest_goes() {
    let keys = data();
    let mut world = World::with(&keys);
    let plan = world.plan(&keys[..1]);
    assert_eq!(pruned_and_skipped(&plan), (1, 2));
    assert!(plan.hold.is_some());
    for key in &keys {
        world.annotate(key, names::ANNOTATION_PRUNE, "always");
    }
    let plan = world.plan(&keys[..1]);
    assert_eq!((pruned_and_skipped(&plan), plan.hold), ((3, 0), None));
}

#[test]
fn inv_i09_every_kind_that_holds_data_or_others_is_held() {
    let stays = key("ConfigMap", "a");
    let mut application = key("Application", "inner");
    application.group = names::GROUP.to_owned();
    for gone in [
        key("PersistentVolumeClaim", "x"),
        key("PersistentVolume", "x"),
        key("Namespace", "x"),
        key("StatefulSet", "x"),
        key("CustomResourceDefinition", "widgets.example.com"),
        application,
    ] {
        let world = World::with(&[stays.clone(), gone.clone()]);
        let plan = world.plan(std::slice::from_ref(&stays));
        assert_eq!(pruned_and_skipped(&plan), (0, 1), "{gone}");
        let hold = plan.hold.unwrap();
        assert!(hold.detail.contains(&gone.to_string()), "{}", hold.detail);
    }
}

#[test]
fn inv_i09_custom_resources_wait_with_their_definition_and_go_before_it() {
    let keys = [
        key("ConfigMap", "a"),
        key("CustomResourceDefinition", "widgets.example.com"),
        key("Widget", "one"),
    ];
    let mut world = World::with(&keys);
    let held = world.plan(&keys[..1]);
    assert_eq!(kinds(&held)[1..], [ActionKind::Skip, ActionKind::Skip]);
    let alone = world.plan(&keys[..2]);
    assert_eq!(pruned_and_skipped(&alone), (1, 0), "its definition stays");
    world.approval.in_git = true;
    let plan = world.plan(&keys[..1]);
    let order: Vec<_> = plan.actions[1..]
        .iter()
        .map(|a| a.key.kind.as_str())
        .collect();
    assert_eq!(order, ["Widget", "CustomResourceDefinition"]);
}

#[test]
fn an_approval_holds_for_its_plan_only() {
    let keys = config_maps(10);
    let mut world = World::with(&keys);
    let held = world.plan(&keys[..1]);
    world.approval.plan_hash = Some(held.hash.clone());
    assert_eq!(world.plan(&keys[..1]).count(ActionKind::Prune), 9);
    let other = world.plan(&keys[..2]);
    assert_eq!(
        pruned_and_skipped(&other),
        (0, 8),
        "another plan, another hash"
    );
    world.approval = Approval {
        in_git: true,
        ..Approval::default()
    };
    assert_eq!(world.plan(&keys[..2]).count(ActionKind::Prune), 8);
}

#[test]
fn an_approval_still_holds_when_what_did_not_wait_is_gone() {
    let keys = data();
    let mut world = World::with(&keys);
    let shown = world.plan(&keys[..1]).hash;
    world.live.remove(&keys[1]);
    world.approval.plan_hash = Some(shown);
    let plan = world.plan(&keys[..1]);
    assert_eq!((pruned_and_skipped(&plan), plan.hold), ((2, 0), None));
}

#[test]
fn the_hash_names_the_objects_that_wait_and_nothing_else() {
    let keys = data();
    let mut world = World::with(&keys);
    let shown = world.plan(&keys[..1]).hash;
    assert_eq!(shown.len(), 16);
    // Another version of an object, an approval, a change elsewhere: the same question.
    world.live(&keys[3]).resource_version = "8".into();
    world.approval.in_git = true;
    let changed = [(keys[0].clone(), wire(&keys[0], "2"))];
    assert_eq!(world.plan_wires(&changed).hash, shown);
    // Another object under the name: another question.
    world.live(&keys[3]).uid = "another".into();
    assert_ne!(world.plan(&keys[..1]).hash, shown);
    world.live.remove(&keys[3]);
    assert_ne!(world.plan(&keys[..1]).hash, shown);
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
fn an_object_that_asks_for_it_waits_each_time_and_alone() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    world.annotate(&keys[1], names::ANNOTATION_PRUNE, "confirm");
    for approval in [PruneApproval::WhenRisky, PruneApproval::Never] {
        world.policy.prune_approval = approval;
        let plan = world.plan(&keys[..1]);
        assert_eq!(pruned_and_skipped(&plan), (1, 1), "{approval:?}");
        let skipped = plan.actions.iter().find(|a| a.kind == ActionKind::Skip);
        let (reason, detail) = because(skipped.unwrap());
        assert_eq!(reason, Reason::PruneHeld);
        assert!(detail.contains(&plan.hash), "{detail}");
        world.approval.plan_hash = Some(plan.hash);
        assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (2, 0));
        world.approval.plan_hash = None;
    }
}

#[test]
fn a_policy_asks_each_time_or_never() {
    let keys = data();
    let mut world = World::with(&keys);
    world.policy.prune_approval = PruneApproval::Always;
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (0, 3));
    world.annotate(&keys[1], names::ANNOTATION_PRUNE, "always");
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (1, 2));
    world.policy.prune_approval = PruneApproval::Never;
    assert_eq!(pruned_and_skipped(&world.plan(&keys[..1])), (3, 0));
}
