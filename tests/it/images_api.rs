//! The agent says why an image was chosen: API, stream and command line.

use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::programs;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::image_setup::Images;
use crate::ui_session::{Session, client};

const TAGS: [&str; 6] = [
    "1.0.0",
    "1.1.0",
    "1.2.0-rc.1",
    "2.0.0",
    "latest",
    "not-a-version",
];

/// A policy `web` with the range `^1`, and `1.1.0` in Git by an update of ours.
async fn updated(name: &str) -> Result<Images> {
    let images = Images::new(name, &TAGS).await?;
    let file = images.manifest("1.0.0");
    images
        .world
        .repo
        .commit(&[("app/web.yaml", &file)], "Start")?;
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.1.0").await?;
    Ok(images)
}

fn path(world: &World, rest: &str) -> String {
    format!("/api/v1/images/{}/web{rest}", world.namespace)
}

/// Each tag with a field of its verdict.
fn tags_with(list: &Value, field: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().into_iter().flatten();
    items
        .map(|item| (text(&item["tag"]), text(&item[field])))
        .collect()
}

#[tokio::test]
async fn every_tag_of_a_policy_is_told_with_its_verdict_and_the_rule_that_decided() -> Result<()> {
    let images = updated("images-api").await?;
    let world = &images.world;
    let session = Session::open(world.agent()).await?;

    let list = session.get("/api/v1/images").await?;
    let items = list["items"].as_array().into_iter().flatten();
    let mut items = items.filter(|item| item["namespace"] == world.namespace.as_str());
    let summary = items.next().context("the policy is not in the list")?;
    ensure!(
        summary["image"] == images.web()
            && summary["select"] == "^1"
            && summary["repository"] == "config"
            && summary["current"] == "1.1.0"
            && summary["chosen"] == "1.1.0"
            && summary["scannedAt"].is_string(),
        "{summary:#}"
    );
    ensure!(items.next().is_none(), "{list:#}");

    let all = session.get(&path(world, "/tags")).await?;
    ensure!(all["total"] == TAGS.len(), "{all:#}");
    let verdicts = tags_with(&all, "verdict");
    for (tag, verdict) in [
        ("1.1.0", "chosen"),
        ("1.0.0", "allowed"),
        ("2.0.0", "refused"),
        ("latest", "refused"),
    ] {
        let expected = (tag.to_owned(), verdict.to_owned());
        ensure!(verdicts.contains(&expected), "{all:#}");
    }
    let only = session
        .get(&path(world, "/tags?rule=outside-range&search=2."))
        .await?;
    let outside = [("2.0.0".to_owned(), "outside-range".to_owned())];
    ensure!(tags_with(&only, "rule") == outside, "{only:#}");

    let detail = session.get(&path(world, "")).await?;
    let counts = detail["counts"].as_array().into_iter().flatten();
    let counted: u64 = counts.filter_map(|count| count["tags"].as_u64()).sum();
    ensure!(counted == TAGS.len() as u64, "{detail:#}");
    let place = &detail["places"][0];
    ensure!(
        place["file"] == "app/web.yaml" && place["line"] == 6 && place["refused"].is_null(),
        "{detail:#}"
    );

    let updates = session.get(&path(world, "/updates")).await?;
    let update = &updates["items"][0];
    ensure!(
        update["old"] == "1.0.0"
            && update["new"] == "1.1.0"
            && update["commit"] == world.repo.head()?.as_str()
            && update["files"] == json!(["app/web.yaml:6"]),
        "{update:#}"
    );
    ensure!(updates["next"].is_null(), "{updates:#}");
    for rest in ["", "/tags", "/tags/1.0.0", "/updates"] {
        let none = format!("/api/v1/images/{}/none{rest}", world.namespace);
        let status = session.send(Method::GET, &none).await?.status();
        ensure!(status == 404, "{none} answered {status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_tag_that_the_registry_does_not_list_is_judged_and_nothing_comes_of_it() -> Result<()> {
    let images = updated("images-what-if").await?;
    let world = &images.world;
    let session = Session::open(world.agent()).await?;
    let head = world.repo.head()?;
    for (tag, listed, verdict) in [
        ("1.9.0", false, "chosen"),
        ("1.0.5", false, "allowed"),
        ("3.0.0", false, "refused"),
        ("1.0.0", true, "allowed"),
        ("1.1.0", true, "chosen"),
    ] {
        let answer = session.get(&path(world, &format!("/tags/{tag}"))).await?;
        ensure!(
            answer["listed"] == listed
                && answer["verdict"]["tag"] == tag
                && answer["verdict"]["verdict"] == verdict,
            "{answer:#}"
        );
    }
    let detail = session.get(&path(world, "")).await?;
    ensure!(detail["summary"]["chosen"] == "1.1.0", "{detail:#}");
    ensure!(world.repo.head()? == head, "something was committed");
    Ok(())
}

#[tokio::test]
async fn a_newer_tag_is_told_on_the_stream_and_then_shown() -> Result<()> {
    let images = updated("images-live").await?;
    let world = &images.world;
    let session = Session::open(world.agent()).await?;
    let mut stream = session.send(Method::GET, "/api/v1/stream").await?;
    ensure!(stream.status() == 200);
    images.registry.push_image("web", "1.3.0").await?;
    world.request("ImagePolicy", "web").await?;
    let key = format!("\"key\":\"{}/web\"", world.namespace);
    let mut heard = String::new();
    let listen = async {
        let tells = |line: &str| line.contains("\"image-policy\"") && line.contains(&key);
        while !heard.lines().any(tells) {
            let chunk = stream.chunk().await?.context("the stream ended")?;
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, listen)
        .await
        .context("nothing was heard of the policy")??;
    wait_for("the newer tag", DEADLINE, async || {
        let detail = session.get(&path(world, "")).await?;
        let summary = &detail["summary"];
        ensure!(
            summary["current"] == "1.3.0" && summary["chosen"] == "1.3.0",
            "{summary:#}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_registry_that_is_away_is_told_with_the_next_try_and_the_last_list_stays() -> Result<()> {
    let mut images = updated("images-away").await?;
    let session = Session::open(images.world.agent()).await?;
    images.registry.stop()?;
    images.world.request("ImagePolicy", "web").await?;
    images.wait_for_refusal("RegistryUnavailable").await?;
    wait_for("the next try", DEADLINE, async || {
        let detail = session.get(&path(&images.world, "")).await?;
        let summary = &detail["summary"];
        ensure!(
            summary["severity"] == "failing"
                && summary["why"]["reason"] == "RegistryUnavailable"
                && summary["nextScan"].is_string(),
            "{summary:#}"
        );
        Ok(())
    })
    .await?;
    let tags = session.get(&path(&images.world, "/tags")).await?;
    ensure!(tags["total"] == TAGS.len(), "{tags:#}");
    Ok(())
}

#[tokio::test]
async fn an_application_names_the_policy_of_its_image_and_the_policy_the_application() -> Result<()>
{
    let images = updated("images-links").await?;
    let world = &images.world;
    let workload = deployment(&images.web(), "1.1.0");
    world
        .repo
        .commit(&[("run/web.yaml", &workload)], "Run it")?;
    world.application("web", "run", json!({})).await?;
    world.request("Repository", "config").await?;
    let session = Session::open(world.agent()).await?;
    let namespace = &world.namespace;
    let expected = json!([{
        "namespace": namespace,
        "name": "web",
        "image": format!("{}:1.1.0", images.web()),
    }]);
    wait_for("the policy of the image", DEADLINE, async || {
        let application = format!("/api/v1/applications/{namespace}/web");
        let detail = session.get(&application).await?;
        ensure!(detail["policies"] == expected, "{detail:#}");
        Ok(())
    })
    .await?;
    let policy = session.get(&path(world, "")).await?;
    ensure!(policy["applications"][0]["name"] == "web", "{policy:#}");
    Ok(())
}

fn deployment(image: &str, tag: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 0\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: \
         web}}}}\n    spec:\n      containers:\n      - name: web\n        image: {image}:{tag}\n"
    )
}

#[tokio::test]
async fn the_key_in_the_data_folder_reads_the_api_and_changes_nothing() -> Result<()> {
    let world = World::new("images-key").await?;
    let agent = world.agent();
    let key = agent.current_addresses()?.ui_key.context("no key")?;
    let key = key.as_str();
    ensure!(key.len() == 64, "the key has {} digits", key.len());
    let ask = async |method: Method, path: &str, key: &str| {
        let request = client()?.request(method, agent.ui_url(path));
        let request = request.header("content-type", "application/json");
        let status = request.bearer_auth(key).send().await?.status();
        anyhow::Ok(status.as_u16())
    };
    ensure!(ask(Method::GET, "/api/v1/images", key).await? == 200);
    ensure!(ask(Method::GET, "/api/v1/images", &key[1..]).await? == 401);
    ensure!(ask(Method::GET, "/", key).await? == 401);
    let sync = format!("/api/v1/applications/{}/web/sync", world.namespace);
    ensure!(ask(Method::POST, &sync, key).await? == 401);
    Ok(())
}

/// Runs `syncline` where the agent of a world runs, with the kubeconfig of its administrator.
async fn syncline(world: &World, arguments: &[&str]) -> Result<Output> {
    let mut command = tokio::process::Command::new(programs::agent()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SYNCLINE_") {
            command.env_remove(name);
        }
    }
    let out = command
        .env("SYNCLINE_DATA_DIR", world.agent().data_folder())
        .env("KUBECONFIG", world.control_plane().admin_kubeconfig())
        // An answer of the agent comes from this machine, whatever proxy is set.
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .args(arguments)
        .output();
    out.await.context("run the program")
}

