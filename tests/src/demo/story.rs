//! The story of the demo, played unattended: each step checks what a person would see.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::{DEADLINE, Demo, HOOK_SECRET, NAMESPACE};
use crate::watch::Watch;
use crate::world::deliver;
use crate::{objects, programs, wait_for};

/// A measured time with its goal.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// What was measured.
    pub what: &'static str,
    /// How long it took.
    pub took: Duration,
    /// How long it should take.
    pub goal: Duration,
}

/// Plays the story once. `round` makes its changes differ from those of other rounds. `say` is
/// told each step as it is done. An error says which step failed and why.
pub async fn play(demo: &Demo, round: u32, say: impl Fn(&str)) -> Result<Vec<Measure>> {
    let before = identities(demo).await?;
    let (push, greeting) = push_is_deployed(demo, round)
        .await
        .context("push -> deployed")?;
    say("push -> deployed");
    broken_manifest_is_named(demo, round)
        .await
        .context("broken manifest -> clear error")?;
    say("broken manifest -> clear error with file and line, the others go on");
    let tag = tag_becomes_commit(demo, round)
        .await
        .context("new tag -> commit -> deployed")?;
    say("new image tag -> commit -> deployed");
    revert_rolls_back(demo, &greeting)
        .await
        .context("git revert -> rolled back")?;
    say("git revert -> rolled back");
    let drift = edit_is_repaired(demo)
        .await
        .context("kubectl edit -> repaired")?;
    say("kubectl edit -> repaired");
    removed_file_is_pruned(demo)
        .await
        .context("file removed -> pruned")?;
    say("file removed -> pruned, and back after a revert");
    nothing_is_lost(&before, &identities(demo).await?)?;
    say("nothing else was deleted or made anew");
    Ok(vec![push, tag, drift])
}

const WEB: (&str, &str, &str) = ("apps/v1", "Deployment", "roar-web");
const DEV: &str = "roar-dev";

async fn push_is_deployed(demo: &Demo, round: u32) -> Result<(Measure, String)> {
    let client = demo.client().await?;
    let settings = objects::reference("v1", "ConfigMap", "roar-web");
    let mut watch = Watch::open(&client, &settings, DEV).await?;
    let text = format!("Hello, round {round}");
    let file = "apps/dev/greeting.yaml";
    let new = replace_value(
        &demo.repo.read("main", file)?,
        "ROAR_GREETING:",
        &format!("{text:?}"),
    )?;
    let commit = demo.repo.commit(&[(file, &new)], "Greet otherwise")?;
    let begin = Instant::now();
    announce(demo).await?;
    let seen = watch
        .until("the new greeting", DEADLINE, |live| {
            live.is_some_and(|live| live["data"]["ROAR_GREETING"] == text.as_str())
        })
        .await?;
    wait_until_current(demo, "roar-dev", &commit).await?;
    let goal = Duration::from_millis(300);
    let measure = Measure {
        what: "webhook of a push -> applied",
        took: seen - begin,
        goal,
    };
    Ok((measure, commit))
}

