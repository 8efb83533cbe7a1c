//! What a person asks for in the web UI is done by the real agent, once, or refused with why.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, wait_for};

use crate::deploy::{config_map, deploy, deployment, ensure_says, push, value_of, wait_for_value};
use crate::image_flow::template;
use crate::image_setup::Images;
use crate::lifecycle_setup::turn;
use crate::rollout::{config_of_wave, playing};
use crate::ui_session::Session;

const ABORT: &str = "syncline.dev/abort";

/// The path of the actions of an Application.
fn actions_of(world: &World, name: &str) -> String {
    format!("applications/{}/{name}/actions", world.namespace)
}

/// Asks, and fails where that is not done.
async fn done(session: &Session, path: &str, body: Value) -> Result<Value> {
    let (status, answer) = session.act(path, None, &body).await?;
    ensure!(status == 200, "{body} answered {status}: {answer:#}");
    ensure!(answer["done"] == true, "{answer:#}");
    Ok(answer)
}

/// Asks, and fails where that is not refused with a status and a part of the reason.
async fn refused(
    session: &Session,
    path: &str,
    body: Value,
    (expected, why): (u16, &str),
) -> Result<()> {
    let (status, answer) = session.act(path, None, &body).await?;
    ensure!(status == expected, "{body} answered {status}: {answer:#}");
    let said = answer["error"]["message"].as_str().unwrap_or_default();
    ensure_says(said, &[why])
}

/// What the page of an Application says of an action: why it is refused.
async fn why_not(session: &Session, world: &World, action: &str) -> Result<Option<String>> {
    let path = format!("/api/v1/applications/{}/web", world.namespace);
    let detail = session.get(&path).await?;
    let all = detail["allowedActions"].as_array().into_iter().flatten();
    let mut found = all.filter(|one| one["action"] == action);
    let one = found.next().with_context(|| format!("no {action}"))?;
    Ok(one["whyNot"].as_str().map(str::to_owned))
}

/// A world with the Application `web` over files, synced.
async fn synced_over(name: &str, files: &[(&str, &str)]) -> Result<(World, Session)> {
    let world = World::new(name).await?;
    let session = Session::open(world.agent()).await?;
    deploy(&world, files, &[("web", "app", json!({}))]).await?;
    Ok((world, session))
}

/// The same over a ConfigMap.
async fn synced(name: &str) -> Result<(World, Session)> {
    let map = config_map("one", "1");
    synced_over(name, &[("app/one.yaml", &map)]).await
}

/// The same over a Deployment, and a ConfigMap of the next wave.
async fn synced_in_waves(name: &str) -> Result<(World, Session)> {
    let (web, two) = (deployment("web"), config_of_wave("two", "1", 1));
    synced_over(name, &[("app/web.yaml", &web), ("app/two.yaml", &two)]).await
}

#[tokio::test]
async fn a_suspension_over_http_is_that_of_the_command_line_and_shuts_the_sync() -> Result<()> {
    let (world, session) = synced("act-suspend").await?;
    let path = actions_of(&world, "web");
    let suspend = json!({
        "action": "suspend", "reason": "incident 7", "until": "2099-01-01T00:00:00Z",
    });
    let dry = format!("{path}?dryRun=true");
    let (status, answer) = session.act(&dry, None, &suspend).await?;
    ensure!(status == 200 && answer["done"] == false, "{answer:#}");
    let command = format!(
        "syncline suspend {}/web --reason 'incident 7' --until 2099-01-01T00:00:00Z",
        world.namespace
    );
    ensure!(answer["command"] == command, "{answer:#}");
    let live = world.ours("Application", "web").await?;
    ensure!(live["spec"]["suspend"].is_null(), "a dry run wrote");

    done(&session, &path, suspend).await?;
    let live = world.ours("Application", "web").await?;
    let expected = json!({ "reason": "incident 7", "until": "2099-01-01T00:00:00Z" });
    ensure!(live["spec"]["suspend"] == expected, "{:#}", live["spec"]);
    wait_for("the sync is shut", DEADLINE, async || {
        let why = why_not(&session, &world, "sync").await?;
        ensure_says(&why.context("it may be synced")?, &["incident 7"])
    })
    .await?;
    refused(
        &session,
        &path,
        json!({ "action": "sync" }),
        (409, "incident 7"),
    )
    .await?;
    ensure!(why_not(&session, &world, "resume").await?.is_none());

    done(&session, &path, json!({ "action": "resume" })).await?;
    wait_for("the sync is open", DEADLINE, async || {
        let why = why_not(&session, &world, "sync").await?;
        ensure!(why.is_none(), "{why:?}");
        Ok(())
    })
    .await?;
    refused(
        &session,
        &path,
        json!({ "action": "resume" }),
        (409, "not suspended"),
    )
    .await?;
    let blank = json!({ "action": "suspend", "reason": " " });
    refused(&session, &path, blank, (400, "say why")).await?;
    let past = json!({ "action": "suspend", "reason": "x", "until": "2020-01-01T00:00:00Z" });
    refused(&session, &path, past, (400, "in the past")).await
}

