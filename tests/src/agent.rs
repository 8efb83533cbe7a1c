//! The real agent as a process: the program `syncline agent`, as its service account.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::fault_proxy::kubeconfig_through;
use crate::process::{Process, command, state_folder};
use crate::{ControlPlane, FaultProxy, objects, programs, wait_for};

/// Namespace of the agent, as `deploy/base` has it.
pub const NAMESPACE: &str = "syncline";
/// Its service account.
pub const ACCOUNT: &str = "syncline-agent";

/// How an agent is started.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its namespace: [`NAMESPACE`] but for a second installation.
    pub namespace: String,
    /// More flags.
    pub flags: Vec<String>,
    /// How long it may take until it listens.
    pub deadline: Duration,
    /// A program to run in place of the one that was built; its renderer is beside it.
    pub program: Option<PathBuf>,
    /// Points at which it ends, fails or waits, see `docs/failpoints.md`.
    pub failpoints: Option<String>,
    /// The URL of the API server in place of the one in the kubeconfig.
    pub server: Option<String>,
    /// The size of a disk of its own for its data, as `mount -o size=` takes it.
    pub disk: Option<String>,
}

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct AgentProcess {
    process: Mutex<Process>,
    settings: Mutex<AgentSettings>,
    addresses: Mutex<Addresses>,
    disk: Option<Disk>,
    folder: TempDir,
}

/// A file system in memory. Dropping it unmounts it.
#[derive(Debug)]
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, options: &str) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let out = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .output()
            .context("run mount")?;
        let errors = String::from_utf8_lossy(&out.stderr);
        ensure!(
            out.status.success(),
            "a disk that is full needs root: mount {}: {errors}",
            folder.display()
        );
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that still ends may hold a file in it.
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .status();
    }
}

/// Where an agent listens, as it writes it to `addresses.json` in its data folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// The web UI.
    pub ui: SocketAddr,
    /// The webhook listener.
    pub webhook: SocketAddr,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub metrics: SocketAddr,
    /// A link to the web UI that works once.
    #[serde(default)]
    pub ui_link: Option<String>,
    /// The key with which a program on this machine reads the API.
    #[serde(default)]
    pub ui_key: Option<String>,
}

impl AgentSettings {
    /// The settings of an agent in a control plane, as the service account and with the rights of
    /// `deploy/base`, which this applies.
    pub async fn in_cluster(control_plane: &ControlPlane) -> Result<Self> {
        install_rights(control_plane).await?;
        let kubeconfig = control_plane
            .service_account_kubeconfig(NAMESPACE, ACCOUNT)
            .await?;
        Ok(Self {
            kubeconfig,
            namespace: NAMESPACE.to_owned(),
            flags: Vec::new(),
            deadline: Duration::from_mins(1),
            program: None,
            failpoints: None,
            server: None,
            disk: None,
        })
    }

    /// Adds a flag, for example `--retry-first=100ms`.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Lets it reach the API server through a proxy only.
    pub fn through(mut self, proxy: &FaultProxy) -> Self {
        self.server = Some(proxy.url());
        self
    }

    /// Gives it a disk of its own for its data, of a size such as `8m`. Needs the right to mount.
    pub fn disk(mut self, size: &str) -> Self {
        self.disk = Some(size.to_owned());
        self
    }

    /// Configures failpoints, for example `apply.before=2*off->1*return(kill)`.
    pub fn failpoints(mut self, points: &str) -> Self {
        self.failpoints = Some(points.to_owned());
        self
    }

    /// The same settings without failpoints, for the start after the one that they ended.
    pub fn without_failpoints(mut self) -> Self {
        self.failpoints = None;
        self
    }
}

impl AgentProcess {
    /// The agent of the shared control plane, shared by the tests of this process.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<AgentProcess> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| async {
                let settings = AgentSettings::in_cluster(ControlPlane::shared().await?).await?;
                Self::start(settings).await
            })
            .await
    }

    /// Starts an agent with an empty data folder and waits until it is ready.
    pub async fn start(settings: AgentSettings) -> Result<Self> {
        let folder = state_folder("agent")?;
        let disk = settings.disk.as_ref().map(|size| {
            let options = format!("size={size}");
            Disk::mount(&folder.path().join("data"), &options)
        });
        let disk = disk.transpose()?;
        let process = launch(&settings, folder.path())?;
        let addresses = wait_until_ready(&process, &settings, folder.path()).await?;
        Ok(Self {
            process,
            settings: Mutex::new(settings),
            addresses: Mutex::new(addresses),
            disk,
            folder,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        lock(&self.addresses).clone()
    }

    /// The same as it tells it now: with a link that was not used yet.
    pub fn current_addresses(&self) -> Result<Addresses> {
        read_addresses(self.folder.path())
    }

    /// The URL of a path of the web UI.
    pub fn ui_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses().ui)
    }

    /// The URL of a path of the webhook listener.
    pub fn webhook_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses().webhook)
    }

    /// The URL of a path of the listener for probes and metrics.
    pub fn metrics_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addresses().metrics)
    }

    /// Its data folder: mirrors and database.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// All it has logged, also before a restart.
    pub fn log(&self) -> String {
        lock(&self.process).log()
    }

    /// Fails with the end of its log if it is gone.
    pub fn ensure_running(&self) -> Result<()> {
        lock(&self.process).ensure_running()
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn terminate(&self, deadline: Duration) -> Result<ExitStatus> {
        lock(&self.process).terminate(deadline)
    }

    /// Ends it at once (SIGKILL), as a crash does.
    pub fn kill(&self) -> Result<()> {
        lock(&self.process).kill()
    }

    /// Waits until it has ended by itself, as a failpoint lets it.
    pub async fn wait_until_ended(&self, deadline: Duration) -> Result<ExitStatus> {
        wait_for("the agent to end", deadline, async || {
            lock(&self.process).ended()?.context("the agent still runs")
        })
        .await
    }

    /// How it was started last.
    pub fn settings(&self) -> AgentSettings {
        lock(&self.settings).clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        lock(&self.process).id()
    }

    /// Starts it again with the same settings on the same data folder, after it has ended.
    pub async fn restart(&self) -> Result<()> {
        self.start_again(self.settings()).await
    }

    /// Starts it again with other settings on the same data folder, after it has ended. Fails if it
    /// ends again before it is ready.
    pub async fn start_again(&self, settings: AgentSettings) -> Result<()> {
        *lock(&self.settings) = settings.clone();
        let process = launch(&settings, self.folder.path())?;
        let addresses = wait_until_ready(&process, &settings, self.folder.path()).await?;
        *lock(&self.process) = process.into_inner().unwrap_or_else(PoisonError::into_inner);
        *lock(&self.addresses) = addresses;
        Ok(())
    }

    /// Makes the disk of its own larger.
    pub fn enlarge_disk(&self, size: &str) -> Result<()> {
        let disk = self.disk.as_ref().context("it has no disk of its own")?;
        let options = format!("remount,size={size}");
        // It is mounted once: this one must not unmount it.
        std::mem::forget(Disk::mount(&disk.0, &options)?);
        Ok(())
    }

    /// Removes the data folder of an agent that is not running: mirrors and history are lost.
    pub fn lose_data(&self) -> Result<()> {
        std::fs::remove_dir_all(self.data_folder()).context("remove the data folder")
    }
}

