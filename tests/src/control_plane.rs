//! A real Kubernetes control plane as plain processes on loopback.
//!
//! etcd and the API server, and on wish the controllers, the scheduler and kwok, which plays the
//! kubelet of one node: pods become ready, no container runs, and one with the annotation
//! `syncline.test/play` fails in the way that it names (`tests/control-plane/plays.yaml`). Static
//! volumes take the place of a provisioner. The logs of a container that is named as [`LOGGED`] are
//! what a test writes there ([`ControlPlane::write_log`]); kwok serves them as a kubelet does.

pub mod audit;
pub mod identity;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::objects::{self, read_documents};
use crate::process::{Process, command, free_port, state_folder};
use crate::{programs, wait_for};
use audit::Audit;
use identity::Authority;

/// What a control plane consists of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which programs run.
    pub parts: Parts,
    /// More flags for the API server.
    pub api_server_flags: Vec<String>,
    /// More flags for etcd.
    pub etcd_flags: Vec<String>,
    /// How many static volumes there are.
    pub volumes: usize,
    /// How long each part may take to become ready. A busy machine needs much of it.
    pub deadline: Duration,
}

/// Which programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// etcd and the API server: objects are kept, nothing happens to them.
    ApiServer,
    /// Those, the controllers, the scheduler and kwok: workloads become ready.
    Everything,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: Parts::Everything,
            api_server_flags: Vec::new(),
            etcd_flags: Vec::new(),
            volumes: 40,
            deadline: Duration::from_mins(2),
        }
    }
}

/// A running control plane. Dropping it ends its programs and removes its files.
#[derive(Debug)]
pub struct ControlPlane {
    // Clients go first, etcd last; fields are dropped in this order.
    followers: Vec<Process>,
    api_server: Process,
    etcd: Process,
    authority: Authority,
    server: String,
    started_in: Duration,
    folder: TempDir,
}

/// The containers that have a log; each has one for all pods. Two tests do not share one.
pub const LOGGED: [&str; 4] = ["logged-0", "logged-1", "logged-2", "logged-3"];

/// Which run of a container wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The one that runs.
    Current,
    /// The one before it.
    Previous,
}

/// The controllers that the tests need; each further one costs memory and reads.
const CONTROLLERS: &str = "namespace-controller,serviceaccount-controller,\
    garbage-collector-controller,deployment-controller,replicaset-controller,\
    statefulset-controller,daemonset-controller,job-controller,cronjob-controller,\
    endpoints-controller,endpointslice-controller,disruption-controller,node-lifecycle-controller,\
    persistentvolume-binder-controller,persistentvolumeclaim-protection-controller,\
    pod-garbage-collector-controller,resourcequota-controller,clusterrole-aggregation-controller,\
    root-ca-certificate-publisher-controller,horizontal-pod-autoscaler-controller";

