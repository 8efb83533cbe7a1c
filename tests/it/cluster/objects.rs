//! Reading, applying and deleting objects.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_cluster::{ApplyOptions, DeleteOptions, Deleted, DryRun, Error, NamespaceState};
use syncline_core::application::Conflicts;
use syncline_core::application::Referent;
use syncline_core::directives::Propagation;
use syncline_core::reason::Reason;
use syncline_tests::objects as plain;
use syncline_tests::world::DEADLINE;

use super::{Corner, INSTANCE, MANAGER};

const FAIL: ApplyOptions<'static> = ApplyOptions {
    conflicts: Conflicts::Fail,
    dry_run: DryRun::No,
    resource_version: None,
};
const DRY: ApplyOptions<'static> = ApplyOptions {
    conflicts: Conflicts::Take,
    dry_run: DryRun::Yes,
    resource_version: None,
};

fn exactly<'a>(uid: &'a str, resource_version: &'a str) -> DeleteOptions<'a> {
    DeleteOptions {
        uid,
        resource_version,
        propagation: Propagation::Background,
    }
}

#[tokio::test]
async fn inv_i03_a_delete_only_hits_the_object_that_was_read() -> Result<()> {
    let corner = Corner::new("delete").await?;
    let object = corner.config_map("one", "1");
    let first = corner.apply(&object).await??;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let deployer = corner.deployer().await?;
    let conflict = |answer: &Result<Deleted, Error>| {
        answer
            .as_ref()
            .is_err_and(|error| error.reason() == Reason::Conflict)
    };

    let second = corner.apply(&corner.config_map("one", "2")).await??;
    let stale = deployer
        .delete(
            &kind,
            &first.key,
            exactly(&first.uid, &first.resource_version),
        )
        .await;
    ensure!(conflict(&stale), "a changed object was deleted: {stale:?}");

    plain::delete(&corner.admin, &object, None).await?;
    let anew = corner.apply(&object).await??;
    let other = deployer
        .delete(
            &kind,
            &first.key,
            exactly(&second.uid, &anew.resource_version),
        )
        .await;
    ensure!(
        conflict(&other),
        "another object of the same name was deleted: {other:?}"
    );
    ensure!(
        deployer
            .get(&kind, &first.key)
            .await?
            .context("it is gone")?
            .uid
            == anew.uid
    );

    let gone = deployer
        .delete(&kind, &anew.key, exactly(&anew.uid, &anew.resource_version))
        .await?;
    ensure!(gone == Deleted::Gone && deployer.get(&kind, &anew.key).await?.is_none());
    let again = deployer
        .delete(&kind, &anew.key, exactly(&anew.uid, &anew.resource_version))
        .await?;
    ensure!(again == Deleted::Gone, "deleting what is gone is no error");
    Ok(())
}

#[tokio::test]
async fn a_finalizer_makes_a_delete_only_start() -> Result<()> {
    let corner = Corner::new("finalizer").await?;
    let mut object = corner.config_map("held", "1");
    object["metadata"]["finalizers"] = json!(["example.com/held"]);
    let live = corner.apply(&object).await??;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let deployer = corner.deployer().await?;
    let started = deployer
        .delete(&kind, &live.key, exactly(&live.uid, &live.resource_version))
        .await?;
    ensure!(started == Deleted::Started);
    let live = deployer
        .get(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(live.deleted.is_some() && live.finalizers == ["example.com/held"]);
    Ok(())
}

#[tokio::test]
async fn inv_i14_an_apply_that_changes_nothing_writes_nothing() -> Result<()> {
    let corner = Corner::new("no-op").await?;
    let first = corner.apply(&corner.config_map("one", "1")).await??;
    let second = corner.apply(&corner.config_map("one", "1")).await??;
    ensure!(first.resource_version == second.resource_version);
    ensure!(
        second
            .managed_fields
            .iter()
            .any(|entry| entry["manager"] == MANAGER)
    );
    Ok(())
}

#[tokio::test]
async fn fault_f25_a_conflict_names_the_field_and_force_takes_it_over() -> Result<()> {
    let corner = Corner::new("conflict").await?;
    let live = corner.apply(&corner.config_map("one", "1")).await??;
    let edit = json!({ "data": { "value": "2" } });
    let reference = plain::reference("v1", "ConfigMap", "one");
    plain::edit(
        &corner.admin,
        &reference,
        Some(&corner.namespace),
        "kubectl-edit",
        &edit,
    )
    .await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let deployer = corner.deployer().await?;
    let object = corner.config_map("one", "1");
    let answer = deployer
        .apply(&kind, &live.key, &object, MANAGER, FAIL)
        .await;
    let Err(Error::Refused(refusal)) = answer else {
        anyhow::bail!("{answer:?}")
    };
    ensure!(refusal.reason == Reason::FieldConflict, "{refusal}");
    let cause = &refusal.fields[0];
    ensure!(
        cause.field == ".data.value" && cause.manager() == Some("kubectl-edit"),
        "{cause:?}"
    );
    let version = Some(live.resource_version.as_str());
    let stale = deployer
        .apply(
            &kind,
            &live.key,
            &object,
            MANAGER,
            ApplyOptions {
                resource_version: version,
                ..ApplyOptions::default()
            },
        )
        .await;
    ensure!(
        stale
            .as_ref()
            .is_err_and(|error| error.reason() == Reason::Conflict),
        "{stale:?}"
    );
    deployer
        .apply(&kind, &live.key, &object, MANAGER, DRY)
        .await?;
    let full = deployer
        .get_full(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(full["data"]["value"] == "2", "a dry run wrote");
    corner.apply(&object).await??;
    let full = deployer
        .get_full(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(full["data"]["value"] == "1" && full["metadata"]["managedFields"].is_null());
    Ok(())
}

fn deployment(namespace: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "registry.example/web:1" }] },
            },
        },
    });
    change(&mut object);
    object
}

