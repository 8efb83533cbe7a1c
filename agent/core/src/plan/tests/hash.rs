//! What an approval is bound to: what changes the hash of a plan, and what does not.

use proptest::prelude::*;

use super::*;
use crate::hooks::{DeletePolicy, Hook, Moment, Occasion};

fn hashes_of(wires: &[(ObjectKey, Value)]) -> BTreeMap<ObjectKey, Digest> {
    let hashes = wires.iter();
    hashes
        .map(|(key, wire)| (key.clone(), applied_hash(KEY, wire)))
        .collect()
}

fn saying(key: &ObjectKey, value: &str) -> (ObjectKey, Value) {
    (key.clone(), wire(key, value))
}

/// One object that is made, one that is changed, one that goes, one that waits for a person.
fn scene() -> (World, Vec<(ObjectKey, Value)>) {
    let [new, changed, gone] = keys_of("ConfigMap", ["new", "changed", "gone"]);
    let held = key("PersistentVolumeClaim", "disk");
    let world = World::with(&[changed.clone(), gone, held]);
    (world, vec![saying(&new, "1"), saying(&changed, "2")])
}

fn consent(world: &World, wires: &[(ObjectKey, Value)], hooks: &[Hook]) -> Consent {
    Consent::of(&world.plan_wires(wires), &hashes_of(wires), hooks)
}

fn hook(name: &str, value: &str) -> Hook {
    let key = key("ConfigMap", name);
    let wire = wire(&key, value);
    Hook {
        hash: applied_hash(KEY, &wire),
        manifest: manifest(&key, wire),
        moment: Moment::Before,
        occasion: Occasion::Any,
        weight: 0,
        delete: DeletePolicy::default(),
        timeout: None,
    }
}

#[test]
fn every_write_of_a_plan_is_counted_also_one_that_waits_for_a_person() {
    let (world, wires) = scene();
    let consent = consent(&world, &wires, &[hook("migrate", "1")]);
    let writes = Writes {
        create: 1,
        update: 1,
        prune: 2,
        hooks: 1,
    };
    assert_eq!(consent.count(), writes);
    assert_eq!(consent.hash().len(), 16);
}

#[test]
fn another_write_another_content_and_another_object_of_the_same_name_change_the_hash() {
    let (world, wires) = scene();
    let shown = consent(&world, &wires, &[]).hash();
    type Change = fn(&mut World, &mut Vec<(ObjectKey, Value)>);
    let changes: [(&str, Change); 6] = [
        ("another content of what is made", |_, wires| {
            wires[0].1["spec"]["value"] = "9".into();
        }),
        ("another content of what is changed", |_, wires| {
            wires[1].1["spec"]["value"] = "9".into();
        }),
        ("one more object", |_, wires| {
            wires.push(saying(&key("ConfigMap", "more"), "1"));
        }),
        ("one object less", |_, wires| drop(wires.remove(0))),
        ("what goes was deleted and made anew", |world, _| {
            world.live(&key("ConfigMap", "gone")).uid = "another".to_owned();
        }),
        ("what waits was deleted and made anew", |world, _| {
            world.live(&key("PersistentVolumeClaim", "disk")).uid = "another".to_owned();
        }),
    ];
    for (what, change) in changes {
        let (mut world, mut wires) = scene();
        change(&mut world, &mut wires);
        assert_ne!(consent(&world, &wires, &[]).hash(), shown, "{what}");
    }
    let one = consent(&world, &wires, &[hook("migrate", "1")]).hash();
    let other = consent(&world, &wires, &[hook("migrate", "2")]).hash();
    assert!(one != shown && one != other && other != shown);
}

#[test]
fn what_is_no_part_of_the_plan_leaves_the_hash_as_it_is() {
    let (world, wires) = scene();
    let shown = consent(&world, &wires, &[]).hash();
    type Change = fn(&mut World, &mut Vec<(ObjectKey, Value)>);
    let changes: [(&str, Change); 5] = [
        ("a resource version", |world, _| {
            for live in world.live.values_mut() {
                live.resource_version = "99".to_owned();
            }
        }),
        ("the order of the files", |_, wires| wires.reverse()),
        ("an object that stands", |world, wires| {
            let stands = saying(&key("ConfigMap", "stands"), "1");
            world.standing.insert(stands.0.clone());
            wires.push(stands);
        }),
        (
            "an object that is looked at and needs nothing",
            |world, wires| {
                let good = saying(&key("ConfigMap", "good"), "1");
                let live = live_of(&good.0, &good.1, &owner());
                world.live.insert(good.0.clone(), live);
                wires.push(good);
            },
        ),
        ("an approval of its prunes in Git", |world, _| {
            world.approval.in_git = true;
        }),
    ];
    for (what, change) in changes {
        let (mut world, mut wires) = scene();
        change(&mut world, &mut wires);
        assert_eq!(consent(&world, &wires, &[]).hash(), shown, "{what}");
    }
}

