//! From a commit to live objects, and only those that the commit concerns.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, wait_for};

use super::bad_objects::cluster_admin;
use super::{
    Person, config_map, deploy, deployed, deployer, deployment, ensure_says, message, metric, push,
    value_of, wait_for_value,
};

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-chart\n  namespace: {{ .Release.Namespace }}\ndata:\n  key: {{ .Values.greeting | quote }}\n";

#[tokio::test]
async fn plain_kustomize_and_helm_are_applied_with_an_owner_record() -> Result<()> {
    let world = World::new("three").await?;
    let plain = config_map("plain", "1");
    let base = config_map("base", "1");
    let files = [
        ("apps/plain/deep/plain.yaml", plain.as_str()),
        ("apps/base/kustomization.yaml", "resources: [base.yaml]\n"),
        ("apps/base/base.yaml", base.as_str()),
        (
            "apps/overlay/kustomization.yaml",
            "resources: [../base]\nnamePrefix: dev-\n",
        ),
        ("apps/chart/Chart.yaml", CHART),
        ("apps/chart/values.yaml", "greeting: hello\n"),
        ("apps/chart/templates/config.yaml", TEMPLATE),
    ];
    let helm = json!({ "helm": { "values": { "greeting": "moin" } } });
    let applications = [
        ("plain", "apps/plain", json!({})),
        ("overlay", "apps/overlay", json!({})),
        ("shop", "apps/chart", helm),
    ];
    deploy(&world, &files, &applications).await?;
    for (application, object, value) in [
        ("plain", "plain", "1"),
        ("overlay", "dev-base", "1"),
        ("shop", "shop-chart", "moin"),
    ] {
        let live = world.get("v1", "ConfigMap", object).await?;
        ensure!(live["data"]["key"] == value, "{live:#}");
        let instance = live["metadata"]["labels"]["syncline.dev/managed"].as_str();
        let instance = instance.context("no label")?;
        let owner = live["metadata"]["annotations"]["syncline.dev/owner"].as_str();
        let namespace = &world.namespace;
        let expected =
            format!("{instance}/{namespace}/{application}:/ConfigMap/{namespace}/{object}");
        ensure!(
            owner == Some(&expected),
            "the owner record is {owner:?}, not {expected}"
        );
        let status = world.ours("Application", application).await?["status"].clone();
        ensure!(
            status["objects"] == 1 && status["health"] == "Healthy",
            "{status:#}"
        );
        ensure!(status["observedGeneration"] == 1, "{status:#}");
    }

    // A file of the base concerns the overlay.
    push(
        &world,
        &[("apps/base/base.yaml", &config_map("base", "2"))],
        "Change the base",
    )
    .await?;
    wait_for_value(&world, "dev-base", Some("2")).await
}

