//! The harness itself: its parts are real, ready when they say so, and gone after use.

#![allow(
    clippy::print_stderr,
    reason = "the time that a start takes is worth seeing"
)]

mod failpoints;
mod fault_proxy;
mod hosts;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::agent::{ACCOUNT, NAMESPACE, install_rights};
use syncline_tests::control_plane::{client_of, install_crypto};
use syncline_tests::git_server::git;
use syncline_tests::process::state_folder;
use syncline_tests::world::{DEADLINE, suffix};
use syncline_tests::{Access, ControlPlane, Fault, GitServer, Options, Parts, Registry};
use syncline_tests::{objects, wait_for};

#[tokio::test]
async fn a_deployment_becomes_ready_and_the_audit_log_names_who_made_it() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    eprintln!(
        "the control plane was ready in {:?}",
        control_plane.started_in()
    );
    let client = control_plane.admin().await?;
    let audit = control_plane.audit().from_now()?;
    let namespace = format!("ready-{}", suffix());
    let object = objects::reference("v1", "Namespace", &namespace);
    objects::apply(&client, &object, None).await?;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": namespace },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "image": "registry.example/web:1" }] },
            },
        },
    });
    objects::apply(&client, &deployment, None).await?;
    wait_for("both replicas to be ready", DEADLINE, async || {
        let live = objects::get(&client, &deployment, None).await?;
        ensure!(
            live["status"]["readyReplicas"] == 2,
            "the status is {}",
            live["status"]
        );
        Ok(())
    })
    .await?;
    let writes = audit.writes()?;
    ensure!(
        writes.iter().any(|write| {
            let object = write.object();
            object.resource == "deployments"
                && object.namespace == namespace
                && write.effective_user() == "admin"
        }),
        "no write of the deployment by admin"
    );
    Ok(())
}

