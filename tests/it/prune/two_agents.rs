//! Two installations in one cluster: what one has the other does not touch.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::agent::{ACCOUNT, NAMESPACE};
use syncline_tests::world::{DEADLINE, impersonation};
use syncline_tests::{AgentProcess, World, objects, wait_for};

use super::{borrowed, delete_application, deletes, map_files, turn, uids};
use crate::deploy::{deploy, ensure_says, message};

/// Namespace of the second installation.
const SECOND: &str = "syncline-second";

/// Gives a second installation the rights of the first.
async fn install_again(world: &World) -> Result<()> {
    let apply = async |object| objects::apply(&world.client, &object, None).await;
    apply(objects::reference("v1", "Namespace", SECOND)).await?;
    let rbac = "rbac.authorization.k8s.io/v1";
    for (kind, role_kind) in [
        ("ClusterRoleBinding", "ClusterRole"),
        ("RoleBinding", "Role"),
    ] {
        let namespace = if kind == "RoleBinding" {
            json!(SECOND)
        } else {
            json!(null)
        };
        apply(json!({
            "apiVersion": rbac,
            "kind": kind,
            "metadata": { "name": "syncline-second", "namespace": namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": ACCOUNT },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": SECOND }],
        }))
        .await?;
    }
    let role = objects::reference(rbac, "Role", ACCOUNT);
    let role = objects::get(&world.client, &role, Some(NAMESPACE)).await?;
    apply(json!({
        "apiVersion": rbac,
        "kind": "Role",
        "metadata": { "name": ACCOUNT, "namespace": SECOND },
        "rules": role["rules"],
    }))
    .await?;
    let mut account = objects::reference("v1", "ServiceAccount", ACCOUNT);
    account["metadata"]["namespace"] = json!(SECOND);
    apply(account).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f44_a_second_installation_refuses_what_the_first_one_has() -> Result<()> {
    let turn = turn().await?;
    // Each looks at the Applications of another team.
    let world = turn.world("first", |settings| settings).await?;
    let files = map_files("apps/web", &["a", "b"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    let id = async |namespace: &str| -> Result<String> {
        let map = objects::reference("v1", "ConfigMap", "syncline-instance");
        let map = objects::get(&world.client, &map, Some(namespace)).await?;
        Ok(map["data"]["id"].as_str().unwrap_or_default().to_owned())
    };

    install_again(&world).await?;
    let mut may = impersonation(&world.namespace);
    may["metadata"]["name"] = json!("syncline-second");
    may["subjects"][0]["namespace"] = json!(SECOND);
    world.apply(&may).await?;
    let mut settings = world.agent().settings();
    settings.namespace = SECOND.to_owned();
    settings.kubeconfig = turn
        .control_plane
        .service_account_kubeconfig(SECOND, ACCOUNT)
        .await?;
    // The first one sees no Application any more: it is not the one that is asked.
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let first = world.agent().settings().flag("--watch-namespace=default");
    world.agent().start_again(first).await?;
    let second =
        AgentProcess::start(settings.flag(&format!("--watch-namespace={}", world.namespace)))
            .await?;
    world.application("taker", "apps/web", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "taker", "OwnedBy")
        .await?;
    ensure_says(
        &message(&live),
        &[&id(NAMESPACE).await?, &format!("{}/web", world.namespace)],
    )?;
    ensure!(id(NAMESPACE).await? != id(SECOND).await?);
    // Nor does it delete them.
    delete_application(&world, "taker").await?;
    super::wait_for_end(&world, "taker").await?;
    ensure!(uids(&world).await? == before, "objects were made anew");
    ensure!(deletes(&world, &audit).await?.is_empty());
    second.ensure_running()?;
    drop(second);
    wait_for(
        "the first one's objects to be as they were",
        DEADLINE,
        async || {
            let writes = crate::deploy::deployed(&world, &audit)?;
            ensure!(writes.is_empty(), "{writes:?}");
            Ok(())
        },
    )
    .await
}