#[tokio::test]
async fn every_call_is_kept_with_who_asked_for_what_and_how_it_ended() -> Result<()> {
    let (world, session) = synced("act-audit").await?;
    let path = actions_of(&world, "web");
    let suspend = json!({ "action": "suspend", "reason": "incident 9" });
    let dry = format!("{path}?dryRun=true");
    let (status, answer) = session.act(&dry, None, &suspend).await?;
    ensure!(status == 200, "{answer:#}");
    let did = done(&session, &path, suspend).await?;
    let blank = json!({ "action": "suspend", "reason": " " });
    refused(&session, &path, blank, (400, "say why")).await?;
    let resume = json!({ "action": "resume" });
    refused(
        &session,
        &actions_of(&world, "nobody"),
        resume,
        (404, "nobody"),
    )
    .await?;

    let about = |name: &str| format!("/api/v1/audit?target={}/{name}", world.namespace);
    let kept = async |name: &str, count: usize| {
        wait_for("the calls in the audit", DEADLINE, async || {
            let list = session.get(&about(name)).await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            ensure!(items.len() == count, "{list:#}");
            Ok(items)
        })
        .await
    };
    let calls = kept("web", 2).await?;
    for call in &calls {
        let actor = call["actor"].as_str().unwrap_or_default();
        ensure!(actor.starts_with("web UI session "), "{call:#}");
        ensure!(call["address"] == "127.0.0.1", "{call:#}");
        ensure!(call["kind"] == "Application", "{call:#}");
        ensure!(call["action"] == "suspend", "{call:#}");
    }
    ensure_says(
        calls[0]["failure"]["detail"].as_str().unwrap_or_default(),
        &["say why"],
    )?;
    ensure!(calls[1]["failure"].is_null(), "{:#}", calls[1]);
    ensure!(calls[1]["detail"] == did["sentence"], "{:#}", calls[1]);
    let of_nobody = kept("nobody", 1).await?;
    ensure!(
        of_nobody[0]["failure"]["reason"] == "ActionRefused",
        "{of_nobody:#?}"
    );

    let timeline = format!(
        "/api/v1/applications/{}/web/timeline?only=act",
        world.namespace
    );
    let timeline = session.get(&timeline).await?;
    let ids = |items: &Value| -> Vec<Value> {
        let items = items.as_array().into_iter().flatten();
        items.map(|item| item["id"].clone()).collect()
    };
    ensure!(
        ids(&timeline["items"]) == ids(&json!(calls)),
        "{timeline:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_sync_with_a_name_runs_once_and_a_pin_holds_a_commit() -> Result<()> {
    let (world, session) = synced("act-sync").await?;
    let path = actions_of(&world, "web");
    let namespace = &world.namespace;
    let by_hand = async || -> Result<usize> {
        let syncs = session.syncs(namespace, "web").await?;
        Ok(syncs.iter().filter(|sync| sync["cause"] == "user").count())
    };
    let sync = json!({ "action": "sync" });
    let first = session.act(&path, Some("one"), &sync).await?;
    ensure!(first.0 == 200, "{first:?}");
    wait_for("the sync", DEADLINE, async || {
        ensure!(by_hand().await? == 1);
        Ok(())
    })
    .await?;
    let again = session.act(&path, Some("one"), &sync).await?;
    ensure!(again == first, "{again:?} is not {first:?}");
    let other = json!({ "action": "refresh" });
    let (status, _) = session.act(&path, Some("one"), &other).await?;
    ensure!(status == 422, "it answered {status}");
    let (status, _) = session.act(&path, Some("two"), &other).await?;
    ensure!(status == 200, "it answered {status}");
    // Whatever the call with the same name had asked for would be before this one.
    done(&session, &path, sync).await?;
    wait_for("the second sync", DEADLINE, async || {
        ensure!(by_hand().await? >= 2);
        Ok(())
    })
    .await?;
    ensure!(by_hand().await? == 2, "a call was carried out twice");

    let start = world.repo.head()?;
    let pin = json!({ "action": "pin", "commit": &start[..8], "reason": "the demo" });
    done(&session, &path, pin).await?;
    wait_for("the pin", DEADLINE, async || {
        ensure!(why_not(&session, &world, "unpin").await?.is_none());
        Ok(())
    })
    .await?;
    push(&world, &[("app/one.yaml", &config_map("one", "2"))], "Two").await?;
    world
        .wait_for_reason("Application", "web", "Pinned")
        .await?;
    ensure!(value_of(&world, "one").await?.as_deref() == Some("1"));
    let dry = format!("{path}?dryRun=true");
    let (status, ahead) = session
        .act(&dry, None, &json!({ "action": "sync" }))
        .await?;
    ensure!(status == 200, "{ahead:#}");
    ensure_says(
        ahead["sentence"].as_str().unwrap_or_default(),
        &[&start[..8], "pinned"],
    )?;
    ensure!(ahead["preview"]["commit"]["id"] == start, "{ahead:#}");
    let short = json!({ "action": "pin", "commit": "4c1d", "reason": "x" });
    refused(&session, &path, short, (400, "is no commit")).await?;
    done(&session, &path, json!({ "action": "unpin" })).await?;
    wait_for_value(&world, "one", Some("2")).await
}

#[tokio::test]
async fn only_the_plan_that_was_shown_is_approved() -> Result<()> {
    let (world, session) = synced("act-approve").await?;
    let path = actions_of(&world, "web");
    let nothing = json!({ "action": "approve", "plan": "ab12" });
    refused(&session, &path, nothing.clone(), (409, "no plan waits")).await?;
    world
        .repo
        .replace(&["app/one.yaml"], &[("app/README.md", "Empty\n")], "Empty")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "EmptyPath")
        .await?;
    let hash = live["status"]["planHash"].as_str().context("no plan")?;
    refused(&session, &path, nothing, (409, hash)).await?;
    let approve = json!({ "action": "approve", "plan": hash });
    let (status, shown) = session
        .act(&format!("{path}?dryRun=true"), None, &approve)
        .await?;
    ensure!(status == 200, "{shown:#}");
    ensure!(value_of(&world, "one").await?.is_some(), "a dry run pruned");
    done(&session, &path, approve).await?;
    wait_for_value(&world, "one", None).await
}