#[tokio::test]
async fn a_claim_gets_one_of_the_static_volumes() -> Result<()> {
    let client = ControlPlane::shared().await?.admin().await?;
    let namespace = format!("claim-{}", suffix());
    objects::apply(
        &client,
        &objects::reference("v1", "Namespace", &namespace),
        None,
    )
    .await?;
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data", "namespace": namespace },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    objects::apply(&client, &claim, None).await?;
    wait_for("the claim to be bound", DEADLINE, async || {
        let live = objects::get(&client, &claim, None).await?;
        ensure!(
            live["status"]["phase"] == "Bound",
            "the status is {}",
            live["status"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_agents_account_has_the_rights_of_the_base_and_no_others() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    let kubeconfig = control_plane
        .service_account_kubeconfig(NAMESPACE, ACCOUNT)
        .await?;
    let client = client_of(&std::fs::read_to_string(kubeconfig)?).await?;
    for kind in ["repositories", "imagepolicies", "applications"] {
        let may = may_list(&client, "syncline.dev", kind).await?;
        ensure!(may, "the agent may not list {kind}");
    }
    for (group, kind) in [("", "secrets"), ("apps", "deployments"), ("", "configmaps")] {
        ensure!(
            !may_list(&client, group, kind).await?,
            "the agent itself may list {kind}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_control_plane_is_left_after_its_end() -> Result<()> {
    let options = Options {
        parts: Parts::ApiServer,
        ..Options::default()
    };
    let control_plane = ControlPlane::start(options).await?;
    let ids = control_plane.process_ids();
    let kubeconfig = control_plane.admin_kubeconfig();
    ensure!(
        ids.len() == 2 && ids.iter().all(|id| runs(*id)),
        "not all of {ids:?} run"
    );
    drop(control_plane);
    ensure!(ids.iter().all(|id| !runs(*id)), "some of {ids:?} still run");
    ensure!(!kubeconfig.exists(), "its files are still there");
    Ok(())
}

#[tokio::test]
async fn a_push_over_http_arrives_and_is_logged() -> Result<()> {
    let server = GitServer::start().await?;
    let repo = server.create("open", Access::Open)?;
    let first = repo.commit(&[("deploy/web.yaml", "kind: A\n")], "Add web")?;
    let folder = state_folder("clone")?;
    git(folder.path(), &["clone", "--quiet", &repo.clone_url(), "."])?;
    ensure!(git(folder.path(), &["rev-parse", "HEAD"])?.trim() == first);
    std::fs::write(folder.path().join("deploy/web.yaml"), "kind: B\n")?;
    git(
        folder.path(),
        &["commit", "--quiet", "--all", "--message", "Change web"],
    )?;
    git(folder.path(), &["push", "--quiet", "origin", "HEAD:main"])?;
    ensure!(repo.read("main", "deploy/web.yaml")? == "kind: B\n");
    ensure!(repo.log()?.len() == 2);
    let requests = server.requests("open");
    ensure!(
        requests
            .iter()
            .any(|r| r.method == "POST" && r.path == "open.git/git-receive-pack")
    );
    ensure!(requests.iter().all(|r| !r.authorization));

    // A commit in the working copy builds on what somebody else has pushed.
    let second = repo.head()?;
    let third = repo.revert(&second)?;
    ensure!(repo.read(&third, "deploy/web.yaml")? == "kind: A\n");
    ensure!(repo.log()?.len() == 3);
    Ok(())
}

#[tokio::test]
async fn a_repository_with_a_password_refuses_who_has_none() -> Result<()> {
    let server = GitServer::start().await?;
    let access = Access::Basic {
        user: "robin".into(),
        password: "correct-horse".into(),
    };
    let repo = server.create("closed", access)?;
    repo.commit(&[("a", "1")], "Start")?;
    let folder = state_folder("clone")?;
    let refused = git(folder.path(), &["ls-remote", repo.url()]);
    ensure!(
        refused.is_err(),
        "a listing without a password was answered"
    );
    let wrong = repo.clone_url().replace("correct-horse", "wrong-horse");
    ensure!(
        git(folder.path(), &["ls-remote", &wrong]).is_err(),
        "a wrong password was taken"
    );
    ensure!(git(folder.path(), &["ls-remote", &repo.clone_url()])?.contains("refs/heads/main"));
    ensure!(
        server
            .requests("closed")
            .iter()
            .any(|request| request.authorization)
    );
    Ok(())
}

#[tokio::test]
async fn faults_of_the_git_server_come_and_go() -> Result<()> {
    let server = GitServer::start().await?;
    let repo = server.create("faulty", Access::Open)?;
    repo.commit(&[("a", "1")], "Start")?;
    let list = || git(Path::new("/"), &["ls-remote", repo.url()]);
    server.set_fault("faulty", Some(Fault::Status(500)));
    ensure!(list().is_err(), "it answered while it should say 500");
    server.set_fault("faulty", Some(Fault::Hang));
    let url = format!("{}/info/refs?service=git-upload-pack", repo.url());
    install_crypto();
    let impatient = reqwest::Client::builder()
        .timeout(Duration::from_millis(300))
        .build()?;
    let hung = impatient.get(&url).send().await;
    ensure!(
        hung.is_err_and(|error| error.is_timeout()),
        "it answered while it should hang"
    );
    server.set_fault("faulty", None);
    list()?;
    server.go_down().await?;
    ensure!(list().is_err(), "it answered while it was down");
    server.come_back().await?;
    list()?;
    Ok(())
}

#[tokio::test]
async fn images_are_pushed_and_listed_and_outlive_the_registry() -> Result<()> {
    let mut registry = Registry::start(Access::Open).await?;
    let first = registry.push_image("shop/web", "1.0.0").await?;
    let second = registry.push_image("shop/web", "1.1.0").await?;
    ensure!(first != second, "two tags have one digest");
    ensure!(registry.tags("shop/web").await? == ["1.0.0", "1.1.0"]);
    registry.stop()?;
    ensure!(
        registry.tags("shop/web").await.is_err(),
        "it answered after its end"
    );
    registry.come_back().await?;
    ensure!(registry.tags("shop/web").await?.len() == 2);
    Ok(())
}

#[tokio::test]
async fn a_registry_with_a_password_refuses_who_has_none() -> Result<()> {
    let registry = Registry::start(Registry::with_password()).await?;
    registry.push_image("shop/web", "1.0.0").await?;
    let url = format!("http://{}/v2/shop/web/tags/list", registry.host());
    let answer = reqwest::get(url).await?;
    ensure!(answer.status() == 401, "it answered {}", answer.status());
    Ok(())
}

async fn may_list(client: &kube::Client, group: &str, resource: &str) -> Result<bool> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": { "verb": "list", "group": group, "resource": resource },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&review)?)?;
    let answer: serde_json::Value = client.request(request).await?;
    Ok(answer["status"]["allowed"] == true)
}

fn runs(id: u32) -> bool {
    Path::new("/proc").join(id.to_string()).exists()
}
