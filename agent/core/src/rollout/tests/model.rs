//! Random worlds, stepped until they end: what the cluster, people and the clock do is random.

use proptest::prelude::*;

use super::*;
use crate::application::{ObjectReference, Until};
use crate::expression::Expression;

/// What happens between two steps.
#[derive(Clone, Debug)]
enum Event {
    /// An object becomes so.
    Health(usize, Health),
    /// A write of it fails.
    WriteFails(usize),
    /// Somebody changes it.
    Drift(usize),
    /// Somebody deletes it.
    Delete(usize),
    /// The hook that runs becomes so.
    Hook(Health),
    /// The object of the hook that runs goes.
    HookGone,
    /// The condition of a pause is asked.
    Answer(bool),
    /// Time passes.
    Wait(i64),
    /// Another commit comes.
    Push,
    /// A person asks.
    Ask,
    /// The agent starts again and has looked at nothing.
    Restart,
}

fn word() -> impl Strategy<Value = Health> {
    prop_oneof![
        4 => Just(Health::Healthy),
        1 => Just(Health::Suspended),
        1 => Just(Health::Progressing),
        1 => Just(Health::Missing),
        1 => Just(Health::Degraded),
        1 => Just(Health::Unknown),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..5usize, word()).prop_map(|(at, word)| Event::Health(at, word)),
        1 => (0..5usize).prop_map(Event::WriteFails),
        1 => (0..5usize).prop_map(Event::Drift),
        1 => (0..5usize).prop_map(Event::Delete),
        4 => word().prop_map(Event::Hook),
        1 => Just(Event::HookGone),
        2 => any::<bool>().prop_map(Event::Answer),
        3 => (0..400i64).prop_map(Event::Wait),
        1 => Just(Event::Push),
        1 => Just(Event::Ask),
        1 => Just(Event::Restart),
    ]
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn world() -> impl Strategy<Value = World> {
    let moments = prop_oneof![
        Just(Moment::Before),
        Just(Moment::During),
        Just(Moment::After),
        Just(Moment::Failure),
        Just(Moment::BeforeDelete),
    ];
    let hooks = proptest::collection::vec((moments, -1..2i32), 0..4);
    let pauses = proptest::collection::vec((-2..3i32, any::<bool>()), 0..3);
    let waves = proptest::collection::vec((-1..2i32, 0..5u8), 5);
    let left = proptest::collection::vec(-1..2i32, 0..3);
    let retry = any::<bool>();
    (waves, hooks, pauses, left, retry).prop_map(|(waves, hooks, pauses, left, retry)| {
        let mut world = World::new([]);
        for (name, (wave, stage)) in NAMES.iter().zip(waves) {
            let state = ObjectState::Changed;
            let object = Object { wave, stage, state };
            world.objects.insert(key("Deployment", name), object);
        }
        let hooks = hooks.into_iter().enumerate();
        world.hooks = hooks
            .map(|(at, (moment, weight))| hook(moment, NAMES[at], weight))
            .collect();
        let pauses = pauses.into_iter();
        world.pauses = pauses
            .map(|(after, timed)| Pause {
                after,
                until: if timed {
                    Until::Elapsed(Duration::from_secs(100))
                } else {
                    Until::Holds {
                        object: ObjectReference {
                            key: key("ConfigMap", "x"),
                        },
                        condition: Expression::parse("true").unwrap(),
                        timeout: None,
                    }
                },
            })
            .collect();
        for (at, wave) in left.into_iter().enumerate() {
            let state = LeftState::There;
            let left = Left { wave, state };
            world
                .left
                .insert(key("Deployment", &format!("left-{at}")), left);
        }
        if retry {
            world.on_failure = OnFailure::Retry;
        }
        world
    })
}

impl World {
    fn happens(&mut self, event: &Event) -> Asked {
        let key_at = |at: &usize| key("Deployment", NAMES[*at]);
        let written = |object: &Object| !matches!(object.state, ObjectState::Changed);
        match event {
            Event::Health(at, word) => {
                let object = self.objects.get_mut(&key_at(at)).unwrap();
                if let ObjectState::Stands(now) = &mut object.state {
                    *now = health(*word);
                }
            }
            Event::WriteFails(at) => {
                let object = self.objects.get_mut(&key_at(at)).unwrap();
                if object.state == ObjectState::Changed {
                    object.state = ObjectState::Failed(Failure {
                        reason: Reason::Conflict,
                        detail: "somebody was faster".into(),
                    });
                }
            }
            Event::Drift(at) | Event::Delete(at) => {
                let object = self.objects.get_mut(&key_at(at)).unwrap();
                if written(object) {
                    object.state = match event {
                        Event::Drift(_) => ObjectState::Drifted,
                        _ => ObjectState::Gone,
                    };
                }
            }
            Event::Hook(word) => {
                if let Some(run) = self.running() {
                    let (uid, health) = ("u".to_owned(), health(*word));
                    self.runs.insert(run, Found::Live { uid, health });
                }
            }
            Event::HookGone => {
                if let Some(run) = self.running() {
                    self.runs.insert(run, Found::Gone);
                }
            }
            Event::Answer(answer) => {
                self.answers = (0..3).map(|at| (at, Ok(*answer))).collect();
            }
            Event::Wait(seconds) => self.later(*seconds),
            Event::Push => {
                let digit = if self.identity == "b" { 'c' } else { 'b' };
                self.later(1);
                self.push(digit);
            }
            Event::Ask => return Asked::Person,
            Event::Restart => {
                self.runs.clear();
                self.answers.clear();
            }
        }
        Asked::Nobody
    }

