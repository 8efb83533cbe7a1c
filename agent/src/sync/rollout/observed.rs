//! What a rollout has to know of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use syncline_core::application::{Application, Pause, Until};
use syncline_core::digest::Digest;
use syncline_core::directives::Apply;
use syncline_core::health::{Health, ObjectHealth};
use syncline_core::hooks::{DeletePolicy, Hook, HookId, Occasion};
use syncline_core::manifest::{Body, Manifest};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::Owner;
use syncline_core::plan::{Action, Live, Plan, stage, wave_of};
use syncline_core::reason::{Class, Reason};
use syncline_core::rollout::{Left, LeftState, Object, ObjectState};

use crate::agent::Agent;
use crate::named::Answer;
use crate::state::{Rendered, State};

/// What the plan of a pass was made of.
#[derive(Clone, Copy)]
pub(in crate::sync) struct World<'a> {
    pub(in crate::sync) plan: &'a Plan,
    pub(in crate::sync) live: &'a BTreeMap<ObjectKey, Live>,
    pub(in crate::sync) before: &'a BTreeMap<ObjectKey, Digest>,
    pub(in crate::sync) standing: &'a BTreeSet<ObjectKey>,
}

impl World<'_> {
    /// Whether anything of an application is there.
    pub(super) fn is_there(&self, owner: &Owner) -> bool {
        let ours = |(key, live): (&ObjectKey, &Live)| live.owner(key).as_ref() == Some(owner);
        !self.standing.is_empty() || self.live.iter().any(ours)
    }

    /// How the desired objects are, and what left Git and may go.
    pub(super) fn observe(
        &self,
        agent: &Agent,
        rendered: &Rendered,
    ) -> (BTreeMap<ObjectKey, Object>, BTreeMap<ObjectKey, Left>) {
        let actions = self.plan.actions.iter();
        let actions: BTreeMap<&ObjectKey, &Action> = actions.map(|a| (&a.key, a)).collect();
        let state = agent.state.lock();
        let objects = rendered.set.iter().map(|manifest| {
            let key = &manifest.key;
            let object = Object {
                wave: wave_of(&manifest.body),
                stage: stage(key),
                state: match actions.get(key) {
                    None => stands(&state, key),
                    Some(action) => self.state_of(&state, rendered, action),
                },
            };
            (key.clone(), object)
        });
        let objects = objects.collect();
        let prunes = self.plan.actions.iter();
        let left = prunes
            .filter(|action| action.kind == ActionKind::Prune)
            .map(|action| {
                let going = self.live.get(&action.key).is_some_and(|live| live.deleting);
                let left = Left {
                    wave: action.wave,
                    state: if going {
                        LeftState::Going
                    } else {
                        LeftState::There
                    },
                };
                (action.key.clone(), left)
            });
        (objects, left.collect())
    }

    fn state_of(&self, state: &State, rendered: &Rendered, action: &Action) -> ObjectState {
        let key = &action.key;
        let hash = rendered.hashes.get(key);
        match (action.kind, &action.because) {
            (ActionKind::Create, _) if hash.is_some() && self.before.get(key) == hash => {
                ObjectState::Gone
            }
            (ActionKind::Update, _)
                if self.live.get(key).and_then(Live::applied).as_ref() == hash =>
            {
                ObjectState::Drifted
            }
            (ActionKind::Create | ActionKind::Update | ActionKind::Prune, _) => {
                ObjectState::Changed
            }
            (ActionKind::Unchanged, _) if action.apply != Apply::Always => left_alone(state, key),
            (ActionKind::Unchanged, _) => stands(state, key),
            (ActionKind::Skip, Some(because)) => match because.reason.class() {
                Class::Good => left_alone(state, key),
                Class::Progress => ObjectState::Unknown(because.detail.clone()),
                Class::Hold | Class::Transient | Class::Input | Class::Denied => {
                    ObjectState::Failed(because.clone())
                }
            },
            (ActionKind::Skip, None) => left_alone(state, key),
        }
    }
}

/// How an object is that needs nothing.
pub(super) fn stands(state: &State, key: &ObjectKey) -> ObjectState {
    ObjectState::Stands(match state.live.seen(key) {
        Some(seen) => seen.health.clone(),
        None => ObjectHealth::new(Health::Missing, "it is not in the cluster"),
    })
}

/// How an object is that is somebody else's matter: that it is not there is good as well.
fn left_alone(state: &State, key: &ObjectKey) -> ObjectState {
    let seen = state.live.seen(key);
    let health = seen.map(|seen| seen.health.clone());
    ObjectState::Stands(health.unwrap_or_else(|| ObjectHealth::new(Health::Healthy, "")))
}

/// What is left of a hook that Git no longer names: its object is looked for by its key and run.
pub(super) fn unknown_hook(id: &HookId) -> Hook {
    Hook {
        manifest: Manifest {
            key: id.key.clone(),
            body: Body::take(json!({})).expect("what is no Secret is taken"),
            origin: Origin::default(),
        },
        hash: Digest::default(),
        moment: id.moment,
        occasion: Occasion::Any,
        weight: 0,
        delete: DeletePolicy::default(),
        timeout: None::<Duration>,
    }
}

/// Whether the condition of a pause holds, from what is followed as the application's account; `None`
/// where it has none, or nobody has looked yet.
pub(super) fn pause_answer(
    agent: &Agent,
    application: &Application,
    pause: &Pause,
) -> Option<Result<bool, Failure>> {
    let Until::Holds {
        object, condition, ..
    } = &pause.until
    else {
        return None;
    };
    match agent.named.get(application, &object.key) {
        Answer::Present(value) => Some(condition.holds(&value).map_err(|error| Failure {
            reason: Reason::InvalidSpec,
            detail: error.to_string(),
        })),
        Answer::Absent => Some(Ok(false)),
        Answer::Unreadable(failure) => Some(Err(failure)),
        Answer::NotYet => None,
    }
}
