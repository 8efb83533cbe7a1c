//! What is done with the object of a hook: it is created for a run, looked at, deleted; and what its
//! pods said when it failed.
//!
//! A run has one object: its id stands on it. So a run that was started and never noted is found
//! again, and none is started twice.

mod logs;

use serde_json::Value;
use syncline_cluster::{Account, DeleteOptions, Deleted, Live, Resource};
use syncline_core::directives::Propagation;
use syncline_core::hooks::{Hook, named};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::owner::Owner;
use syncline_core::reason::Reason;
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;

use super::{Extent, Start, inventory};
use crate::agent::Agent;
use crate::health;
use crate::live::{Seen, reduced};

/// How often a delete is tried whose object changes in between: a Job's status does so often.
const DELETES: usize = 5;

/// Starts a run of a hook: creates its object as the application's account.
///
/// An object of the same run is the answer where it is there already. One of an earlier run is
/// deleted first where the hook's policy says so; while it is on its way the answer is
/// [`Reason::BeingDeleted`], and the application is woken when it is gone. An object that is not
/// this application's is never touched.
pub(super) async fn start(
    agent: &Agent,
    start: &Start,
    account: &Account,
    hook: &Hook,
    run: &str,
) -> Result<Seen, Failure> {
    Place::of(agent, &start.owner, account)
        .start(hook, run)
        .await
}

/// How the object of a run is; `None` where there is none, or one of another run.
///
/// A Pod is well only when it has ended well, whatever its containers are meanwhile.
pub(super) async fn look(
    agent: &Agent,
    start: &Start,
    account: &Account,
    hook: &Hook,
    run: &str,
) -> Result<Option<Seen>, Failure> {
    Place::of(agent, &start.owner, account)
        .look(hook, run)
        .await
}

/// Deletes the object of a run, and its pods with it. What is gone, or is not of this run, is left
/// alone.
pub(super) async fn remove(
    agent: &Agent,
    start: &Start,
    account: &Account,
    hook: &Hook,
    run: &str,
) -> Result<(), Failure> {
    Place::of(agent, &start.owner, account)
        .remove(hook, run)
        .await
}

/// The end of what the containers said that failed in the newest pod of a run, masked and bounded;
/// `None` where there is no pod.
pub(super) async fn logs(
    agent: &Agent,
    _start: &Start,
    account: &Account,
    hook: &Hook,
    run: &str,
    secrets: &SecretInputs,
) -> Option<String> {
    logs::of_run(agent, account, &named(hook, run), secrets).await
}

/// Where hooks run: as which account, and for which application.
pub(crate) struct Place<'a> {
    agent: &'a Agent,
    owner: &'a Owner,
    account: &'a Account,
}

/// Whose a live object is.
enum Whose {
    /// Of the run.
    Run,
    /// Of an earlier run of the application.
    Earlier,
    /// A Job or Pod that the application had before it became a hook.
    Former,
    /// Somebody else's, and who that is.
    Other(String),
}

impl<'a> Place<'a> {
    /// For an application and its account.
    pub(crate) fn of(agent: &'a Agent, owner: &'a Owner, account: &'a Account) -> Self {
        Self {
            agent,
            owner,
            account,
        }
    }

