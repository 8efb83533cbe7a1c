//! The deploy flow as a whole, on real parts: from a commit to live objects and back.

mod bad_manifests;
mod bad_objects;
mod bad_sources;
mod crash;
mod deletion;
mod flow;
mod holds;

pub(crate) use bad_objects::cluster_admin;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{AgentProcess, World, objects, wait_for};

use crate::ui_session::current_link;

/// A ConfigMap with one key, as YAML.
pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n"
    )
}

/// A Deployment of two replicas, as YAML.
pub(crate) fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 2\n  \
         selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        \
         app: {name}\n    spec:\n      containers:\n      - name: main\n        \
         image: registry.example/{name}:1\n"
    )
}

/// The message of the Ready condition.
pub(crate) fn message(live: &Value) -> String {
    objects::find_condition(live, "Ready")
        .and_then(|ready| ready["message"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// Fails unless a text has all of the parts.
pub(crate) fn ensure_says(text: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(text.contains(part), "{text:?} does not say {part:?}");
    }
    Ok(())
}

/// Commits, pushes and asks the agent to look at the repository.
pub(crate) async fn push(world: &World, files: &[(&str, &str)], message: &str) -> Result<String> {
    let commit = world.repo.commit(files, message)?;
    world.request("Repository", "config").await?;
    Ok(commit)
}

/// Commits the files, makes the Repository and one Application per path and name, and waits until
/// all are synced. Answers with the commit.
pub(crate) async fn deploy(
    world: &World,
    files: &[(&str, &str)],
    applications: &[(&str, &str, Value)],
) -> Result<String> {
    let commit = world.repo.commit(files, "Start")?;
    world.repository(json!({})).await?;
    for (name, path, more) in applications {
        world.application(name, path, more.clone()).await?;
    }
    for (name, _, _) in applications {
        world.wait_until_synced(name, &commit).await?;
    }
    Ok(commit)
}

/// The value of a ConfigMap of [`config_map`], or `None` where it does not exist.
pub(crate) async fn value_of(world: &World, name: &str) -> Result<Option<String>> {
    if !world.exists("v1", "ConfigMap", name).await? {
        return Ok(None);
    }
    let live = world.get("v1", "ConfigMap", name).await?;
    Ok(live["data"]["key"].as_str().map(str::to_owned))
}

/// Waits until a ConfigMap of [`config_map`] has a value (`None`: until it is gone).
pub(crate) async fn wait_for_value(world: &World, name: &str, value: Option<&str>) -> Result<()> {
    wait_for(&format!("{name} to be {value:?}"), DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = value_of(world, name).await?;
        ensure!(live.as_deref() == value, "it is {live:?}");
        Ok(())
    })
    .await
}

/// Annotates one of our own objects, as a person does.
pub(crate) async fn annotate(
    world: &World,
    kind: &str,
    name: &str,
    annotation: &str,
    value: &str,
) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { annotation: value } } });
    world
        .edit("syncline.dev/v1alpha1", kind, name, &patch)
        .await
}

/// The account that the agent applies as in a world, as the audit log names it.
pub(crate) fn deployer(world: &World) -> String {
    format!("system:serviceaccount:{}:{DEPLOYER}", world.namespace)
}

/// What was written since the mark as the world's deployer.
pub(crate) fn deployed(world: &World, since: &Audit) -> Result<Vec<AuditEvent>> {
    let deployer = deployer(world);
    let mut writes = since.writes()?;
    writes.retain(|write| write.effective_user() == deployer);
    Ok(writes)
}

/// As [`deployed`], once the audit log has that many writes: the API server writes a line after
/// the answer, and so after a watch has seen the object. There may be more of them.
pub(crate) async fn deployed_at_least(
    world: &World,
    since: &Audit,
    count: usize,
) -> Result<Vec<AuditEvent>> {
    wait_for("the writes in the audit log", DEADLINE, async || {
        let writes = deployed(world, since)?;
        ensure!(writes.len() >= count, "{} of {count}", writes.len());
        Ok(writes)
    })
    .await
}

/// The value of a counter or gauge of the agent, all its labels added up.
pub(crate) async fn metric(agent: &AgentProcess, name: &str, label: &str) -> Result<f64> {
    let text = reqwest::get(agent.metrics_url("/metrics"))
        .await?
        .text()
        .await?;
    let values = text.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
    });
    values
        .map(|line| {
            let value = line.rsplit(' ').next().unwrap_or_default();
            value.parse::<f64>().with_context(|| line.to_owned())
        })
        .sum()
}

/// Somebody who has signed in to the web UI.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    agent: &'a AgentProcess,
    client: reqwest::Client,
    cookie: String,
}

impl<'a> Person<'a> {
    /// Follows the one-time link.
    pub(crate) async fn sign_in(agent: &'a AgentProcess) -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        // Another test may use the link first; the agent then writes another one.
        let cookie = wait_for("a link that signs in", DEADLINE, async || {
            let answer = client.get(current_link(agent)?).send().await?;
            let cookie = answer.headers().get("set-cookie").context("no session")?;
            let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
            Ok(cookie.to_owned())
        })
        .await?;
        Ok(Self {
            agent,
            client,
            cookie,
        })
    }

    /// The answer of the API as text.
    pub(crate) async fn read(&self, path: &str) -> Result<String> {
        let answer = self
            .client
            .get(self.agent.ui_url(&format!("/api/v1{path}")))
            .header("cookie", &self.cookie)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(text)
    }

    /// All syncs of an application with their details, newest first.
    pub(crate) async fn syncs(&self, world: &World, application: &str) -> Result<Vec<Value>> {
        let path = format!("/applications/{}/{application}/syncs", world.namespace);
        let list: Value = serde_json::from_str(&self.read(&path).await?)?;
        let mut syncs = Vec::new();
        for summary in list["items"].as_array().context("no list")? {
            let id = summary["id"].as_str().context("no id")?;
            syncs.push(serde_json::from_str(
                &self.read(&format!("/syncs/{id}")).await?,
            )?);
        }
        Ok(syncs)
    }

    /// Waits until the history of an application has a sync that `holds`, and answers with it.
    pub(crate) async fn wait_for_sync(
        &self,
        world: &World,
        application: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        wait_for(&format!("a sync {what}"), DEADLINE, async || {
            let syncs = self.syncs(world, application).await?;
            let found = syncs.iter().find(|sync| holds(sync));
            found
                .cloned()
                .with_context(|| format!("the history is {syncs:#?}"))
        })
        .await
    }
}
