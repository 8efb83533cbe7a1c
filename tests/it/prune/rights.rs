//! Rights that go, kinds that cannot be listed, a namespace that is deleted.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, objects, wait_for};

use super::{borrowed, grant_cluster_role, map_files, only_deleted};
use crate::deploy::{Person, config_map, deploy, ensure_says, message, value_of, wait_for_value};

/// Lets the deployer do what `rules` say in place of what the role `admin` allows.
async fn restrict(world: &World, rules: Value) -> Result<()> {
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": "restricted" },
            "rules": rules,
        }))
        .await?;
    world
        .apply(&binding("restricted", "Role", "restricted", world))
        .await?;
    let reference = objects::reference(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        &format!("{DEPLOYER}-admin"),
    );
    objects::delete(&world.client, &reference, Some(&world.namespace)).await
}

fn binding(name: &str, kind: &str, role: &str, world: &World) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role },
        "subjects": [{ "kind": "ServiceAccount", "name": DEPLOYER, "namespace": world.namespace }],
    })
}

/// Waits until the API server heeds what the deployer may do.
async fn wait_until_it_may(world: &World, verb: &str, resource: &str, allowed: bool) -> Result<()> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": crate::deploy::deployer(world),
            "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{}", world.namespace)],
            "resourceAttributes": { "namespace": world.namespace, "verb": verb, "resource": resource },
        },
    });
    use k8s_openapi::api::authorization::v1::SubjectAccessReview;
    let reviews = kube::Api::<SubjectAccessReview>::all(world.client.clone());
    let review: SubjectAccessReview = serde_json::from_value(review)?;
    wait_for(
        &format!("{verb} {resource} to be {allowed}"),
        DEADLINE,
        async || {
            let answer = reviews
                .create(&kube::api::PostParams::default(), &review)
                .await?;
            let may = answer.status.is_some_and(|status| status.allowed);
            ensure!(may == allowed, "it is {may}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn fault_f27_an_account_that_may_no_longer_write_fails_object_by_object() -> Result<()> {
    let world = World::new("reduced").await?;
    let files = map_files("apps/web", &["a", "b", "gone", "stays"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    restrict(
        &world,
        json!([{ "apiGroups": [""], "resources": ["*"], "verbs": ["get", "list", "watch"] }]),
    )
    .await?;
    wait_until_it_may(&world, "delete", "configmaps", false).await?;
    let (a, b) = (config_map("a", "2"), config_map("b", "2"));
    let change = [
        ("apps/web/a.yaml", a.as_str()),
        ("apps/web/b.yaml", b.as_str()),
    ];
    let commit = world
        .repo
        .replace(&["apps/web/gone.yaml"], &change, "Change two, remove one")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "Denied")
        .await?;
    ensure_says(&message(&live), &["3 objects failed"])?;
    let person = Person::sign_in(world.agent()).await?;
    let sync = person
        .wait_for_sync(&world, "web", "that was denied", |sync| {
            sync["summary"]["result"] == "failed"
        })
        .await?;
    for name in ["a", "b", "gone"] {
        let said = format!("configmaps \\\"{name}\\\" is forbidden");
        ensure_says(&sync["outcomes"].to_string(), &[&said])?;
    }
    ensure!(value_of(&world, "gone").await?.is_some(), "it was pruned");
    let done = super::deletes(&world, &audit).await?;
    let done: Vec<_> = done
        .iter()
        .filter(|event| {
            event
                .response_status
                .as_ref()
                .is_none_or(|status| status.code < 400)
        })
        .collect();
    ensure!(done.is_empty(), "{done:?}");

    world
        .apply(&binding(
            &format!("{DEPLOYER}-admin"),
            "ClusterRole",
            "admin",
            &world,
        ))
        .await?;
    wait_until_it_may(&world, "delete", "configmaps", true).await?;
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "gone", None).await
}

#[tokio::test]
async fn fault_f27_a_kind_that_cannot_be_listed_is_named_and_keeps_its_objects() -> Result<()> {
    let world = World::new("unlisted").await?;
    let all = [
        "get", "list", "watch", "create", "update", "patch", "delete",
    ];
    let blind = ["get", "create", "update", "patch", "delete"];
    restrict(
        &world,
        json!([
            { "apiGroups": [""], "resources": ["configmaps"], "verbs": all },
            { "apiGroups": [""], "resources": ["secrets"], "verbs": blind },
        ]),
    )
    .await?;
    wait_until_it_may(&world, "list", "secrets", false).await?;
    let mut files = map_files("apps/web", &["goes", "stays"]);
    for name in ["gone", "kept"] {
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\nstringData:\n  token: hello\n"
        );
        files.push((format!("apps/web/{name}.yaml"), secret));
    }
    world.repo.commit(&borrowed(&files), "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "web", "InventoryUnreadable")
        .await?;
    ensure_says(&message(&live), &["Secret"])?;
    ensure!(
        world.exists("v1", "Secret", "gone").await?,
        "what can be applied was not"
    );
    let audit = world.control_plane().audit().from_now()?;
    let commit = world
        .repo
        .remove(&["apps/web/goes.yaml", "apps/web/gone.yaml"], "Remove")?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "goes", None).await?;
    super::wait_until_applied(&world, "web", &commit).await?;
    world
        .wait_for_reason("Application", "web", "InventoryUnreadable")
        .await?;
    only_deleted(&world, &audit, &["goes"]).await?;

    world
        .apply(&binding(
            &format!("{DEPLOYER}-admin"),
            "ClusterRole",
            "admin",
            &world,
        ))
        .await?;
    wait_until_it_may(&world, "list", "secrets", true).await?;
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &commit).await?;
    super::wait_until_gone(&world, "v1", "Secret", "gone").await?;
    only_deleted(&world, &audit, &["goes", "gone"]).await
}

