//! The fault proxy: it changes nothing without a rule, and each rule does what it says.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use kube::Client;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use syncline_tests::agent::account_with_role;
use syncline_tests::control_plane::client_of;
use syncline_tests::fault_proxy::kubeconfig_through;
use syncline_tests::world::{DEADLINE, DEPLOYER, suffix};
use syncline_tests::{
    Action, ControlPlane, FaultProxy, Interruption, Rule, World, objects, wait_for,
};

use crate::lifecycle_setup::turn;

/// A namespace whose account `tester` may do anything in it, and a proxy.
struct Setup {
    proxy: FaultProxy,
    admin: Client,
    namespace: String,
    kubeconfig: String,
    token: String,
}

impl Setup {
    async fn new() -> Result<Self> {
        let control_plane = ControlPlane::shared().await?;
        let proxy = FaultProxy::start(control_plane).await?;
        let admin = control_plane.admin().await?;
        let namespace = format!("proxy-{}", suffix());
        let object = objects::reference("v1", "Namespace", &namespace);
        objects::apply(&admin, &object, None).await?;
        for object in account_with_role(&namespace, "tester", "cluster-admin") {
            objects::apply(&admin, &object, None).await?;
        }
        let file = control_plane
            .service_account_kubeconfig(&namespace, "tester")
            .await?;
        let text = std::fs::read_to_string(file)?;
        let parsed: Value = serde_json::from_str(&text)?;
        let token = parsed["users"][0]["user"]["token"].as_str();
        Ok(Self {
            admin,
            namespace,
            kubeconfig: kubeconfig_through(&proxy.url(), &text)?,
            token: token.context("no token")?.to_owned(),
            proxy,
        })
    }

    fn url(&self, rest: &str) -> String {
        let (server, namespace) = (self.proxy.url(), &self.namespace);
        format!("{server}/api/v1/namespaces/{namespace}/configmaps{rest}")
    }

    fn get(&self, rest: &str) -> RequestBuilder {
        let client = reqwest::Client::new();
        client.get(self.url(rest)).bearer_auth(&self.token)
    }

    fn create(&self, name: &str) -> RequestBuilder {
        let client = reqwest::Client::new();
        client
            .post(self.url(""))
            .bearer_auth(&self.token)
            .json(&map(name, "1"))
    }

    async fn exists(&self, name: &str) -> Result<bool> {
        let object = objects::reference("v1", "ConfigMap", name);
        match objects::get(&self.admin, &object, Some(&self.namespace)).await {
            Ok(_) => Ok(true),
            Err(error) if syncline_tests::world::is_not_found(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, name: &str, value: &str) -> Result<()> {
        objects::apply(&self.admin, &map(name, value), Some(&self.namespace)).await?;
        Ok(())
    }
}

fn map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name },
        "data": { "value": value },
    })
}