async fn prints(world: &World, arguments: &[&str]) -> Result<String> {
    let out = syncline(world, arguments).await?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{arguments:?}: {errors}");
    Ok(String::from_utf8(out.stdout)?)
}

#[tokio::test]
async fn the_command_line_tells_the_status_and_the_agent_explains_every_tag() -> Result<()> {
    let images = updated("images-cli").await?;
    let world = &images.world;
    let name = format!("{}/web", world.namespace);
    let table = prints(world, &["images", "-n", &world.namespace]).await?;
    let line = table.lines().nth(1).context("no line")?;
    ensure!(
        line.starts_with(&name) && line.contains("1.1.0") && line.ends_with(&images.web()),
        "{table}"
    );
    let told = prints(world, &["images", &name]).await?;
    for part in ["allowed     ^1\n", "in Git      1.1.0\n", "1.0.0: older"] {
        ensure!(told.contains(part), "{part:?} is not in {told}");
    }
    let list = prints(world, &["images", &name, "-o", "json"]).await?;
    let policy: Value = serde_json::from_str(&list)?;
    ensure!(policy["metadata"]["name"] == "web", "{list}");

    let whole = prints(world, &["images", &name, "--explain"]).await?;
    for tag in TAGS {
        let begins = format!("{tag} ");
        let told = whole.lines().any(|line| line.starts_with(&begins));
        ensure!(told, "{tag} is not in {whole}");
    }
    ensure!(whole.contains("app/web.yaml:6 names 1.1.0"), "{whole}");
    ensure!(whole.contains("1.0.0 -> 1.1.0 in "), "{whole}");
    let one = ["images", &name, "--explain", "--rule", "outside-range"];
    let part = prints(world, &one).await?;
    let rows: Vec<_> = part
        .lines()
        .skip_while(|line| !line.starts_with("TAG"))
        .collect();
    ensure!(rows.len() == 2 && rows[1].starts_with("2.0.0 "), "{part}");
    let json = prints(world, &["images", &name, "--explain", "-o", "json"]).await?;
    let json: Value = serde_json::from_str(&json)?;
    let tags = json["tags"].as_array().context("no tags")?;
    ensure!(
        tags.len() == TAGS.len() && json["summary"]["chosen"] == "1.1.0",
        "{json:#}"
    );
    let judged = prints(world, &["images", &name, "--explain", "--tag", "1.9.0"]).await?;
    ensure!(
        judged.starts_with("1.9.0: chosen: ") && judged.contains("does not list it"),
        "{judged}"
    );

    for (arguments, words) in [
        (
            ["images", "nowhere/none"].as_slice(),
            "no ImagePolicy `nowhere/none`",
        ),
        (
            &["images", "nowhere/none", "--explain"],
            "no image policy `nowhere/none`",
        ),
        (&["images", "web", "--explain"], "NAMESPACE/NAME"),
        (&["images", &name, "--explain", "--tag", "../x"], "no tag"),
        (
            &["images", &name, "--explain", "--data-dir", "/nowhere"],
            "kubectl -n syncline exec",
        ),
    ] {
        let out = syncline(world, arguments).await?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(
            out.status.code() == Some(2) && said.starts_with("error: ") && said.contains(words),
            "{arguments:?} said {said}"
        );
    }
    Ok(())
}