#[tokio::test]
async fn each_refusal_of_the_api_server_is_its_own_reason() -> Result<()> {
    let corner = Corner::new("refused").await?;
    let namespace = corner.namespace.as_str();
    corner.apply(&deployment(namespace, |_| {})).await??;
    let big = "x".repeat(1_100_000);
    for (object, reason, words) in [
        (
            deployment(namespace, |o| o["spec"]["replicas"] = json!(-1)),
            Reason::InvalidObject,
            "spec.replicas",
        ),
        (
            deployment(namespace, |o| o["spec"]["replicsa"] = json!(1)),
            Reason::InvalidObject,
            "replicsa",
        ),
        (
            deployment(namespace, |o| {
                o["spec"]["selector"]["matchLabels"]["app"] = json!("api");
                o["spec"]["template"]["metadata"]["labels"]["app"] = json!("api");
            }),
            Reason::ImmutableField,
            "spec.selector",
        ),
        (
            corner.config_map("big", &big),
            Reason::ObjectTooLarge,
            "big",
        ),
        (
            corner.config_map("huge", &big.repeat(3)),
            Reason::ObjectTooLarge,
            "",
        ),
        (
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                    "metadata": { "name": "more", "namespace": namespace },
                    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                 "name": "cluster-admin" } }),
            Reason::Denied,
            "RBAC",
        ),
    ] {
        let answer = corner.apply(&object).await?;
        let Err(error) = answer else {
            anyhow::bail!("{} was taken", object["metadata"])
        };
        ensure!(
            error.reason() == reason,
            "{}: {} {error}",
            error.reason(),
            object["metadata"]
        );
        ensure!(error.to_string().contains(words), "{error}");
    }

    let deployer = corner.deployer().await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    for (elsewhere, reason) in [("default", Reason::Denied), ("not-there", Reason::Denied)] {
        let key = kind.key(Some(elsewhere.into()), "one");
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap",
                             "metadata": { "name": "one", "namespace": elsewhere } });
        let answer = deployer
            .apply(&kind, &key, &object, MANAGER, ApplyOptions::default())
            .await;
        ensure!(
            answer.as_ref().is_err_and(|e| e.reason() == reason),
            "{answer:?}"
        );
    }
    let unknown = corner
        .cluster
        .discovery()
        .resolve("example.com", "v1", "Thing")
        .await;
    ensure!(
        matches!(unknown, Err(Error::UnknownKind { .. })),
        "{unknown:?}"
    );
    let review = corner
        .kind("authorization.k8s.io/v1", "SelfSubjectReview")
        .await;
    ensure!(review.is_err() || review.is_ok_and(|kind| !kind.supports("patch")));
    Ok(())
}