#[tokio::test]
async fn fault_f43_a_namespace_that_is_deleted_by_hand_is_waited_for_and_comes_back() -> Result<()>
{
    let turn = super::turn().await?;
    let world = turn
        .world("vanish", |settings| settings.flag("--retry-most=1s"))
        .await?;
    grant_cluster_role(&world, DEPLOYER, "cluster-admin").await?;
    let target = format!("{}-target", world.namespace);
    let map = |name: &str| config_map(name, "1");
    let hold = map("hold").replace(
        "  name: hold\n",
        "  name: hold\n  finalizers: [example.com/hold]\n",
    );
    let files = [("apps/web/hold.yaml", hold), ("apps/web/a.yaml", map("a"))];
    let files = files.map(|(path, text)| (path.to_owned(), text));
    let there = json!({ "destination": { "namespace": target, "createNamespace": true } });
    deploy(&world, &borrowed(&files), &[("web", "apps/web", there)]).await?;
    let namespace = objects::reference("v1", "Namespace", &target);
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    let before = uid(&objects::get(&world.client, &namespace, None).await?);
    objects::delete(&world.client, &namespace, None).await?;
    // A finalizer keeps it on its way for as long as the test wants to look.
    world
        .wait_for_ours("Application", "web", "waiting for the namespace", |live| {
            let ready = objects::find_condition(live, "Ready");
            ready.is_some_and(|ready| {
                ["NamespaceTerminating", "BeingDeleted"]
                    .iter()
                    .any(|reason| ready["reason"] == *reason)
            })
        })
        .await?;
    let held = objects::reference("v1", "ConfigMap", "hold");
    objects::edit(
        &world.client,
        &held,
        Some(&target),
        "test",
        &json!({ "metadata": { "finalizers": null } }),
    )
    .await?;
    wait_for("the namespace to come back", DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = objects::get(&world.client, &namespace, None).await?;
        ensure!(uid(&live) != before, "it is the old one");
        objects::get(
            &world.client,
            &objects::reference("v1", "ConfigMap", "a"),
            Some(&target),
        )
        .await?;
        Ok(())
    })
    .await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}
