//! Admission that denies or does not answer: it stops the object that it is about and no other.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;
use tokio::net::TcpListener;

use super::{
    borrowed, crowd, delete, file, files, nothing_is_deleted, spoil, wait_until_it_says, world,
};
use crate::deploy::{value_of, wait_for_value};

/// A policy that denies operations on the ConfigMap `c1` of a world, in force.
async fn denied(world: &World, operations: Value) -> Result<()> {
    let name = &world.namespace;
    world
        .apply(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": name },
            "spec": {
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": operations,
                    "resources": ["configmaps"],
                }] },
                "validations": [{
                    "expression": "request.name != 'c1'",
                    "message": "the house rules forbid c1",
                }],
            },
        }))
        .await?;
    world
        .apply(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": name },
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": { "namespaceSelector": { "matchLabels": {
                    "kubernetes.io/metadata.name": name,
                } } },
            },
        }))
        .await?;
    Ok(())
}

/// Waits until the policy is in force: a write or a deletion as a trial is refused.
async fn in_force(world: &World, method: http::Method) -> Result<()> {
    let path = format!(
        "/api/v1/namespaces/{}/configmaps/c1?dryRun=All&fieldManager=trial&force=true",
        world.namespace
    );
    syncline_tests::wait_for(
        "the policy to be in force",
        syncline_tests::world::DEADLINE,
        async || {
            let body = match method {
                http::Method::PATCH => json!({
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c1" },
                })
                .to_string(),
                _ => String::new(),
            };
            let request = http::Request::builder()
                .method(&method)
                .uri(&path)
                .header("content-type", "application/apply-patch+yaml")
                .body(body.into_bytes())?;
            let refused = world.client.request_text(request).await;
            ensure!(
                refused.is_err_and(|error| error.to_string().contains("house rules")),
                "it lets the trial pass"
            );
            Ok(())
        },
    )
    .await
}

async fn allowed(world: &World) -> Result<()> {
    for kind in [
        "ValidatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
    ] {
        delete(
            world,
            "admissionregistration.k8s.io/v1",
            kind,
            &world.namespace,
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn fault_f23_an_object_that_a_policy_denies_is_named_and_its_siblings_are_applied()
-> Result<()> {
    let world = world("denied").await?;
    denied(&world, json!(["CREATE", "UPDATE"])).await?;
    in_force(&world, http::Method::PATCH).await?;
    let commit = world.repo.commit(&borrowed(&files(3)), "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    let parts = ["AdmissionDenied", "c1", "the house rules forbid c1"];
    wait_until_it_says(&world, "Application", "web", &parts).await?;
    wait_for_value(&world, "c0", Some("1")).await?;
    wait_for_value(&world, "c2", Some("1")).await?;
    allowed(&world).await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c1", Some("1")).await
}

#[tokio::test]
async fn fault_f23_a_prune_that_a_policy_denies_is_not_forgotten() -> Result<()> {
    let world = world("kept").await?;
    crowd(&world, 3).await?;
    denied(&world, json!(["DELETE"])).await?;
    in_force(&world, http::Method::DELETE).await?;
    world.repo.remove(&[&file(1)], "Remove c1")?;
    world.request("Repository", "config").await?;
    wait_until_it_says(&world, "Application", "web", &["c1", "the house rules"]).await?;
    // A commit later it is still known.
    let commit = world.repo.commit(
        &[(&file(0), &crate::deploy::config_map("c0", "2"))],
        "Change c0",
    )?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "c0", Some("2")).await?;
    ensure!(value_of(&world, "c1").await?.is_some(), "c1 is gone");
    allowed(&world).await?;
    wait_for_value(&world, "c1", None).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f23_a_webhook_that_does_not_answer_delays_only_what_it_is_asked_about() -> Result<()>
{
    let world = world("unanswered").await?;
    crowd(&world, 3).await?;
    let audit = world.control_plane().audit().from_now()?;
    // It takes connections and says nothing.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("https://{}/", listener.local_addr()?);
    let selector = json!({ "matchLabels": { "kubernetes.io/metadata.name": world.namespace } });
    world
        .apply(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": world.namespace },
            "webhooks": [{
                "name": "silent.example.com",
                "clientConfig": { "url": url },
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 1,
                "failurePolicy": "Fail",
                "namespaceSelector": selector,
                "matchConditions": [{
                    "name": "only-ours",
                    "expression": "request.name == 'c1' && request.userInfo.username != 'admin'",
                }],
                "rules": [{
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["*"],
                    "resources": ["configmaps"],
                }],
            }],
        }))
        .await?;
    for name in ["c1", "c2"] {
        spoil(&world, name).await?;
    }
    wait_for_value(&world, "c2", Some("1")).await?;
    // The configuration may have come into force after the first repair.
    syncline_tests::wait_for(
        "the webhook to be named",
        syncline_tests::world::DEADLINE,
        async || {
            if value_of(&world, "c1").await?.as_deref() == Some("1") {
                spoil(&world, "c1").await?;
            }
            let live = world.ours("Application", "web").await?;
            let text = crate::deploy::message(&live);
            ensure!(
                text.contains("silent.example.com") && text.contains("c1"),
                "{text}"
            );
            Ok(())
        },
    )
    .await
    .context("the status names the webhook")?;
    let kind = "ValidatingWebhookConfiguration";
    delete(
        &world,
        "admissionregistration.k8s.io/v1",
        kind,
        &world.namespace,
    )
    .await?;
    wait_for_value(&world, "c1", Some("1")).await?;
    nothing_is_deleted(&world, &audit)
}
