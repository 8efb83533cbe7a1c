//! Notes of ownership that lie: reset, or written by somebody else under our name.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{all_was_seen, apply_as, deploy_web, our_manager, wait_for_live, write_as, writes_to};
use crate::deploy::{Person, config_map, deployment, ensure_says};
use crate::drift::told;

const MAP: (&str, &str, &str) = ("v1", "ConfigMap", "map");

#[tokio::test]
async fn a_value_written_under_our_name_is_put_back() -> Result<()> {
    let world = World::new("forged").await?;
    let maps = ["map", "other"]
        .map(|name| config_map(name, "1"))
        .join("---\n");
    deploy_web(&world, &[("apps/web/maps.yaml", &maps)], json!({})).await?;
    let live = world.get("v1", "ConfigMap", "map").await?;
    let ours = our_manager(&live)?;
    // Managed fields know whole seconds.
    let second = jiff::Timestamp::now().as_second();
    wait_for("the next second", DEADLINE, async || {
        ensure!(jiff::Timestamp::now().as_second() > second);
        Ok(())
    })
    .await?;
    // A perfect copy of what we apply but for the value.
    apply_as(
        &world,
        &ours,
        &json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "map",
                "labels": live["metadata"]["labels"],
                "annotations": live["metadata"]["annotations"],
            },
            "data": { "key": "forged" },
        }),
    )
    .await?;
    wait_for_live(&world, MAP, "as in Git", |live| live["data"]["key"] == "1").await?;
    let person = Person::sign_in(world.agent()).await?;
    person
        .wait_for_sync(&world, "web", "that names our own manager", |sync| {
            sync["drift"].to_string().contains(&ours)
        })
        .await?;

    // The same by an update instead of an apply.
    let other = ("v1", "ConfigMap", "other");
    write_as(
        &world,
        &ours,
        other,
        &json!({ "data": { "key": "forged" } }),
    )
    .await?;
    wait_for_live(&world, other, "as in Git", |live| {
        live["data"]["key"] == "1"
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_field_added_under_our_name_is_removed() -> Result<()> {
    let world = World::new("added-ours").await?;
    let maps = ["map", "other"]
        .map(|name| config_map(name, "1"))
        .join("---\n");
    deploy_web(&world, &[("apps/web/maps.yaml", &maps)], json!({})).await?;
    let live = world.get("v1", "ConfigMap", "map").await?;
    let ours = our_manager(&live)?;
    apply_as(
        &world,
        &ours,
        &json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "map",
                "labels": live["metadata"]["labels"],
                "annotations": live["metadata"]["annotations"],
            },
            "data": { "key": "1", "applied": "1" },
        }),
    )
    .await?;
    let other = ("v1", "ConfigMap", "other");
    write_as(&world, &ours, other, &json!({ "data": { "updated": "1" } })).await?;
    for object in [MAP, other] {
        let git = json!({ "key": "1" });
        wait_for_live(&world, object, "as in Git", |live| live["data"] == git).await?;
    }
    let person = Person::sign_in(world.agent()).await?;
    let drift = told(&world, &person, "data.applied").await?;
    ensure_says(&drift["manager"].to_string(), &[&ours])
}

#[tokio::test]
async fn after_a_reset_of_managed_fields_the_object_is_ours_again_and_keeps_its_addresses()
-> Result<()> {
    let world = World::new("reset").await?;
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: door\nspec:\n  \
                   type: NodePort\n  selector:\n    app: web\n  ports:\n  - port: 80\n";
    let workload = deployment("web");
    let files = [
        ("apps/web/door.yaml", service),
        ("apps/web/web.yaml", &workload),
    ];
    deploy_web(&world, &files, json!({})).await?;
    let door = ("v1", "Service", "door");
    let web = ("apps/v1", "Deployment", "web");
    let before = world.get(door.0, door.1, door.2).await?;
    let pods = world.get(web.0, web.1, web.2).await?["spec"]["template"].clone();
    let audit = world.control_plane().audit().from_now()?;
    for object in [door, web] {
        let reset = json!({ "metadata": { "managedFields": [{}] } });
        write_as(&world, "somebody", object, &reset).await?;
        wait_for_live(&world, object, "ours again", |live| {
            our_manager(live).is_ok()
        })
        .await?;
    }
    // From now on it is as before: what people add is removed.
    let added = json!({ "spec": { "externalIPs": ["192.0.2.7"] } });
    world.edit(door.0, door.1, door.2, &added).await?;
    let after = wait_for_live(&world, door, "without the address", |live| {
        live["spec"]["externalIPs"].is_null()
    })
    .await?;
    all_was_seen(&world).await?;
    for field in ["clusterIP", "clusterIPs", "ports", "type", "ipFamilies"] {
        ensure!(
            after["spec"][field] == before["spec"][field],
            "{field}: {after:#}"
        );
    }
    ensure!(after["metadata"]["uid"] == before["metadata"]["uid"]);
    let live = world.get(web.0, web.1, web.2).await?;
    ensure!(
        live["spec"]["template"] == pods,
        "the pods were changed: {live:#}"
    );
    ensure!(live["metadata"]["generation"] == 1, "{live:#}");
    // An apply, and for what the API server then calls "before-first-apply" two more.
    for (name, most) in [("web", 3), ("door", 5)] {
        let writes = writes_to(&world, &audit, name)?;
        ensure!(writes.len() <= most, "{name}: {writes:?}");
    }
    Ok(())
}
