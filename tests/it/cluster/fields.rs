//! Taking over and giving up fields, conflicts, and trials without effect.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_cluster::{Account, ApplyOptions, DryRun, Error, Live, Resource};
use syncline_core::application::Conflicts;
use syncline_core::reason::Reason;
use syncline_tests::objects as plain;
use syncline_tests::wait_for;
use syncline_tests::world::DEADLINE;

use super::{Corner, MANAGER};

fn web(namespace: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "registry.example/web:1" }] },
            },
        },
    })
}

/// The entry of a manager, where it has one for the object itself.
fn entry<'a>(live: &'a Live, manager: &str) -> Option<&'a Value> {
    live.managed_fields
        .iter()
        .find(|entry| entry["manager"] == manager && entry["subresource"].is_null())
}

/// Puts all fields of one set into another.
fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        for (field, value) in from {
            merge(
                into.entry(field.clone()).or_insert_with(|| json!({})),
                value,
            );
        }
    }
}

async fn settled(account: &Account, kind: &Resource, live: &Live) -> Result<Live> {
    account.get(kind, &live.key).await?.context("it is gone")
}

#[tokio::test]
async fn what_was_taken_over_goes_with_the_next_apply() -> Result<()> {
    let corner = Corner::new("take-over").await?;
    let object = web(&corner.namespace);
    corner.apply(&object).await??;
    let edit = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "web", "image": "registry.example/web:1", "command": ["sleep"], "env": [{ "name": "BY", "value": "hand" }] },
        { "name": "sidecar", "image": "registry.example/sidecar:1" },
    ] } } } });
    plain::edit(&corner.admin, &object, None, "kubectl-edit", &edit).await?;
    let (kind, deployer) = (
        corner.kind("apps/v1", "Deployment").await?,
        corner.deployer().await?,
    );
    let key = kind.key(Some(corner.namespace.clone()), "web");

    // A controller may write in between, so the version is read anew until it fits.
    wait_for("the fields to be taken over", DEADLINE, async || {
        let live = deployer.get(&kind, &key).await?.context("it is gone")?;
        let theirs = entry(&live, "kubectl-edit").context("no entry")?["fieldsV1"].clone();
        let mut fields = live.managed_fields.clone();
        fields.retain(|entry| entry["manager"] != "kubectl-edit");
        let ours = fields
            .iter_mut()
            .find(|entry| entry["manager"] == MANAGER)
            .context("no entry of ours")?;
        merge(&mut ours["fieldsV1"], &theirs);
        let version = &live.resource_version;
        Ok(deployer
            .set_managed_fields(&kind, &key, version, fields)
            .await?)
    })
    .await?;
    let before = deployer
        .get_full(&kind, &key)
        .await?
        .context("it is gone")?;
    let containers = |object: &Value| object["spec"]["template"]["spec"]["containers"].clone();
    ensure!(
        containers(&before)[1]["name"] == "sidecar",
        "the record alone changed the object"
    );

    corner.apply(&object).await??;
    let after = deployer
        .get_full(&kind, &key)
        .await?
        .context("it is gone")?;
    let containers = containers(&after);
    ensure!(
        containers.as_array().is_some_and(|all| all.len() == 1),
        "{containers:#}"
    );
    ensure!(
        containers[0]["command"].is_null() && containers[0]["env"].is_null(),
        "{containers:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_field_that_was_given_up_keeps_its_value_and_a_stale_version_is_a_conflict() -> Result<()>
{
    let corner = Corner::new("release").await?;
    let mut object = web(&corner.namespace);
    object["spec"]["replicas"] = 5.into();
    let first = corner.apply(&object).await??;
    let (kind, deployer) = (
        corner.kind("apps/v1", "Deployment").await?,
        corner.deployer().await?,
    );
    let without = |live: &Live| {
        let mut fields = live.managed_fields.clone();
        for entry in &mut fields {
            if entry["manager"] == MANAGER
                && let Some(spec) = entry["fieldsV1"]["f:spec"].as_object_mut()
            {
                spec.remove("f:replicas");
            }
        }
        fields
    };
    wait_for("the field to be given up", DEADLINE, async || {
        let live = settled(&deployer, &kind, &first).await?;
        let version = &live.resource_version;
        Ok(deployer
            .set_managed_fields(&kind, &live.key, version, without(&live))
            .await?)
    })
    .await?;
    let stale = deployer
        .set_managed_fields(&kind, &first.key, &first.resource_version, without(&first))
        .await;
    ensure!(
        stale
            .as_ref()
            .is_err_and(|e| e.reason() == Reason::Conflict),
        "{stale:?}"
    );

    let live = corner.apply(&web(&corner.namespace)).await??;
    let replicas = live.object.context("no object")?["spec"]["replicas"].clone();
    ensure!(replicas == 5, "replicas are {replicas}");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_shows_the_outcome() -> Result<()> {
    let corner = Corner::new("dry-run").await?;
    let live = corner.apply(&web(&corner.namespace)).await??;
    let (kind, deployer) = (
        corner.kind("apps/v1", "Deployment").await?,
        corner.deployer().await?,
    );
    let audit = corner.control_plane.audit().from_now()?;
    let mut object = web(&corner.namespace);
    object["spec"]["replicas"] = 7.into();
    let options = ApplyOptions {
        dry_run: DryRun::Yes,
        ..ApplyOptions::default()
    };
    let tried = deployer
        .apply(&kind, &live.key, &object, MANAGER, options)
        .await?;
    ensure!(tried.object.context("no object")?["spec"]["replicas"] == 7);
    deployer
        .dry_run_create(&kind, &live.key, &object, MANAGER)
        .await?;
    let now = deployer
        .get_full(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(now["spec"]["replicas"] == 1, "{now:#}");

    // The GET above is in the log after the trials.
    let events = wait_for("the audit log", DEADLINE, async || {
        let events = audit.events()?;
        let ours = |uri: &str| uri.contains(&corner.namespace) && uri.ends_with("/deployments/web");
        let read = events.iter().any(|e| e.verb == "get" && ours(&e.uri));
        ensure!(read, "not there yet");
        Ok(events)
    })
    .await?;
    let user = format!("system:serviceaccount:{}:deployer", corner.namespace);
    let by_us = || events.iter().filter(|event| event.effective_user() == user);
    ensure!(by_us().filter(|e| e.uri.contains("dryRun=All")).count() == 2);
    let writes: Vec<_> = by_us().filter(|event| event.is_write()).collect();
    ensure!(writes.is_empty(), "{writes:#?}");
    Ok(())
}

#[tokio::test]
async fn fault_f26_the_trial_of_a_replacement_refuses_what_could_not_be_created() -> Result<()> {
    let corner = Corner::new("replace").await?;
    let live = corner.apply(&web(&corner.namespace)).await??;
    let (kind, deployer) = (
        corner.kind("apps/v1", "Deployment").await?,
        corner.deployer().await?,
    );
    let mut other = web(&corner.namespace);
    for path in [
        "/spec/selector/matchLabels/app",
        "/spec/template/metadata/labels/app",
    ] {
        *other.pointer_mut(path).context("no such field")? = "api".into();
    }
    let applied = corner.apply(&other).await?;
    ensure!(applied.is_err_and(|e| e.reason() == Reason::ImmutableField));
    deployer
        .dry_run_create(&kind, &live.key, &other, MANAGER)
        .await?;

    for (path, value, words) in [
        ("/spec/selector/matchLabels/app", json!("db"), "selector"),
        ("/spec/unknown", json!(1), "unknown"),
    ] {
        let mut bad = other.clone();
        if let Some(field) = bad.pointer_mut(path) {
            *field = value;
        } else {
            bad["spec"]["unknown"] = value;
        }
        let refused = deployer
            .dry_run_create(&kind, &live.key, &bad, MANAGER)
            .await;
        let Err(error) = refused else {
            anyhow::bail!("{path} was taken")
        };
        ensure!(
            error.reason() == Reason::InvalidObject,
            "{} {error}",
            error.reason()
        );
        ensure!(error.to_string().contains(words), "{error}");
    }
    ensure!(settled(&deployer, &kind, &live).await?.uid == live.uid);
    Ok(())
}

#[tokio::test]
async fn fault_f25_a_strict_apply_names_every_field_and_its_manager_and_takes_nothing() -> Result<()>
{
    let corner = Corner::new("strict").await?;
    let live = corner.apply(&corner.config_map("one", "1")).await??;
    let edit = json!({ "data": { "value": "2", "more": "x" } });
    let reference = plain::reference("v1", "ConfigMap", "one");
    let namespace = Some(corner.namespace.as_str());
    plain::edit(&corner.admin, &reference, namespace, "kubectl-edit", &edit).await?;
    let (kind, deployer) = (
        corner.kind("v1", "ConfigMap").await?,
        corner.deployer().await?,
    );
    let mut object = corner.config_map("one", "1");
    object["data"]["more"] = "y".into();
    let options = ApplyOptions {
        conflicts: Conflicts::Fail,
        ..ApplyOptions::default()
    };
    let answer = deployer
        .apply(&kind, &live.key, &object, MANAGER, options)
        .await;
    let Err(Error::Refused(refusal)) = answer else {
        anyhow::bail!("{answer:?}")
    };
    ensure!(refusal.reason == Reason::FieldConflict);
    let mut named: Vec<_> = refusal
        .fields
        .iter()
        .map(|c| (c.field.as_str(), c.manager()))
        .collect();
    named.sort_unstable();
    let manager = Some("kubectl-edit");
    ensure!(
        named == [(".data.more", manager), (".data.value", manager)],
        "{named:?}"
    );
    let now = deployer
        .get_full(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(now["data"]["value"] == "2");

    let metadata = deployer
        .get_metadata(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(metadata.uid == live.uid && metadata.object.is_none());
    let absent = kind.key(Some(corner.namespace.clone()), "absent");
    ensure!(deployer.get_metadata(&kind, &absent).await?.is_none());
    Ok(())
}
