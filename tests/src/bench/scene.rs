//! The applications of one run: files in Git, namespaces, accounts, and our own kinds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use serde::Serialize;
use serde_json::{Value, json};

use super::Say;
use super::client::{apply, apply_all};
use super::manifest::{CONFIG_MAP, KINDS, file_name, manifest, object_name};
use crate::agent::{self, account_with_role, install_rights};
use crate::control_plane::client_of;
use crate::fault_proxy::kubeconfig_through;
use crate::world::{DEPLOYER, READER, impersonation, suffix};
use crate::{Access, AgentProcess, AgentSettings, ControlPlane, FaultProxy, GitServer, Options};
use crate::{Parts, Repo, objects, programs};

/// The secret of the webhook.
pub const HOOK_SECRET: &str = "bench-webhook";
/// The account that reads for the whole cluster, where the agent knows such an account.
const CLUSTER_READER: &str = "syncline-reader";

/// Who the applications belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Accounts {
    /// All are in one namespace and applied as one account.
    One,
    /// Each has a namespace and an account of its own.
    Each,
}

/// What the applications consist of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Content {
    /// A Deployment and what goes with it, in turn.
    #[default]
    Mixed,
    /// Deployments only.
    Deployments,
    /// ConfigMaps only, which are healthy without controllers.
    Maps,
    /// ConfigMaps only, and each application depends on the one before.
    Chain,
}

impl Content {
    /// The number of a manifest for the object of an application.
    pub(super) fn index(self, object: usize) -> usize {
        match self {
            Self::Mixed => object,
            Self::Deployments => object * KINDS.len(),
            Self::Maps | Self::Chain => object * KINDS.len() + CONFIG_MAP,
        }
    }
}

/// What one run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// Who the applications belong to.
    pub accounts: Accounts,
    /// How many applications there are.
    pub applications: usize,
    /// How many objects each of them has.
    pub objects: usize,
    /// What these are.
    pub content: Content,
    /// Delay of every request to the API server.
    pub latency_ms: u64,
}

impl Size {
    /// All objects.
    pub fn total(&self) -> usize {
        self.applications * self.objects
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, m) = (self.applications, self.objects);
        let accounts = match self.accounts {
            Accounts::One => "one namespace and account",
            Accounts::Each => "a namespace and an account each",
        };
        write!(f, "{n} x {m} objects, {accounts}")?;
        if self.latency_ms > 0 {
            write!(f, ", {} ms to the API server", self.latency_ms)?;
        }
        Ok(())
    }
}

/// Everything that a run needs, without the agent.
pub struct Scene {
    /// Its size.
    pub size: Size,
    /// The repository with the files of all applications.
    pub repo: Repo,
    /// An administrator's client, without delay.
    pub client: Client,
    /// In front of the API server, where there is a delay.
    pub proxy: Option<FaultProxy>,
    /// The control plane.
    pub control_plane: ControlPlane,
}

/// One Deployment of one application, for a round.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its namespace, and the Application's.
    pub namespace: String,
    /// The Application.
    pub application: String,
    /// The Deployment.
    pub name: String,
    /// Its file in the repository.
    pub file: String,
}

impl Scene {
    /// Starts a control plane and prepares everything but the Repositories.
    pub async fn build(size: Size, say: Say) -> Result<Self> {
        let control_plane = ControlPlane::start(Options {
            parts: Parts::ApiServer,
            // The log is read to its end: it must not be rotated.
            api_server_flags: vec!["--audit-log-maxsize=4000".to_owned()],
            ..Options::default()
        })
        .await?;
        install_rights(&control_plane).await?;
        let proxy = if size.latency_ms == 0 {
            None
        } else {
            let proxy = FaultProxy::start(&control_plane).await?;
            proxy.set_latency(Duration::from_millis(size.latency_ms));
            Some(proxy)
        };
        let client = control_plane.admin().await?;
        let git = GitServer::shared().await?;
        let repo = git.create(&format!("bench-{}", suffix()), Access::Open)?;
        let scene = Self {
            size,
            repo,
            client,
            proxy,
            control_plane,
        };
        say("preparing the repository");
        scene.commit_files()?;
        say("preparing namespaces, accounts and Applications");
        scene.prepare().await?;
        Ok(scene)
    }

    /// The namespace of an application.
    pub fn namespace(&self, application: usize) -> String {
        match self.size.accounts {
            Accounts::One => "bench".to_owned(),
            Accounts::Each => format!("bench-{application}"),
        }
    }

    /// The namespaces of all applications.
    pub fn namespaces(&self) -> Vec<String> {
        match self.size.accounts {
            Accounts::One => vec![self.namespace(0)],
            Accounts::Each => (0..self.size.applications)
                .map(|number| self.namespace(number))
                .collect(),
        }
    }

    /// The Deployment of a round: another application each time, as far as there are enough.
    pub fn place(&self, round: usize) -> Place {
        let application = round % self.size.applications;
        let sets = self.size.objects.div_ceil(KINDS.len());
        let set = round / self.size.applications % sets;
        let name = object_name(application, set);
        Place {
            namespace: self.namespace(application),
            application: format!("app-{application}"),
            file: file_name(application, set * KINDS.len()),
            name,
        }
    }

    /// Starts the agent, with a reader for the whole cluster where it knows one and needs it.
    pub async fn start_agent(&self) -> Result<AgentProcess> {
        let mut settings = AgentSettings::in_cluster(&self.control_plane).await?;
        // Under its old name it does not wait for its own lease after a crash.
        settings = settings.flag("--log=warn").flag("--identity=bench");
        if self.size.accounts == Accounts::Each && knows_reader()? {
            self.allow_reader().await?;
            settings = settings.flag(&format!("--reader-account={CLUSTER_READER}"));
        }
        if let Some(proxy) = &self.proxy {
            settings = settings.through(proxy);
        }
        AgentProcess::start(settings).await
    }

