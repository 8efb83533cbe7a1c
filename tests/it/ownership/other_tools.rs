//! Another GitOps tool that is still at work keeps its objects; one that rests gives them up.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;
use syncline_tests::world::DEADLINE;
use syncline_tests::{objects, wait_for};

use super::{allow, apply_as, managers, wait_for_live, write_as, writes_to};
use crate::deploy::{config_map, ensure_says, message, push, wait_for_value};

const MAP: (&str, &str, &str) = ("v1", "ConfigMap", "map");

/// The kind that a tool is told its work with.
struct Tool {
    manager: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    at_work: Value,
    suspended: Value,
}

fn flux() -> Tool {
    Tool {
        manager: "kustomize-controller",
        group: "kustomize.toolkit.fluxcd.io",
        version: "v1",
        kind: "Kustomization",
        plural: "kustomizations",
        at_work: json!({ "suspend": false }),
        suspended: json!({ "suspend": true }),
    }
}

fn argo() -> Tool {
    Tool {
        manager: "argocd-controller",
        group: "argoproj.io",
        version: "v1alpha1",
        kind: "Application",
        plural: "applications",
        at_work: json!({ "syncPolicy": { "automated": { "prune": true } } }),
        suspended: json!({ "syncPolicy": { "automated": null } }),
    }
}

impl Tool {
    /// Installs its kind, and its own object `shop` in the world's namespace.
    async fn install(&self, world: &World) -> Result<()> {
        let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let schema = json!({ "type": "object", "properties": { "spec": any } });
        let singular = self.kind.to_lowercase();
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{}.{}", self.plural, self.group) },
            "spec": {
                "group": self.group,
                "scope": "Namespaced",
                "names": { "plural": self.plural, "singular": singular, "kind": self.kind },
                "versions": [{
                    "name": self.version,
                    "served": true,
                    "storage": true,
                    "schema": { "openAPIV3Schema": schema },
                }],
            },
        });
        world.apply(&definition).await?;
        allow(world, self.group, self.plural).await?;
        wait_for("the kind of the tool", DEADLINE, async || {
            self.set(world, &self.at_work).await
        })
        .await
    }

    /// Writes the spec of its object `shop`.
    async fn set(&self, world: &World, spec: &Value) -> Result<()> {
        let api_version = format!("{}/{}", self.group, self.version);
        let mut object = objects::reference(&api_version, self.kind, "shop");
        object["spec"] = spec.clone();
        world.apply(&object).await?;
        Ok(())
    }

    /// Applies the ConfigMap `map` as the tool does, with its mark.
    async fn deploy(&self, world: &World) -> Result<()> {
        let namespace = &world.namespace;
        let (labels, annotations) = if self.group == "argoproj.io" {
            let id = format!("{namespace}_shop:/ConfigMap:{namespace}/map");
            (json!({}), json!({ "argocd.argoproj.io/tracking-id": id }))
        } else {
            let label = |part: &str| format!("{}/{part}", self.group);
            (
                json!({ label("name"): "shop", label("namespace"): namespace }),
                json!({}),
            )
        };
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "map", "labels": labels, "annotations": annotations },
            "data": { "key": "theirs", "old": "1", "leaves": "1" },
        });
        apply_as(world, self.manager, &map).await?;
        Ok(())
    }
}

/// Git with the ConfigMap of the tool and one more, and the application `web` of both.
async fn application(world: &World) -> Result<()> {
    let (map, more) = (with_key("leaves"), config_map("more", "1"));
    let files = [
        ("apps/web/map.yaml", map.as_str()),
        ("apps/web/more.yaml", &more),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    Ok(())
}

fn with_key(key: &str) -> String {
    config_map("map", "1") + &format!("  {key}: \"1\"\n")
}

/// The tool works: refused with its name. It is suspended: all it had set is ours.
async fn is_respected_and_then_taken_over(world: &World, tool: &Tool) -> Result<()> {
    tool.install(world).await?;
    tool.deploy(world).await?;
    let before = world.get("v1", "ConfigMap", "map").await?;
    let audit = world.control_plane().audit().from_now()?;
    application(world).await?;
    let live = world
        .wait_for_reason("Application", "web", "OtherTool")
        .await?;
    let name = format!("{}.{} {}/shop", tool.kind, tool.group, world.namespace);
    ensure_says(&message(&live), &["map", &name])?;
    wait_for_value(world, "more", Some("1")).await?;
    let writes = writes_to(world, &audit, "map")?;
    ensure!(writes.is_empty(), "{writes:?}");
    ensure!(world.get("v1", "ConfigMap", "map").await? == before);

    tool.set(world, &tool.suspended).await?;
    world.request("Application", "web").await?;
    let git = json!({ "key": "1", "leaves": "1" });
    let live = wait_for_live(world, MAP, "as in Git", |live| live["data"] == git).await?;
    ensure!(live["metadata"]["uid"] == before["metadata"]["uid"]);
    ensure!(!managers(&live).contains(&tool.manager), "{live:#}");
    let marks = live["metadata"].to_string();
    ensure!(!marks.contains(tool.group), "the marks are left: {live:#}");

    let commit = push(
        world,
        &[("apps/web/map.yaml", &config_map("map", "1"))],
        "Less",
    )
    .await?;
    world.wait_until_synced("web", &commit).await?;
    let live = world.get("v1", "ConfigMap", "map").await?;
    ensure!(live["data"] == json!({ "key": "1" }), "{live:#}");
    Ok(())
}

#[tokio::test]
async fn objects_of_flux_are_refused_while_it_works_and_taken_over_when_it_is_suspended()
-> Result<()> {
    let world = World::new("flux").await?;
    is_respected_and_then_taken_over(&world, &flux()).await
}

#[tokio::test]
async fn objects_of_argo_cd_are_refused_while_it_works_and_taken_over_when_it_is_suspended()
-> Result<()> {
    let world = World::new("argo").await?;
    is_respected_and_then_taken_over(&world, &argo()).await
}

#[tokio::test]
async fn a_tool_without_its_kind_is_at_work_while_its_last_write_is_young() -> Result<()> {
    let world = World::new("quiet").await?;
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "map" },
        "data": { "key": "theirs" },
    });
    apply_as(&world, "helm-controller", &map).await?;
    let audit = world.control_plane().audit().from_now()?;
    application(&world).await?;
    let live = world
        .wait_for_reason("Application", "web", "OtherTool")
        .await?;
    ensure_says(&message(&live), &["map", "helm-controller"])?;
    wait_for_value(&world, "more", Some("1")).await?;
    let writes = writes_to(&world, &audit, "map")?;
    ensure!(writes.is_empty(), "{writes:?}");

    // Its notes as they are two hours after its last write. The API server takes no change of
    // times alone.
    let live = world.get("v1", "ConfigMap", "map").await?;
    let mut fields = live["metadata"]["managedFields"].clone();
    let old = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    fields[0]["time"] = old.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    let older = json!({ "metadata": { "managedFields": fields, "labels": { "seen": "1" } } });
    write_as(&world, "somebody", MAP, &older).await?;
    world.request("Application", "web").await?;
    wait_for_value(&world, "map", Some("1")).await
}
