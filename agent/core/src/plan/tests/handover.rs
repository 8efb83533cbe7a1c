//! Objects that carry somebody else's record, or that somebody else wants.

use super::*;

/// An object of the application `old`, which we want.
fn of_old(key: &ObjectKey) -> World {
    let mut world = World::with(&[]);
    let object = live_of(key, &wire(key, "1"), &owner_named("old"));
    world.live.insert(key.clone(), object);
    world
}

#[test]
fn inv_i04_what_carries_another_owner_is_neither_written_nor_pruned() {
    let keys = config_maps(3);
    let mut world = World::with(&keys);
    let other = owner_named("other");
    for key in &keys[..2] {
        let object = live_of(key, &wire(key, "1"), &other);
        world.live.insert(key.clone(), object);
    }
    // A copied record: names another object.
    let copied = live_of(&keys[1], &wire(&keys[1], "1"), &owner());
    world.live.insert(keys[2].clone(), copied);
    let plan = world.plan(&keys[..1]);
    assert_eq!(kinds(&plan), [ActionKind::Skip]);
    let (reason, detail) = because(&plan.actions[0]);
    assert_eq!(reason, Reason::OwnedBy);
    assert!(detail.contains("team/other"), "{detail}");
}

#[test]
fn fault_f44_what_another_installation_owns_is_refused_with_its_name() {
    let keys = config_maps(2);
    let mut world = World::with(&[]);
    let other = Owner {
        instance: "zzz".into(),
        ..owner()
    };
    for key in &keys {
        let object = live_of(key, &wire(key, "1"), &other);
        world.live.insert(key.clone(), object);
        // Whatever is known of an application of the same name here.
        world.other(key, "shop", Holder::LeftIt, Right::Granted);
    }
    let plan = world.plan(&keys[..1]);
    assert_eq!(kinds(&plan), [ActionKind::Skip]);
    let (reason, detail) = because(&plan.actions[0]);
    assert_eq!(reason, Reason::OwnedBy);
    assert!(detail.contains("another Syncline (zzz"), "{detail}");
}

#[test]
fn inv_i06_what_another_application_left_is_taken_over_with_proof() {
    let keys = config_maps(1);
    let mut world = of_old(&keys[0]);
    world.other(&keys[0], "old", Holder::LeftIt, Right::Granted);
    let action = world.action_on(&keys[0]);
    assert_eq!(action.kind, ActionKind::Update);
    assert_eq!(action.notes, ["taken over from another application"]);
    assert_eq!(action.proof, Some(("uid-c000".into(), "7".into())));
    assert!(world.plan(&keys).drift.is_empty());
}

#[test]
fn inv_i06_what_another_application_has_is_not_taken_from_it() {
    let keys = config_maps(1);
    let mut world = of_old(&keys[0]);
    for (holder, right, reason) in [
        (Holder::WantsTheSame, Right::Granted, Reason::Shared),
        (Holder::WantsAnother, Right::Granted, Reason::OwnedBy),
        (Holder::LeftIt, Right::Missing, Reason::OwnedBy),
        (Holder::Unrendered, Right::Granted, Reason::WaitsForRender),
    ] {
        world.other(&keys[0], "old", holder, right);
        let action = world.action_on(&keys[0]);
        assert_eq!(action.kind, ActionKind::Skip, "{holder:?}");
        let (found, detail) = because(&action);
        assert_eq!(found, reason, "{holder:?}");
        assert!(detail.contains("team/old"), "{detail}");
    }
    // Without knowledge of it, it is not taken either.
    world.facts.others.clear();
    assert_eq!(because(&world.action_on(&keys[0])).0, Reason::OwnedBy);
}

#[test]
fn inv_i06_what_another_application_wants_is_not_pruned() {
    let keys = config_maps(2);
    let mut world = World::with(&keys);
    world.approval.in_git = true;
    world.annotate(&keys[1], names::ANNOTATION_PRUNE, "always");
    for (holder, right, reason) in [
        (Holder::LeftIt, Right::Granted, Reason::WaitsForRender),
        (Holder::Unrendered, Right::Missing, Reason::WaitsForRender),
        (Holder::LeftIt, Right::Missing, Reason::ClaimedElsewhere),
        (
            Holder::WantsTheSame,
            Right::Granted,
            Reason::ClaimedElsewhere,
        ),
        (
            Holder::WantsAnother,
            Right::Missing,
            Reason::ClaimedElsewhere,
        ),
    ] {
        world.other(&keys[1], "new", holder, right);
        let plan = world.plan(&keys[..1]);
        assert_eq!(pruned_and_skipped(&plan), (0, 1), "{holder:?}");
        let (found, detail) = because(&plan.actions[1]);
        assert_eq!(found, reason, "{holder:?}");
        assert!(detail.contains("team/new"), "{detail}");
    }
}

#[test]
fn inv_i06_a_move_deletes_nothing_whichever_application_syncs_first() {
    let moved = key("ConfigMap", "moved");
    // The old one first: the new one wants the object, so it stays.
    let mut old = World::with(std::slice::from_ref(&moved));
    old.other(&moved, "new", Holder::LeftIt, Right::Granted);
    let plan = old.plan(&config_maps(1));
    assert_eq!(pruned_and_skipped(&plan), (0, 1));
    // Then the new one takes it.
    let mut new = of_old(&moved);
    new.other(&moved, "old", Holder::LeftIt, Right::Granted);
    assert_eq!(new.action_on(&moved).kind, ActionKind::Update);
    // The new one first, before the old one is rendered: it waits, and so does the prune after.
    new.other(&moved, "old", Holder::Unrendered, Right::Granted);
    assert_eq!(because(&new.action_on(&moved)).0, Reason::WaitsForRender);
    // Once it passed, the old one has nothing to do with it.
    let mut old = World::with(&[]);
    let object = live_of(&moved, &wire(&moved, "1"), &owner_named("new"));
    old.live.insert(moved.clone(), object);
    let plan = old.plan(&config_maps(1));
    assert_eq!(kinds(&plan), [ActionKind::Create]);
}