#[tokio::test]
async fn inv_i30_no_answer_about_a_secret_repeats_its_values() -> Result<()> {
    let corner = Corner::new("secret").await?;
    let wrong = json!({ "apiVersion": "v1", "kind": "Secret",
                        "metadata": { "name": "db", "namespace": corner.namespace },
                        "stringData": { "pw": 987_654_321 } });
    let answer = corner.apply(&wrong).await?;
    let Err(error) = answer else {
        anyhow::bail!("it was taken")
    };
    ensure!(
        error.reason() == Reason::InvalidObject,
        "{}: {error}",
        error.reason()
    );
    ensure!(
        !format!("{error} {error:?}").contains("987654321"),
        "the value is shown"
    );

    let good = json!({ "apiVersion": "v1", "kind": "Secret",
                       "metadata": { "name": "db", "namespace": corner.namespace },
                       "data": { "pw": "aHVudGVyMg==" } });
    let live = corner.apply(&good).await??;
    ensure!(!format!("{live:?}").contains("aHVudGVyMg"));
    let deployer = corner.deployer().await?;
    let kind = corner.kind("v1", "Secret").await?;
    let full = deployer
        .get_full(&kind, &live.key)
        .await?
        .context("it is gone")?;
    ensure!(full["data"].is_null(), "{full}");
    let (secret, map) = (Referent::Secret, Referent::ConfigMap);
    let data = deployer.data(secret, &corner.namespace, "db").await?;
    ensure!(data.is_some_and(|data| data.get("pw") == Some(b"hunter2".as_slice())));
    for referent in [secret, map] {
        let none = deployer.data(referent, &corner.namespace, "none").await?;
        ensure!(none.is_none(), "{none:?}");
    }
    let error = deployer
        .data(secret, "kube-system", "none")
        .await
        .map(|_| ());
    ensure!(
        error.as_ref().is_err_and(
            |e| e.reason() == Reason::SecretMissing && e.to_string().contains("may not")
        ),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn objects_are_listed_by_label_and_namespaces_created() -> Result<()> {
    let corner = Corner::new("list").await?;
    corner.apply(&corner.config_map("ours", "1")).await??;
    let mut other = corner.config_map("theirs", "1");
    other["metadata"]["labels"] = json!({});
    corner.apply(&other).await??;
    let deployer = corner.deployer().await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let selector = format!("syncline.dev/managed={INSTANCE}");
    let found = deployer
        .list_metadata(&kind, Some(&corner.namespace), &selector)
        .await?;
    ensure!(found.len() == 1 && found[0].key.name == "ours" && !found[0].uid.is_empty());

    let denied = deployer.ensure_namespace("anywhere").await;
    ensure!(
        denied.as_ref().is_err_and(|e| e.reason() == Reason::Denied),
        "{denied:?}"
    );
    let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": corner.namespace },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": "deployer", "namespace": corner.namespace }] });
    plain::apply(&corner.admin, &role, None).await?;
    let name = format!("{}-more", corner.namespace);
    let created = syncline_tests::wait_for("the right to arrive", DEADLINE, async || {
        Ok(deployer.ensure_namespace(&name).await?)
    })
    .await?;
    ensure!(created == NamespaceState::Created);
    ensure!(deployer.ensure_namespace(&name).await? == NamespaceState::Existed);
    Ok(())
}

#[tokio::test]
async fn a_kind_is_found_after_its_definition_was_applied() -> Result<()> {
    let corner = Corner::new("crd").await?;
    let group = format!("g{}.example.com", syncline_tests::world::suffix());
    let discovery = corner.cluster.discovery().clone();
    let follower = discovery.clone();
    let pause = Duration::from_millis(100);
    let task = tokio::spawn(async move { follower.follow(pause, pause).await });
    ensure!(discovery.resolve(&group, "v1", "Thing").await.is_err());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("things.{group}") },
        "spec": {
            "group": group,
            "names": { "kind": "Thing", "plural": "things" },
            "scope": "Namespaced",
            "versions": [{ "name": "v1", "served": true, "storage": true,
                           "schema": { "openAPIV3Schema": { "type": "object" } } }],
        },
    });
    let waiting = discovery.wait_for(&group, "v1", "Thing", DEADLINE);
    let (kind, applied) = tokio::join!(waiting, plain::apply(&corner.admin, &definition, None));
    applied?;
    ensure!(kind?.plural == "things");
    ensure!(
        discovery
            .api_versions()
            .await?
            .contains(&format!("{group}/v1/Thing"))
    );
    ensure!(discovery.server_version().await?.starts_with("v1."));
    task.abort();
    Ok(())
}
