//! Hooks in the running agent: when they run and when not, what becomes of their objects, what a
//! failed one leads to, and those of the end of an Application.
//!
//! The audit log of the API server is the oracle of what was started, and in which order.

mod argo;
mod deletion;
mod failure;
mod helm;
mod once;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{Person, deployed};

/// The first words of every chart here.
const CHART: &str = "apiVersion: v2\nname: app\nversion: 0.1.0\n";

/// A template with a ConfigMap whose value is the chart's `word`.
const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  key: {{ .Values.word }}\n";

/// A Job with annotations, as lines of `key: value`, that has no second try. Its pod does what
/// `play` says (`tests/control-plane/plays.yaml`), and ends well where that is empty.
fn job(name: &str, annotations: &[&str], play: &str) -> String {
    let annotations: Vec<String> = annotations
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect();
    let annotations = annotations.concat();
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n{annotations}\
         spec:\n  backoffLimit: 0\n  template:\n    metadata:\n      annotations:\n        \
         syncline.test/play: \"{play}\"\n    spec:\n      restartPolicy: Never\n      \
         containers:\n      - name: main\n        image: registry.example/{name}:1\n"
    )
}

/// What the deployer did since the mark, as `verb resource name`, without what belongs to the
/// objects themselves (`status`).
fn done(world: &World, since: &Audit) -> Result<Vec<String>> {
    let writes = deployed(world, since)?.into_iter();
    let writes = writes.filter(|write: &AuditEvent| {
        let code = write
            .response_status
            .as_ref()
            .map_or(0, |status| status.code);
        write.object().subresource.is_empty() && (200..300).contains(&code)
    });
    let said = writes.map(|write| {
        let object = write.object();
        format!("{} {} {}", write.verb, object.resource, object.name)
    });
    Ok(said.collect())
}

/// The Jobs that were started since the mark, in order.
fn started(world: &World, since: &Audit) -> Result<Vec<String>> {
    let done = done(world, since)?;
    let jobs = done
        .iter()
        .filter_map(|said| said.strip_prefix("create jobs "));
    Ok(jobs.map(str::to_owned).collect())
}

/// Waits until those Jobs were started since the mark, in that order: the API server writes a line
/// after its answer.
async fn wait_until_started(world: &World, since: &Audit, jobs: &[&str]) -> Result<()> {
    let what = format!("the Jobs {jobs:?} to be started");
    wait_for(&what, DEADLINE, async || {
        world.agent().ensure_running()?;
        let started = started(world, since)?;
        ensure!(started == jobs, "started were {started:?}");
        Ok(())
    })
    .await
}

/// Fails unless the deployer did all of that since the mark, in that order; other things may have
/// been done in between.
fn ensure_in_order(world: &World, since: &Audit, wanted: &[&str]) -> Result<()> {
    let done = done(world, since)?;
    let mut rest = done.iter();
    for want in wanted {
        let found = rest.any(|said| said.starts_with(want));
        ensure!(found, "{want:?} is not there, or too early: {done:#?}");
    }
    Ok(())
}

/// Waits until the rollout of a commit came to its good end.
async fn rolled_out(world: &World, name: &str, commit: &str) -> Result<Value> {
    let what = format!("{commit} rolled out");
    world
        .wait_for_ours("Application", name, &what, |live| {
            let applied = live["status"]["lastAppliedRevision"].to_string();
            applied.contains(commit) && live["status"]["rollout"]["phase"] == "Done"
        })
        .await
}

/// Commits and pushes, and waits until the agent has the commit.
async fn arrive(world: &World, files: &[(&str, &str)], message: &str) -> Result<String> {
    let commit = crate::deploy::push(world, files, message).await?;
    world
        .wait_for_ours("Repository", "config", "at the commit", |live| {
            live["status"]["revision"].to_string().contains(&commit)
        })
        .await?;
    Ok(commit)
}

/// Asks for a sync as a person does, and waits until one of that commit has ended well.
async fn ask_for_sync(world: &World, name: &str, commit: &str) -> Result<()> {
    let person = Person::sign_in(world.agent()).await?;
    let asked_at = jiff::Timestamp::now();
    world.request("Application", name).await?;
    let later = |time: &Value| {
        let time = time
            .as_str()
            .and_then(|time| time.parse::<jiff::Timestamp>().ok());
        time.is_some_and(|time| time >= asked_at)
    };
    person
        .wait_for_sync(world, name, "that a person asked for", |sync| {
            let summary = &sync["summary"];
            summary["cause"] == "user"
                && summary["result"] == "succeeded"
                && summary["commit"].to_string().contains(commit)
                && later(&summary["finishedAt"])
        })
        .await?;
    Ok(())
}

/// Ends the pods of a Job well, as their kubelet would: for one whose pod plays `hang`.
async fn finish(world: &World, name: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    let of_job = ListParams::default().labels(&format!("job-name={name}"));
    let pod = wait_for("the pod of the Job to hang", DEADLINE, async || {
        let found = pods.list(&of_job).await?.items.into_iter().next();
        let pod = found.context("there is no pod")?;
        let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
        ensure!(phase.as_deref() == Some("Running"), "it is {phase:?}");
        pod.metadata.name.context("no name")
    })
    .await?;
    let ended = json!({ "status": { "phase": "Succeeded" } });
    pods.patch_status(&pod, &PatchParams::default(), &Patch::Merge(&ended))
        .await?;
    Ok(())
}

/// The `metadata.uid` of a Job; `None` where it is not there.
async fn uid(world: &World, name: &str) -> Result<Option<String>> {
    if !world.exists("batch/v1", "Job", name).await? {
        return Ok(None);
    }
    let live = world.get("batch/v1", "Job", name).await?;
    Ok(live["metadata"]["uid"].as_str().map(str::to_owned))
}
