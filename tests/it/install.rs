//! The files that install Syncline, the sample and the examples of the documentation, on a real
//! API server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::agent::{NAMESPACE, install_rights};
use syncline_tests::programs::{self, repository_root};
use syncline_tests::{ControlPlane, objects};

/// What `kubectl kustomize` makes of a folder of the repository.
fn kustomize(folder: &str) -> Result<Vec<Value>> {
    let out = Command::new(programs::control_plane("kubectl")?)
        .args(["kustomize", "--load-restrictor=LoadRestrictionsNone"])
        .arg(repository_root().join(folder))
        .output()
        .context("run kubectl")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{folder}: {errors}");
    objects::documents(&String::from_utf8(out.stdout)?)
}

/// Lets the API server judge objects without keeping them; unknown fields are errors. Answers with
/// what it says: also warnings. `namespace` is for objects that name none.
pub(crate) fn dry_run(
    control_plane: &ControlPlane,
    namespace: &str,
    all: &[Value],
) -> Result<String> {
    let (named, others): (Vec<&Value>, Vec<&Value>) = all
        .iter()
        .partition(|object| object["metadata"]["namespace"].is_string());
    let mut said = String::new();
    if !named.is_empty() {
        said += &judge(control_plane, &[], &named)?;
    }
    if !others.is_empty() {
        said += &judge(control_plane, &["--namespace", namespace], &others)?;
    }
    Ok(said)
}

fn judge(control_plane: &ControlPlane, flags: &[&str], all: &[&Value]) -> Result<String> {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": all });
    let mut child = Command::new(programs::control_plane("kubectl")?)
        .args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "--filename=-",
        ])
        .args(flags)
        .env("KUBECONFIG", control_plane.admin_kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run kubectl")?;
    let mut input = child.stdin.take().context("no input")?;
    input.write_all(list.to_string().as_bytes())?;
    drop(input);
    let out = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(out.status.success(), "{errors}");
    Ok(errors)
}

pub(crate) async fn make_namespaces(control_plane: &ControlPlane, names: &[&str]) -> Result<()> {
    let client = control_plane.admin().await?;
    for name in names {
        let namespace = objects::reference("v1", "Namespace", name);
        objects::apply(&client, &namespace, None).await?;
    }
    Ok(())
}

fn without_namespaces(all: Vec<Value>) -> Vec<Value> {
    all.into_iter()
        .filter(|object| object["kind"] != "Namespace")
        .collect()
}

/// The folders of the overlays, relative to the repository.
fn installations() -> Result<Vec<String>> {
    let mut all = vec!["deploy/base".to_owned()];
    for entry in std::fs::read_dir(repository_root().join("deploy/overlays"))? {
        let name = entry?.file_name().into_string().ok().context("a name")?;
        all.push(format!("deploy/overlays/{name}"));
    }
    ensure!(all.len() >= 3, "only {all:?}");
    Ok(all)
}

