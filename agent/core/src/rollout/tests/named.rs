//! The rules, one by one.

use super::*;
use crate::application::{ObjectReference, Until};
use crate::expression::Expression;

#[test]
fn one_wave_without_hooks_and_pauses_has_no_rollout() {
    let mut world = World::new([("a", 0), ("b", 0)]);
    let next = world.step(Asked::Nobody);
    assert_eq!(next.ledger, None);
    assert_eq!((next.writes, next.prunes), (Permitted::All, Permitted::All));
    assert_eq!(next.waits, None);
}

#[test]
fn a_wave_waits_until_the_one_below_it_is_healthy() {
    let mut world = World::new([("a", -1), ("b", 0), ("c", 5)]);
    let next = world.step(Asked::Nobody);
    assert_eq!(names(&next.writes), ["a"]);
    assert!(world.ledger.as_ref().unwrap().first);
    world.is("a", Health::Progressing);
    let next = world.step(Asked::Nobody);
    assert!(names(&next.writes).is_empty());
    let waits = next.waits.unwrap();
    assert_eq!(waits.reason, Reason::WaitsForWave);
    assert_eq!(waits.until, Some(at(1300)));
    assert!(waits.awaits.healthy.contains(&key("Deployment", "a")));
    world.is("a", Health::Healthy);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["b"]);
    world.is("b", Health::Suspended);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["c"]);
    world.is("c", Health::Progressing);
    let waits = world.step(Asked::Nobody).waits.unwrap();
    assert_eq!(waits.reason, Reason::Progressing, "nothing comes after it");
    world.is("c", Health::Healthy);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.waits, world.phase()), (None, Phase::Done));
    assert_eq!(next.writes, Permitted::All);
}

#[test]
fn an_object_that_cannot_be_written_stops_later_waves_and_not_its_siblings() {
    let mut world = World::new([("a", 0), ("b", 0), ("c", 1)]);
    let failure = Failure {
        reason: Reason::Denied,
        detail: "no right".into(),
    };
    world.set("a", ObjectState::Failed(failure));
    let next = world.step(Asked::Nobody);
    assert_eq!(names(&next.writes), ["b"]);
    world.is("b", Health::Healthy);
    world.later(10_000);
    let next = world.step(Asked::Nobody);
    assert!(names(&next.writes).is_empty());
    assert_eq!(
        world.phase(),
        Phase::Waves,
        "its time begins when it is written"
    );
    world.is("a", Health::Healthy);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["c"]);
}

#[test]
fn a_wave_that_is_not_healthy_in_time_fails_and_is_held_until_a_commit_or_a_person() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    world.step(Asked::Nobody);
    world.is("a", Health::Degraded);
    world.later(299);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Waves);
    world.later(1);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.waits, world.phase()), (None, Phase::Failed));
    let failure = world.ledger.clone().unwrap().failure.unwrap();
    assert_eq!(failure.reason, Reason::RolloutFailed);
    world.is("a", Health::Healthy);
    for asked in [Asked::Nobody, Asked::Retry] {
        assert!(names(&world.step(asked).writes).is_empty());
    }
    world.set("a", ObjectState::Drifted);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["a"]);
    world.set("a", ObjectState::Gone);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["a"]);
    world.is("a", Health::Healthy);
    assert_eq!(names(&world.step(Asked::Person).writes), ["b"]);
    assert_eq!(world.ledger.as_ref().unwrap().failure, None);
}

#[test]
fn a_failed_rollout_is_tried_again_where_that_is_wanted_without_the_hooks_that_succeeded() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    world.on_failure = OnFailure::Retry;
    let (good, bad) = (
        hook(Moment::Before, "good", 0),
        hook(Moment::Before, "bad", 1),
    );
    world.hooks = vec![bad.clone(), good.clone()];
    assert_eq!(world.step(Asked::Nobody).start.unwrap().0, good.id());
    world.find(&good, Health::Healthy);
    assert_eq!(world.step(Asked::Nobody).start.unwrap().0, bad.id());
    let first = world.run(&bad).id.clone();
    world.find(&bad, Health::Degraded);
    let next = world.step(Asked::Nobody);
    assert_eq!(next.ended.len(), 1);
    assert_eq!(world.phase(), Phase::Failed);
    assert_eq!(world.step(Asked::Nobody).start, None);
    let (hook, run) = world.step(Asked::Retry).start.unwrap();
    assert_eq!(hook, bad.id());
    assert_ne!(run, first);
    world.find(&bad, Health::Healthy);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["a"]);
}

