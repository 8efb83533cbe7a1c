//! The switch that stops the agent: a ConfigMap in its own namespace, written by a person.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};
use syncline_core::gate::Freeze;
use syncline_core::names;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::connect::{Account, Agent};
use crate::error::Error;

/// Field manager of what a person writes, by the command line or the web UI.
const MANAGER: &str = "syncline-cli";
const REASON: &str = "reason";
const BY: &str = "by";
const UNTIL: &str = "until";

/// How the switch is watched.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the API server keeps one watch request open.
    pub server_timeout: Duration,
    /// First pause after a failure.
    pub backoff_least: Duration,
    /// Longest pause after failures.
    pub backoff_most: Duration,
}

impl Agent {
    /// The switch as it is now; `None` where it is off.
    pub async fn freeze(&self, namespace: &str) -> Result<Option<Freeze>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = self.requests.run(api.get_opt(names::FREEZE)).await?;
        Ok(map.map(read))
    }

    /// Watches the switch until the receiver is dropped. Interruptions are survived: whatever the
    /// watch says, the API server is asked how the switch is.
    pub fn watch_freeze(
        &self,
        namespace: &str,
        settings: Settings,
    ) -> mpsc::Receiver<Option<Freeze>> {
        let (sender, receiver) = mpsc::channel(1);
        let (agent, namespace) = (self.clone(), namespace.to_owned());
        tokio::spawn(async move { agent.follow_freeze(&namespace, settings, &sender).await });
        receiver
    }

    async fn follow_freeze(
        &self,
        namespace: &str,
        settings: Settings,
        sender: &mpsc::Sender<Option<Freeze>>,
    ) {
        let api: Api<ConfigMap> = Api::namespaced(self.watches.clone(), namespace);
        let seconds = u32::try_from(settings.server_timeout.as_secs()).unwrap_or(290);
        let config = watcher::Config::default()
            .fields(&format!("metadata.name={}", names::FREEZE))
            .timeout(seconds.clamp(1, 290));
        let mut events = std::pin::pin!(watcher(api, config));
        let mut backoff = Backoff::new(settings.backoff_least, settings.backoff_most);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sender.closed() => return,
            };
            match event {
                None => return,
                Some(Err(error)) => {
                    let error = Error::from(error);
                    tracing::warn!(%error, "the watch of the freeze failed and is started again");
                    backoff.wait().await;
                    continue;
                }
                Some(Ok(watcher::Event::Init | watcher::Event::InitApply(_))) => continue,
                Some(Ok(
                    watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_),
                )) => {}
            }
            let freeze = loop {
                match self.freeze(namespace).await {
                    Ok(freeze) => break freeze,
                    Err(_) => backoff.wait().await,
                }
            };
            backoff.reset();
            if sender.send(freeze).await.is_err() {
                return;
            }
        }
    }

    /// Turns the switch on, or changes what it says, because a person asked for it in the web UI.
    pub async fn turn_freeze_on(&self, namespace: &str, freeze: &Freeze) -> Result<(), Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = Patch::Apply(written(namespace, freeze));
        self.requests
            .run(api.patch(names::FREEZE, &apply(), &map))
            .await?;
        Ok(())
    }

    /// Turns the switch off, because a person asked for it; answers whether it was on.
    pub async fn turn_freeze_off(&self, namespace: &str) -> Result<bool, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams::default();
        let deleted = self.requests.run(api.delete(names::FREEZE, &params));
        was_on(deleted.await.map(|_| ()))
    }

    /// What an event about the switch is about.
    pub fn freeze_reference(namespace: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            name: Some(names::FREEZE.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        }
    }
}

impl Account {
    /// Turns the switch on, or changes what it says.
    pub async fn freeze(&self, namespace: &str, freeze: &Freeze) -> Result<(), Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = Patch::Apply(written(namespace, freeze));
        self.run(api.patch(names::FREEZE, &apply(), &map)).await?;
        Ok(())
    }

    /// Turns the switch off; answers whether it was on.
    pub async fn unfreeze(&self, namespace: &str) -> Result<bool, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let params = DeleteParams::default();
        let deleted = self.run(api.delete(names::FREEZE, &params));
        was_on(deleted.await.map(|_| ()))
    }

    /// The name that the API server has for whoever asks.
    pub async fn user(&self) -> Result<Option<String>, Error> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = SelfSubjectReview::default();
        let answer = self
            .run(api.create(&PostParams::default(), &review))
            .await?;
        let user = answer.status.and_then(|status| status.user_info);
        Ok(user.and_then(|user| user.username))
    }
}

/// The ConfigMap that says so.
fn written(namespace: &str, freeze: &Freeze) -> Value {
    let mut data = BTreeMap::from([(REASON, freeze.reason.clone())]);
    if !freeze.by.is_empty() {
        data.insert(BY, freeze.by.clone());
    }
    if let Some(until) = freeze.until {
        data.insert(UNTIL, until.to_string());
    }
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names::FREEZE, "namespace": namespace},
        "data": data,
    })
}

fn apply() -> PatchParams {
    PatchParams::apply(MANAGER).force()
}

/// Whether the switch was on that was turned off.
fn was_on(deleted: Result<(), Error>) -> Result<bool, Error> {
    match deleted {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the ConfigMap says. What cannot be understood stops all the same.
fn read(map: ConfigMap) -> Freeze {
    let mut data = map.data.unwrap_or_default();
    let mut text = |key: &str| data.remove(key).unwrap_or_default().trim().to_owned();
    let (mut reason, by, until) = (text(REASON), text(BY), text(UNTIL));
    if reason.is_empty() {
        "no reason is given".clone_into(&mut reason);
    }
    let until = match until.as_str() {
        "" => None,
        text => {
            let read = text.parse::<Timestamp>();
            if read.is_err() {
                reason = format!("{reason} (its `until` is no time, so that it has no end)");
            }
            read.ok()
        }
    };
    Freeze { reason, by, until }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: &[(&str, &str)]) -> ConfigMap {
        let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        ConfigMap {
            data: Some(data.collect()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_freeze_says_why_by_whom_and_until_when() {
        let read = read(map(&[
            ("reason", "the database moves"),
            ("by", "ada"),
            ("until", "2026-12-01T18:00:00Z"),
        ]));
        assert_eq!(read.reason, "the database moves");
        assert_eq!(read.by, "ada");
        assert_eq!(read.until, Some("2026-12-01T18:00:00Z".parse().unwrap()));
    }

    #[test]
    fn what_cannot_be_understood_stops_all_the_same() {
        assert_eq!(read(ConfigMap::default()).reason, "no reason is given");
        let odd = read(map(&[("reason", "x"), ("until", "tomorrow")]));
        assert_eq!(odd.until, None);
        assert!(odd.reason.contains("`until`"), "{}", odd.reason);
    }
}
