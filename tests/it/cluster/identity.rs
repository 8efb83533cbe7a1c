//! Who asks: service accounts, and the identity of the installation.

use std::time::Duration;

use anyhow::{Result, ensure};
use syncline_cluster::Error;
use syncline_core::reason::Reason;
use syncline_tests::agent::account_with_role;
use syncline_tests::objects as plain;

use super::Corner;

#[tokio::test]
async fn objects_are_written_as_the_service_account() -> Result<()> {
    let corner = Corner::new("as-account").await?;
    let audit = corner.control_plane.audit().from_now()?;
    corner.apply(&corner.config_map("one", "1")).await??;
    let user = format!("system:serviceaccount:{}:deployer", corner.namespace);
    let writes = audit.writes()?;
    let ours = writes
        .iter()
        .find(|write| write.object().namespace == corner.namespace && write.object().name == "one");
    ensure!(
        ours.is_some_and(|write| write.effective_user() == user),
        "written by {ours:?}"
    );
    Ok(())
}

#[tokio::test]
async fn inv_i25_an_account_that_is_gone_is_refused_although_the_api_server_would_take_it()
-> Result<()> {
    let corner = Corner::with("gone-account", |settings| {
        syncline_cluster::connect::Settings {
            account_check_interval: Duration::ZERO,
            ..settings
        }
    })
    .await?;
    let error = corner
        .cluster
        .account(&corner.namespace, "nobody")
        .await
        .map(|_| ());
    ensure!(
        matches!(error, Err(Error::AccountMissing { .. })),
        "{error:?}"
    );

    let before = corner.deployer().await?;
    let account = plain::reference("v1", "ServiceAccount", "deployer");
    plain::delete(&corner.admin, &account, Some(&corner.namespace)).await?;
    let error = corner
        .cluster
        .account(&corner.namespace, "deployer")
        .await
        .map(|_| ());
    ensure!(
        matches!(error, Err(Error::AccountMissing { .. })),
        "{error:?}"
    );
    let kind = corner.kind("v1", "ConfigMap").await?;
    let error = before
        .list_metadata(&kind, Some(&corner.namespace), "a")
        .await
        .map(|_| ());
    ensure!(
        error
            .as_ref()
            .is_err_and(|error| error.reason() == Reason::AccountMissing),
        "an account that was handed out before still works: {error:?}"
    );

    for object in account_with_role(&corner.namespace, "deployer", "admin") {
        plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    }
    let after = corner.deployer().await?;
    ensure!(after.uid() != before.uid() && before.is_revoked() && !after.is_revoked());
    Ok(())
}

#[tokio::test]
async fn the_installation_keeps_its_id_and_key() -> Result<()> {
    let corner = Corner::new("instance").await?;
    let agent = corner.cluster.agent();
    let (one, other) = tokio::join!(
        agent.instance(&corner.namespace),
        agent.instance(&corner.namespace)
    );
    let (one, other) = (one?, other?);
    ensure!(one == other, "two starts at once disagree");
    ensure!(one.id.len() == 12 && one.key.expose().len() == 32);
    ensure!(agent.instance(&corner.namespace).await? == one);
    Ok(())
}