    fn running(&self) -> Option<String> {
        let ledger = self.ledger.as_ref()?;
        ledger.running().map(|(_, run)| run.id.clone())
    }

    /// Everything that is permitted is done, and looked at: the rules hold for each of it.
    fn act(&mut self, mut asked: Asked, succeeded: &mut BTreeSet<String>) -> Next {
        for _ in 0..100 {
            let before = self.ledger.clone();
            let next = self.step(asked);
            asked = Asked::Nobody;
            self.check(before.as_ref(), &next, succeeded);
            if let Some((_, run)) = &next.start {
                let (uid, health) = ("u".to_owned(), health(Health::Progressing));
                self.runs.insert(run.clone(), Found::Live { uid, health });
                continue;
            }
            let mut wrote = false;
            for (key, object) in &mut self.objects {
                let open = matches!(
                    object.state,
                    ObjectState::Changed | ObjectState::Drifted | ObjectState::Gone
                );
                if next.writes.has(key) && open {
                    object.state = ObjectState::Stands(health(Health::Progressing));
                    wrote = true;
                }
            }
            let going: Vec<_> = self
                .left
                .keys()
                .filter(|key| next.prunes.has(key))
                .collect();
            let going: Vec<_> = going.into_iter().cloned().collect();
            for key in &going {
                self.left.remove(key);
            }
            if !wrote && going.is_empty() {
                return next;
            }
        }
        panic!("it never comes to rest: {:?}", self.ledger);
    }

    fn check(&self, before: Option<&Ledger>, next: &Next, succeeded: &mut BTreeSet<String>) {
        let Some(ledger) = &next.ledger else { return };
        let running = ledger.runs.values();
        let running = running.filter(|run| run.state == RunState::Running).count();
        assert!(running <= 1, "two hooks at a time");
        for run in ledger.runs.values() {
            if run.state == RunState::Succeeded {
                succeeded.insert(run.id.clone());
            }
        }
        if let Some((id, run)) = &next.start {
            let hook = self.hooks.iter().find(|hook| hook.id() == *id).unwrap();
            let below = self.objects.values().filter(|o| o.wave < hook.weight);
            assert!(
                id.moment != Moment::During || below.into_iter().all(|o| o.state.is_good()),
                "a hook of a wave runs before what is below it is healthy"
            );
            assert!(
                !succeeded.contains(run),
                "a hook that succeeded is started again"
            );
            let known = before.into_iter().flat_map(|ledger| ledger.runs.values());
            let known = known.filter(|known| known.id == *run);
            for known in known {
                assert!(known.uid.is_none(), "a hook that runs is started again");
            }
        }
        if let (Permitted::Only(writes), true) = (&next.writes, ledger.phase != Phase::Before) {
            for key in writes {
                let object = &self.objects[key];
                let below = self.objects.values().filter(|o| o.wave < object.wave);
                let free = matches!(object.state, ObjectState::Drifted | ObjectState::Gone);
                assert!(
                    free || below.into_iter().all(|below| below.state.is_good()),
                    "{key} is written before what is below it is healthy"
                );
                let hooks = self.hooks.iter();
                let mut below =
                    hooks.filter(|hook| hook.moment == Moment::During && hook.weight < object.wave);
                assert!(
                    free || below.all(|hook| {
                        let run = ledger.runs.get(&hook.id());
                        run.is_some_and(|run| run.state == RunState::Succeeded)
                    }),
                    "{key} is written before the hooks below it ended well"
                );
            }
        }
        let failed = ledger.phase == Phase::Failed;
        assert!(!failed || ledger.failure.is_some());
        assert_eq!(next.waits.is_none(), !ledger.is_active());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_rollout_keeps_the_order_and_has_a_way_on(
        mut world in world(),
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let mut succeeded = BTreeSet::new();
        world.act(Asked::Nobody, &mut succeeded);
        for event in &events {
            let asked = world.happens(event);
            let next = world.act(asked, &mut succeeded);
            if let Some(waits) = &next.waits {
                let awaits = &waits.awaits;
                let unwritten = world.objects.values().any(|object| {
                    !matches!(object.state, ObjectState::Stands(_))
                });
                let event = !awaits.gone.is_empty() || awaits.run.is_some();
                prop_assert!(
                    waits.until.is_some() || unwritten || event,
                    "nothing goes on: {:?}", world.ledger
                );
                prop_assert!(!waits.sentences.is_empty());
            }
        }
        // From here on all goes well, and it comes to an end.
        for _ in 0..40 {
            for object in world.objects.values_mut() {
                if matches!(object.state, ObjectState::Stands(_)) {
                    object.state = ObjectState::Stands(health(Health::Healthy));
                } else if matches!(object.state, ObjectState::Failed(_)) {
                    object.state = ObjectState::Changed;
                }
            }
            world.happens(&Event::Hook(Health::Healthy));
            world.happens(&Event::Answer(true));
            world.later(100);
            world.act(Asked::Person, &mut succeeded);
        }
        let phase = world.ledger.as_ref().map(|ledger| ledger.phase);
        prop_assert!(matches!(phase, None | Some(Phase::Done)), "{:?}", world.ledger);
        let stand = world.objects.values().all(|object| object.state.is_good());
        prop_assert!(stand && world.left.is_empty());
    }
}
