//! Named tests of the order, and random rollouts from their beginning to their end.

mod model;
mod named;

use serde_json::json;

use super::*;
use crate::digest::Digest;
use crate::hooks::{DeletePolicy, Moment, Occasion};
use crate::manifest::{Body, Manifest};
use crate::object::Origin;

const TIMEOUT: Duration = Duration::from_secs(300);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

fn key(kind: &str, name: &str) -> ObjectKey {
    ObjectKey {
        group: String::new(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn hook(moment: Moment, name: &str, weight: i32) -> Hook {
    Hook {
        manifest: Manifest {
            key: key("Job", name),
            body: Body::take(json!({})).unwrap(),
            origin: Origin::default(),
        },
        hash: Digest::from_hash(name.as_bytes()),
        moment,
        occasion: Occasion::Any,
        weight,
        delete: DeletePolicy::default(),
        timeout: None,
    }
}

fn health(health: Health) -> ObjectHealth {
    ObjectHealth::new(health, "")
}

fn object(wave: i32, state: ObjectState) -> Object {
    Object {
        wave,
        stage: 3,
        state,
    }
}

/// What a sync knows, and the ledger that it keeps.
#[derive(Debug)]
struct World {
    identity: String,
    commit: CommitId,
    objects: BTreeMap<ObjectKey, Object>,
    left: BTreeMap<ObjectKey, Left>,
    hooks: Vec<Hook>,
    runs: BTreeMap<String, Found>,
    pauses: Vec<Pause>,
    answers: BTreeMap<usize, Result<bool, Failure>>,
    now: Timestamp,
    on_failure: OnFailure,
    past: Past,
    ledger: Option<Ledger>,
}

impl World {
    fn new(objects: impl IntoIterator<Item = (&'static str, i32)>) -> Self {
        let objects = objects.into_iter();
        let objects = objects.map(|(name, wave)| {
            let object = object(wave, ObjectState::Changed);
            (key("Deployment", name), object)
        });
        Self {
            identity: "one".into(),
            commit: commit('a'),
            objects: objects.collect(),
            left: BTreeMap::new(),
            hooks: Vec::new(),
            runs: BTreeMap::new(),
            pauses: Vec::new(),
            answers: BTreeMap::new(),
            now: at(1000),
            on_failure: OnFailure::Hold,
            past: Past::Nothing,
            ledger: None,
        }
    }

    /// One step; what it decides is kept, but nothing is done.
    fn step(&mut self, asked: Asked) -> Next {
        let next = next(
            self.ledger.as_ref(),
            &Inputs {
                identity: &self.identity,
                commit: &self.commit,
                objects: &self.objects,
                left: &self.left,
                hooks: &self.hooks,
                runs: &self.runs,
                pauses: &self.pauses,
                answers: &self.answers,
                now: self.now,
                timeout: TIMEOUT,
                on_failure: self.on_failure,
                asked,
                past: self.past,
            },
        );
        self.ledger.clone_from(&next.ledger);
        next
    }

    fn set(&mut self, name: &str, state: ObjectState) {
        self.objects
            .get_mut(&key("Deployment", name))
            .unwrap()
            .state = state;
    }

    fn is(&mut self, name: &str, word: Health) {
        self.set(name, ObjectState::Stands(health(word)));
    }

    /// What is found of the run that a hook has in the ledger.
    fn find(&mut self, hook: &Hook, word: Health) {
        let run = self.run(hook).id.clone();
        let uid = "u".to_owned();
        let health = health(word);
        self.runs.insert(run, Found::Live { uid, health });
    }

    fn run(&self, hook: &Hook) -> &Run {
        &self.ledger.as_ref().unwrap().runs[&hook.id()]
    }

    fn phase(&self) -> Phase {
        self.ledger.as_ref().unwrap().phase
    }

    fn later(&mut self, seconds: i64) {
        self.now = at(self.now.as_second() + seconds);
    }

    /// Commits something else.
    fn push(&mut self, digit: char) {
        self.identity = digit.to_string();
        self.commit = commit(digit);
        for object in self.objects.values_mut() {
            object.state = ObjectState::Changed;
        }
        self.past = Past::Other;
    }
}

fn names(permitted: &Permitted) -> Vec<&str> {
    match permitted {
        Permitted::All => vec!["all"],
        Permitted::Only(keys) => keys.iter().map(|key| key.name.as_str()).collect(),
    }
}
