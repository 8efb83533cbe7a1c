//! Objects that our own objects name: which are followed for whom, how each is, and who is told of a
//! change.
//!
//! What is followed comes from the spec of an Application, Repository or ImagePolicy alone, so nobody
//! has to ask for it: [`Named::get`] answers for whatever a spec names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use syncline_cluster::named::{self, Content, Part, Pool, Target};
use syncline_core::application::{Application, Dependency, Referent, Repository, Until};
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::record::Name;
use syncline_core::rollout::Phase;
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::conversion::ImageUpdate;
use crate::dependencies;
use crate::poller;

/// One of our objects that names others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// An Application.
    Application(Name),
    /// A Repository.
    Repository(Name),
    /// An ImagePolicy.
    ImagePolicy(Name),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(name) => write!(f, "Application {name}"),
            Self::Repository(name) => write!(f, "Repository {name}"),
            Self::ImagePolicy(name) => write!(f, "ImagePolicy {name}"),
        }
    }
}

/// What an object is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// `spec.dependsOn`.
    Dependency,
    /// `spec.sync.pauses`.
    Pause,
    /// A ConfigMap or Secret whose data are read.
    Reference,
    /// The Secret of a webhook.
    Webhook,
}

/// An object that is named, and what for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wish {
    /// Which, and as which account it is read.
    pub(crate) target: Target,
    /// What for.
    pub(crate) purpose: Use,
}

/// How a named object is.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It exists; a Secret comes without its values.
    Present(Arc<Value>),
    /// It does not exist.
    Absent,
    /// It cannot be read, as the account of who names it.
    Unreadable(Failure),
    /// It was not looked at yet: an event follows.
    NotYet,
}

#[derive(Default)]
struct Followed {
    answer: Option<named::Answer>,
    wanted_by: BTreeSet<(Owner, Use)>,
}

#[derive(Default)]
struct Table {
    wishes: BTreeMap<Owner, BTreeSet<Wish>>,
    followed: HashMap<Target, Followed>,
}

/// All objects that are named.
pub(crate) struct Named {
    pool: Pool,
    table: Mutex<Table>,
}