/// One commit breaks an application and changes another one.
async fn broken_manifest_is_named(demo: &Demo, round: u32) -> Result<()> {
    let client = demo.client().await?;
    let banner = "apps/dev/banner.yaml";
    let good = demo.repo.read("main", TOOLS)?;
    let banner_text = format!("Round {round}.");
    let changed = demo.repo.read("main", banner)?;
    let changed = changed
        .lines()
        .map(|line| {
            if line.starts_with("    ") {
                format!("    {banner_text}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect::<String>();
    break_tools(demo, &[(banner, &changed)]).await?;

    let other = objects::reference("v1", "ConfigMap", "roar-banner");
    wait_for("the other application to go on", DEADLINE, async || {
        let live = objects::get(&client, &other, Some(DEV)).await?;
        let text = live["data"]["banner.txt"].as_str().unwrap_or_default();
        ensure!(text.contains(&banner_text), "the banner is {text:?}");
        Ok(())
    })
    .await?;
    let job = objects::reference("batch/v1", "CronJob", "mysql-backup");
    objects::get(&client, &job, Some(DEV))
        .await
        .context("the broken application lost an object")?;

    demo.repo.commit(&[(TOOLS, &good)], "Repair the tools")?;
    announce(demo).await?;
    wait_until_ready(demo, "roar-tools").await
}

/// A file of `roar-tools`.
const TOOLS: &str = "apps/tools/script.yaml";

/// A commit with which `roar-tools` cannot be rendered, and which changes other files too; waits
/// until the application says so, with the file and the line.
pub(super) async fn break_tools(demo: &Demo, also: &[(&str, &str)]) -> Result<()> {
    let good = demo.repo.read("main", TOOLS)?;
    let broken = format!("{}\nbroken: [\n", good.trim_end());
    let line = broken.lines().count();
    let mut files = vec![(TOOLS, broken.as_str())];
    files.extend(also);
    demo.repo.commit(&files, "Break the tools")?;
    announce(demo).await?;
    let live = demo
        .wait_for_application("roar-tools", |live| {
            objects::find_condition(live, "Ready").is_some_and(|ready| ready["status"] == "False")
        })
        .await?;
    let ready = objects::find_condition(&live, "Ready").context("no condition")?;
    let message = ready["message"].as_str().unwrap_or_default();
    // The end of the file is where the bracket is missed; parsers differ by one line there.
    let named = (line - 1..=line + 1).any(|line| message.contains(&format!("{TOOLS}:{line}")));
    ensure!(
        named,
        "the message names neither file nor line: {message:?}"
    );
    Ok(())
}

async fn tag_becomes_commit(demo: &Demo, round: u32) -> Result<Measure> {
    let client = demo.client().await?;
    let tag = format!("1.{}.0", round + 1);
    let (version, kind, name) = WEB;
    let mut watch = Watch::open(&client, &objects::reference(version, kind, name), DEV).await?;
    let old = demo.repo.head()?;
    demo.registry.push_image("roar-web", &tag).await?;
    let policy = objects::reference("syncline.dev/v1alpha1", "ImagePolicy", "roar-web");
    let now = jiff::Timestamp::now().to_string();
    let ask = json!({ "metadata": { "annotations": { "syncline.dev/requested-at": now } } });
    let begin = Instant::now();
    objects::edit(&client, &policy, Some(NAMESPACE), "demo", &ask).await?;
    wait_for("a commit with the new tag", DEADLINE, async || {
        demo.agent.ensure_running()?;
        if demo.repo.head()? == old {
            let live = objects::get(&client, &policy, Some(NAMESPACE)).await?;
            bail!("the status of the policy is {:#}", live["status"]);
        }
        Ok(())
    })
    .await?;
    let took = begin.elapsed();
    let image = demo.registry.image(&format!("roar-web:{tag}"));
    watch
        .until(&format!("the image {image}"), DEADLINE, |live| {
            live.is_some_and(|live| {
                live["spec"]["template"]["spec"]["containers"][0]["image"] == image.as_str()
            })
        })
        .await?;

    let log = demo.repo.log()?;
    let commit = log.first().context("no commit")?;
    ensure!(
        commit.author == "Syncline",
        "the author of the commit is {}",
        commit.author
    );
    ensure!(
        commit.message.contains(&tag),
        "the message of the commit is {:?}",
        commit.message
    );
    let changed = demo.repo.changed_paths(&commit.id)?;
    ensure!(
        changed == ["apps/dev/kustomization.yaml"],
        "the commit changes {changed:?}"
    );
    // Nothing but the tag has changed in the file.
    let (was, is) = (
        demo.repo.read(&old, &changed[0])?,
        demo.repo.read("main", &changed[0])?,
    );
    let lines = was
        .lines()
        .zip(is.lines())
        .filter(|(was, is)| was != is)
        .count();
    ensure!(
        lines == 1 && was.lines().count() == is.lines().count(),
        "{lines} lines were changed"
    );
    Ok(Measure {
        what: "new tag, poll of the registry -> commit",
        took,
        goal: Duration::from_secs(1),
    })
}

async fn revert_rolls_back(demo: &Demo, greeting: &str) -> Result<()> {
    let client = demo.client().await?;
    let file = "apps/dev/greeting.yaml";
    let old = value_of(
        &demo.repo.read(&format!("{greeting}~1"), file)?,
        "ROAR_GREETING:",
    )?;
    let settings = objects::reference("v1", "ConfigMap", "roar-web");
    let mut watch = Watch::open(&client, &settings, DEV).await?;
    demo.repo.revert(greeting)?;
    announce(demo).await?;
    watch
        .until("the old greeting", DEADLINE, |live| {
            live.is_some_and(|live| live["data"]["ROAR_GREETING"] == old.as_str())
        })
        .await?;
    Ok(())
}

async fn edit_is_repaired(demo: &Demo) -> Result<Measure> {
    let client = demo.client().await?;
    wait_until_ready(demo, "roar-dev").await?;
    let (version, kind, name) = WEB;
    let mut watch = Watch::open(&client, &objects::reference(version, kind, name), DEV).await?;
    let out = Command::new(programs::control_plane("kubectl")?)
        .args(["--namespace", DEV, "edit", "deployment", name])
        .env("KUBECONFIG", demo.control_plane.admin_kubeconfig())
        .env(
            "KUBE_EDITOR",
            "sed -i -e '/^spec:/,/^status:/s/^  replicas: 1$/  replicas: 5/'",
        )
        .output()
        .context("run kubectl edit")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "kubectl edit: {errors}");
    let replicas = |count: u64| {
        move |live: Option<&Value>| live.is_some_and(|l| l["spec"]["replicas"] == count)
    };
    let drifted = watch.until("five replicas", DEADLINE, replicas(5)).await?;
    let repaired = watch
        .until("one replica again", DEADLINE, replicas(1))
        .await?;
    Ok(Measure {
        what: "drift -> repaired",
        took: repaired - drifted,
        goal: Duration::from_millis(200),
    })
}

async fn removed_file_is_pruned(demo: &Demo) -> Result<()> {
    let client = demo.client().await?;
    let banner = objects::reference("v1", "ConfigMap", "roar-banner");
    let mut watch = Watch::open(&client, &banner, DEV).await?;
    watch
        .until("there", DEADLINE, |live| live.is_some())
        .await?;
    let list = "apps/dev/kustomization.yaml";
    let without = demo.repo.read("main", list)?.replace("- banner.yaml\n", "");
    let removed = ["apps/dev/banner.yaml"];
    let commit = demo
        .repo
        .replace(&removed, &[(list, &without)], "Remove the banner")?;
    announce(demo).await?;
    watch
        .until("deleted", DEADLINE, |live| live.is_none())
        .await?;
    demo.repo.revert(&commit)?;
    announce(demo).await?;
    watch
        .until("there again", DEADLINE, |live| live.is_some())
        .await?;
    let head = demo.repo.head()?;
    wait_until_current(demo, "roar-dev", &head).await
}

async fn announce(demo: &Demo) -> Result<()> {
    let status = deliver(&demo.repo, &demo.agent, HOOK_SECRET).await?;
    ensure!(
        (200..300).contains(&status),
        "the webhook was answered with {status}"
    );
    Ok(())
}

async fn wait_until_ready(demo: &Demo, name: &str) -> Result<()> {
    demo.wait_for_application(name, |live| objects::condition(live, "Ready").is_some())
        .await?;
    Ok(())
}

async fn wait_until_current(demo: &Demo, name: &str, commit: &str) -> Result<()> {
    demo.wait_for_application(name, |live| {
        let applied = live["status"]["lastAppliedRevision"]
            .as_str()
            .unwrap_or_default();
        applied.contains(commit) && objects::condition(live, "Ready").is_some()
    })
    .await?;
    Ok(())
}

/// The uid of every object that the sample has deployed, but for the banner, which is pruned on
/// purpose.
async fn identities(demo: &Demo) -> Result<BTreeMap<String, String>> {
    let client = demo.client().await?;
    let mut found = BTreeMap::new();
    for namespace in [DEV, "roar-prod", "roar-chart"] {
        for (version, kind) in [
            ("v1", "ConfigMap"),
            ("v1", "Secret"),
            ("v1", "Service"),
            ("v1", "PersistentVolumeClaim"),
            ("apps/v1", "Deployment"),
            ("apps/v1", "StatefulSet"),
            ("batch/v1", "CronJob"),
        ] {
            let any = objects::reference(version, kind, "any");
            let api = objects::api(&client, &any, Some(namespace)).await?;
            for object in api.list_metadata(&kube::api::ListParams::default()).await? {
                let meta = object.metadata;
                let name = meta.name.unwrap_or_default();
                if name != "roar-banner" {
                    let uid = meta.uid.unwrap_or_default();
                    found.insert(format!("{kind} {namespace}/{name}"), uid);
                }
            }
        }
    }
    Ok(found)
}

fn nothing_is_lost(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    for (object, uid) in before {
        match after.get(object) {
            Some(now) if now == uid => {}
            Some(_) => bail!("{object} was made anew"),
            None => bail!("{object} is lost"),
        }
    }
    Ok(())
}

/// The text with the value of the line that begins with `key` replaced.
fn replace_value(text: &str, key: &str, value: &str) -> Result<String> {
    ensure!(text.contains(key), "the sample has no {key}");
    let line_of = |line: &str| match line.split_once(key) {
        Some((indent, _)) => format!("{indent}{key} {value}\n"),
        None => format!("{line}\n"),
    };
    Ok(text.lines().map(line_of).collect())
}

fn value_of(text: &str, key: &str) -> Result<String> {
    let found = text
        .lines()
        .find_map(|line| Some(line.split_once(key)?.1.trim().trim_matches('"')));
    Ok(found
        .with_context(|| format!("the sample has no {key}"))?
        .to_owned())
}