/// Its second wave waits for the first one.
async fn wait_for_wave(world: &World) -> Result<()> {
    wait_for("the wave that waits", DEADLINE, async || {
        let live = world.ours("Application", "web").await?;
        let status = &live["status"];
        ensure!(status["sync"] == "WaitsForWave", "{status:#}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_rollout_that_is_stopped_stays_until_a_person_or_a_fix() -> Result<()> {
    let (world, session) = synced_in_waves("act-abort").await?;
    let path = actions_of(&world, "web");
    let stop = json!({ "action": "abort", "reason": "the wrong image" });
    refused(&session, &path, stop.clone(), (409, "no sync runs")).await?;

    let (bad, two) = (playing("web", "hang"), config_of_wave("two", "2", 1));
    let files = [("app/web.yaml", bad.as_str()), ("app/two.yaml", &two)];
    let broken = push(&world, &files, "Break the web").await?;
    wait_for_wave(&world).await?;
    done(&session, &path, stop.clone()).await?;
    let live = world
        .wait_for_reason("Application", "web", "Aborted")
        .await?;
    let ready = objects::find_condition(&live, "Ready").context("no condition")?;
    let said = ready["message"].as_str().unwrap_or_default();
    ensure_says(said, &["the wrong image", "web UI session"])?;
    let kept = &live["metadata"]["annotations"][ABORT];
    ensure_says(kept.as_str().unwrap_or_default(), &[&broken])?;
    refused(&session, &path, stop, (409, "stopped already")).await?;
    let ended = wait_for(
        "the end of the rollout in the history",
        DEADLINE,
        async || {
            let syncs = session.syncs(&world.namespace, "web").await?;
            let newest = syncs.first().context("no sync")?.clone();
            ensure!(newest["result"] == "interrupted", "{newest:#}");
            Ok(newest)
        },
    )
    .await?;
    ensure!(ended["failure"]["reason"] == "Aborted", "{ended:#}");

    // A commit that does not concern it changes nothing of that.
    let other = push(&world, &[("README.md", "Read me.\n")], "Say more").await?;
    world
        .wait_for_ours("Repository", "config", "it has the commit", |live| {
            let revision = live["status"]["revision"].as_str();
            revision.is_some_and(|revision| revision.ends_with(&other))
        })
        .await?;
    world.request("Repository", "config").await?;
    let live = world.ours("Application", "web").await?;
    ensure!(live["status"]["sync"] == "Aborted", "{:#}", live["status"]);
    ensure!(value_of(&world, "two").await?.as_deref() == Some("1"));
    let good = deployment("web");
    let fixed = push(&world, &[("app/web.yaml", &good)], "Fix the web").await?;
    world.wait_until_synced("web", &fixed).await?;
    ensure!(value_of(&world, "two").await?.as_deref() == Some("2"));
    wait_for("the stop is gone", DEADLINE, async || {
        let live = world.ours("Application", "web").await?;
        let kept = &live["metadata"]["annotations"][ABORT];
        ensure!(kept.is_null(), "{kept}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_sync_that_is_asked_for_goes_on_with_what_was_stopped() -> Result<()> {
    let (world, session) = synced_in_waves("act-go-on").await?;
    let path = actions_of(&world, "web");
    let bad = playing("web", "hang");
    push(&world, &[("app/web.yaml", &bad)], "Break the web").await?;
    wait_for_wave(&world).await?;
    done(
        &session,
        &path,
        json!({ "action": "abort", "reason": "look" }),
    )
    .await?;
    world
        .wait_for_reason("Application", "web", "Aborted")
        .await?;
    done(&session, &path, json!({ "action": "sync" })).await?;
    wait_for_wave(&world).await?;
    Ok(())
}

#[tokio::test]
async fn a_rollback_makes_the_commit_of_the_plan_that_was_shown() -> Result<()> {
    let images = Images::new("act-rollback", &["1.0.0"]).await?;
    let world = &images.world;
    let session = Session::open(world.agent()).await?;
    let path = actions_of(world, "web");
    let (one, two) = (config_map("one", "1"), config_map("one", "2"));
    let web = [("web", "app", json!({}))];
    let start = deploy(world, &[("app/one.yaml", &one)], &web).await?;
    let rollback = json!({ "action": "rollback", "reason": "it is slow" });
    refused(&session, &path, rollback.clone(), (409, "spec.write")).await?;

    images.writable().await?;
    let worse = push(world, &[("app/one.yaml", &two)], "Make it worse").await?;
    world.wait_until_synced("web", &worse).await?;
    wait_for("a rollback may be asked for", DEADLINE, async || {
        let why = why_not(&session, world, "rollback").await?;
        ensure!(why.is_none(), "{why:?}");
        Ok(())
    })
    .await?;
    let dry = format!("{path}?dryRun=true");
    let (status, shown) = session.act(&dry, None, &rollback).await?;
    ensure!(status == 200 && shown["done"] == false, "{shown:#}");
    let plan = &shown["rollback"];
    ensure!(plan["files"] == json!(["app/one.yaml"]), "{shown:#}");
    ensure!(plan["target"] == start, "{shown:#}");
    ensure!(shown["preview"]["counts"]["update"] == 1, "{shown:#}");
    ensure!(world.repo.head()? == worse, "a dry run committed");
    refused(&session, &path, rollback, (400, "dryRun")).await?;
    let other = json!({ "action": "rollback", "reason": "it is slow", "plan": "ab12" });
    refused(&session, &path, other, (409, "other commits")).await?;
    ensure!(world.repo.head()? == worse, "another plan was carried out");

    let this = json!({ "action": "rollback", "reason": "it is slow", "plan": plan["plan"] });
    let answer = done(&session, &path, this).await?;
    let commit = answer["rollback"]["commit"].as_str().context("no commit")?;
    ensure!(world.repo.head()? == commit, "{answer:#}");
    let log = world.repo.log()?;
    let message = &log.first().context("no commit")?.message;
    let trailer = format!("Syncline-Reverts: {worse}");
    ensure_says(message, &["it is slow", &trailer])?;
    wait_for_value(world, "one", Some("1")).await
}

/// Waits until the agent says a rule of a tag.
async fn wait_for_rule(session: &Session, images: &Images, tag: &str, rule: &str) -> Result<()> {
    let path = format!("/api/v1/images/{}/web/tags/{tag}", images.world.namespace);
    wait_for(&format!("{tag} is {rule}"), DEADLINE, async || {
        let answer = session.get(&path).await?;
        ensure!(answer["verdict"]["rule"] == rule, "{answer:#}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_tag_is_skipped_released_and_pinned_over_http() -> Result<()> {
    let images = Images::new("act-tags", &["1.0.0"]).await?;
    let world = &images.world;
    let session = Session::open(world.agent()).await?;
    let path = format!("images/{}/web/actions", world.namespace);
    let reference = format!("{}:1.0.0", images.web());
    let start = world
        .repo
        .commit(&[("app/web.yaml", &template("web", &reference))], "Start")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &start).await?;
    images
        .policy("^1", json!({ "update": { "paths": [] } }))
        .await?;
    images.wait_for_tag("1.0.0").await?;

    let skip = json!({ "action": "skip", "tag": "1.2.0", "reason": "it leaks" });
    done(&session, &path, skip).await?;
    let live = world.ours("ImagePolicy", "web").await?;
    let kept = &live["metadata"]["annotations"]["syncline.dev/skip"];
    ensure_says(kept.as_str().unwrap_or_default(), &["1.2.0", "it leaks"])?;
    for tag in ["1.1.0", "1.2.0"] {
        images.registry.push_image("web", tag).await?;
    }
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    wait_for_rule(&session, &images, "1.2.0", "held").await?;
    let detail = session
        .get(&format!("/api/v1/images/{}/web", world.namespace))
        .await?;
    let held = &detail["held"][0];
    ensure!(held["tag"] == "1.2.0", "{detail:#}");
    ensure_says(held["sentence"].as_str().unwrap_or_default(), &["it leaks"])?;

    let free = json!({ "action": "release", "tag": "9.9.9" });
    refused(&session, &path, free, (409, "is not held")).await?;
    done(
        &session,
        &path,
        json!({ "action": "release", "tag": "1.2.0" }),
    )
    .await?;
    images.wait_for_tag("1.2.0").await?;

    let pin = json!({ "action": "pin", "tag": "1.0.0", "reason": "the demo" });
    done(&session, &path, pin).await?;
    images.wait_for_tag("1.0.0").await?;
    wait_for_rule(&session, &images, "1.2.0", "pinned").await?;
    done(&session, &path, json!({ "action": "unpin" })).await?;
    images.wait_for_tag("1.2.0").await?;
    let none = json!({ "action": "unpin" });
    wait_for("the pin is gone", DEADLINE, async || {
        refused(&session, &path, none.clone(), (409, "no tag is pinned")).await
    })
    .await
}

#[tokio::test]
async fn the_agent_is_frozen_and_unfrozen_over_http() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("act-freeze", turn.control_plane, |settings| settings).await?;
    let session = Session::open(world.agent()).await?;
    let path = "agent/actions";
    let unfreeze = json!({ "action": "unfreeze" });
    refused(&session, path, unfreeze.clone(), (409, "not frozen")).await?;
    let freeze = json!({ "action": "freeze", "reason": "the database moves" });
    done(&session, path, freeze).await?;
    let about = wait_for("the freeze", DEADLINE, async || {
        let about = session.get("/api/v1/about").await?;
        ensure!(about["freeze"].is_object(), "{about:#}");
        Ok(about)
    })
    .await?;
    ensure!(
        about["freeze"]["reason"] == "the database moves",
        "{about:#}"
    );
    let by = about["freeze"]["by"].as_str().unwrap_or_default();
    ensure_says(by, &["web UI session"])?;
    done(&session, path, unfreeze).await?;
    wait_for("its end", DEADLINE, async || {
        let about = session.get("/api/v1/about").await?;
        ensure!(about["freeze"].is_null(), "{about:#}");
        Ok(())
    })
    .await
}