impl Named {
    /// None yet.
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            table: Mutex::default(),
        }
    }

    /// Replaces what one of our objects names. What nobody names any more is followed no more;
    /// answers with it.
    pub(crate) fn want(&self, owner: &Owner, wishes: BTreeSet<Wish>) -> Vec<Target> {
        let mut table = self.lock();
        let before = table.wishes.remove(owner).unwrap_or_default();
        let mut dropped = Vec::new();
        for wish in before.difference(&wishes) {
            let Some(followed) = table.followed.get_mut(&wish.target) else {
                continue;
            };
            followed.wanted_by.remove(&(owner.clone(), wish.purpose));
            if followed.wanted_by.is_empty() {
                table.followed.remove(&wish.target);
                self.pool.stop(&wish.target);
                dropped.push(wish.target.clone());
            }
        }
        for wish in wishes.difference(&before) {
            let followed = table.followed.entry(wish.target.clone()).or_default();
            followed.wanted_by.insert((owner.clone(), wish.purpose));
            self.pool.start(&wish.target);
        }
        if !wishes.is_empty() {
            table.wishes.insert(owner.clone(), wishes);
        }
        dropped
    }

    /// Looks again at once at what could not be read or watched before.
    pub(crate) fn look_again(&self, owner: &Owner) {
        for wish in self.lock().wishes.get(owner).into_iter().flatten() {
            self.pool.look_again(&wish.target);
        }
    }

    /// How an object is that an application names in `spec.dependsOn` or `spec.sync.pauses`.
    pub(crate) fn get(&self, application: &Application, key: &ObjectKey) -> Answer {
        let target = whole(application, key);
        let table = self.lock();
        let followed = table.followed.get(&target);
        match followed.and_then(|followed| followed.answer.as_ref()) {
            Some(named::Answer::Present(Content::Whole(object))) => {
                Answer::Present(Arc::clone(object))
            }
            Some(named::Answer::Absent) => Answer::Absent,
            Some(named::Answer::Unreadable(failure)) => Answer::Unreadable(failure.clone()),
            Some(named::Answer::Present(Content::Data(_))) | None => Answer::NotYet,
        }
    }

    /// What one of our objects names and has no room in the budget of watches, for people.
    pub(crate) fn over_budget(&self, owner: &Owner) -> Vec<String> {
        let table = self.lock();
        let Some(wishes) = table.wishes.get(owner) else {
            return Vec::new();
        };
        let theirs = wishes.iter();
        let theirs = theirs.filter(|wish| self.pool.is_over_budget(&wish.target));
        let names: BTreeSet<String> = theirs.map(|wish| wish.target.to_string()).collect();
        names.into_iter().collect()
    }

    /// Takes an event in; answers with what was known before, and who is to be told.
    fn take(&self, event: &named::Event) -> (Option<named::Answer>, Vec<(Owner, Use)>) {
        let mut table = self.lock();
        let Some(followed) = table.followed.get_mut(&event.target) else {
            return (None, Vec::new());
        };
        let before = followed.answer.replace(event.answer.clone());
        let wanted_by = followed.wanted_by.iter().cloned().collect();
        (before, wanted_by)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows what an application names, and nothing else for it.
pub(crate) fn follow_application(agent: &Agent, name: &Name, spec: Option<&Application>) {
    let wishes = spec.map(of_application).unwrap_or_default();
    follow(agent, &Owner::Application(name.clone()), wishes);
}

/// Follows the Secrets that a Repository names.
pub(crate) fn follow_repository(agent: &Agent, name: &Name, spec: Option<&Repository>) {
    let mut wishes = BTreeSet::new();
    if let Some(spec) = spec {
        let write = spec.write.as_ref().and_then(|write| write.secret.as_ref());
        let verify = spec.verify.as_ref().map(|verify| &verify.secret);
        let read = spec.secret.iter().chain(write).chain(verify);
        let read = read.map(|secret| (secret, Use::Reference));
        let hook = spec.webhook_secret.iter();
        let hook = hook.map(|secret| (secret, Use::Webhook));
        wishes.extend(read.chain(hook).map(|(secret, purpose)| Wish {
            target: data(name, &spec.account, Referent::Secret, secret),
            purpose,
        }));
    }
    follow(agent, &Owner::Repository(name.clone()), wishes);
}

/// Follows the Secret that an ImagePolicy names.
pub(crate) fn follow_policy(agent: &Agent, name: &Name, spec: Option<&ImageUpdate>) {
    let secrets = spec.into_iter().filter_map(|spec| {
        let secret = spec.secret.as_ref()?;
        Some(Wish {
            target: data(name, &spec.account, Referent::Secret, secret),
            purpose: Use::Reference,
        })
    });
    let wishes = secrets.collect();
    follow(agent, &Owner::ImagePolicy(name.clone()), wishes);
}

fn follow(agent: &Agent, owner: &Owner, wishes: BTreeSet<Wish>) {
    for target in agent.named.want(owner, wishes) {
        if target.part == Part::Data {
            agent.references.drop(&target);
        }
    }
}

fn of_application(spec: &Application) -> BTreeSet<Wish> {
    let dependencies = spec.depends_on.iter().filter_map(|dependency| {
        let Dependency::Object { object, .. } = dependency else {
            return None;
        };
        Some((whole(spec, &object.key), Use::Dependency))
    });
    let pauses = spec.sync.pauses.iter().filter_map(|pause| {
        let Until::Holds { object, .. } = &pause.until else {
            return None;
        };
        Some((whole(spec, &object.key), Use::Pause))
    });
    let rendering = &spec.rendering;
    let values = rendering.helm.values_from.iter();
    let values = values.map(|from| (from.referent, &from.name));
    let variables = rendering.substitute.iter().flat_map(|s| &s.from);
    let variables = variables.map(|from| (from.referent, &from.name));
    let chart = rendering.helm.chart.as_ref();
    let secrets = chart.and_then(|chart| chart.secret.as_ref());
    let secrets = secrets.into_iter().chain(rendering.decrypt.as_ref());
    let secrets = secrets.map(|secret| (Referent::Secret, secret));
    let references = values.chain(variables).chain(secrets);
    let references = references.map(|(referent, name)| {
        let target = data(&spec.name, &spec.account, referent, name);
        (target, Use::Reference)
    });
    let all = dependencies.chain(pauses).chain(references);
    all.map(|(target, purpose)| Wish { target, purpose })
        .collect()
}

fn whole(application: &Application, key: &ObjectKey) -> Target {
    let (namespace, account) = (&application.name.namespace, &application.account);
    Target::new(namespace, account, key.clone(), Part::Whole)
}

fn data(owner: &Name, account: &str, referent: Referent, name: &str) -> Target {
    let key = ObjectKey {
        group: String::new(),
        version: "v1".to_owned(),
        kind: referent.kind().to_owned(),
        namespace: Some(owner.namespace.clone()),
        name: name.to_owned(),
    };
    Target::new(&owner.namespace, account, key, Part::Data)
}

/// Takes a change in: who names the object acts at once.
pub(crate) fn take(agent: &Agent, event: named::Event) {
    let (before, wanted_by) = agent.named.take(&event);
    if let named::Answer::Unreadable(failure) = &event.answer {
        tracing::info!(object = %event.target, account = event.target.account, reason = %failure.reason, detail = failure.detail, "a named object is not watched");
    }
    if event.target.part == Part::Data && !agent.references.is_news(&event, before.as_ref()) {
        return;
    }
    let mut blocked = BTreeSet::new();
    for (owner, purpose) in wanted_by {
        match (owner, purpose) {
            (Owner::Application(name), Use::Dependency) => {
                blocked.insert(name);
            }
            (Owner::Application(name), Use::Pause) => go_on(agent, &name),
            (owner, purpose) => act(agent, &owner, purpose, &event.target),
        }
    }
    dependencies::reconsider(agent, blocked);
}

/// A rollout that may wait for the object goes on.
fn go_on(agent: &Agent, name: &Name) {
    let state = agent.state.lock();
    let entry = state.applications.get(name);
    let ledger = entry.and_then(|entry| entry.rollout.as_ref());
    if ledger.is_some_and(|ledger| !matches!(ledger.phase, Phase::Done | Phase::Failed)) {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(name, Cause::Rollout, now, due);
    }
}

/// The data of a ConfigMap or Secret are others.
fn act(agent: &Agent, owner: &Owner, purpose: Use, target: &Target) {
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    let look = |target| agent.poller.look_now(&target, Cause::Reference, due);
    tracing::info!(object = %target, named_by = %owner, "what is named has changed");
    match owner {
        Owner::Application(name) => agent.queue.push(name, Cause::Reference, now, due),
        Owner::Repository(_) if purpose == Use::Webhook => agent.webhooks_changed.notify_one(),
        Owner::Repository(name) => {
            look(poller::Target::Repository(name.clone()));
            let policies: Vec<Name> = {
                let state = agent.state.lock();
                let writes = state.policies.iter().filter(|(policy, entry)| {
                    let spec = entry.spec.as_ref().ok();
                    policy.namespace == name.namespace
                        && spec.is_some_and(|spec| spec.repository == name.name)
                });
                writes.map(|(policy, _)| policy.clone()).collect()
            };
            for policy in policies {
                look(poller::Target::ImagePolicy(policy));
            }
        }
        Owner::ImagePolicy(name) => look(poller::Target::ImagePolicy(name.clone())),
    }
}
