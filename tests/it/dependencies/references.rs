//! What the values of a chart are read from changes.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;
use syncline_tests::control_plane::audit::AuditEvent;
use syncline_tests::world::DEPLOYER;

use crate::deploy::wait_for_value;
use crate::lifecycle_setup::turn;

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  key: {{ .Values.key | quote }}\n";

/// An application whose chart has a value of the Secret `given`, which is `1`.
async fn with_chart(world: &World, account: &str) -> Result<()> {
    world.secret("given", &[("key", "1")]).await?;
    let files = [
        ("web/Chart.yaml", CHART),
        ("web/values.yaml", "key: none\n"),
        ("web/templates/map.yaml", MAP),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let from = json!([{ "kind": "Secret", "name": "given", "key": "key", "targetPath": "key" }]);
    let more = json!({ "serviceAccount": account, "helm": { "valuesFrom": from } });
    world.application("web", "web", more).await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(world, "web", Some("1")).await
}

/// The answers to the watches of the Secret as an account.
fn watches(world: &World, events: &[AuditEvent], account: &str) -> Vec<u16> {
    let account = format!("system:serviceaccount:{}:{account}", world.namespace);
    let watches = events.iter().filter(|event| {
        event.verb == "watch"
            && event.object().resource == "secrets"
            && event.effective_user() == account
    });
    let codes = watches.filter_map(|event| event.response_status.as_ref());
    codes.map(|status| status.code).collect()
}

#[tokio::test]
async fn a_secret_of_values_that_changes_acts_at_once_where_it_may_be_watched() -> Result<()> {
    let world = World::new("given").await?;
    let audit = world.control_plane().audit().from_now()?;
    with_chart(&world, DEPLOYER).await?;
    world.secret("given", &[("key", "2")]).await?;
    wait_for_value(&world, "web", Some("2")).await?;
    let watches = watches(&world, &audit.events()?, DEPLOYER);
    ensure!(watches.contains(&200), "the watches: {watches:?}");
    Ok(())
}

#[tokio::test]
async fn a_secret_of_values_that_may_only_be_read_acts_with_the_next_sync() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("unwatched", turn.control_plane, |settings| settings).await?;
    let rules = json!([
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] },
    ]);
    let subject =
        json!({ "kind": "ServiceAccount", "name": "applier", "namespace": world.namespace });
    let version = "rbac.authorization.k8s.io/v1";
    let role =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "applier" });
    let named = json!({ "name": "applier" });
    for object in [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": named }),
        json!({ "apiVersion": version, "kind": "Role", "metadata": named, "rules": rules }),
        json!({
            "apiVersion": version,
            "kind": "RoleBinding",
            "metadata": named,
            "roleRef": role,
            "subjects": [subject],
        }),
    ] {
        world.apply(&object).await?;
    }
    let audit = turn.control_plane.audit().from_now()?;
    with_chart(&world, "applier").await?;
    world.secret("given", &[("key", "2")]).await?;
    world.request("Application", "web").await?;
    wait_for_value(&world, "web", Some("2")).await?;
    let watches = watches(&world, &audit.events()?, "applier");
    let refused = !watches.is_empty() && watches.iter().all(|code| *code == 403);
    ensure!(refused, "the watches: {watches:?}");
    Ok(())
}
