//! The verbs of field ownership on a real API server: look, rewrite, apply.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use k8s_openapi::{Metadata, NamespaceResourceScope};
use kube::Api;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use syncline_core::application::{ForeignFields, Ignore};
use syncline_core::field_path::FieldPath;
use syncline_core::ownership::{
    ADOPTED_MANAGERS, Autoscaled, Examination, MANUAL_TOOLS, Rules, examine, without_ignored,
};
use syncline_tests::objects as plain;
use syncline_tests::wait_for;
use syncline_tests::world::DEADLINE;

use super::{Corner, MANAGER};

/// What differs between the looks of these tests.
#[derive(Clone, Copy)]
struct Look<'a> {
    adopt: &'a [&'a str],
    ignore: &'a [&'a str],
    autoscaled: Autoscaled,
}

const PLAIN: Look<'_> = Look {
    adopt: &[],
    ignore: &[],
    autoscaled: Autoscaled::No,
};

const ADOPT: Look<'_> = Look {
    adopt: ADOPTED_MANAGERS,
    ..PLAIN
};

/// Looks at the live object, writes new managed fields where they are needed, and applies; from
/// the beginning again where a controller wrote in between. Then nothing may be left to do.
async fn sync(corner: &Corner, desired: &Value, look: Look<'_>) -> Result<(Examination, Value)> {
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (manual, adopt) = (texts(MANUAL_TOOLS), texts(look.adopt));
    let fields: Result<Vec<_>, _> = look
        .ignore
        .iter()
        .map(|path| FieldPath::parse(path))
        .collect();
    let rule = Ignore {
        fields: fields.map_err(|failure| anyhow::anyhow!(failure.detail))?,
        ..Ignore::default()
    };
    let rules = Rules {
        ours: MANAGER,
        foreign: ForeignFields::RemoveManual,
        manual: &manual,
        ignore: &[&rule],
        adopt: &adopt,
        autoscaled: look.autoscaled,
    };
    let mut desired = desired.clone();
    without_ignored(&mut desired, rules.ignore);
    let namespace = Some(corner.namespace.as_str());
    let looked = async || {
        let live = plain::get(&corner.admin, &desired, namespace).await?;
        let entries = live["metadata"]["managedFields"].as_array();
        let entries = entries.context("no managed fields")?.clone();
        anyhow::Ok((examine(&desired, &entries, &rules), live))
    };
    let found = wait_for("the rewrite", DEADLINE, async || {
        let (found, live) = looked().await?;
        if let Some(rewrite) = &found.rewrite {
            let version = &live["metadata"]["resourceVersion"];
            let patch = json!({"metadata": {"managedFields": rewrite, "resourceVersion": version}});
            plain::edit(&corner.admin, &desired, namespace, MANAGER, &patch).await?;
        }
        Ok(found)
    })
    .await?;
    corner.apply(&desired).await??;
    let (again, live) = looked().await?;
    ensure!(
        again == Examination::default(),
        "something is left: {again:?} on {}",
        live["metadata"]["managedFields"]
    );
    Ok((found, live))
}

/// Creates an object as `kubectl create` does.
async fn create<K>(corner: &Corner, object: &Value) -> Result<()>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Metadata<Ty = ObjectMeta>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(corner.admin.clone(), &corner.namespace);
    let params = PostParams {
        field_manager: Some("kubectl-create".to_owned()),
        ..PostParams::default()
    };
    api.create(&params, &serde_json::from_value(object.clone())?)
        .await?;
    Ok(())
}

async fn edit(corner: &Corner, object: &Value, manager: &str, patch: Value) -> Result<()> {
    let namespace = Some(corner.namespace.as_str());
    plain::edit(&corner.admin, object, namespace, manager, &patch).await?;
    Ok(())
}

fn deployment(more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [
                    {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
                ]},
            },
        },
    });
    if let (Some(spec), Value::Object(more)) = (object["spec"].as_object_mut(), more) {
        spec.extend(more);
    }
    object
}