#[test]
fn hooks_run_one_at_a_time_by_weight_before_and_after() {
    let mut world = World::new([("a", 0)]);
    let hooks = [
        hook(Moment::Before, "z", -1),
        hook(Moment::Before, "a", 0),
        hook(Moment::After, "end", 0),
    ];
    world.hooks = hooks.iter().rev().cloned().collect();
    for hook in &hooks[..2] {
        let next = world.step(Asked::Nobody);
        assert_eq!(next.start.unwrap().0, hook.id());
        assert_eq!(next.waits.unwrap().reason, Reason::WaitsForHook);
        world.find(hook, Health::Progressing);
        let next = world.step(Asked::Nobody);
        assert_eq!((next.start, names(&next.writes).len()), (None, 0));
        world.find(hook, Health::Healthy);
    }
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["a"]);
    world.is("a", Health::Progressing);
    assert_eq!(world.step(Asked::Nobody).start, None);
    world.is("a", Health::Healthy);
    assert_eq!(world.step(Asked::Nobody).start.unwrap().0, hooks[2].id());
    world.find(&hooks[2], Health::Healthy);
    assert_eq!(world.step(Asked::Nobody).waits, None);
    assert_eq!(world.phase(), Phase::Done);
}

#[test]
fn a_hook_among_the_waves_runs_alongside_its_wave_and_holds_the_next_one() {
    let mut world = World::new([("a", 0), ("b", 1), ("c", 2), ("d", 4)]);
    let (seed, last) = (
        hook(Moment::During, "seed", 1),
        hook(Moment::During, "last", 3),
    );
    world.hooks = vec![last.clone(), seed.clone()];
    let next = world.step(Asked::Nobody);
    assert_eq!((names(&next.writes), next.start), (vec!["a"], None));
    assert_eq!(world.ledger.as_ref().unwrap().waves, 5);
    world.is("a", Health::Healthy);
    let next = world.step(Asked::Nobody);
    assert_eq!(names(&next.writes), ["b"]);
    assert_eq!(next.start.unwrap().0, seed.id());
    world.find(&seed, Health::Progressing);
    world.is("b", Health::Progressing);
    let waits = world.step(Asked::Nobody).waits.unwrap();
    assert_eq!(waits.reason, Reason::WaitsForHook);
    assert!(waits.awaits.run.is_some() && waits.awaits.healthy.len() == 1);
    assert_eq!(waits.sentences.len(), 2);
    world.is("b", Health::Healthy);
    assert!(names(&world.step(Asked::Nobody).writes).is_empty());
    world.find(&seed, Health::Healthy);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["c"]);
    world.is("c", Health::Healthy);
    assert_eq!(world.step(Asked::Nobody).start.unwrap().0, last.id());
    world.find(&last, Health::Degraded);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.waits, world.phase()), (None, Phase::Failed));
    assert!(names(&next.writes).is_empty());
    let (again, _) = world.step(Asked::Person).start.unwrap();
    assert_eq!(again, last.id(), "what succeeded does not run again");
}

#[test]
fn a_hook_among_the_waves_is_waited_for_where_its_wave_fails() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    let seed = hook(Moment::During, "seed", 0);
    let mut slow = seed.clone();
    slow.timeout = Some(Duration::from_secs(900));
    world.hooks = vec![slow, hook(Moment::Failure, "tell", 0)];
    world.step(Asked::Nobody);
    world.find(&seed, Health::Progressing);
    world.is("a", Health::Degraded);
    world.later(300);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.start, world.phase()), (None, Phase::Failing));
    world.find(&seed, Health::Healthy);
    let (hook, _) = world.step(Asked::Nobody).start.unwrap();
    assert_eq!(hook.moment, Moment::Failure);
}