#[tokio::test]
async fn only_applications_whose_files_changed_are_rendered_and_written() -> Result<()> {
    let world = World::alone("touched", Options::default(), |settings| settings).await?;
    let (web, other) = (config_map("web", "1"), config_map("other", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/other/other.yaml", other.as_str()),
        ("apps/chart/Chart.yaml", CHART),
        ("apps/chart/values.yaml", "greeting: hello\n"),
        ("apps/chart/templates/config.yaml", TEMPLATE),
    ];
    let applications = [
        ("web", "apps/web", json!({})),
        ("other", "apps/other", json!({})),
        ("shop", "apps/chart", json!({})),
    ];
    deploy(&world, &files, &applications).await?;
    let agent = world.agent();
    let renders = metric(agent, "syncline_renders_total", "").await?;
    let audit = world.control_plane().audit().from_now()?;
    for round in 2..5 {
        let text = config_map("web", &round.to_string());
        let commit = push(&world, &[("apps/web/web.yaml", &text)], "Change web").await?;
        world.wait_until_synced("web", &commit).await?;
    }
    // A commit that concerns none of them.
    let commit = push(&world, &[("README.md", "Read me\n")], "Explain").await?;
    wait_for("the head to be known", DEADLINE, async || {
        let live = world.ours("Repository", "config").await?;
        let head = live["status"]["revision"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        ensure!(head.contains(&commit), "it is {head}");
        Ok(())
    })
    .await?;
    let rendered = metric(agent, "syncline_renders_total", "").await? - renders;
    ensure!(
        (rendered - 3.0).abs() < 0.5,
        "{rendered} renders for three commits"
    );
    for write in audit.writes()? {
        let object = write.object();
        let untouched = ["other", "shop", "shop-chart"].contains(&object.name.as_str());
        ensure!(
            !untouched,
            "an untouched application was written to: {write:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_request_is_a_sync_in_the_history_also_where_nothing_is_to_be_done() -> Result<()> {
    let world = World::new("request").await?;
    let file = config_map("web", "1");
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    let person = Person::sign_in(world.agent()).await?;
    world.request("Application", "web").await?;
    let sync = person
        .wait_for_sync(&world, "web", "by a person", |sync| {
            sync["summary"]["cause"] == "user"
        })
        .await?;
    ensure!(sync["summary"]["result"] == "succeeded", "{sync:#}");
    ensure!(sync["summary"]["counts"]["unchanged"] == 1, "{sync:#}");
    let writes = deployed(&world, &audit)?;
    ensure!(
        writes.is_empty(),
        "a sync without a change wrote: {writes:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_history_says_what_each_commit_did() -> Result<()> {
    let world = World::new("told").await?;
    let (web, old) = (config_map("web", "1"), config_map("old", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/old.yaml", old.as_str()),
    ];
    let first = deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let (web, new) = (config_map("web", "2"), config_map("new", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/new.yaml", new.as_str()),
    ];
    let second = world
        .repo
        .replace(&["apps/web/old.yaml"], &files, "Renew the shop")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &second).await?;
    let person = Person::sign_in(world.agent()).await?;
    let sync = person
        .wait_for_sync(&world, "web", "of the second commit", |sync| {
            sync["summary"]["previous"] == first.as_str()
                && sync["summary"]["result"] == "succeeded"
        })
        .await?;
    let counts = &sync["summary"]["counts"];
    ensure!(
        counts["created"] == 1 && counts["updated"] == 1 && counts["pruned"] == 1,
        "{sync:#}"
    );
    ensure_says(
        &sync["summary"]["commit"].to_string(),
        &["Renew the shop", "Robin"],
    )?;
    let steps = sync["steps"].as_array().context("no steps")?;
    for step in ["fetch", "render", "plan", "apply", "prune"] {
        ensure!(
            steps.iter().any(|s| s["name"] == step),
            "no step {step}: {sync:#}"
        );
    }
    ensure_says(
        &sync["outcomes"].to_string(),
        &["apps/web/new.yaml", "apps/web/web.yaml", "\"old\""],
    )
}

#[tokio::test]
async fn a_definition_and_its_object_arrive_in_one_commit() -> Result<()> {
    let world = World::new("definition").await?;
    cluster_admin(&world).await?;
    let group = format!("{}.example.com", world.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("gadgets.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "plural": "gadgets", "singular": "gadget", "kind": "Gadget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": { "spec": {
                        "type": "object",
                        "properties": { "size": { "type": "integer" } },
                    } },
                } },
            }],
        },
    });
    let gadget = |size: u32| {
        format!(
            "apiVersion: {group}/v1\nkind: Gadget\nmetadata:\n  name: g\nspec:\n  size: {size}\n"
        )
    };
    let (definition, one) = (definition.to_string(), gadget(1));
    // The object stands before its kind.
    let files = [
        ("apps/web/a.yaml", one.as_str()),
        ("apps/web/z.json", definition.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let api_version = format!("{group}/v1");
    let live = world.get(&api_version, "Gadget", "g").await?;
    ensure!(live["spec"]["size"] == 1, "{live:#}");

    // Custom resources drift like all others.
    world
        .edit(
            &api_version,
            "Gadget",
            "g",
            &json!({ "spec": { "size": 9 } }),
        )
        .await?;
    wait_for("the gadget to be repaired", DEADLINE, async || {
        let live = world.get(&api_version, "Gadget", "g").await?;
        ensure!(live["spec"]["size"] == 1, "{live:#}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_suspended_application_is_left_alone_until_it_goes_on() -> Result<()> {
    let world = World::new("suspend").await?;
    let files = [
        ("apps/web/web.yaml", config_map("web", "1")),
        ("apps/side/side.yaml", config_map("side", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    deploy(
        &world,
        &files,
        &[
            ("web", "apps/web", json!({})),
            ("side", "apps/side", json!({})),
        ],
    )
    .await?;
    world
        .application(
            "web",
            "apps/web",
            json!({ "suspend": { "reason": "moving house" } }),
        )
        .await?;
    let live = world
        .wait_for_reason("Application", "web", "Suspended")
        .await?;
    ensure_says(&message(&live), &["moving house"])?;
    let audit = world.control_plane().audit().from_now()?;
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    let files = [
        ("apps/web/web.yaml", config_map("web", "2")),
        ("apps/side/side.yaml", config_map("side", "2")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = push(&world, &files, "Change both").await?;
    world.wait_until_synced("side", &commit).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("9"));
    let writes = deployed(&world, &audit)?;
    ensure!(
        writes.iter().all(|write| write.object().name == "side"),
        "{writes:?}"
    );

    world.application("web", "apps/web", json!({})).await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "web", Some("2")).await
}

#[tokio::test]
async fn without_automatic_sync_a_commit_waits_for_a_person() -> Result<()> {
    let world = World::new("manual").await?;
    let files = [
        ("apps/web/web.yaml", config_map("web", "1")),
        ("apps/side/side.yaml", config_map("side", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let manual = json!({ "sync": { "automatic": false } });
    world.application("web", "apps/web", manual).await?;
    world.application("side", "apps/side", json!({})).await?;
    world
        .wait_for_reason("Application", "web", "ManualSync")
        .await?;
    ensure!(value_of(&world, "web").await?.is_none());
    world.request("Application", "web").await?;
    let first = world.repo.head()?;
    world.wait_until_synced("web", &first).await?;

    let files = [
        ("apps/web/web.yaml", config_map("web", "2")),
        ("apps/side/side.yaml", config_map("side", "2")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let second = push(&world, &files, "Change both").await?;
    world.wait_until_synced("side", &second).await?;
    world
        .wait_for_reason("Application", "web", "ManualSync")
        .await?;
    // What was applied is still held: drift is put back to it, not to the newer commit.
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &second).await?;
    wait_for_value(&world, "web", Some("2")).await
}

#[tokio::test]
async fn who_asks_for_a_sync_gets_the_newest_commit() -> Result<()> {
    let world = World::new("newest").await?;
    let first = config_map("web", "1");
    let files = [("apps/web/web.yaml", first.as_str())];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    // Nobody tells the agent, and its next poll is far away.
    let second = config_map("web", "2");
    let commit = world
        .repo
        .commit(&[("apps/web/web.yaml", second.as_str())], "Change")?;
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "web", Some("2")).await
}

#[tokio::test]
async fn two_applications_that_claim_one_object_do_not_fight() -> Result<()> {
    let world = World::new("claim").await?;
    let (contested, mine) = (config_map("contested", "first"), config_map("mine", "1"));
    let theirs = config_map("contested", "second");
    let files = [
        ("apps/first/contested.yaml", contested.as_str()),
        ("apps/second/contested.yaml", theirs.as_str()),
        ("apps/second/mine.yaml", mine.as_str()),
    ];
    deploy(&world, &files, &[("first", "apps/first", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    world
        .application("second", "apps/second", json!({}))
        .await?;
    let live = world
        .wait_for_reason("Application", "second", "OwnedBy")
        .await?;
    ensure_says(
        &message(&live),
        &["contested", &format!("{}/first", world.namespace)],
    )?;
    wait_for_value(&world, "mine", Some("1")).await?;
    for application in ["first", "second"] {
        world.request("Application", application).await?;
    }
    let person = Person::sign_in(world.agent()).await?;
    for application in ["first", "second"] {
        person
            .wait_for_sync(&world, application, "by a person", |sync| {
                sync["summary"]["cause"] == "user" && sync["summary"]["result"] != "running"
            })
            .await?;
    }
    let written = deployed(&world, &audit)?;
    ensure!(
        written
            .iter()
            .all(|write| write.object().name != "contested"),
        "the contested object was written: {written:?}"
    );

    // Its owner still looks after it.
    world
        .edit(
            "v1",
            "ConfigMap",
            "contested",
            &json!({ "data": { "key": "9" } }),
        )
        .await?;
    wait_for_value(&world, "contested", Some("first")).await?;
    // The other one gives it up: its owner keeps it.
    world
        .repo
        .remove(&["apps/second/contested.yaml"], "Give up")?;
    world.request("Repository", "config").await?;
    world
        .wait_until_synced("second", &world.repo.head()?)
        .await?;
    ensure!(value_of(&world, "contested").await?.as_deref() == Some("first"));
    Ok(())
}

#[tokio::test]
async fn a_workload_is_waited_for_and_what_is_written_is_written_as_the_account() -> Result<()> {
    let world = World::new("workload").await?;
    let audit = world.control_plane().audit().from_now()?;
    let text = deployment("web");
    deploy(
        &world,
        &[("apps/web/web.yaml", &text)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let live = world.get("apps/v1", "Deployment", "web").await?;
    ensure!(
        live["status"]["readyReplicas"] == 2,
        "synced before the workload was ready: {live:#}"
    );
    let writes = audit.writes()?;
    let of_web = writes.iter().filter(|write| {
        let object = write.object();
        object.namespace == world.namespace
            && object.resource == "deployments"
            && object.subresource.is_empty()
    });
    let users: Vec<_> = of_web
        .map(syncline_tests::control_plane::audit::AuditEvent::effective_user)
        .collect();
    ensure!(users == [deployer(&world)], "written as {users:?}");
    Ok(())
}