    /// See [`start`].
    pub(crate) async fn start(&self, hook: &Hook, run: &str) -> Result<Seen, Failure> {
        let key = named(hook, run);
        let resource = self.resource(hook).await?;
        self.widen(hook, &key).await?;
        // Between the look and the create somebody may be faster, once.
        for _ in 0..2 {
            if let Some(live) = self.read(hook, &resource, &key).await? {
                match self.whose(&key, &live, run) {
                    Whose::Run => return Ok(self.took(&live)),
                    Whose::Earlier | Whose::Former if live.deleted.is_some() => {
                        return Err(self.comes_back(&key));
                    }
                    Whose::Earlier | Whose::Former if hook.delete.before_creation => {
                        if self.delete(hook, &resource, &live).await? == Deleted::Started {
                            return Err(self.comes_back(&key));
                        }
                    }
                    Whose::Earlier | Whose::Former => {
                        let what = "the object of an earlier run is still there, and the hook's \
                                    delete policy does not let it be deleted before it runs \
                                    again: delete it, or add `before-creation` to the policy";
                        return Err(failed(hook, &key, what));
                    }
                    Whose::Other(who) => {
                        let what = format!(
                            "an object of this name is there already and belongs to {who}: \
                             delete it, or give the hook another name"
                        );
                        return Err(failed(hook, &key, &what));
                    }
                }
            }
            let wire = self.wire(hook, &key, run);
            let manager = names::field_manager(&self.owner.instance);
            self.expect(&key);
            let created = self.account.create(&resource, &key, &wire, &manager).await;
            match created {
                Ok(Some(live)) => return Ok(self.took(&live)),
                Ok(None) => {}
                Err(error) => {
                    // It may be there all the same, and then the watch shows it.
                    self.forget(&key);
                    return Err(refused(hook, &key, &error));
                }
            }
        }
        Err(self.comes_back(&key))
    }

    /// See [`look`].
    pub(crate) async fn look(&self, hook: &Hook, run: &str) -> Result<Option<Seen>, Failure> {
        let key = named(hook, run);
        let resource = self.resource(hook).await?;
        let live = self.read(hook, &resource, &key).await?;
        let live = live.filter(|live| matches!(self.whose(&key, live, run), Whose::Run));
        Ok(live.map(|live| self.took(&live)))
    }

    /// See [`remove`].
    pub(crate) async fn remove(&self, hook: &Hook, run: &str) -> Result<(), Failure> {
        let key = named(hook, run);
        let resource = self.resource(hook).await?;
        if let Some(live) = self.read(hook, &resource, &key).await?
            && matches!(self.whose(&key, &live, run), Whose::Run)
            && live.deleted.is_none()
        {
            self.delete(hook, &resource, &live).await?;
        }
        Ok(())
    }

    async fn resource(&self, hook: &Hook) -> Result<Resource, Failure> {
        let key = &hook.manifest.key;
        let discovery = self.agent.cluster.discovery();
        let found = discovery.resolve(&key.group, &key.version, &key.kind).await;
        found.map_err(|error| refused(hook, key, &error))
    }

    async fn read(
        &self,
        hook: &Hook,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<Option<Live>, Failure> {
        let live = self.account.get(resource, key).await;
        live.map_err(|error| refused(hook, key, &error))
    }

    fn whose(&self, key: &ObjectKey, live: &Live, run: &str) -> Whose {
        let reduced = reduced(live);
        if let Some(controller) = &reduced.controller {
            return Whose::Other(controller.clone());
        }
        match reduced.owner(key) {
            Some(owner) if owner == *self.owner => {}
            Some(owner) => return Whose::Other(format!("application {}", owner.application)),
            None => return Whose::Other("nobody that Syncline knows".to_owned()),
        }
        let ended = matches!(
            (key.group.as_str(), key.kind.as_str()),
            ("batch", "Job") | ("", "Pod")
        );
        match live.annotations.get(names::ANNOTATION_HOOK_RUN) {
            Some(of) if of == run => Whose::Run,
            Some(_) => Whose::Earlier,
            None if ended => Whose::Former,
            None => Whose::Other("this application, and is no hook".to_owned()),
        }
    }

    /// Deletes exactly this object; one that only got a newer version is looked at again.
    async fn delete(
        &self,
        hook: &Hook,
        resource: &Resource,
        live: &Live,
    ) -> Result<Deleted, Failure> {
        let key = &live.key;
        let mut version = live.resource_version.clone();
        for _ in 0..DELETES {
            let options = DeleteOptions {
                uid: &live.uid,
                resource_version: &version,
                propagation: Propagation::Background,
            };
            match self.account.delete(resource, key, options).await {
                Ok(Deleted::Gone) => {
                    self.agent.state.lock().gone(key);
                    return Ok(Deleted::Gone);
                }
                Ok(Deleted::Started) => return Ok(Deleted::Started),
                Err(error) if error.reason() == Reason::Conflict => {
                    match self.read(hook, resource, key).await? {
                        Some(now) if now.uid == live.uid => {
                            let owner = reduced(&now).owner(key);
                            if owner.as_ref() != Some(self.owner) {
                                return Err(failed(hook, key, "it changed hands meanwhile"));
                            }
                            version = now.resource_version;
                        }
                        Some(_) | None => return Ok(Deleted::Gone),
                    }
                }
                Err(error) => return Err(refused(hook, key, &error)),
            }
        }
        Err(Failure {
            reason: Reason::Conflict,
            detail: format!("{key}: it changes all the time, so it could not be deleted"),
        })
    }

    /// The object as it is created.
    fn wire(&self, hook: &Hook, key: &ObjectKey, run: &str) -> Value {
        let mut wire = hook.manifest.body.to_wire();
        let metadata = &mut wire["metadata"];
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("generateName");
        }
        metadata["name"] = key.name.as_str().into();
        metadata["labels"][names::LABEL_MANAGED] = self.owner.instance.as_str().into();
        let annotations = &mut metadata["annotations"];
        annotations[names::ANNOTATION_OWNER] = self.owner.record_for(key).into();
        annotations[names::ANNOTATION_HOOK_RUN] = run.into();
        wire
    }