    /// A client as an account that may do anything, over the same way as the agent.
    pub async fn bare_client(&self) -> Result<Client> {
        let subject = json!({
            "kind": "ServiceAccount", "name": "bare", "namespace": agent::NAMESPACE,
        });
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": "bare", "namespace": agent::NAMESPACE },
        });
        let [_, binding] = cluster_role("bare", "cluster-admin", &subject, &json!([]));
        for object in [account, binding] {
            apply(&self.client, &object, None).await?;
        }
        let file = self
            .control_plane
            .service_account_kubeconfig(agent::NAMESPACE, "bare")
            .await?;
        self.client_over(file).await
    }

    /// Creates the Repositories: now everything is applied for the first time.
    pub async fn create_repositories(&self) -> Result<()> {
        let spec = json!({
            "url": self.repo.url(),
            "interval": "24h",
            "serviceAccount": READER,
            "webhook": { "secretRef": { "name": "hook" } },
        });
        let object = ours("Repository", "config", spec);
        let all = self.namespaces();
        let all = all.into_iter().map(|namespace| (object.clone(), namespace));
        apply_all(&self.client, all.collect()).await
    }

    /// The objects of all applications, each with a namespace.
    pub fn objects(&self) -> Result<Vec<(Value, String)>> {
        let mut all = Vec::with_capacity(self.size.total());
        for application in 0..self.size.applications {
            for object in 0..self.size.objects {
                let index = self.size.content.index(object);
                let mut documents = objects::documents(&manifest(application, index, "1"))?;
                let object = documents.pop().context("an empty manifest")?;
                all.push((object, self.namespace(application)));
            }
        }
        Ok(all)
    }

    async fn client_over(&self, kubeconfig: PathBuf) -> Result<Client> {
        let text = std::fs::read_to_string(kubeconfig)?;
        match &self.proxy {
            None => client_of(&text).await,
            Some(proxy) => client_of(&kubeconfig_through(&proxy.url(), &text)?).await,
        }
    }

    fn commit_files(&self) -> Result<()> {
        let mut files = Vec::with_capacity(self.size.total());
        for application in 0..self.size.applications {
            for object in 0..self.size.objects {
                let index = self.size.content.index(object);
                files.push((
                    file_name(application, index),
                    manifest(application, index, "1"),
                ));
            }
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        self.repo.commit(&files, "All applications")?;
        Ok(())
    }

    async fn prepare(&self) -> Result<()> {
        let namespaces = self.namespaces();
        let named = |namespace: &String| {
            let object = objects::reference("v1", "Namespace", namespace);
            (object, String::new())
        };
        apply_all(&self.client, namespaces.iter().map(named).collect()).await?;
        let mut all = Vec::new();
        for namespace in &namespaces {
            let mut objects = vec![impersonation(namespace), hook()];
            objects.extend(account_with_role(namespace, DEPLOYER, "cluster-admin"));
            objects.extend(account_with_role(namespace, READER, "cluster-admin"));
            all.extend(objects.into_iter().map(|o| (o, namespace.clone())));
        }
        for number in 0..self.size.applications {
            let namespace = self.namespace(number);
            let before = (self.size.content == Content::Chain)
                .then(|| number.checked_sub(1))
                .flatten()
                .map(|before| json!({ "name": format!("app-{before}") }));
            let spec = json!({
                "repository": "config",
                "path": format!("apps/app-{number}"),
                "serviceAccount": DEPLOYER,
                "destination": { "namespace": namespace },
                // Nothing becomes healthy without controllers, and nobody is to wait for it.
                "sync": { "timeout": "24h" },
                "dependsOn": Vec::from_iter(before),
            });
            all.push((
                ours("Application", &format!("app-{number}"), spec),
                namespace,
            ));
        }
        apply_all(&self.client, all).await
    }

    async fn allow_reader(&self) -> Result<()> {
        let reader = json!({
            "kind": "ServiceAccount", "name": CLUSTER_READER, "namespace": agent::NAMESPACE,
        });
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": { "name": CLUSTER_READER, "namespace": agent::NAMESPACE },
        });
        let reads = json!([
            { "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"] },
        ]);
        let acts = json!([{
            "apiGroups": [""],
            "resources": ["serviceaccounts"],
            "resourceNames": [CLUSTER_READER],
            "verbs": ["get", "impersonate"],
        }]);
        let agent = json!({
            "kind": "ServiceAccount", "name": agent::ACCOUNT, "namespace": agent::NAMESPACE,
        });
        apply(&self.client, &account, None).await?;
        for (name, subject, rules) in [
            ("bench-reader", &reader, &reads),
            ("bench-as-reader", &agent, &acts),
        ] {
            for object in cluster_role(name, name, subject, rules) {
                apply(&self.client, &object, None).await?;
            }
        }
        Ok(())
    }
}

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}

fn hook() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "hook" },
        "stringData": { "secret": HOOK_SECRET },
    })
}

/// A role of the whole cluster and its binding.
fn cluster_role(name: &str, role: &str, subject: &Value, rules: &Value) -> [Value; 2] {
    let version = "rbac.authorization.k8s.io/v1";
    [
        json!({
            "apiVersion": version,
            "kind": "ClusterRole",
            "metadata": { "name": role },
            "rules": rules,
        }),
        json!({
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [subject],
        }),
    ]
}

fn knows_reader() -> Result<bool> {
    let out = std::process::Command::new(programs::agent()?)
        .args(["agent", "--help"])
        .output()
        .context("run the agent")?;
    Ok(String::from_utf8_lossy(&out.stdout).contains("--reader-account"))
}