#[test]
fn namespaces_and_definitions_come_before_the_hooks() {
    let mut world = World::new([("a", 0), ("space", 3)]);
    world
        .objects
        .get_mut(&key("Deployment", "space"))
        .unwrap()
        .stage = 0;
    world.hooks = vec![hook(Moment::Before, "migrate", 0)];
    let next = world.step(Asked::Nobody);
    assert_eq!((names(&next.writes), next.start), (vec!["space"], None));
    world.is("space", Health::Healthy);
    assert!(world.step(Asked::Nobody).start.is_some());
}

#[test]
fn a_run_that_was_never_seen_is_started_again_and_one_that_vanished_failed() {
    let mut world = World::new([("a", 0)]);
    let migrate = hook(Moment::Before, "migrate", 0);
    world.hooks = vec![migrate.clone()];
    let start = world.step(Asked::Nobody).start.unwrap();
    world.runs.insert(start.1.clone(), Found::Gone);
    assert_eq!(world.step(Asked::Nobody).start.unwrap(), start);
    world.find(&migrate, Health::Progressing);
    world.step(Asked::Nobody);
    world.runs.insert(start.1, Found::Gone);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.start, world.phase()), (None, Phase::Failed));
}

#[test]
fn a_hook_that_does_not_end_fails_at_its_deadline_and_failure_hooks_run() {
    let mut world = World::new([("a", 0)]);
    let mut migrate = hook(Moment::Before, "migrate", 0);
    migrate.timeout = Some(Duration::from_secs(60));
    migrate.delete.failed = true;
    let tell = hook(Moment::Failure, "tell", 0);
    world.hooks = vec![migrate.clone(), tell.clone()];
    let next = world.step(Asked::Nobody);
    assert_eq!(next.waits.unwrap().until, Some(at(1060)));
    world.find(&migrate, Health::Progressing);
    world.later(60);
    let next = world.step(Asked::Nobody);
    assert_eq!(next.ended[0].object, Afterwards::Goes);
    assert_eq!(next.start.unwrap().0, tell.id());
    world.find(&tell, Health::Degraded);
    let next = world.step(Asked::Nobody);
    assert_eq!((next.waits, world.phase()), (None, Phase::Failed));
    let failure = world.ledger.clone().unwrap().failure.unwrap();
    assert_eq!(failure.reason, Reason::HookFailed);
    // The next failure is told as well.
    let told = world.run(&tell).id.clone();
    world.later(10);
    assert!(world.step(Asked::Person).start.is_some());
    world.find(&migrate, Health::Degraded);
    let (again, run) = world.step(Asked::Nobody).start.unwrap();
    assert_eq!(again, tell.id());
    assert_ne!(run, told);
}

#[test]
fn a_newer_commit_waits_for_a_hook_that_runs_and_counts_its_end() {
    let mut world = World::new([("a", 0)]);
    let migrate = hook(Moment::Before, "migrate", 0);
    world.hooks = vec![migrate.clone()];
    let start = world.step(Asked::Nobody).start.unwrap();
    for digit in ['b', 'c', 'd'] {
        world.push(digit);
        world.find(&migrate, Health::Progressing);
        let next = world.step(Asked::Nobody);
        assert_eq!(next.waits.unwrap().reason, Reason::WaitsForHook);
        assert!(names(&next.writes).is_empty());
        assert_eq!(world.run(&migrate).id, start.1);
    }
    world.find(&migrate, Health::Healthy);
    let next = world.step(Asked::Nobody);
    assert_eq!(next.start, None, "it ran, and nothing was written since");
    assert_eq!(names(&next.writes), ["a"]);
    let ledger = world.ledger.clone().unwrap();
    assert_eq!((ledger.commit, ledger.first), (commit('d'), true));
    world.is("a", Health::Healthy);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Done);
    world.push('e');
    let next = world.step(Asked::Nobody);
    assert!(next.start.is_some_and(|(_, run)| run != start.1));
    assert!(!world.ledger.as_ref().unwrap().first);
}

#[test]
fn a_hook_that_a_newer_commit_changed_runs_for_it() {
    let mut world = World::new([("a", 0)]);
    let mut migrate = hook(Moment::Before, "migrate", 0);
    world.hooks = vec![migrate.clone()];
    world.step(Asked::Nobody);
    world.find(&migrate, Health::Healthy);
    world.push('b');
    migrate.hash = Digest::from_hash(b"other");
    world.hooks = vec![migrate.clone()];
    assert!(world.step(Asked::Nobody).start.is_some());
}