impl ControlPlane {
    /// The control plane that the tests of this process share: a namespace each. Started when it
    /// is first asked for, ended with the process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| Self::start(Options::default()))
            .await
    }

    /// Starts a control plane and waits until it is ready, with our kinds installed.
    pub async fn start(options: Options) -> Result<Self> {
        // A free port may be taken between the look and the use: then all begins again.
        let mut attempts = 3;
        loop {
            attempts -= 1;
            match Self::try_start(&options).await {
                Err(error)
                    if attempts > 0 && format!("{error:#}").contains("address already in use") => {}
                answer => return answer,
            }
        }
    }

    async fn try_start(options: &Options) -> Result<Self> {
        let begin = Instant::now();
        install_crypto();
        let folder = state_folder("control-plane")?;
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::generate()?;

        let etcd_port = free_port()?;
        let mut etcd = start_etcd(folder.path(), etcd_port, options)?;
        wait_for("etcd to listen", options.deadline, async || {
            etcd.ensure_running()?;
            Ok(tokio::net::TcpStream::connect(("127.0.0.1", etcd_port)).await?)
        })
        .await?;

        let port = free_port()?;
        let server = format!("https://127.0.0.1:{port}");
        write_identities(&authority, &folder, &server)?;
        let mut api_server = start_api_server(folder.path(), port, etcd_port, options)?;
        let client = client_of(&std::fs::read_to_string(path("admin.kubeconfig"))?).await?;
        wait_for("the API server to be ready", options.deadline, async || {
            etcd.ensure_running()?;
            api_server.ensure_running()?;
            let request = http::Request::get("/readyz").body(Vec::new())?;
            Ok(client.request_text(request).await?)
        })
        .await?;

        let followers = match options.parts {
            Parts::ApiServer => Vec::new(),
            Parts::Everything => {
                write_logs(folder.path())?;
                start_followers(folder.path())?
            }
        };
        let mut this = Self {
            followers,
            api_server,
            etcd,
            authority,
            server,
            started_in: Duration::ZERO,
            folder,
        };
        this.install_kinds(&client, options.deadline).await?;
        if options.parts == Parts::Everything {
            this.add_node(&client, options).await?;
        }
        this.started_in = begin.elapsed();
        Ok(this)
    }

    /// How long it took from nothing to ready.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate of its authority, PEM.
    pub fn certificate(&self) -> &str {
        &self.authority.certificate
    }

    /// A client of an administrator. Each test makes its own: a client lives in one runtime.
    pub async fn admin(&self) -> Result<Client> {
        client_of(&std::fs::read_to_string(self.admin_kubeconfig())?).await
    }

    /// The file with the kubeconfig of an administrator.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }

    /// A new kubeconfig file for a user without any group.
    pub fn kubeconfig(&self, user: &str) -> Result<PathBuf> {
        let text = self.authority.kubeconfig(&self.server, user, None)?;
        self.write_kubeconfig(user, &text)
    }

    /// A new kubeconfig file with a token of a service account, valid for a day.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![ISSUER.to_owned()],
                expiration_seconds: Some(86_400),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("ask for a token of {namespace}/{name}"))?;
        let token = answer.status.context("the answer has no token")?.token;
        let text = self.authority.kubeconfig_with_token(&self.server, &token);
        self.write_kubeconfig(&format!("{namespace}-{name}"), &text)
    }

    /// The audit log from the beginning.
    pub fn audit(&self) -> Audit {
        Audit::new(&self.folder.path().join("audit.log"))
    }

    /// The ids of its processes.
    pub fn process_ids(&self) -> Vec<u32> {
        let parts = self.followers.iter().chain([&self.api_server, &self.etcd]);
        parts.map(Process::id).collect()
    }

    /// The process id of the API server.
    pub fn api_server_id(&self) -> u32 {
        self.api_server.id()
    }

    /// What the API server has logged.
    pub fn api_server_log(&self) -> String {
        self.api_server.log()
    }

    /// Has the containers of a name of [`LOGGED`] write a line, at this moment.
    pub fn write_log(&self, container: &str, run: Run, line: &str) -> Result<()> {
        use std::io::Write as _;
        let file = log_file(self.folder.path(), container, run);
        // The form in which container runtimes write the files that a kubelet reads.
        let line = format!("{} stdout F {line}\n", jiff::Timestamp::now());
        let mut file = std::fs::OpenOptions::new().append(true).open(file)?;
        Ok(file.write_all(line.as_bytes())?)
    }

    fn write_kubeconfig(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self
            .folder
            .path()
            .join(format!("{}.kubeconfig", name.replace([':', '/'], "-")));
        std::fs::write(&file, text)?;
        Ok(file)
    }

    async fn install_kinds(&self, client: &Client, deadline: Duration) -> Result<()> {
        let folder = programs::repository_root().join("config/crd");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            return Ok(());
        };
        let mut kinds = Vec::new();
        for entry in entries {
            let file = entry?.path();
            if file
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                kinds.extend(
                    read_documents(&file)?
                        .into_iter()
                        .filter(|document| document["kind"] == "CustomResourceDefinition"),
                );
            }
        }
        for kind in &kinds {
            objects::apply(client, kind, None).await?;
        }
        for kind in &kinds {
            let name = kind["metadata"]["name"].as_str().unwrap_or_default();
            wait_for(
                &format!("the kind {name} to be served"),
                deadline,
                async || {
                    let live = objects::get(client, kind, None).await?;
                    objects::condition(&live, "Established").context("not established yet")
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn add_node(&mut self, client: &Client, options: &Options) -> Result<()> {
        for number in 0..options.volumes {
            let volume = json!({
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": { "name": format!("volume-{number}") },
                "spec": {
                    "capacity": { "storage": "100Gi" },
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "hostPath": { "path": format!("/nowhere/{number}") },
                },
            });
            objects::apply(client, &volume, None).await?;
        }
        let resources = json!({ "cpu": "256", "memory": "512Gi", "pods": "20000" });
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": "node-0",
                "labels": { "kubernetes.io/hostname": "node-0" },
                "annotations": { "kwok.x-k8s.io/node": "fake" },
            },
            "status": { "allocatable": resources, "capacity": resources },
        });
        objects::apply(client, &node, None).await?;
        wait_for("the node to be ready", options.deadline, async || {
            for part in &mut self.followers {
                part.ensure_running()?;
            }
            let live = objects::get(client, &node, None).await?;
            objects::condition(&live, "Ready").context("not ready yet")?;
            anyhow::ensure!(live["spec"]["taints"].is_null(), "still tainted");
            Ok(())
        })
        .await
    }
}

