//! Live objects for people who look: the tree, one object, events, logs, configuration.
//!
//! Nothing is read unless somebody asks. What several people look at is read once, as the service
//! account of the Application, within bounds of number and time, and kept for a few seconds.

mod configuration;
mod events;
mod logs;
mod look;
mod object;
mod rights;
mod secrets;
mod shared;

use std::sync::Arc;

use syncline_core::record::Name;
use syncline_core::secret_inputs::SecretInputs;
use syncline_web_ui::views::{
    ConfigurationView, EventsView, ObjectDetail, ObjectName, ResourcesView,
};
use syncline_web_ui::{Answer, LogStream, LogsWanted, Resources, Unanswered};
use tokio::sync::Semaphore;

use super::Answers;
use crate::settings::AgentSettings;
use look::Look;
use shared::Shared;

/// How long the secrets of an application that had to be rendered for them are kept.
const SECRETS_AGE: std::time::Duration = std::time::Duration::from_mins(1);

/// What the looks of all people share.
pub(super) struct Looking {
    trees: Shared<Look>,
    events: Shared<EventsView>,
    secrets: Shared<Result<Arc<SecretInputs>, String>>,
    /// How many applications may be read at the same time.
    places: Semaphore,
    /// How many logs may be read at the same time.
    logs: Arc<Semaphore>,
}

impl Looking {
    pub(super) fn new(settings: &AgentSettings) -> Self {
        Self {
            trees: Shared::new(settings.look_age),
            events: Shared::new(settings.look_age),
            secrets: Shared::new(SECRETS_AGE),
            places: Semaphore::new(settings.look_workers),
            logs: Arc::new(Semaphore::new(settings.pod_log_streams)),
        }
    }
}

impl Answers {
    /// The tree of an application as it was read last, or is read now.
    async fn tree(&self, name: &Name) -> Option<Arc<Look>> {
        let subject = look::subject(&self.agent, name)?;
        let read = async {
            // The semaphore is never closed.
            let _place = self.looking.places.acquire().await.ok();
            look::look(&self.agent, subject).await
        };
        Some(self.looking.trees.get(name, read).await)
    }

    /// What must not be shown of what the pods of an application print.
    async fn hidden(&self, name: &Name) -> Result<Arc<SecretInputs>, String> {
        if let Some(known) = secrets::known(&self.agent, name) {
            return Ok(known);
        }
        // A task of its own: a render that takes longer than the one who asked waits is there for
        // the next one.
        let (agent, looking) = (Arc::clone(&self.agent), Arc::clone(&self.looking));
        let name = name.clone();
        let task = tokio::spawn(async move {
            let read = secrets::rendered(&agent, &name);
            looking.secrets.get(&name, read).await
        });
        match task.await {
            Ok(found) => found.as_ref().clone(),
            Err(_) => Err("what is secret in it is not known, because a render failed".to_owned()),
        }
    }
}

impl Resources for Answers {
    fn resources(&self, application: Name) -> Answer<'_, Option<ResourcesView>> {
        Box::pin(async move { Ok(self.tree(&application).await.map(|look| look.view())) })
    }

    fn events(
        &self,
        application: Name,
        object: Option<ObjectName>,
    ) -> Answer<'_, Option<EventsView>> {
        Box::pin(async move {
            let Some(tree) = self.tree(&application).await else {
                return Ok(None);
            };
            let hidden = secrets::known(&self.agent, &application).unwrap_or_default();
            let read = async |object: Option<&ObjectName>| {
                let _place = self.looking.places.acquire().await.ok();
                events::read(&self.agent, &application, &tree, object, &hidden).await
            };
            if let Some(object) = object {
                return Ok(Some(read(Some(&object)).await));
            }
            let said = self.looking.events.get(&application, read(None)).await;
            Ok(Some(said.as_ref().clone()))
        })
    }

    fn object(&self, application: Name, object: ObjectName) -> Answer<'_, Option<ObjectDetail>> {
        Box::pin(async move {
            let Some(tree) = self.tree(&application).await else {
                return Ok(None);
            };
            let Some(at) = tree.find(&object) else {
                return Ok(None);
            };
            let hidden = self.hidden(&application).await;
            Ok(Some(object::read(&self.agent, &tree, at, hidden).await))
        })
    }

    fn logs(&self, application: Name, wanted: LogsWanted) -> Answer<'_, Option<LogStream>> {
        Box::pin(async move {
            let Some(tree) = self.tree(&application).await else {
                return Ok(None);
            };
            let Some(sources) = logs::sources(&tree, &wanted) else {
                return Ok(None);
            };
            // Without the right to list pods nobody knows whose log it would be.
            let blind = tree.missing.iter().find(|right| right.resource == "pods");
            if let (true, Some(right)) = (sources.is_empty(), blind) {
                return Err(Unanswered::Forbidden(right.sentence.clone()));
            }
            let places = Arc::clone(&self.looking.logs);
            let place = places.try_acquire_owned().map_err(|_| {
                let most = self.agent.settings.pod_log_streams;
                let why = format!("{most} logs are being read, which is as many as may be");
                Unanswered::Refused(why)
            })?;
            let hidden = self.hidden(&application).await;
            let hidden = hidden.map_err(Unanswered::Refused)?;
            let account = tree.account.as_ref().map_err(|why| {
                let why = format!("the service account cannot be used: {why}");
                Unanswered::Refused(why)
            })?;
            let settings = &self.agent.settings;
            let opened = logs::open(settings, account, sources, &wanted, hidden, place).await;
            opened.map(Some)
        })
    }

    fn configuration(&self, application: Name) -> Answer<'_, Option<ConfigurationView>> {
        Box::pin(async move { configuration::of(&self.agent, &application) })
    }
}
