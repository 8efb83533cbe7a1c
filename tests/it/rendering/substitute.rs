//! Variables in plain YAML, in what Kustomize built and in what Helm rendered.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{CHART, data, map, settings};
use crate::deploy::{deploy, deployment, ensure_says, message};

fn variables() -> Value {
    json!({ "substitute": {
        "values": { "REPLICAS": "3", "WHO": "inline" },
        "from": [
            { "kind": "ConfigMap", "name": "variables" },
            { "kind": "Secret", "name": "variables" },
            { "kind": "Secret", "name": "absent", "optional": true },
        ],
    } })
}

async fn declare(world: &World) -> Result<()> {
    let declared = json!({ "HOST": "map.example", "ZONE": "map", "WHO": "map" });
    settings(world, "variables", declared).await?;
    world
        .secret("variables", &[("ZONE", "secret-zone"), ("WHO", "secret")])
        .await?;
    Ok(())
}

#[tokio::test]
async fn variables_are_put_in_whatever_rendered_the_object() -> Result<()> {
    let world = World::new("variables").await?;
    declare(&world).await?;
    let lines = [
        "host: \"${HOST}/${ZONE}\"",
        "who: \"${WHO}\"",
        "plain: \"$HOST\"",
    ];
    let [plain, kustomized, charted] =
        ["plain", "kustomized", "charted"].map(|name| map(name, &lines));
    let web = deployment("web").replace("replicas: 2", "replicas: ${REPLICAS}");
    let alone = map("alone", &["host: \"${HOST}\""]).replace(
        "  name: alone\n",
        "  name: alone\n  annotations:\n    syncline.dev/substitute: disabled\n",
    );
    let files = [
        ("plain/map.yaml", plain.as_str()),
        ("plain/web.yaml", &web),
        ("plain/alone.yaml", &alone),
        ("kustomize/kustomization.yaml", "resources: [map.yaml]\n"),
        ("kustomize/map.yaml", &kustomized),
        ("helm/Chart.yaml", CHART),
        ("helm/templates/map.yaml", &charted),
    ];
    let applications = [
        ("plain", "plain", variables()),
        ("kustomize", "kustomize", variables()),
        ("helm", "helm", variables()),
    ];
    deploy(&world, &files, &applications).await?;
    let wanted = json!({ "host": "map.example/secret-zone", "who": "inline", "plain": "$HOST" });
    for name in ["plain", "kustomized", "charted"] {
        let live = data(&world, name).await?;
        ensure!(live == wanted, "{name}: {live:#}");
    }
    let live = world.get("apps/v1", "Deployment", "web").await?;
    ensure!(live["spec"]["replicas"] == 3, "{live:#}");
    let live = data(&world, "alone").await?;
    ensure!(live["host"] == "${HOST}", "{live:#}");
    Ok(())
}

#[tokio::test]
async fn a_variable_that_nobody_declares_is_named_with_its_line_and_nothing_is_applied()
-> Result<()> {
    let world = World::new("undeclared").await?;
    declare(&world).await?;
    let web = deployment("web").replace("web:1", "web:${TAG}");
    let worker = deployment("worker").replace("replicas: 2", "replicas: ${COUNT}");
    let good = map("good", &["key: \"1\""]);
    let files = [
        ("app/web.yaml", web.as_str()),
        ("app/worker.yaml", &worker),
        ("app/good.yaml", &good),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", variables()).await?;
    let live = world
        .wait_for_reason("Application", "app", "UndeclaredVariable")
        .await?;
    let said = message(&live);
    ensure_says(
        &said,
        &["app/web.yaml:", "TAG", "app/worker.yaml:", "COUNT"],
    )?;
    ensure!(!world.exists("v1", "ConfigMap", "good").await?);

    let more = json!({ "substitute": { "values": { "TAG": "2", "COUNT": "4" } } });
    world.application("app", "app", more).await?;
    world.wait_until_synced("app", &world.repo.head()?).await?;
    let live = world.get("apps/v1", "Deployment", "worker").await?;
    ensure!(live["spec"]["replicas"] == 4, "{live:#}");
    Ok(())
}