/// Makes `ring` the provider of cryptography of this process; more than once does no harm.
pub fn install_crypto() {
    // The error says that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client from the text of a kubeconfig, with room for tests on a busy machine.
pub async fn client_of(kubeconfig: &str) -> Result<Client> {
    install_crypto();
    let parsed = Kubeconfig::from_yaml(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

const ISSUER: &str = "https://kubernetes.default.svc";

fn write_identities(authority: &Authority, folder: &TempDir, server: &str) -> Result<()> {
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
    let serving = authority.server()?;
    write("ca.crt", &authority.certificate)?;
    write("server.crt", &serving.certificate)?;
    write("server.key", &serving.key)?;
    let accounts = rcgen::KeyPair::generate()?;
    write("accounts.key", &accounts.serialize_pem())?;
    write("accounts.pub", &accounts.public_key_pem())?;
    write("audit-policy.yaml", audit::POLICY)?;
    for (file, user, group) in [
        ("admin", "admin", Some("system:masters")),
        ("kwok", "kwok", Some("system:masters")),
        ("controllers", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
    ] {
        let text = authority.kubeconfig(server, user, group)?;
        write(&format!("{file}.kubeconfig"), &text)?;
    }
    Ok(())
}

fn start_etcd(folder: &Path, port: u16, options: &Options) -> Result<Process> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let mut etcd = command(programs::control_plane("etcd")?);
    etcd.arg("--data-dir").arg(folder.join("etcd"));
    etcd.args([
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
    ]);
    etcd.args([
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
    ]);
    etcd.args(["--initial-cluster", &format!("default={peer}")]);
    // Nothing here has to survive a power cut.
    etcd.args(["--unsafe-no-fsync", "--log-level=warn"]);
    etcd.args(&options.etcd_flags);
    Process::start("etcd", etcd, &folder.join("etcd.log"))
}

fn start_api_server(folder: &Path, port: u16, etcd: u16, options: &Options) -> Result<Process> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());
    let mut server = command(programs::control_plane("kube-apiserver")?);
    server.args([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--secure-port={port}"),
        format!("--service-account-issuer={ISSUER}"),
        file("tls-cert-file", "server.crt"),
        file("tls-private-key-file", "server.key"),
        file("client-ca-file", "ca.crt"),
        file("service-account-key-file", "accounts.pub"),
        file("service-account-signing-key-file", "accounts.key"),
        file("audit-policy-file", "audit-policy.yaml"),
        file("audit-log-path", "audit.log"),
        file("cert-dir", "generated"),
    ]);
    server.args([
        "--bind-address=127.0.0.1",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
        "--profiling=false",
    ]);
    server.args(&options.api_server_flags);
    Process::start("kube-apiserver", server, &folder.join("api-server.log"))
}

/// The logs of all containers that have one, still empty, and where kwok finds them.
fn write_logs(folder: &Path) -> Result<()> {
    std::fs::create_dir(folder.join("logs"))?;
    let mut logs = Vec::new();
    for container in LOGGED {
        let [current, previous] =
            [Run::Current, Run::Previous].map(|run| log_file(folder, container, run));
        std::fs::write(&current, "")?;
        std::fs::write(&previous, "")?;
        logs.push(json!({
            "containers": [container],
            "logsFile": current,
            "previousLogsFile": previous,
            "follow": true,
        }));
    }
    let config = json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": { "name": "logged" },
        "spec": { "logs": logs },
    });
    // JSON is YAML.
    Ok(std::fs::write(
        folder.join("logs.yaml"),
        config.to_string(),
    )?)
}

