//! Git servers and registries that hang, cut, throttle or are not there.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::{DEADLINE, READER};
use syncline_tests::{Access, Fault, RegistryFault, RegistryProxy, objects, wait_for};

use crate::deploy::annotate;
use crate::image_setup::{Images, OVERTAKE, manifest};

/// Requests of the agent that send a pack to the repository of a world.
fn packs_sent(images: &Images) -> usize {
    let world = &images.world;
    let requests = world.git.requests(world.repo.name());
    let sent = requests
        .iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/git-receive-pack"));
    sent.count()
}

#[tokio::test]
async fn fault_f02_a_git_host_that_hangs_holds_up_only_the_images_in_it() -> Result<()> {
    let images = Images::new("image-hang", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let file = images.manifest("1.0.0");
    let start = world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    let other = format!("{}-other", world.namespace);
    let other = world.git.create(&other, Access::Open)?;
    other.commit(&[("app/web.yaml", &file)], "Start")?;
    let values = [("username", "robot"), ("password", "pushes")];
    world.secret("push", &values).await?;
    for (name, url) in [("config", world.repo.url()), ("other", other.url())] {
        let spec = json!({
            "url": url,
            "interval": "1h",
            "timeout": "3s",
            "serviceAccount": READER,
            "write": { "secretRef": { "name": "push" } },
        });
        let object = json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": name },
            "spec": spec,
        });
        world.apply(&object).await?;
        world
            .wait_for_ours("Repository", name, "read once", |live| {
                live["status"]["revision"].is_string()
            })
            .await?;
    }
    world.git.set_fault(world.repo.name(), Some(Fault::Hang));
    let before = world.git.requests(world.repo.name()).len();
    images.policy("^1", json!({})).await?;
    wait_for("the request that hangs", DEADLINE, async || {
        let now = world.git.requests(world.repo.name()).len();
        ensure!(now > before, "none yet");
        Ok(())
    })
    .await?;
    let elsewhere = json!({ "update": { "repository": "other" } });
    world
        .image_policy("other", &images.web(), elsewhere)
        .await?;
    images.wait_for_tag_of("other", "1.1.0").await?;
    images.wait_for_refusal("SourceUnavailable").await?;

    world.git.set_fault(world.repo.name(), None);
    ensure!(world.repo.head()? == start, "something was pushed");
    // Nobody asks: it is tried again by itself.
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn fault_f07_nothing_is_committed_to_a_rewritten_branch_until_a_person_approves() -> Result<()>
{
    let images = Images::new("image-rewritten", &["1.0.0"]).await?;
    let world = &images.world;
    let file = images.manifest("1.0.0");
    let first = world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    let second = world
        .repo
        .commit(&[("app/more.yaml", "# more\n")], "More")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &second).await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.0.0").await?;

    world.repo.rewind_to(&first)?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Repository", "config", "HistoryRewritten")
        .await?;
    images.registry.push_image("web", "1.1.0").await?;
    world.request("ImagePolicy", "web").await?;
    world
        .wait_for_ours("ImagePolicy", "web", "held", |live| {
            let ready = objects::find_condition(live, "Ready");
            ready.is_some_and(|ready| ready["status"] == "False")
        })
        .await?;
    ensure!(world.repo.head()? == first, "something was pushed");

    annotate(
        world,
        "Repository",
        "config",
        "syncline.dev/approve",
        &first,
    )
    .await?;
    world.wait_until_synced("web", &first).await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let log = world.repo.log()?;
    let ids: Vec<&str> = log.iter().map(|commit| commit.id.as_str()).collect();
    ensure!(ids == [updates[0].id.as_str(), first.as_str()], "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn fault_f10_a_push_that_is_rejected_twenty_times_is_given_up_and_made_once_later()
-> Result<()> {
    let images = Images::new("image-rejected", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let old = images.manifest("1.0.0");
    world.repo.commit(&[("app/web.yaml", &old)], "Start")?;
    // More often than the agent tries, a person is faster.
    let human = images.waiting_commits(25)?;
    images.pre_receive(Some(OVERTAKE))?;
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_refusal("PushContention").await?;
    ensure!(images.updates()?.is_empty(), "{:#?}", images.updates()?);
    // Nobody asks: it is tried again by itself.
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let log = world.repo.log()?;
    ensure!(log.len() == human.len() + 2, "{} commits", log.len());
    for id in &human {
        let kept = log.iter().any(|commit| commit.id == *id);
        ensure!(kept, "the commit {id} of a person is lost");
    }
    Ok(())
}

#[tokio::test]
async fn fault_f11_a_push_that_is_taken_and_not_answered_is_found_and_not_made_again() -> Result<()>
{
    let images = Images::new("image-unclear", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let file = images.manifest("1.0.0");
    world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    let fault = Some(Fault::CutAfterPush);
    world.git.set_fault(world.repo.name(), fault);
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    images.policy("^1", json!({})).await?;
    let live = images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(
        live["status"]["lastUpdateCommit"] == updates[0].id.as_str(),
        "the status is {:#}",
        live["status"]
    );
    ensure!(packs_sent(&images) == 1, "{} pushes", packs_sent(&images));
    world.wait_until_synced("web", &updates[0].id).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f11_a_commit_of_a_person_on_top_of_a_push_without_an_answer_changes_nothing()
-> Result<()> {
    let images = Images::new("image-covered", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let file = images.manifest("1.0.0");
    world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    // The person is there before the agent can look for its commit.
    let hook = "#!/bin/sh\nread old new reference\n\
        tree=$(git rev-parse \"$new^{tree}\")\n\
        export GIT_AUTHOR_NAME=Robin GIT_AUTHOR_EMAIL=robin@example.com\n\
        export GIT_COMMITTER_NAME=Robin GIT_COMMITTER_EMAIL=robin@example.com\n\
        case \"$(git log -1 --format=%B \"$new\")\" in *Syncline-Update*)\n\
        git update-ref refs/heads/main \"$(git commit-tree -p \"$new\" -m 'On top' \"$tree\")\";;\n\
        esac\n";
    images.post_receive(hook)?;
    let fault = Some(Fault::CutAfterPush);
    world.git.set_fault(world.repo.name(), fault);
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let log = world.repo.log()?;
    ensure!(log[0].message.starts_with("On top"), "{log:#?}");
    ensure!(packs_sent(&images) == 1, "{} pushes", packs_sent(&images));
    Ok(())
}

#[tokio::test]
async fn fault_f12_a_registry_whose_name_does_not_resolve_is_named_and_syncs_go_on() -> Result<()> {
    let images = Images::new("image-nowhere", &["1.0.0"]).await?;
    let world = &images.world;
    let nowhere = "registry.invalid/web";
    let file = manifest("web", nowhere, "1.0.0");
    let start = world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &start).await?;
    let spec = json!({ "select": { "semver": "^1" } });
    world.image_policy("web", nowhere, spec).await?;
    let message = images.wait_for_refusal("RegistryUnavailable").await?;
    ensure!(message.contains("registry.invalid"), "{message:?}");
    let changed = file.replace("'x'", "'y'");
    let commit = world.repo.commit(&[("app/web.yaml", &changed)], "Change")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(images.updates()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn fault_f13_a_host_that_asks_to_slow_down_is_left_alone_by_all_policies() -> Result<()> {
    let images = Images::new("image-throttled", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let proxy = RegistryProxy::start(&images.registry).await?;
    let file = manifest("web", &proxy.image("web"), "1.0.0");
    let start = world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    images.writable().await?;
    proxy.set_fault(Some(RegistryFault::Throttle(Duration::from_mins(5))));
    let throttled = async |name: &str, image: &str| -> Result<String> {
        let spec = json!({ "select": { "semver": "^1" } });
        world.image_policy(name, image, spec).await?;
        let live = world
            .wait_for_reason("ImagePolicy", name, "RegistryThrottled")
            .await?;
        let ready = objects::find_condition(&live, "Ready").context("no condition")?;
        Ok(ready["message"].as_str().unwrap_or_default().to_owned())
    };
    throttled("web", &proxy.image("web")).await?;
    let asked = proxy.requests().len();
    ensure!(asked == 1, "{:?}", proxy.requests());
    // Another image, and the same image by another policy.
    for (name, image) in [("other", "other"), ("again", "web")] {
        let message = throttled(name, &proxy.image(image)).await?;
        let says_when = message.contains("again after") && message.contains(&proxy.host());
        ensure!(says_when, "{name}: {message:?}");
    }
    ensure!(proxy.requests().len() == asked, "{:?}", proxy.requests());
    ensure!(world.repo.head()? == start, "something was committed");
    Ok(())
}

#[tokio::test]
async fn fault_f13_a_host_is_asked_again_by_itself_after_the_time_that_it_named() -> Result<()> {
    let images = Images::new("image-patient", &["1.0.0", "1.1.0"]).await?;
    let proxy = RegistryProxy::start(&images.registry).await?;
    let file = manifest("web", &proxy.image("web"), "1.0.0");
    let world = &images.world;
    world.repo.commit(&[("app/web.yaml", &file)], "Start")?;
    images.writable().await?;
    proxy.set_fault(Some(RegistryFault::Throttle(Duration::from_secs(2))));
    let spec = json!({ "select": { "semver": "^1" } });
    world.image_policy("web", &proxy.image("web"), spec).await?;
    images.wait_for_refusal("RegistryThrottled").await?;
    proxy.set_fault(None);
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}