    /// Writes the kind and namespace of the object on the Application before it is created, so that
    /// a later agent finds it.
    async fn widen(&self, hook: &Hook, key: &ObjectKey) -> Result<(), Failure> {
        let name = &self.owner.application;
        let mut extent = {
            let state = self.agent.state.lock();
            let Some(entry) = state.applications.get(name) else {
                return Err(failed(hook, key, "its Application is gone"));
            };
            Extent {
                kinds: entry.listed(names::ANNOTATION_CONTAINS),
                namespaces: entry.listed(names::ANNOTATION_NAMESPACES),
            }
        };
        extent.add(key);
        inventory::write_lists(self.agent, name, &extent)
            .await
            .map_err(|error| Failure {
                reason: error.reason(),
                detail: format!("note the inventory on the Application: {error}"),
            })
    }

    /// From now on events about the object wake its application.
    fn expect(&self, key: &ObjectKey) {
        let mut state = self.agent.state.lock();
        if let Some(entry) = state.applications.get_mut(&self.owner.application) {
            entry.hooks.insert(key.clone());
        }
    }

    fn forget(&self, key: &ObjectKey) {
        let mut guard = self.agent.state.lock();
        let state = &mut *guard;
        if let Some(entry) = state.applications.get_mut(&self.owner.application)
            && state.live.seen(key).is_none()
        {
            entry.hooks.remove(key);
        }
    }

    fn took(&self, live: &Live) -> Seen {
        let seen = health::seen(self.agent, live);
        self.agent.state.lock().see(&live.key, seen.clone());
        seen
    }

    /// The object of an earlier run is on its way out: the application is woken when it is gone, and
    /// looks by itself where nothing tells it.
    fn comes_back(&self, key: &ObjectKey) -> Failure {
        let agent = self.agent;
        let due = agent.clock.monotonic() + agent.settings.retry_first;
        let name = &self.owner.application;
        agent
            .queue
            .push(name, Cause::Rollout, agent.clock.now(), due);
        Failure {
            reason: Reason::BeingDeleted,
            detail: format!("{key}: the hook runs when the object of its earlier run is gone"),
        }
    }
}

fn failed(hook: &Hook, key: &ObjectKey, what: &str) -> Failure {
    Failure {
        reason: Reason::HookFailed,
        detail: format!("{}: {key}: {what}", hook.manifest.origin),
    }
}

fn refused(hook: &Hook, key: &ObjectKey, error: &syncline_cluster::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: format!("{}: {key}: {error}", hook.manifest.origin),
    }
}
