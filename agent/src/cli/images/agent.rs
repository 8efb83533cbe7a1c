//! The API of the agent that runs on this machine or in this pod.

use std::path::Path;

use anyhow::{Context as _, bail};
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use syncline_core::record::Name;
use syncline_core::redacted::Redacted;
use syncline_web_ui::views::{
    ImageDetail, ImageUpdate, ImageUpdateList, TagAnswer, TagList, TagVerdict,
};

use crate::cli::connection::Connection;
use crate::server::ADDRESSES;

/// A way to the agent.
pub(super) struct AgentApi {
    client: Client,
    base: Url,
    key: Redacted,
}

/// All that the agent knows of an ImagePolicy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explained {
    /// What it chose, the places, the holds.
    #[serde(flatten)]
    pub(super) detail: ImageDetail,
    /// The tags, each with its verdict.
    pub(super) tags: Vec<TagVerdict>,
    /// The newest commits.
    pub(super) updates: Vec<ImageUpdate>,
}

/// What the agent writes into its data folder.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    ui: String,
    ui_key: String,
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refused {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl AgentApi {
    /// Finds the agent through its data folder.
    pub(super) fn open(data_dir: &Path, connection: &Connection) -> anyhow::Result<Self> {
        let path = data_dir.join(ADDRESSES);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "read `{}`; `--explain` works where the agent runs, for example `kubectl -n \
                 syncline exec deployment/syncline-agent -- syncline images NAMESPACE/NAME \
                 --explain`",
                path.display()
            )
        })?;
        let addresses: Addresses = serde_json::from_str(&text)
            .with_context(|| format!("`{}` is not what an agent writes", path.display()))?;
        let client = Client::builder()
            .no_proxy()
            .timeout(connection.request_timeout())
            .connect_timeout(connection.connect_timeout())
            .build()?;
        Ok(Self {
            client,
            base: Url::parse(&format!("http://{}/api/v1/images/", addresses.ui))?,
            key: Redacted::new(addresses.ui_key),
        })
    }

    /// What became of the tags of a policy; only those that a rule decided where one is named.
    pub(super) async fn explain(
        &self,
        name: &Name,
        rule: Option<&str>,
    ) -> anyhow::Result<Explained> {
        let of = format!("{}/{}", name.namespace, name.name);
        let detail = self.get(&of, &[]).await?;
        let mut tags = Vec::new();
        let mut from = Some(0);
        while let Some(next) = from {
            let next = next.to_string();
            let mut query = vec![("from", next.as_str())];
            query.extend(rule.map(|rule| ("rule", rule)));
            let part: TagList = self.get(&format!("{of}/tags"), &query).await?;
            tags.extend(part.items);
            from = part.next;
        }
        let updates: ImageUpdateList = self.get(&format!("{of}/updates"), &[]).await?;
        Ok(Explained {
            detail,
            tags,
            updates: updates.items,
        })
    }

    /// What a policy says of a tag.
    pub(super) async fn judge(&self, name: &Name, tag: &str) -> anyhow::Result<TagAnswer> {
        // What would lead to another path is no tag.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if tag.is_empty() || tag.starts_with('.') || !tag.bytes().all(is_plain) {
            bail!("`{tag}` is no tag");
        }
        let path = format!("{}/{}/tags/{tag}", name.namespace, name.name);
        self.get(&path, &[]).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let mut url = self.base.join(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.get(url).bearer_auth(self.key.expose());
        let answer = request.send().await.context("ask the agent")?;
        let status = answer.status();
        let body = answer.bytes().await.context("ask the agent")?;
        if !status.is_success() {
            match serde_json::from_slice::<Refused>(&body) {
                Ok(refused) => bail!(refused.error.message),
                Err(_) => bail!("the agent answered with status {status}"),
            }
        }
        serde_json::from_slice(&body).context("the agent is of another version")
    }
}