#[tokio::test]
async fn without_a_rule_the_proxy_passes_on_who_asks_what_and_each_event_as_it_comes() -> Result<()>
{
    let setup = Setup::new().await?;
    let begin = Instant::now();
    let audit = ControlPlane::shared().await?.audit().from_now()?;
    let client = client_of(&setup.kubeconfig).await?;
    objects::apply(&client, &map("one", "1"), Some(&setup.namespace)).await?;
    let writes = audit.writes()?;
    let user = format!("system:serviceaccount:{}:tester", setup.namespace);
    ensure!(
        writes.iter().any(|write| write.effective_user() == user),
        "no write by {user}"
    );
    let counts = setup.proxy.counts_since(begin);
    ensure!(
        counts.get(&("patch".into(), "configmaps".into())) == Some(&1),
        "the counts are {counts:?}"
    );

    let answer = setup.get("?watch=true").send().await?;
    let mut events = answer.bytes_stream();
    let first = events.next().await.context("the watch ended")??;
    ensure!(String::from_utf8_lossy(&first).contains("ADDED"));
    ensure!(setup.proxy.open_watches(&setup.namespace) == 1);
    setup.write("two", "2").await?;
    wait_for("the event of the second object", DEADLINE, async || {
        let event = events.next().await.context("the watch ended")??;
        let text = String::from_utf8_lossy(&event).into_owned();
        ensure!(text.contains("\"two\""), "{text}");
        Ok(())
    })
    .await?;
    drop(events);
    wait_for("the watch to be closed", DEADLINE, async || {
        let open = setup.proxy.open_watches(&setup.namespace);
        ensure!(open == 0, "{open} are open");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn refusals_have_the_shape_that_the_api_server_gives_them() -> Result<()> {
    let setup = Setup::new().await?;
    let after = Duration::from_secs(7);
    let rule = setup
        .proxy
        .add(Rule::new(Action::TooManyRequests(after)).first(1));
    let answer = setup.get("").send().await?;
    ensure!(answer.status() == StatusCode::TOO_MANY_REQUESTS);
    ensure!(answer.headers()["retry-after"] == "7");
    ensure!(setup.get("").send().await?.status() == StatusCode::OK);
    ensure!(setup.proxy.hits(rule) == 1);

    for (status, reason) in [
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (409, "Conflict"),
    ] {
        let rule = setup
            .proxy
            .add(Rule::new(Action::Status(status)).method("POST"));
        let answer = setup.create("refused").send().await?;
        ensure!(answer.status() == status, "{answer:?}");
        let body: Value = answer.json().await?;
        ensure!(
            body["kind"] == "Status" && body["reason"] == reason,
            "{body}"
        );
        setup.proxy.remove(rule);
    }
    ensure!(!setup.exists("refused").await?, "it was passed on");
    ensure!(setup.create("refused").send().await?.status() == StatusCode::CREATED);

    setup.proxy.add(Rule::new(Action::Expired));
    ensure!(setup.get("").send().await?.status() == StatusCode::GONE);
    let answer = setup.get("?watch=true&resourceVersion=1").send().await?;
    ensure!(answer.status() == StatusCode::OK);
    let event: Value = answer.json().await?;
    ensure!(
        event["type"] == "ERROR" && event["object"]["code"] == 410,
        "{event}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dropped_answer_is_of_a_write_that_happened_and_a_dropped_request_is_not() -> Result<()> {
    let setup = Setup::new().await?;
    let rule = setup.proxy.add(Rule::new(Action::DropBefore));
    ensure!(setup.create("before").send().await.is_err());
    ensure!(!setup.exists("before").await?);
    setup.proxy.remove(rule);

    let begin = Instant::now();
    setup.proxy.add(Rule::new(Action::DropAfter).verb("create"));
    ensure!(setup.create("after").send().await.is_err());
    ensure!(setup.exists("after").await?);
    let seen = setup.proxy.requests_since(begin);
    ensure!(seen.iter().all(|request| request.status.is_none()));

    setup.proxy.clear();
    setup.proxy.add(Rule::new(Action::Cut(20)));
    let answer = setup.get("").send().await?;
    ensure!(answer.status() == StatusCode::OK);
    let mut bytes = 0;
    let mut body = answer.bytes_stream();
    let error = loop {
        match body.next().await.context("the body ended in order")? {
            Ok(piece) => bytes += piece.len(),
            Err(error) => break error,
        }
    };
    ensure!(bytes <= 20, "{bytes} bytes came before {error}");
    Ok(())
}

#[tokio::test]
async fn what_is_stalled_is_not_answered_and_stale_reads_lag_behind() -> Result<()> {
    let setup = Setup::new().await?;
    let rule = setup.proxy.add(Rule::new(Action::Stall));
    let short = Duration::from_millis(300);
    let stalled = setup.get("").timeout(short).send().await;
    ensure!(stalled.is_err_and(|error| error.is_timeout()));
    setup.proxy.remove(rule);

    setup.write("old", "1").await?;
    let rule = setup.proxy.add(Rule::new(Action::Stale));
    let value = async || -> Result<Value> {
        let live: Value = setup.get("/old").send().await?.json().await?;
        Ok(live["data"]["value"].clone())
    };
    ensure!(value().await? == "1");
    setup.write("old", "2").await?;
    ensure!(value().await? == "1");
    setup.proxy.remove(rule);
    ensure!(value().await? == "2");

    for delayed in [
        Rule::new(Action::Delay(short)).first(1),
        Rule::new(Action::Delay(Duration::ZERO)),
    ] {
        setup.proxy.clear();
        setup.proxy.set_latency(short);
        setup.proxy.add(delayed.clone());
        let begin = Instant::now();
        value().await?;
        ensure!(begin.elapsed() >= short, "{delayed:?} came too early");
    }
    Ok(())
}

#[tokio::test]
async fn open_watches_are_cut_expired_or_stalled() -> Result<()> {
    let setup = Setup::new().await?;
    setup.write("one", "1").await?;
    for how in [Interruption::Cut, Interruption::Expire, Interruption::Stall] {
        let mut events = setup.get("?watch=true").send().await?.bytes_stream();
        events.next().await.context("the watch ended")??;
        ensure!(setup.proxy.interrupt("configmaps?watch", how) == 1);
        setup.write("one", &format!("{how:?}")).await?;
        match how {
            Interruption::Cut => {
                let rest: Vec<_> = events.collect().await;
                ensure!(rest.last().is_some_and(Result::is_err), "{rest:?}");
            }
            Interruption::Expire => {
                let mut rest = String::new();
                while let Some(piece) = events.next().await {
                    rest.push_str(&String::from_utf8_lossy(&piece?));
                }
                ensure!(rest.contains("410"), "{rest}");
            }
            Interruption::Stall => {
                // A second watch has the event: the first would have it by now.
                let mut other = setup.get("?watch=true").send().await?.bytes_stream();
                let seen = other.next().await.context("the watch ended")??;
                ensure!(String::from_utf8_lossy(&seen).contains("Stall"));
                let wait = Duration::from_millis(200);
                let nothing = tokio::time::timeout(wait, events.next()).await;
                ensure!(nothing.is_err(), "it goes on: {nothing:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_and_comes_back_at_its_place() -> Result<()> {
    let setup = Setup::new().await?;
    ensure!(setup.get("").send().await?.status() == StatusCode::OK);
    setup.proxy.go_down();
    wait_for("connections to be refused", DEADLINE, async || {
        ensure!(setup.get("").send().await.is_err(), "it still answers");
        Ok(())
    })
    .await?;
    setup.proxy.come_back().await?;
    ensure!(setup.get("").send().await?.status() == StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn an_agent_works_through_the_proxy_as_the_accounts_that_it_names() -> Result<()> {
    let turn = turn().await?;
    let proxy = FaultProxy::start(turn.control_plane).await?;
    let world = World::with_agent("through", turn.control_plane, |settings| {
        settings.through(&proxy)
    })
    .await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n";
    let commit = world.repo.commit(&[("app/map.yaml", map)], "Start")?;
    let begin = Instant::now();
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let user = format!("system:serviceaccount:{}:{DEPLOYER}", world.namespace);
    let writes: Vec<_> = proxy
        .requests_since(begin)
        .into_iter()
        .filter(|request| request.target.is_write() && request.target.resource == "configmaps")
        // Other tests leave applications behind, which the agent keeps in order as well.
        .filter(|request| request.target.namespace == world.namespace)
        .collect();
    ensure!(!writes.is_empty(), "no write went through the proxy");
    ensure!(
        writes
            .iter()
            .all(|write| write.user == user && write.status.is_some_and(|status| status < 300)),
        "{writes:?}"
    );
    Ok(())
}