#[test]
fn without_a_ledger_nothing_begins_for_what_stands() {
    for (past, starts) in [
        (Past::Nothing, true),
        (Past::Unknown, false),
        (Past::Same, false),
        (Past::Other, true),
    ] {
        let mut world = World::new([("a", 0)]);
        world.hooks = vec![hook(Moment::Before, "migrate", 0)];
        world.is("a", Health::Healthy);
        world.past = past;
        assert_eq!(
            world.step(Asked::Nobody).start.is_some(),
            starts,
            "{past:?}"
        );
        let mut world = World::new([("a", 0)]);
        world.hooks = vec![hook(Moment::Before, "migrate", 0)];
        world.past = past;
        assert!(world.step(Asked::Nobody).start.is_some(), "{past:?}");
    }
}

#[test]
fn hooks_of_installs_run_in_the_first_rollout_and_those_of_upgrades_in_all_others() {
    for (past, name) in [
        (Past::Nothing, "install"),
        (Past::Other, "upgrade"),
        (Past::Unknown, "upgrade"),
    ] {
        let mut world = World::new([("a", 0)]);
        let mut install = hook(Moment::Before, "install", 0);
        install.occasion = Occasion::Install;
        let mut upgrade = hook(Moment::Before, "upgrade", 0);
        upgrade.occasion = Occasion::Upgrade;
        world.hooks = vec![install, upgrade];
        world.past = past;
        assert_eq!(world.step(Asked::Nobody).start.unwrap().0.key.name, name);
    }
}

#[test]
fn what_left_git_goes_after_all_waves_and_the_highest_wave_first() {
    let mut world = World::new([("a", 0)]);
    for (name, wave) in [("x", 1), ("y", 2)] {
        let left = Left {
            wave,
            state: LeftState::There,
        };
        world.left.insert(key("Deployment", name), left);
    }
    let next = world.step(Asked::Nobody);
    assert!(names(&next.prunes).is_empty());
    world.is("a", Health::Healthy);
    let next = world.step(Asked::Nobody);
    assert_eq!(names(&next.prunes), ["y"]);
    let y = key("Deployment", "y");
    world.left.get_mut(&y).unwrap().state = LeftState::Going;
    let next = world.step(Asked::Nobody);
    assert!(names(&next.prunes).is_empty());
    let waits = next.waits.unwrap();
    assert_eq!(waits.until, Some(at(1300)));
    assert_eq!(waits.awaits.gone, [y.clone()].into());
    let mut stuck = World {
        ledger: world.ledger.clone(),
        left: world.left.clone(),
        objects: world.objects.clone(),
        ..World::new([])
    };
    stuck.later(300);
    assert_eq!(names(&stuck.step(Asked::Nobody).prunes), ["x"]);
    world.left.remove(&y);
    assert_eq!(names(&world.step(Asked::Nobody).prunes), ["x"]);
    let x = key("Deployment", "x");
    world.left.get_mut(&x).unwrap().state = LeftState::Going;
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Done, "a finalizer holds nothing up");
}

fn holds() -> Until {
    Until::Holds {
        object: ObjectReference {
            key: key("ConfigMap", "approved"),
        },
        condition: Expression::parse("true").unwrap(),
        timeout: Some(Duration::from_secs(60)),
    }
}