#[tokio::test]
async fn base_and_overlays_are_accepted_without_a_warning_and_their_pods_are_restricted()
-> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    for folder in installations()? {
        let all = kustomize(&folder)?;
        let said = dry_run(control_plane, NAMESPACE, &all).context(folder.clone())?;
        ensure!(!said.contains("Warning"), "{folder}: {said}");
        let find = |kind: &str, name: &str| {
            all.iter()
                .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
                .with_context(|| format!("{folder} has no {kind} {name}"))
        };
        let level = "pod-security.kubernetes.io/enforce";
        let namespace = find("Namespace", NAMESPACE)?;
        ensure!(
            namespace["metadata"]["labels"][level] == "restricted",
            "{folder}: {namespace:#}"
        );
        let deployment = find("Deployment", "syncline-agent")?;
        ensure!(deployment["spec"]["strategy"]["type"] == "Recreate");
        ensure!(deployment["spec"]["replicas"] == 1);

        // The live namespace has the label, so that the API server judges the pod itself.
        let template = &deployment["spec"]["template"];
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "agent", "labels": template["metadata"]["labels"] },
            "spec": template["spec"],
        });
        dry_run(control_plane, NAMESPACE, std::slice::from_ref(&pod)).context(folder.clone())?;
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
        let refused = dry_run(control_plane, NAMESPACE, &[pod]);
        ensure!(
            refused.is_err_and(|error| format!("{error:#}").contains("restricted")),
            "{folder}: the namespace does not enforce the level"
        );

        // Nothing but the webhook listener can be reached through a Service.
        let container = &template["spec"]["containers"][0];
        for service in all.iter().filter(|object| object["kind"] == "Service") {
            let ports = service["spec"]["ports"].as_array().context("no ports")?;
            ensure!(
                ports.len() == 1 && ports[0]["targetPort"] == "webhook",
                "{folder}: {service:#}"
            );
        }
        let ports: Vec<&str> = container["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|port| port["name"].as_str())
            .collect();
        ensure!(ports == ["webhook", "metrics"], "the ports are {ports:?}");
        let settings = all
            .iter()
            .find_map(|object| object["data"]["agent.yaml"].as_str())
            .context("no settings")?;
        let settings: Value = objects::documents(settings)?.remove(0);
        ensure!(settings["ui_listen"] == "127.0.0.1:8080", "{settings}");
        for (name, setting) in [("webhook", "webhook_listen"), ("metrics", "metrics_listen")] {
            let port = container["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|port| port["name"] == name)
                .context("no port")?;
            let listen = settings[setting].as_str().unwrap_or_default();
            ensure!(
                listen == format!("0.0.0.0:{}", port["containerPort"]),
                "{setting} is {listen}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_sample_is_accepted_by_the_api_server() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    let names = ["roar", "roar-dev", "roar-prod", "roar-chart"];
    make_namespaces(control_plane, &names).await?;
    let platform = without_namespaces(kustomize("config/samples/roar/platform")?);
    let ours = platform.iter().filter(|object| is_ours(object)).count();
    ensure!(ours >= 6, "only {ours} objects of our kinds");
    dry_run(control_plane, "roar", &platform)?;
    for (path, namespace) in [("dev", "roar-dev"), ("prod", "roar-prod")] {
        let all = kustomize(&format!("config/samples/roar/repository/apps/{path}"))?;
        ensure!(all.len() >= 5, "{path} has only {} objects", all.len());
        dry_run(control_plane, namespace, &all).with_context(|| path.to_owned())?;
    }
    let tools = repository_root().join("config/samples/roar/repository/apps/tools");
    for file in files_below(&tools, "yaml")? {
        let all = objects::read_documents(&file)?;
        dry_run(control_plane, "roar-dev", &all).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn the_examples_of_the_documentation_are_valid() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    let mut files = vec![repository_root().join("README.md")];
    for folder in ["docs", "config", "deploy"] {
        files.extend(files_below(&repository_root().join(folder), "md")?);
    }
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        for (line, block) in yaml_blocks(&text) {
            if !block.contains("apiVersion: syncline.dev") {
                continue;
            }
            let place = format!("{}:{line}", file.display());
            let all = objects::documents(&block).with_context(|| place.clone())?;
            for object in &all {
                let namespace = object["metadata"]["namespace"].as_str();
                make_namespaces(control_plane, &[namespace.unwrap_or("example")]).await?;
                dry_run(control_plane, "example", std::slice::from_ref(object))
                    .with_context(|| place.clone())?;
                found.push(object["kind"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
    for kind in ["Repository", "Application", "ImagePolicy"] {
        ensure!(
            found.iter().any(|found| found == kind),
            "no example of a {kind}"
        );
    }
    // The API server would have refused a field that does not exist.
    let wrong = json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "Repository",
        "metadata": { "name": "wrong" },
        "spec": { "url": "https://git.example.com/a.git", "barnch": "main" },
    });
    make_namespaces(control_plane, &["example"]).await?;
    let refused = dry_run(control_plane, "example", &[wrong]);
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("barnch")));
    Ok(())
}

#[tokio::test]
async fn what_an_application_cannot_mean_is_refused_by_the_api_server() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    make_namespaces(control_plane, &["example"]).await?;
    let application = |more: Value| {
        let mut spec = json!({ "repository": "config", "path": "apps/web" });
        for (name, value) in more.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Application",
            "metadata": { "name": "web" },
            "spec": spec,
        })
    };
    let good = application(json!({
        "adoptFrom": "other",
        "sync": { "foreign": "Keep", "conflicts": "Fail", "atomic": true, "pruneApproval": "Never" },
        "ignore": [
            { "group": "", "kind": "ConfigMap", "fields": ["/data/a~1b", "/metadata/labels/x"] },
            { "manager": "vpa-*" },
        ],
    }));
    dry_run(control_plane, "example", &[good])?;
    for (more, named) in [
        (json!({ "adoptFrom": "web" }), "cannot adopt from itself"),
        (
            json!({ "ignore": [{ "kind": "ConfigMap" }] }),
            "a `manager`, or both",
        ),
        (
            json!({ "ignore": [{ "fields": [] }] }),
            "a `manager`, or both",
        ),
        (
            json!({ "ignore": [{ "fields": ["spec/replicas"] }] }),
            "spec.ignore[0].fields[0]",
        ),
        (
            json!({ "ignore": [{ "fields": ["/spec//x"] }] }),
            "spec.ignore[0].fields[0]",
        ),
        (
            json!({ "ignore": [{ "manager": "*" }] }),
            "spec.ignore[0].manager",
        ),
        (
            json!({ "sync": { "foreign": "Remove" } }),
            "spec.sync.foreign",
        ),
        (
            json!({ "sync": { "pruneApproval": "Sometimes" } }),
            "spec.sync.pruneApproval",
        ),
    ] {
        let Err(error) = dry_run(control_plane, "example", &[application(more.clone())]) else {
            anyhow::bail!("{more} was accepted");
        };
        ensure!(format!("{error:#}").contains(named), "{more}: {error:#}");
    }
    Ok(())
}

fn is_ours(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.starts_with("syncline.dev/")
}

/// The YAML blocks of a Markdown text, each with the line that it begins in.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            None if line.trim() == "```yaml" => open = Some((index + 2, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}
