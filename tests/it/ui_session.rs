//! A signed-in browser of the web UI, without the browser.

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde_json::Value;
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentProcess, wait_for};

/// A session with an agent's web UI.
pub(crate) struct Session {
    client: Client,
    base: String,
    cookie: String,
}

/// A client that neither follows redirects nor keeps cookies.
pub(crate) fn client() -> Result<Client> {
    Ok(Client::builder().redirect(Policy::none()).build()?)
}

/// The link that `syncline link` would print now.
pub(crate) fn current_link(agent: &AgentProcess) -> Result<String> {
    agent.current_addresses()?.ui_link.context("no link")
}

/// Redeems a link; the answer is 303 with a cookie where it still worked.
pub(crate) async fn redeem(link: &str) -> Result<Response> {
    Ok(client()?.get(link).send().await?)
}

impl Session {
    /// Signs in with the link of an agent. Where another test used it, the next one is taken.
    pub(crate) async fn open(agent: &AgentProcess) -> Result<Self> {
        let cookie = wait_for("a link that works", DEADLINE, async || {
            let answer = redeem(&current_link(agent)?).await?;
            ensure!(answer.status() == 303, "it answered {}", answer.status());
            cookie_of(&answer)
        })
        .await?;
        Ok(Self {
            client: client()?,
            base: agent.ui_url(""),
            cookie,
        })
    }

    /// Sends a request with the cookie.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Result<Response> {
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/json");
        Ok(request.send().await?)
    }

    /// The JSON answer to a question; fails where the status is not 200.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send(Method::GET, path).await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status == 200, "{path} answered {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("{path} answered {text}"))
    }

    /// Asks for an action below a path of the API; answers with status and body. `key` names the call.
    pub(crate) async fn act(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Value)> {
        let mut request = self
            .client
            .post(format!("{}/api/v1/{path}", self.base))
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))?;
        Ok((status, body))
    }

    /// The newest syncs of an application.
    pub(crate) async fn syncs(&self, namespace: &str, name: &str) -> Result<Vec<Value>> {
        let list = self
            .get(&format!("/api/v1/applications/{namespace}/{name}/syncs"))
            .await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}

/// The `name=value` of the cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Response) -> Result<String> {
    let cookie = answer.headers().get(SET_COOKIE).context("no cookie")?;
    let cookie = cookie.to_str()?;
    for attribute in ["HttpOnly", "SameSite=Strict"] {
        ensure!(cookie.contains(attribute), "{cookie} lacks {attribute}");
    }
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}