#[test]
fn a_pause_ends_by_its_time_or_its_condition_and_fails_where_that_does_not_come() {
    let mut world = World::new([("a", 0), ("b", 2)]);
    let length = Duration::from_secs(600);
    world.pauses = vec![
        Pause {
            after: 1,
            until: Until::Elapsed(length),
        },
        Pause {
            after: 0,
            until: holds(),
        },
    ];
    world.is("a", Health::Healthy);
    let waits = world.step(Asked::Nobody).waits.unwrap();
    assert_eq!(
        (waits.reason, waits.until),
        (Reason::Paused, Some(at(1600)))
    );
    world.later(599);
    assert!(names(&world.step(Asked::Nobody).writes).is_empty());
    world.later(1);
    let waits = world.step(Asked::Nobody).waits.unwrap();
    assert_eq!(waits.until, Some(at(1660)), "the second pause begins");
    world.answers.insert(1, Ok(false));
    assert!(names(&world.step(Asked::Nobody).writes).is_empty());
    let mut late = World {
        ledger: world.ledger.clone(),
        pauses: world.pauses.clone(),
        objects: world.objects.clone(),
        answers: world.answers.clone(),
        ..World::new([])
    };
    late.later(660);
    late.step(Asked::Nobody);
    assert_eq!(late.phase(), Phase::Failed);
    world.answers.insert(1, Ok(true));
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["b"]);
}

#[test]
fn a_wave_that_becomes_unhealthy_in_a_pause_has_its_time_once_more() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    world.pauses = vec![Pause {
        after: 0,
        until: Until::Elapsed(Duration::from_secs(3600)),
    }];
    world.step(Asked::Nobody);
    world.is("a", Health::Healthy);
    world.step(Asked::Nobody);
    world.later(1000);
    world.is("a", Health::Degraded);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Waves);
    world.later(299);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Waves);
    world.later(1);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Failed);
}

#[test]
fn drift_of_any_wave_is_repaired_while_a_rollout_waits() {
    let mut world = World::new([("a", 0), ("b", 1), ("c", 2)]);
    world.is("a", Health::Progressing);
    world.set("c", ObjectState::Drifted);
    assert_eq!(names(&world.step(Asked::Nobody).writes), ["c"]);
}

#[test]
fn the_same_identity_at_another_commit_begins_nothing() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    world.is("a", Health::Healthy);
    world.is("b", Health::Healthy);
    world.step(Asked::Nobody);
    assert_eq!(world.phase(), Phase::Done);
    let before = world.ledger.clone();
    world.commit = commit('b');
    world.is("a", Health::Degraded);
    world.later(10_000);
    for asked in [Asked::Nobody, Asked::Person] {
        assert_eq!(world.step(asked).waits, None);
        assert_eq!(world.ledger, before);
    }
}

#[test]
fn a_rollout_that_becomes_plain_ends() {
    let mut world = World::new([("a", 0), ("b", 1)]);
    world.step(Asked::Nobody);
    world.push('b');
    world.objects.remove(&key("Deployment", "b"));
    let next = world.step(Asked::Nobody);
    assert_eq!((next.ledger, next.writes), (None, Permitted::All));
}

#[test]
fn the_hooks_that_a_rollout_would_run_are_those_that_it_runs() {
    let mut install = hook(Moment::Before, "install", 0);
    install.occasion = Occasion::Install;
    let mut upgrade = hook(Moment::After, "upgrade", 0);
    upgrade.occasion = Occasion::Upgrade;
    let hooks = [
        install,
        upgrade,
        hook(Moment::Before, "each", 0),
        hook(Moment::Failure, "failure", 0),
        hook(Moment::BeforeDelete, "delete", 0),
    ];
    let quiet = crate::plan::Plan::default();
    let named = |last: Option<&Ledger>, identity: &str, past| {
        let planned = planned_hooks(last, identity, past, &quiet, &hooks);
        let names = planned.iter().map(|hook| hook.manifest.key.name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    // Where none is remembered, what is known from before says whether one begins.
    assert_eq!(named(None, "one", Past::Nothing), "install each");
    assert_eq!(named(None, "one", Past::Other), "upgrade each");
    assert_eq!(named(None, "one", Past::Same), "");
    assert_eq!(named(None, "one", Past::Unknown), "");
    // Where one is remembered, only another one runs any.
    let mut world = World::new([("web", 0)]);
    world.hooks = hooks.to_vec();
    world.step(Asked::Nobody);
    let ledger = world.ledger.clone().unwrap();
    assert_eq!(named(Some(&ledger), "one", Past::Other), "");
    assert_eq!(named(Some(&ledger), "two", Past::Other), "install each");
    let done = Ledger {
        phase: Phase::Done,
        ..ledger
    };
    assert_eq!(named(Some(&done), "two", Past::Other), "upgrade each");
}