/// Applies `deploy/base` without the Deployment: the process under test takes its place.
pub async fn install_rights(control_plane: &ControlPlane) -> Result<()> {
    let base = programs::repository_root().join("deploy/base");
    let built = std::process::Command::new(programs::control_plane("kubectl")?)
        .arg("kustomize")
        .arg("--load-restrictor=LoadRestrictionsNone")
        .arg(&base)
        .output()
        .context("run kubectl kustomize")?;
    let errors = String::from_utf8_lossy(&built.stderr);
    ensure!(
        built.status.success(),
        "kubectl kustomize {}: {errors}",
        base.display()
    );
    let mut all = objects::documents(&String::from_utf8(built.stdout)?)?;
    // Namespaces and kinds first; `kubectl kustomize` keeps the order of the files.
    all.sort_by_key(|object| match object["kind"].as_str() {
        Some("Namespace" | "CustomResourceDefinition") => 0,
        _ => 1,
    });
    let client = control_plane.admin().await?;
    for object in all.iter().filter(|object| object["kind"] != "Deployment") {
        objects::apply(&client, object, Some(NAMESPACE)).await?;
    }
    Ok(())
}

fn launch(settings: &AgentSettings, folder: &Path) -> Result<Mutex<Process>> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    // A file of the last run would name the wrong ports.
    match std::fs::remove_file(data.join("addresses.json")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut agent = match &settings.program {
        Some(program) => command(program),
        None => command(programs::agent()?),
    };
    for (name, _) in std::env::vars_os() {
        // Settings of the person who runs the tests must not reach the agent.
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("SYNCLINE_"))
        {
            agent.env_remove(name);
        }
    }
    agent.env_remove("FAILPOINTS");
    if let Some(points) = &settings.failpoints {
        agent.env("FAILPOINTS", points);
    }
    agent.arg("agent");
    let kubeconfig = kubeconfig(settings, folder)?;
    agent.arg("--kubeconfig").arg(kubeconfig);
    agent.arg("--data-dir").arg(&data);
    if settings.program.is_none() {
        agent.arg("--renderer").arg(programs::renderer()?);
    }
    agent.args(["--namespace", &settings.namespace]);
    agent.args([
        "--ui-listen",
        "127.0.0.1:0",
        "--webhook-listen",
        "127.0.0.1:0",
    ]);
    agent.args(["--metrics-listen", "127.0.0.1:0"]);
    agent.args(&settings.flags);
    Ok(Mutex::new(Process::start(
        "syncline agent",
        agent,
        &folder.join("log"),
    )?))
}

/// The kubeconfig of the settings, or a copy of it that names another server.
fn kubeconfig(settings: &AgentSettings, folder: &Path) -> Result<PathBuf> {
    let Some(server) = &settings.server else {
        return Ok(settings.kubeconfig.clone());
    };
    let text = std::fs::read_to_string(&settings.kubeconfig)?;
    let file = folder.join("kubeconfig");
    std::fs::write(&file, kubeconfig_through(server, &text)?)?;
    Ok(file)
}

async fn wait_until_ready(
    process: &Mutex<Process>,
    settings: &AgentSettings,
    folder: &Path,
) -> Result<Addresses> {
    let client = reqwest::Client::new();
    wait_for("the agent to be ready", settings.deadline, async || {
        lock(process).ensure_running()?;
        let addresses = read_addresses(folder)?;
        let ready = client
            .get(format!("http://{}/readyz", addresses.metrics))
            .send()
            .await?;
        ensure!(
            ready.status().is_success(),
            "/readyz answers {}",
            ready.status()
        );
        Ok(addresses)
    })
    .await
}

fn read_addresses(folder: &Path) -> Result<Addresses> {
    let file = folder.join("data/addresses.json");
    let text = std::fs::read_to_string(file).context("it does not listen yet")?;
    Ok(serde_json::from_str(&text)?)
}

/// The rights that a test gives to a service account of its own namespace.
pub fn account_with_role(namespace: &str, account: &str, cluster_role: &str) -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": account, "namespace": namespace },
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": format!("{account}-{cluster_role}"), "namespace": namespace },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": cluster_role,
            },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
        }),
    ]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