#[tokio::test]
async fn what_a_person_adds_goes_and_a_restart_and_replicas_stay() -> Result<()> {
    let corner = Corner::new("foreign").await?;
    let desired = deployment(json!({}));
    corner.apply(&desired).await??;
    let by_hand = json!({"spec": {"replicas": 3, "template": {"spec": {"hostNetwork": true, "containers": [
        {"name": "web", "image": "web:1", "command": ["sh"], "env": [{"name": "DEBUG", "value": "1"}],
         "ports": [{"containerPort": 80, "protocol": "TCP"}]},
        {"name": "side", "image": "side:1"},
    ]}}}});
    edit(&corner, &desired, "kubectl-edit", by_hand).await?;
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": "2026-11-21T10:00:00Z"}}}}});
    edit(&corner, &desired, "kubectl-rollout", restart).await?;

    let (found, live) = sync(&corner, &desired, PLAIN).await?;
    ensure!(
        found.foreign[0].fields
            == [
                "spec.template.spec.containers[side]",
                "spec.template.spec.containers[web].command",
                "spec.template.spec.containers[web].env",
                "spec.template.spec.hostNetwork",
            ],
        "{:?}",
        found.foreign
    );
    let pods = &live["spec"]["template"];
    let containers = pods["spec"]["containers"].as_array().context("none")?;
    ensure!(containers.len() == 1 && containers[0]["name"] == "web");
    ensure!(containers[0]["command"].is_null() && containers[0]["env"].is_null());
    ensure!(pods["spec"]["hostNetwork"].is_null() && live["spec"]["replicas"] == 3);
    let restarted = &pods["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    ensure!(restarted == "2026-11-21T10:00:00Z");
    Ok(())
}

#[tokio::test]
async fn what_kubectl_created_is_adopted_and_keeps_what_the_server_allocated() -> Result<()> {
    let corner = Corner::new("adopt").await?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    create::<Service>(&corner, &service).await?;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    create::<PersistentVolumeClaim>(&corner, &claim).await?;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "a", "image": "a"}]}}}});
    create::<Job>(&corner, &job).await?;
    let mut made = deployment(json!({"replicas": 2, "minReadySeconds": 3}));
    made["metadata"]["labels"] = json!({"made": "by-hand"});
    create::<Deployment>(&corner, &made).await?;
    let namespace = Some(corner.namespace.as_str());
    wait_for("the claim to be bound", DEADLINE, async || {
        let live = plain::get(&corner.admin, &claim, namespace).await?;
        ensure!(live["spec"]["volumeName"].is_string(), "not bound yet");
        Ok(())
    })
    .await?;

    for object in [&service, &claim, &job] {
        let before = plain::get(&corner.admin, object, namespace).await?;
        let (found, after) = sync(&corner, object, ADOPT).await?;
        ensure!(found.adopted[0].manager == "kubectl-create");
        ensure!(
            before["spec"] == after["spec"],
            "{} -> {}",
            before["spec"],
            after["spec"]
        );
    }
    let (_, live) = sync(&corner, &deployment(json!({})), ADOPT).await?;
    ensure!(live["spec"]["replicas"] == 2 && live["spec"]["minReadySeconds"].is_null());
    ensure!(live["metadata"]["labels"].is_null(), "{}", live["metadata"]);
    Ok(())
}

#[tokio::test]
async fn a_copy_of_a_service_is_adopted_with_its_addresses() -> Result<()> {
    let corner = Corner::new("adopt-copy").await?;
    let desired = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    create::<Service>(&corner, &desired).await?;
    let namespace = Some(corner.namespace.as_str());
    let mut copy = plain::get(&corner.admin, &desired, namespace).await?;
    plain::delete(&corner.admin, &desired, namespace).await?;
    copy["metadata"] = json!({"name": "copy"});
    create::<Service>(&corner, &copy).await?;
    let before = plain::get(&corner.admin, &copy, namespace).await?;
    let mut wanted = desired.clone();
    wanted["metadata"]["name"] = json!("copy");
    let (_, after) = sync(&corner, &wanted, ADOPT).await?;
    ensure!(
        before["spec"] == after["spec"],
        "{} -> {}",
        before["spec"],
        after["spec"]
    );
    Ok(())
}

#[tokio::test]
async fn what_becomes_ignored_or_moves_to_an_autoscaler_keeps_its_live_value() -> Result<()> {
    let corner = Corner::new("release").await?;
    let desired = deployment(json!({"replicas": 2, "minReadySeconds": 5}));
    corner.apply(&desired).await??;

    let ignore = Look {
        ignore: &["/spec/minReadySeconds"],
        ..PLAIN
    };
    let (found, live) = sync(&corner, &desired, ignore).await?;
    ensure!(found.released == ["spec.minReadySeconds"] && live["spec"]["minReadySeconds"] == 5);
    edit(
        &corner,
        &desired,
        "kubectl-edit",
        json!({"spec": {"minReadySeconds": 7}}),
    )
    .await?;
    let (found, live) = sync(&corner, &desired, ignore).await?;
    ensure!(found == Examination::default() && live["spec"]["minReadySeconds"] == 7);

    let without = deployment(json!({}));
    let autoscaled = Look {
        autoscaled: Autoscaled::Yes,
        ..ignore
    };
    let (found, live) = sync(&corner, &without, autoscaled).await?;
    ensure!(found.released == ["spec.replicas"] && live["spec"]["replicas"] == 2);
    let (_, live) = sync(&corner, &without, PLAIN).await?;
    ensure!(live["spec"]["replicas"] == 2 && live["spec"]["minReadySeconds"].is_null());
    Ok(())
}

#[tokio::test]
async fn a_reset_of_managed_fields_and_a_write_under_our_name_are_undone() -> Result<()> {
    let corner = Corner::new("reset").await?;
    let mut desired = corner.config_map("one", "1");
    corner.apply(&desired).await??;
    edit(
        &corner,
        &desired,
        "kubectl-edit",
        json!({"data": {"added": "1"}}),
    )
    .await?;
    edit(
        &corner,
        &desired,
        "kubectl",
        json!({"metadata": {"managedFields": [{}]}}),
    )
    .await?;
    corner.apply(&desired).await??;
    let (found, live) = sync(&corner, &desired, PLAIN).await?;
    ensure!(found.foreign[0].manager == "before-first-apply");
    ensure!(live["data"] == json!({"value": "1"}), "{}", live["data"]);

    desired["data"]["more"] = json!("2");
    corner.apply(&desired).await??;
    desired = corner.config_map("one", "1");
    let (found, live) = sync(&corner, &desired, PLAIN).await?;
    ensure!(found.surplus == ["data.more"] && live["data"] == json!({"value": "1"}));
    Ok(())
}