fn log_file(folder: &Path, container: &str, run: Run) -> PathBuf {
    let end = match run {
        Run::Current => "log",
        Run::Previous => "previous",
    };
    folder.join("logs").join(format!("{container}.{end}"))
}

fn start_followers(folder: &Path) -> Result<Vec<Process>> {
    let kubeconfig = |name: &str| format!("--kubeconfig={}", folder.join(name).display());
    let file = |flag: &str, name: &str| format!("--{flag}={}", folder.join(name).display());

    let mut controllers = command(programs::control_plane("kube-controller-manager")?);
    controllers.args([
        kubeconfig("controllers.kubeconfig"),
        file("root-ca-file", "ca.crt"),
        file("service-account-private-key-file", "accounts.key"),
        format!("--controllers={CONTROLLERS}"),
    ]);
    controllers.args([
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        // Where the node is late under load its pods become unready, which a kubelet puts right again
        // and kwok does not.
        "--node-monitor-grace-period=1h",
    ]);

    let mut scheduler = command(programs::control_plane("kube-scheduler")?);
    scheduler.arg(kubeconfig("scheduler.kubeconfig"));
    scheduler.args(["--leader-elect=false", "--secure-port=0"]);

    let mut kwok = command(programs::control_plane("kwok")?);
    kwok.arg(kubeconfig("kwok.kubeconfig"));
    kwok.arg("--config")
        .arg(programs::control_plane("kwok-stages.yaml")?);
    kwok.arg("--config")
        .arg(programs::repository_root().join("tests/control-plane/plays.yaml"));
    kwok.arg("--config").arg(folder.join("logs.yaml"));
    kwok.arg("--manage-all-nodes=true");
    // What a kubelet serves: the API server asks it for logs, at the address of the node.
    let port = free_port()?;
    kwok.args([
        format!("--server-address=127.0.0.1:{port}"),
        format!("--node-port={port}"),
        "--node-ip=127.0.0.1".to_owned(),
        file("tls-cert-file", "server.crt"),
        file("tls-private-key-file", "server.key"),
    ]);
    // It writes configuration and looks for more below its home.
    kwok.env("HOME", folder)
        .env("KWOK_WORKDIR", folder.join("kwok"));

    Ok(vec![
        Process::start(
            "kube-controller-manager",
            controllers,
            &folder.join("controllers.log"),
        )?,
        Process::start("kube-scheduler", scheduler, &folder.join("scheduler.log"))?,
        Process::start("kwok", kwok, &folder.join("kwok.log"))?,
    ])
}