#[test]
fn a_plan_of_nothing_but_held_prunes_has_the_hash_that_the_hold_names() {
    let disk = key("PersistentVolumeClaim", "disk");
    let [config] = keys_of("ConfigMap", ["config"]);
    let world = World::with(&[disk, config.clone()]);
    let wires = [saying(&config, "1")];
    let plan = world.plan_wires(&wires);
    assert_eq!(
        Consent::of(&plan, &hashes_of(&wires), &[]).hash(),
        plan.hash
    );
}

#[test]
fn an_approval_of_the_whole_plan_covers_its_prunes_and_no_others() {
    let (mut world, wires) = scene();
    world.approval.whole = consent(&world, &wires, &[]);
    let plan = world.plan_wires(&wires);
    assert_eq!((pruned_and_skipped(&plan), plan.hold), ((2, 0), None));
    world.live(&key("PersistentVolumeClaim", "disk")).uid = "another".to_owned();
    let plan = world.plan_wires(&wires);
    assert_eq!(pruned_and_skipped(&plan), (1, 1));
    assert_eq!(plan.hold.unwrap().reason, Reason::PruneHeld);
}

#[test]
fn what_is_done_already_is_not_beyond_an_approval_and_what_nobody_saw_is() {
    let (mut world, mut wires) = scene();
    let approved = consent(&world, &wires, &[]);
    world.approval.whole = approved.clone();
    let beyond = |world: &World, wires: &[(ObjectKey, Value)]| {
        let plan = world.plan_wires(wires);
        let action = approved.beyond(&plan, &hashes_of(wires), &world.before);
        action.map(|action| action.key.name.clone())
    };
    assert_eq!(beyond(&world, &wires), None);
    // The first object was made, and somebody changed it since: that is put back.
    let (new, said) = wires[0].clone();
    world
        .live
        .insert(new.clone(), live_of(&new, &said, &owner()));
    world.before.insert(new.clone(), applied_hash(KEY, &said));
    assert_eq!(beyond(&world, &wires), None);
    world.take_value(&new, "kubectl-edit");
    assert_eq!(beyond(&world, &wires), None);
    // An object that nobody saw in the plan, and one with a content that nobody saw.
    wires.push(saying(&key("ConfigMap", "more"), "1"));
    assert_eq!(beyond(&world, &wires).as_deref(), Some("more"));
    wires.pop();
    wires[1].1["spec"]["value"] = "9".into();
    assert_eq!(beyond(&world, &wires).as_deref(), Some("changed"));
}

/// What Git says of six objects: absent, or one of three values.
fn git() -> impl Strategy<Value = Vec<Option<u8>>> {
    prop::collection::vec(prop::option::of(0..3_u8), 6)
}

fn said(git: &[Option<u8>]) -> Vec<(ObjectKey, Value)> {
    let keys = config_maps(git.len());
    let said = keys.iter().zip(git);
    said.filter_map(|(key, value)| Some(saying(key, &(*value)?.to_string())))
        .collect()
}

proptest! {
    #[test]
    fn two_plans_have_one_hash_exactly_where_they_write_the_same(
        live in git(), one in git(), other in git(), version in 1..99_u32
    ) {
        let world = World::with_wires(&said(&live));
        let mut moved = World::with_wires(&said(&live));
        for live in moved.live.values_mut() {
            live.resource_version = version.to_string();
        }
        let (one, other) = (said(&one), said(&other));
        let (a, b) = (consent(&world, &one, &[]), consent(&moved, &other, &[]));
        prop_assert_eq!(a == b, a.hash() == b.hash());
        // Desired states that differ differ in a write, as what is live is the same.
        prop_assert_eq!(a.hash() == b.hash(), one == other);
        // An approval covers its own plan, whatever the versions are.
        let plan = moved.plan_wires(&one);
        prop_assert_eq!(a.beyond(&plan, &hashes_of(&one), &BTreeMap::new()), None);
    }
}

#[test]
fn the_run_of_a_hook_is_covered_by_what_it_runs_and_when() {
    let (world, wires) = scene();
    let given = consent(&world, &wires, &[hook("migrate", "1")]);
    assert!(given.covers_hook(&hook("migrate", "1")));
    assert!(!given.covers_hook(&hook("migrate", "2")));
    assert!(!given.covers_hook(&hook("other", "1")));
    let mut after = hook("migrate", "1");
    after.moment = Moment::After;
    assert!(!given.covers_hook(&after));
}

#[test]
fn a_plan_of_nothing_but_a_hook_asks_for_an_approval() {
    let world = World::with(&[]);
    assert!(consent(&world, &[], &[]).is_empty());
    let hook = consent(&world, &[], &[hook("migrate", "1")]);
    assert!(!hook.is_empty());
    assert_eq!(hook.count().hooks, 1);
}
