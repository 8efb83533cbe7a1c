//! Hooks of the end of an application: those before its objects go, and those after.
//!
//! How far the end is stands on the Application, so that an agent that starts anew does not begin
//! again: a hook before the end runs while its objects are there, and never once they go.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use syncline_cluster::Account;
use syncline_cluster::kinds::Kind;
use syncline_core::application::Application;
use syncline_core::health::Health;
use syncline_core::hooks::{Hook, Moment};
use syncline_core::names;
use syncline_core::owner::Owner;

use super::Unfinished;
use crate::agent::Agent;
use crate::sync::{Place, last_render};

/// How far the end of an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Hooks run before the objects go; also where there are none.
    Before,
    /// The objects go.
    Objects,
    /// Hooks run after they went.
    After,
}

/// The hooks of the end of one application.
pub(super) struct Hooks<'a> {
    agent: &'a Agent,
    application: &'a Application,
    owner: &'a Owner,
    account: &'a Account,
    hooks: Vec<Hook>,
    /// What tells their runs from those of another life of the application.
    run: String,
    phase: Phase,
    since: Option<Timestamp>,
}

impl<'a> Hooks<'a> {
    /// Finds them: in the last render, or in a new one where that is not in memory.
    ///
    /// Where it cannot be rendered the end waits; after `deletion_timeout` it goes on without hooks.
    pub(super) async fn of(
        agent: &'a Arc<Agent>,
        application: &'a Application,
        owner: &'a Owner,
        account: &'a Account,
    ) -> Result<Self, Unfinished> {
        let name = &application.name;
        let mut found = Self {
            agent,
            application,
            owner,
            account,
            hooks: Vec::new(),
            run: String::new(),
            phase: Phase::Objects,
            since: None,
        };
        let (has_hooks, asked) = {
            let state = agent.state.lock();
            let Some(entry) = state.applications.get(name) else {
                return Ok(found);
            };
            found.run = format!("delete-{}", entry.uid);
            let said = |annotation: &str| entry.annotations.get(annotation);
            let stage = said(names::ANNOTATION_DELETION).and_then(|text| text.split_once(' '));
            let rendered = entry.rendered.as_ref();
            let known = rendered.is_some_and(|rendered| rendered.has_deletion_hooks());
            let has_hooks = known || said(names::ANNOTATION_DELETION_HOOKS).is_some();
            if has_hooks {
                found.phase = match stage {
                    Some(("objects", _)) => Phase::Objects,
                    Some(("after", _)) => Phase::After,
                    _ => Phase::Before,
                };
            }
            found.since = stage.and_then(|(_, at)| at.parse().ok());
            (has_hooks, entry.deleting)
        };
        if !has_hooks {
            return Ok(found);
        }
        match last_render(agent, application, account).await {
            Ok(rendered) => found.hooks.clone_from(&rendered.hooks),
            Err(failure) => {
                let what = format!(
                    "its hooks are not known, because it cannot be rendered: {}",
                    failure.detail
                );
                let now = agent.clock.now();
                let waited = asked.map(|since| now.duration_since(since).unsigned_abs());
                if waited.is_none_or(|waited| waited < agent.settings.deletion_timeout) {
                    return Err(Unfinished::new(what));
                }
                tracing::warn!(detail = what, "the Application goes without its hooks");
            }
        }
        Ok(found)
    }

    /// Since when the phase is what it is, where hooks ran before it.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Goes on with the hooks before the objects go; answers with the phase after them.
    pub(super) async fn before(&mut self) -> Result<Phase, Unfinished> {
        if self.phase != Phase::Before {
            return Ok(self.phase);
        }
        self.run(Moment::BeforeDelete).await?;
        self.note("objects").await?;
        Ok(Phase::Objects)
    }

    /// Goes on with the hooks after the objects went.
    pub(super) async fn after(&mut self, phase: Phase) -> Result<(), Unfinished> {
        if self.of_moment(Moment::AfterDelete).next().is_none() {
            return Ok(());
        }
        if phase != Phase::After {
            // From here on their objects are not among those that go.
            self.note("after").await?;
        }
        self.run(Moment::AfterDelete).await?;
        for hook in self.of_moment(Moment::AfterDelete) {
            let removed = self.place().remove(hook, &self.run).await;
            removed.map_err(|failure| self.unfinished(Moment::AfterDelete, failure.detail))?;
        }
        Ok(())
    }

    fn place(&self) -> Place<'_> {
        Place::of(self.agent, self.owner, self.account)
    }

    fn of_moment(&self, moment: Moment) -> impl Iterator<Item = &Hook> {
        let hooks = self.hooks.iter();
        hooks.filter(move |hook| hook.moment == moment)
    }

    /// Starts the next hook of a moment; done when all have ended well.
    async fn run(&self, moment: Moment) -> Result<(), Unfinished> {
        let unfinished = |what: String| self.unfinished(moment, what);
        for hook in self.of_moment(moment) {
            let place = self.place();
            let run = &self.run;
            let looked = place.look(hook, run).await;
            let seen = match looked.map_err(|failure| unfinished(failure.detail))? {
                Some(seen) => seen,
                None => {
                    let started = place.start(hook, run).await;
                    started.map_err(|failure| unfinished(failure.detail))?
                }
            };
            let key = &hook.manifest.key;
            let moment = moment.as_str();
            let message = &seen.health.message;
            match seen.health.health {
                Health::Healthy => {}
                Health::Degraded => {
                    return Err(unfinished(format!(
                        "the hook {key} ({moment}) failed: {message}; delete its object to run it \
                         again"
                    )));
                }
                _ => {
                    return Err(unfinished(format!(
                        "the hook {key} ({moment}) runs: {message}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Hooks have their own time beside that of everything else.
    fn unfinished(&self, moment: Moment, what: String) -> Unfinished {
        let limit = self.application.sync.timeout;
        let times = self
            .of_moment(moment)
            .map(|hook| hook.timeout.unwrap_or(limit));
        Unfinished {
            what,
            since: self.since,
            patience: times.fold(Duration::ZERO, Duration::saturating_add),
        }
    }

    /// Writes on the Application how far it is. What comes now has its time from here on.
    async fn note(&mut self, phase: &str) -> Result<(), Unfinished> {
        let name = &self.application.name;
        let now = self.agent.clock.now();
        let value = format!("{phase} {now}");
        let annotations = json!({ names::ANNOTATION_DELETION: value });
        let written =
            self.agent
                .cluster
                .agent()
                .mark(Kind::Application, name, annotations, names::FINALIZER);
        written
            .await
            .map_err(|error| Unfinished::new(format!("note how far the deletion is: {error}")))?;
        let mut state = self.agent.state.lock();
        if let Some(entry) = state.applications.get_mut(name) {
            let annotations = &mut entry.annotations;
            annotations.insert(names::ANNOTATION_DELETION.to_owned(), value);
        }
        drop(state);
        self.since = Some(now);
        Ok(())
    }
}
