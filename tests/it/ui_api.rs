//! The API of the web UI of the running agent tells the facts of a world.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::ui_session::{Session, client, cookie_of, current_link, redeem};

const FILES: [(&str, &str); 2] = [
    (
        "app/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {value: \"1\"}\n",
    ),
    (
        "app/b.yaml",
        "# The second.\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
    ),
];

#[tokio::test]
async fn a_link_signs_one_browser_in_and_only_once() -> Result<()> {
    let world = World::new("ui-link").await?;
    let agent = world.agent();
    let list = agent.ui_url("/api/v1/applications");
    // Other tests sign in as well; the link that works is the one that this test used up.
    let (link, cookie) = wait_for("a link that works", DEADLINE, async || {
        let link = current_link(agent)?;
        let answer = redeem(&link).await?;
        ensure!(answer.status() == 303, "it answered {}", answer.status());
        Ok((link, cookie_of(&answer)?))
    })
    .await?;
    let again = redeem(&link).await?;
    ensure!(again.status() == 401, "it answered {}", again.status());
    ensure!(
        again.headers().get("set-cookie").is_none(),
        "a second browser was signed in"
    );

    let ask = async |cookie: Option<&str>| -> Result<u16> {
        let mut request = client()?.get(&list);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        Ok(request.send().await?.status().as_u16())
    };
    ensure!(ask(Some(&cookie)).await? == 200);
    ensure!(ask(None).await? == 401);
    let forged = format!("{}0", &cookie[..cookie.len() - 1]);
    ensure!(forged == cookie || ask(Some(&forged)).await? == 401);
    // The next link is offered by itself.
    wait_for("another link", DEADLINE, async || {
        ensure!(current_link(agent)? != link, "it is the used one");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn requests_of_other_sites_and_to_other_hosts_are_refused() -> Result<()> {
    let world = World::new("ui-guard").await?;
    let agent = world.agent();
    let session = Session::open(agent).await?;
    let answer = session.send(Method::GET, "/api/v1/about").await?;
    let headers = answer.headers();
    let policy = headers
        .get("content-security-policy")
        .context("no Content-Security-Policy")?
        .to_str()?;
    ensure!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{policy}"
    );
    ensure!(!policy.contains("unsafe"), "{policy}");
    let url = agent.ui_url("/api/v1/about");
    for (name, value, expected) in [
        ("origin", "https://evil.example.com", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("host", "evil.example.com", 421),
    ] {
        let answer = client()?.get(&url).header(name, value).send().await?;
        let status = answer.status().as_u16();
        ensure!(status == expected, "{name}: {value} answered {status}");
    }
    Ok(())
}

#[tokio::test]
async fn lists_details_and_history_tell_what_was_deployed() -> Result<()> {
    let world = World::new("ui-facts").await?;
    let session = Session::open(world.agent()).await?;
    let commit = world.repo.commit(&FILES, "Two maps")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let namespace = &world.namespace;

    let list = session.get("/api/v1/applications").await?;
    let listed = entry_of(&list, namespace, "app")?;
    ensure!(
        listed["severity"] == "healthy"
            && listed["health"] == "Healthy"
            && listed["reason"] == "Synced"
            && list["reasons"]["Synced"]["class"] == "good",
        "{listed:#}"
    );
    let place = listed["commit"].as_u64().context("no commit")? as usize;
    let told = &list["commits"][place];
    ensure!(
        told["subject"] == "Two maps" && told["id"] == commit[..10],
        "{told:#}"
    );

    let detail = session
        .get(&format!("/api/v1/applications/{namespace}/app"))
        .await?;
    let summary = &detail["summary"];
    for (field, expected) in [
        ("repository", json!("config")),
        ("path", json!("app")),
        ("destination", json!(namespace)),
        ("severity", json!("healthy")),
        ("health", json!("Healthy")),
        ("objects", json!(2)),
    ] {
        ensure!(summary[field] == expected, "{field} of {summary:#}");
    }
    ensure!(summary["why"]["reason"] == "Synced", "{summary:#}");
    ensure!(summary["revision"]["commit"] == commit.as_str());
    ensure!(
        summary["commit"]["subject"] == "Two maps" && summary["commit"]["author"] == "Robin",
        "{summary:#}"
    );
    ensure!(detail["serviceAccount"] == "deployer", "{detail:#}");
    ensure!(detail["head"]["commit"] == commit.as_str());
    let objects = detail["objects"].as_array().context("no objects")?;
    ensure!(objects.len() == 2, "{detail:#}");
    let second = objects
        .iter()
        .find(|object| object["object"]["name"] == "b")
        .context("no object b")?;
    ensure!(second["health"] == "Healthy", "{second:#}");
    ensure!(second["origin"]["file"] == "app/b.yaml", "{second:#}");

    // History is written behind the sync's back.
    let sync = wait_for("the sync in the history", DEADLINE, async || {
        let syncs = session.syncs(namespace, "app").await?;
        let done = syncs
            .into_iter()
            .find(|sync| sync["counts"]["created"] == 2 && sync["result"] == "succeeded");
        done.context("no sync that created both")
    })
    .await?;
    let id = sync["id"].as_str().context("no id")?;
    let sync = session.get(&format!("/api/v1/syncs/{id}")).await?;
    ensure!(sync["summary"]["revision"]["commit"] == commit.as_str());
    let steps: Vec<&str> = sync["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|step| step["name"].as_str())
        .collect();
    for step in ["read", "plan", "apply"] {
        ensure!(steps.contains(&step), "the steps are {steps:?}");
    }
    let outcomes = sync["outcomes"].as_array().context("no outcomes")?;
    ensure!(
        outcomes.len() == 2 && outcomes.iter().all(|o| o["action"] == "create"),
        "{sync:#}"
    );

    let repositories = session.get("/api/v1/repositories").await?;
    let repository = entry_of(&repositories, namespace, "config")?;
    ensure!(
        repository["url"] == world.repo.url()
            && repository["branch"] == "main"
            && repository["writable"] == false
            && repository["applications"] == 1
            && repository["head"]["id"] == commit.as_str(),
        "{repository:#}"
    );
    let about = session.get("/api/v1/about").await?;
    ensure!(about["version"] == env!("CARGO_PKG_VERSION"), "{about:#}");
    ensure!(
        about["instance"].as_str().is_some_and(|id| !id.is_empty()),
        "{about:#}"
    );
    for path in [
        format!("/api/v1/applications/{namespace}/none"),
        "/api/v1/syncs/01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
        "/api/v1/none".to_owned(),
    ] {
        let status = session.send(Method::GET, &path).await?.status();
        ensure!(status == 404, "{path} answered {status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sync_tells_what_git_changed_and_nothing_of_a_secret() -> Result<()> {
    let world = World::new("ui-changes").await?;
    let session = Session::open(world.agent()).await?;
    let files = |value: &str, password: &str| {
        let map = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{value: \"{value}\"}}\n"
        );
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{word: {password}}}\n"
        );
        [("app/a.yaml", map), ("app/s.yaml", secret)]
    };
    let push = |value: &str, password: &str| {
        let files = files(value, password);
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        world.repo.commit(&files, "Change it")
    };
    let commit = push("<b>1</b>", "hunter22")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let commit = push("2", "swordfish")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("app", &commit).await?;

    let namespace = &world.namespace;
    let sync = wait_for("the update in the history", DEADLINE, async || {
        let syncs = session.syncs(namespace, "app").await?;
        let done = syncs
            .into_iter()
            .find(|sync| sync["counts"]["updated"] == 2);
        done.context("no sync that updated both")
    })
    .await?;
    let id = sync["id"].as_str().context("no id")?;
    let sync = session.get(&format!("/api/v1/syncs/{id}")).await?;
    let changes = |name: &str| {
        let all = sync["outcomes"].as_array().into_iter().flatten();
        let mut found = all.filter(|outcome| outcome["object"]["name"] == name);
        let outcome = found.next().context("no outcome")?;
        let changes = outcome["changes"].as_array().context("no changes")?;
        ensure!(changes.len() == 1, "{outcome:#}");
        anyhow::Ok(changes[0].clone())
    };
    let expected = json!({
        "path": "data.value",
        "before": "\"<b>1</b>\"",
        "after": "\"2\"",
    });
    ensure!(changes("a")? == expected, "{sync:#}");
    let masked = changes("s")?;
    ensure!(masked["path"] == "data.word", "{masked:#}");
    ensure!(masked["before"] != masked["after"], "{masked:#}");
    for word in ["hunter22", "swordfish", "aHVudGVyMjI", "c3dvcmRmaXNo"] {
        ensure!(!sync.to_string().contains(word), "{sync:#}");
    }
    Ok(())
}

#[tokio::test]
async fn a_plan_that_waits_is_told_with_the_command_that_approves_it() -> Result<()> {
    let world = World::new("ui-approval").await?;
    let session = Session::open(world.agent()).await?;
    let commit = world.repo.commit(&FILES, "Two maps")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let path = format!("/api/v1/applications/{}/app", world.namespace);
    let detail = session.get(&path).await?;
    ensure!(detail["approval"].is_null(), "{detail:#}");

    let files = FILES.map(|(path, _)| path);
    world
        .repo
        .replace(&files, &[("app/README.md", "Empty\n")], "Empty it")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "app", "EmptyPath")
        .await?;
    let hash = live["status"]["planHash"].as_str().context("no plan")?;
    let detail = session.get(&path).await?;
    let approval = &detail["approval"];
    ensure!(approval["planHash"] == hash, "{detail:#}");
    let command = approval["command"].as_str().unwrap_or_default();
    ensure!(
        command.ends_with(&format!(" app --overwrite syncline.dev/approve={hash}")),
        "{command}"
    );
    ensure!(approval["trailer"] == "Syncline-Prune: app", "{detail:#}");
    Ok(())
}

#[tokio::test]
async fn a_sync_that_is_asked_for_in_the_ui_runs_and_the_stream_tells_of_it() -> Result<()> {
    let world = World::new("ui-sync").await?;
    let session = Session::open(world.agent()).await?;
    let commit = world.repo.commit(&FILES, "Two maps")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let namespace = &world.namespace;

    let mut stream = session.send(Method::GET, "/api/v1/stream").await?;
    ensure!(stream.status() == 200);
    let kind = stream.headers()["content-type"].to_str()?;
    ensure!(kind.starts_with("text/event-stream"), "{kind}");
    let mut heard = String::new();
    hear(&mut stream, &mut heard, |text| {
        text.contains("event: hello")
    })
    .await?;

    let path = format!("/api/v1/applications/{namespace}/app/sync");
    let asked = session.send(Method::POST, &path).await?;
    ensure!(asked.status() == 202, "it answered {}", asked.status());
    let key = format!("\"key\":\"{namespace}/app\"");
    hear(&mut stream, &mut heard, |text| {
        text.lines()
            .any(|line| line.contains(&key) && line.contains("\"topic\":\"application\""))
    })
    .await?;
    wait_for("a sync by a person in the history", DEADLINE, async || {
        let syncs = session.syncs(namespace, "app").await?;
        let by_hand = syncs
            .iter()
            .find(|sync| sync["cause"] == "user" && sync["result"] == "succeeded");
        by_hand.context("no sync by a person").cloned()
    })
    .await?;

    let nobody = session
        .send(
            Method::POST,
            &format!("/api/v1/applications/{namespace}/none/sync"),
        )
        .await?;
    ensure!(nobody.status() == 404, "it answered {}", nobody.status());
    let suspend = json!({ "suspend": { "reason": "incident 1234" } });
    world.application("app", "app", suspend).await?;
    world
        .wait_for_ours("Application", "app", "suspended", |live| {
            live["status"]["sync"] == "Suspended"
        })
        .await?;
    let refused = session.send(Method::POST, &path).await?;
    ensure!(refused.status() == 409, "it answered {}", refused.status());
    let text = refused.text().await?;
    ensure!(text.contains("incident 1234"), "it said {text}");
    Ok(())
}

#[tokio::test]
async fn the_openapi_document_is_served_and_names_every_path_that_answers() -> Result<()> {
    let world = World::new("ui-openapi").await?;
    let session = Session::open(world.agent()).await?;
    let document = session.get("/api/v1/openapi.json").await?;
    let version = document["openapi"].as_str().unwrap_or_default();
    ensure!(version.starts_with("3."), "the version is {version:?}");
    for path in [
        "/api/v1/applications",
        "/api/v1/applications/{namespace}/{name}",
        "/api/v1/applications/{namespace}/{name}/sync",
        "/api/v1/applications/{namespace}/{name}/syncs",
        "/api/v1/syncs/{id}",
        "/api/v1/images",
        "/api/v1/images/{namespace}/{name}",
        "/api/v1/images/{namespace}/{name}/tags",
        "/api/v1/images/{namespace}/{name}/tags/{tag}",
        "/api/v1/images/{namespace}/{name}/updates",
        "/api/v1/repositories",
        "/api/v1/about",
        "/api/v1/stream",
    ] {
        ensure!(document["paths"][path].is_object(), "{path} is missing");
    }
    let page = session.send(Method::GET, "/").await?;
    ensure!(page.status() == 200);
    let kind = page.headers()["content-type"].to_str()?.to_owned();
    ensure!(kind.starts_with("text/html"), "{kind}");
    Ok(())
}

/// The entry of a list with a namespace and name.
fn entry_of(list: &Value, namespace: &str, name: &str) -> Result<Value> {
    let all = list["items"].as_array().into_iter().flatten();
    let mut found = all.filter(|item| item["namespace"] == namespace && item["name"] == name);
    found
        .next()
        .cloned()
        .with_context(|| format!("{namespace}/{name} is not in the list"))
}

/// Reads the stream until what was heard satisfies `holds`.
async fn hear(
    stream: &mut reqwest::Response,
    heard: &mut String,
    holds: impl Fn(&str) -> bool,
) -> Result<()> {
    let listen = async {
        while !holds(heard) {
            let chunk = stream.chunk().await?.context("the stream ended")?;
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
        anyhow::Ok(())
    };
    let limit: Duration = DEADLINE;
    tokio::time::timeout(limit, listen)
        .await
        .with_context(|| format!("heard only {heard}"))?
}
