//! Watching one object: every state that it goes through, with the moment it was seen.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{WatchEvent, WatchParams};
use serde_json::Value;

use crate::objects;

/// An open watch of one object. Opened before the change whose effect is measured.
pub struct Watch {
    what: String,
    states: BoxStream<'static, Result<Option<Value>>>,
}

impl Watch {
    /// Opens a watch of an object that [`objects::reference`] names; it begins with the state of
    /// the object as it is.
    pub async fn open(client: &Client, object: &Value, namespace: &str) -> Result<Self> {
        let api = objects::api(client, object, Some(namespace)).await?;
        let name = objects::name(object)?;
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let what = format!(
            "{} {namespace}/{name}",
            object["kind"].as_str().unwrap_or_default()
        );
        let events = api
            .watch(&only, "0")
            .await
            .with_context(|| format!("watch {what}"))?;
        let states = events
            .map_err(anyhow::Error::from)
            .try_filter_map(async |event| {
                Ok(match event {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        Some(Some(serde_json::to_value(object)?))
                    }
                    WatchEvent::Deleted(_) => Some(None),
                    WatchEvent::Bookmark(_) => None,
                    WatchEvent::Error(status) => anyhow::bail!("the watch ended: {status:?}"),
                })
            })
            .boxed();
        Ok(Self { what, states })
    }

    /// The moment at which the object was first seen in a state that `holds`; `None` stands for an
    /// object that was deleted. States that it was in before count as well.
    pub async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut holds: impl FnMut(Option<&Value>) -> bool,
    ) -> Result<Instant> {
        let mut last = None;
        let found = tokio::time::timeout(deadline, async {
            while let Some(state) = self.states.next().await {
                let state = state?;
                if holds(state.as_ref()) {
                    return Ok(Instant::now());
                }
                last = state;
            }
            anyhow::bail!("the API server ended the watch")
        })
        .await;
        let name = &self.what;
        match found {
            Ok(found) => found.with_context(|| format!("waited for {name}: {what}")),
            Err(_) => anyhow::bail!(
                "waited {deadline:?} for {name}: {what}; it is {}",
                last.map_or_else(|| "as it was".to_owned(), |state| format!("{state:#}"))
            ),
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}
