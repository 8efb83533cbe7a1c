//! What a hook that fails leads to, and what is kept of what it said.

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use serde_json::{Value, json};
use syncline_tests::World;
use syncline_tests::fault_proxy::{Action, Rule};

use super::{CHART, MAP, arrive, ensure_in_order, job, rolled_out, uid, wait_until_started};
use crate::deploy::{Person, deploy, ensure_says, message, push, value_of};
use crate::lifecycle_setup::turn;

/// A value of the render, and one that only its name tells from other text.
const CANARIES: [&str; 2] = ["canary-of-the-render", "canary-by-its-name"];

/// What the container said: more than is kept, and secrets near its end.
fn said() -> &'static str {
    let mut text: String =
        (0..400).fold(String::new(), |text, line| text + &format!("row {line};\n"));
    text.push_str("connecting as shop with canary-of-the-render\n");
    text.push_str("retry with password=canary-by-its-name\n");
    text.push_str("the table `orders` is locked\n");
    text.leak()
}

/// The outcome of the hook in a sync, where it failed.
fn failed(sync: &Value) -> Option<&Value> {
    let outcomes = sync["outcomes"].as_array()?;
    outcomes
        .iter()
        .find(|outcome| outcome.to_string().contains("HookFailed"))
}

/// Everything that the agent shows, says or keeps of the application.
async fn channels(world: &World, person: &Person<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    let path = format!("/applications/{}/app", world.namespace);
    let mut channels = vec![
        ("the log".to_owned(), world.agent().log().into_bytes()),
        (
            "the status".to_owned(),
            world
                .ours("Application", "app")
                .await?
                .to_string()
                .into_bytes(),
        ),
        (
            "the syncs".to_owned(),
            json!(person.syncs(world, "app").await?)
                .to_string()
                .into_bytes(),
        ),
        ("the API".to_owned(), person.read(&path).await?.into_bytes()),
    ];
    for file in std::fs::read_dir(world.agent().data_folder())? {
        let file = file?.path();
        if file.is_file() {
            let content = std::fs::read(&file).unwrap_or_default();
            channels.push((file.display().to_string(), content));
        }
    }
    Ok(channels)
}

#[tokio::test]
async fn inv_i30_a_failed_hook_stops_what_follows_and_what_it_said_is_kept_without_secrets()
-> Result<()> {
    let turn = turn().await?;
    let world =
        World::with_agent_behind_proxy("hook-fails", turn.control_plane, |settings| settings)
            .await?;
    // No kubelet is there to be asked for a log: what it would say comes from the proxy.
    let logs = format!("^/api/v1/namespaces/{}/pods/[^/]+/log$", world.namespace);
    let asked = world
        .proxy()?
        .add(Rule::new(Action::Text(said())).pattern(Regex::new(&logs)?));
    world.secret("values", &[("password", CANARIES[0])]).await?;
    let hook = |name: &str, events: &str, play: &str| {
        job(name, &[&format!("helm.sh/hook: {events}")], play)
    };
    let migrate = hook("migrate", "pre-upgrade", "fail").replace(
        "      - name: main\n",
        "      - name: main\n        args: [\"--password={{ .Values.password }}\"]\n",
    );
    let later = job(
        "later",
        &["helm.sh/hook: pre-upgrade", "helm.sh/hook-weight: \"1\""],
        "",
    );
    let after = hook("after", "post-upgrade", "");
    let alarm = job("alarm", &["syncline.dev/hook: failure"], "");
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/values.yaml", "word: one\n"),
        ("app/templates/map.yaml", MAP),
        ("app/templates/migrate.yaml", &migrate),
        ("app/templates/later.yaml", &later),
        ("app/templates/after.yaml", &after),
        ("app/templates/alarm.yaml", &alarm),
    ];
    let from = json!([{ "kind": "Secret", "name": "values", "key": "password", "targetPath": "password" }]);
    let spec = json!({ "helm": { "valuesFrom": from }, "sync": { "onFailure": "Hold" } });
    let first = deploy(&world, &files, &[("app", "app", spec)]).await?;
    rolled_out(&world, "app", &first).await?;
    ensure!(uid(&world, "migrate").await?.is_none(), "it was an upgrade");

    let audit = world.control_plane().audit().from_now()?;
    let broken = arrive(&world, &[("app/values.yaml", "word: two\n")], "Lock it").await?;
    let live = world
        .wait_for_reason("Application", "app", "HookFailed")
        .await?;
    ensure_says(&message(&live), &["migrate", &broken[..7], "Lock it"])?;
    wait_until_started(&world, &audit, &["migrate", "alarm"]).await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("one"));

    let person = Person::sign_in(world.agent()).await?;
    let sync = person
        .wait_for_sync(&world, "app", "with the failed hook", |sync| {
            failed(sync).is_some()
        })
        .await?;
    let outcome = failed(&sync).context("no outcome")?;
    let note = outcome["note"].as_str().context("no note")?;
    ensure!(world.proxy()?.hits(asked) > 0, "nobody asked for the log");
    ensure_says(
        note,
        &["container main", "row 399;", "connecting as shop with ***"],
    )?;
    ensure_says(note, &["password=***", "the table `orders` is locked"])?;
    ensure!(
        note.lines().count() <= 100 && note.len() <= 16_384,
        "{note}"
    );
    ensure!(!note.contains("row 0;"), "it is not bounded: {note}");
    for (channel, content) in channels(&world, &person).await? {
        let text = String::from_utf8_lossy(&content);
        for canary in CANARIES {
            ensure!(!text.contains(canary), "{channel} shows {canary}");
        }
    }

    // A newer commit begins anew.
    let audit = world.control_plane().audit().from_now()?;
    let mended = migrate.replace("play: \"fail\"", "play: \"\"");
    ensure!(mended != migrate);
    let mended = push(
        &world,
        &[("app/templates/migrate.yaml", &mended)],
        "Mend it",
    )
    .await?;
    rolled_out(&world, "app", &mended).await?;
    wait_until_started(&world, &audit, &["migrate", "later", "after"]).await?;
    let order = [
        "create jobs later",
        "patch configmaps app",
        "create jobs after",
    ];
    ensure_in_order(&world, &audit, &order)?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("two"));
    Ok(())
}
