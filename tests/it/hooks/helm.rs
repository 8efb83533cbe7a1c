//! The hooks of a chart.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;
use syncline_tests::wait_for;
use syncline_tests::world::DEADLINE;

use super::{
    CHART, MAP, arrive, ask_for_sync, ensure_in_order, job, rolled_out, started, uid,
    wait_until_started,
};
use crate::deploy::{deploy, push, wait_for_value};

/// A Secret that a Job of the same weight needs.
const PASSWORD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: password\n  annotations:\n    \
    helm.sh/hook: pre-install\n    helm.sh/hook-weight: \"-5\"\nstringData:\n  password: none\n";

#[tokio::test]
async fn the_hooks_of_a_chart_run_once_for_each_change_in_the_order_of_their_weights() -> Result<()>
{
    let world = World::new("chart-hooks").await?;
    let hook = |name: &str, events: &str, weight: &str| {
        let (events, weight) = (
            format!("helm.sh/hook: {events}"),
            format!("helm.sh/hook-weight: \"{weight}\""),
        );
        job(name, &[&events, &weight], "")
    };
    // Their names are in the order of nothing.
    let migrate = hook("z-migrate", "pre-install,pre-upgrade", "-5");
    let seed = hook("a-seed", "pre-install", "3");
    let check = hook("m-check", "pre-upgrade", "3");
    let tell = hook("a-tell", "post-upgrade", "-100");
    let test = hook("t-test", "test", "0");
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/values.yaml", "word: one\n"),
        ("app/templates/map.yaml", MAP),
        ("app/templates/migrate.yaml", &migrate),
        ("app/templates/password.yaml", PASSWORD),
        ("app/templates/seed.yaml", &seed),
        ("app/templates/check.yaml", &check),
        ("app/templates/tell.yaml", &tell),
        ("app/templates/tests/test.yaml", &test),
    ];
    let audit = world.control_plane().audit().from_now()?;
    let first = deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    rolled_out(&world, "app", &first).await?;
    wait_until_started(&world, &audit, &["z-migrate", "a-seed"]).await?;
    let order = [
        "create secrets password",
        "create jobs z-migrate",
        "create jobs a-seed",
        "patch configmaps app",
    ];
    ensure_in_order(&world, &audit, &order)?;

    // What left the occasion stays until it is in the way: nothing prunes a hook.
    ensure!(uid(&world, "a-seed").await?.is_some(), "it was pruned");
    let before = uid(&world, "z-migrate").await?;
    let audit = world.control_plane().audit().from_now()?;
    let second = push(&world, &[("app/values.yaml", "word: two\n")], "Two").await?;
    rolled_out(&world, "app", &second).await?;
    wait_until_started(&world, &audit, &["z-migrate", "m-check", "a-tell"]).await?;
    let order = [
        "delete jobs z-migrate",
        "create jobs z-migrate",
        "create jobs m-check",
        "patch configmaps app",
        "create jobs a-tell",
    ];
    ensure_in_order(&world, &audit, &order)?;
    ensure!(uid(&world, "z-migrate").await? != before, "it did not run");
    ensure!(uid(&world, "a-seed").await?.is_some(), "it was pruned");

    // Drift, a commit that changes nothing of it, and a person who asks.
    let audit = world.control_plane().audit().from_now()?;
    let patch = json!({ "data": { "key": "by hand" } });
    world.edit("v1", "ConfigMap", "app", &patch).await?;
    wait_for_value(&world, "app", Some("two")).await?;
    let other = arrive(&world, &[("app/words.txt", "nothing\n")], "Nothing").await?;
    ask_for_sync(&world, "app", &other).await?;
    ensure!(
        started(&world, &audit)?.is_empty(),
        "started were {:?}",
        started(&world, &audit)?
    );
    ensure!(uid(&world, "t-test").await?.is_none(), "a test ran");
    Ok(())
}

#[tokio::test]
async fn the_object_of_a_hook_goes_when_its_policy_says_so() -> Result<()> {
    let world = World::new("hook-policies").await?;
    let hook = |name: &str, policy: &str, play: &str| {
        let policy = format!("helm.sh/hook-delete-policy: {policy}");
        job(
            name,
            &["helm.sh/hook: pre-install,pre-upgrade", &policy],
            play,
        )
    };
    let good = hook("a-good", "hook-succeeded", "");
    let stays = hook("b-stays", "before-hook-creation,hook-failed", "");
    let bad = hook("c-bad", "hook-failed", "fail");
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/values.yaml", "word: one\n"),
        ("app/templates/map.yaml", MAP),
        ("app/templates/good.yaml", &good),
        ("app/templates/stays.yaml", &stays),
    ];
    let audit = world.control_plane().audit().from_now()?;
    let first = deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    rolled_out(&world, "app", &first).await?;
    wait_until_started(&world, &audit, &["a-good", "b-stays"]).await?;
    ensure!(
        uid(&world, "a-good").await?.is_none(),
        "it succeeded and is there"
    );
    let before = uid(&world, "b-stays").await?;
    ensure!(before.is_some(), "it is not there");

    let audit = world.control_plane().audit().from_now()?;
    push(&world, &[("app/templates/bad.yaml", &bad)], "Break").await?;
    world
        .wait_for_reason("Application", "app", "HookFailed")
        .await?;
    wait_until_started(&world, &audit, &["a-good", "b-stays", "c-bad"]).await?;
    wait_for("the failed Job to go", DEADLINE, async || {
        ensure!(uid(&world, "c-bad").await?.is_none(), "it is there");
        Ok(())
    })
    .await?;
    let after = uid(&world, "b-stays").await?;
    ensure!(
        after.is_some() && after != before,
        "{before:?} became {after:?}"
    );
    Ok(())
}
