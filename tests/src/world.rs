//! One test's own corner: a namespace, a Git repository, service accounts, and an agent.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use serde_json::{Value, json};

use crate::agent::{self, account_with_role};
use crate::process::last_lines;
use crate::{
    Access, AgentProcess, AgentSettings, ControlPlane, FaultProxy, GitServer, Options, Repo,
};
use crate::{objects, wait_for};

/// The service account that applies in a world's namespace; it has the role `admin` there.
pub const DEPLOYER: &str = "deployer";
/// The service account that reads the Secrets of a world's namespace.
pub const READER: &str = "config-reader";

/// The long limit of everything that a test waits for; a machine that runs all tests at once is
/// slow, and a condition that comes true ends the wait.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Everything a test has for itself, in a control plane that it shares or owns.
pub struct World {
    /// Its namespace.
    pub namespace: String,
    /// An administrator's client.
    pub client: Client,
    /// Its Git repository.
    pub repo: Repo,
    /// The Git server that the repository is on.
    pub git: &'static GitServer,
    // The agent ends before its control plane; fields are dropped in this order.
    agent: Shared<AgentProcess>,
    proxy: Option<Shared<FaultProxy>>,
    control_plane: Shared<ControlPlane>,
}

/// A part that other tests use as well, or that ends with this test.
enum Shared<T: 'static> {
    WithOthers(&'static T),
    Owned(Box<T>),
}

impl Drop for World {
    /// What the agent said of this world; the test's output shows it where the test fails.
    #[expect(
        clippy::print_stdout,
        reason = "the output of a test that fails is for people"
    )]
    fn drop(&mut self) {
        let log = self.agent.get().log();
        let last = last_lines(&log, 40, |line| line.contains(&self.namespace));
        println!("the agent's last words on `{}`:", self.namespace);
        println!("{}", last.join("\n"));
    }
}

impl<T> Shared<T> {
    fn get(&self) -> &T {
        match self {
            Self::WithOthers(part) => part,
            Self::Owned(part) => part,
        }
    }
}

impl World {
    /// A world in the shared control plane with the shared agent. `name` is part of the names of
    /// its namespace and repository.
    pub async fn new(name: &str) -> Result<Self> {
        let control_plane = Shared::WithOthers(ControlPlane::shared().await?);
        let agent = Shared::WithOthers(AgentProcess::shared().await?);
        Self::build(name, Access::Open, control_plane, agent).await
    }

    /// A world whose repository asks for a password.
    pub async fn with_access(name: &str, access: Access) -> Result<Self> {
        let control_plane = Shared::WithOthers(ControlPlane::shared().await?);
        let agent = Shared::WithOthers(AgentProcess::shared().await?);
        Self::build(name, access, control_plane, agent).await
    }

    /// A world with a control plane and an agent of its own, for a test that breaks them. `settle`
    /// completes the settings of the agent.
    pub async fn alone(
        name: &str,
        options: Options,
        settle: impl FnOnce(AgentSettings) -> AgentSettings,
    ) -> Result<Self> {
        let control_plane = ControlPlane::start(options).await?;
        let settings = settle(AgentSettings::in_cluster(&control_plane).await?);
        let agent = AgentProcess::start(settings).await?;
        let (control_plane, agent) = (Box::new(control_plane), Box::new(agent));
        Self::build(
            name,
            Access::Open,
            Shared::Owned(control_plane),
            Shared::Owned(agent),
        )
        .await
    }

    /// As [`World::alone`], and the agent reaches the API server through [`World::proxy`] only.
    pub async fn behind_proxy(
        name: &str,
        options: Options,
        settle: impl FnOnce(AgentSettings) -> AgentSettings,
    ) -> Result<Self> {
        let control_plane = ControlPlane::start(options).await?;
        let proxy = FaultProxy::start(&control_plane).await?;
        let settings = AgentSettings::in_cluster(&control_plane).await?;
        let agent = AgentProcess::start(settle(settings.through(&proxy))).await?;
        let mut world = Self::build(
            name,
            Access::Open,
            Shared::Owned(Box::new(control_plane)),
            Shared::Owned(Box::new(agent)),
        )
        .await?;
        world.proxy = Some(Shared::Owned(Box::new(proxy)));
        Ok(world)
    }

    /// A world in a control plane that other tests use as well, with an agent of its own. Only one
    /// agent works in a control plane at a time, so those tests take turns.
    pub async fn with_agent(
        name: &str,
        control_plane: &'static ControlPlane,
        settle: impl FnOnce(AgentSettings) -> AgentSettings,
    ) -> Result<Self> {
        let settings = settle(AgentSettings::in_cluster(control_plane).await?);
        let agent = Shared::Owned(Box::new(AgentProcess::start(settings).await?));
        let control_plane = Shared::WithOthers(control_plane);
        Self::build(name, Access::Open, control_plane, agent).await
    }

    /// As [`World::with_agent`], and the agent reaches the API server through a proxy of its own.
    pub async fn with_agent_behind_proxy(
        name: &str,
        control_plane: &'static ControlPlane,
        settle: impl FnOnce(AgentSettings) -> AgentSettings,
    ) -> Result<Self> {
        let proxy = FaultProxy::start(control_plane).await?;
        let mut world = Self::with_agent(name, control_plane, |settings| {
            settle(settings.through(&proxy))
        })
        .await?;
        world.proxy = Some(Shared::Owned(Box::new(proxy)));
        Ok(world)
    }

    /// A world in a control plane, with an agent and a proxy before it, that other tests use as
    /// well. A test lets only those requests go wrong that name its own namespace.
    pub async fn among(
        name: &str,
        control_plane: &'static ControlPlane,
        agent: &'static AgentProcess,
        proxy: &'static FaultProxy,
    ) -> Result<Self> {
        let (control_plane, agent) = (Shared::WithOthers(control_plane), Shared::WithOthers(agent));
        let mut world = Self::build(name, Access::Open, control_plane, agent).await?;
        world.proxy = Some(Shared::WithOthers(proxy));
        Ok(world)
    }

    async fn build(
        name: &str,
        access: Access,
        control_plane: Shared<ControlPlane>,
        agent: Shared<AgentProcess>,
    ) -> Result<Self> {
        let client = control_plane.get().admin().await?;
        let namespace = format!("{name}-{}", suffix());
        let git = GitServer::shared().await?;
        let repo = git.create(&namespace, access.clone())?;
        let world = Self {
            namespace,
            client,
            repo,
            git,
            agent,
            proxy: None,
            control_plane,
        };
        world
            .apply(&json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": { "name": world.namespace, "labels": { "test": name } },
            }))
            .await?;
        for (account, role) in [(DEPLOYER, "admin"), (READER, "view")] {
            for object in account_with_role(&world.namespace, account, role) {
                world.apply(&object).await?;
            }
        }
        world.apply(&impersonation(&world.namespace)).await?;
        // `view` leaves Secrets out.
        world.allow_secrets(READER).await?;
        if let Access::Basic { user, password } = access {
            world
                .secret("git", &[("username", &user), ("password", &password)])
                .await?;
        }
        Ok(world)
    }

    /// The control plane.
    pub fn control_plane(&self) -> &ControlPlane {
        self.control_plane.get()
    }

    /// The proxy between the agent and the API server, in a world of [`World::behind_proxy`].
    pub fn proxy(&self) -> Result<&FaultProxy> {
        self.proxy
            .as_ref()
            .map(Shared::get)
            .context("the agent reaches the API server without a proxy")
    }

    /// The agent.
    pub fn agent(&self) -> &AgentProcess {
        self.agent.get()
    }

    /// Applies an object, in the world's namespace where it names none.
    pub async fn apply(&self, object: &Value) -> Result<Value> {
        objects::apply(&self.client, object, Some(&self.namespace)).await
    }

    /// Applies the documents of a YAML text.
    pub async fn apply_yaml(&self, text: &str) -> Result<()> {
        for document in objects::documents(text)? {
            self.apply(&document).await?;
        }
        Ok(())
    }

    /// The live object, see [`objects::reference`].
    pub async fn get(&self, api_version: &str, kind: &str, name: &str) -> Result<Value> {
        let object = objects::reference(api_version, kind, name);
        objects::get(&self.client, &object, Some(&self.namespace)).await
    }

    /// Whether an object is there.
    pub async fn exists(&self, api_version: &str, kind: &str, name: &str) -> Result<bool> {
        match self.get(api_version, kind, name).await {
            Ok(_) => Ok(true),
            Err(error) if is_not_found(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A Secret with plain values.
    pub async fn secret(&self, name: &str, values: &[(&str, &str)]) -> Result<Value> {
        let data: serde_json::Map<String, Value> = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(STANDARD.encode(value))))
            .collect();
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name },
            "data": data,
        }))
        .await
    }

    /// The Repository object `config` for the world's repository; `more` is merged into its spec.
    pub async fn repository(&self, more: Value) -> Result<Value> {
        let mut spec = json!({ "url": self.repo.url(), "interval": "1h" });
        merge(&mut spec, more);
        self.apply(&ours("Repository", "config", spec)).await
    }

    /// An Application of the Repository `config`; `more` is merged into its spec.
    pub async fn application(&self, name: &str, path: &str, more: Value) -> Result<Value> {
        let mut spec = json!({
            "repository": "config",
            "path": path,
            "serviceAccount": DEPLOYER,
            "destination": { "namespace": self.namespace },
        });
        merge(&mut spec, more);
        self.apply(&ours("Application", name, spec)).await
    }

    /// An ImagePolicy that updates the Repository `config`, in whatever file names the image, whether
    /// or not an Application runs it; `more` is merged into its spec.
    pub async fn image_policy(&self, name: &str, image: &str, more: Value) -> Result<Value> {
        let mut spec = json!({
            "image": image,
            "interval": "1h",
            "select": { "semver": ">=0.0.0" },
            "update": { "repository": "config", "paths": ["."] },
        });
        merge(&mut spec, more);
        self.apply(&ours("ImagePolicy", name, spec)).await
    }

    /// One of our own objects, live.
    pub async fn ours(&self, kind: &str, name: &str) -> Result<Value> {
        self.get(API_VERSION, kind, name).await
    }

    /// Asks for a sync, a fetch or a scan now, as a person does.
    pub async fn request(&self, kind: &str, name: &str) -> Result<()> {
        let object = objects::reference(API_VERSION, kind, name);
        let now = jiff::Timestamp::now().to_string();
        let patch = json!({ "metadata": { "annotations": { "syncline.dev/requested-at": now } } });
        objects::edit(&self.client, &object, Some(&self.namespace), "test", &patch).await?;
        Ok(())
    }

    /// Changes a live object behind the agent's back, as `kubectl edit` does.
    pub async fn edit(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        patch: &Value,
    ) -> Result<()> {
        let object = objects::reference(api_version, kind, name);
        let namespace = Some(self.namespace.as_str());
        objects::edit(&self.client, &object, namespace, "kubectl-edit", patch).await?;
        Ok(())
    }

    /// Sends a signed delivery of the world's repository to the agent and answers with the status.
    pub async fn deliver(&self, secret: &str) -> Result<u16> {
        deliver(&self.repo, self.agent(), secret).await
    }

    /// Waits until one of our own objects satisfies `holds`, and answers with it.
    pub async fn wait_for_ours(
        &self,
        kind: &str,
        name: &str,
        what: &str,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> Result<Value> {
        wait_for(&format!("{kind} {name}: {what}"), DEADLINE, async || {
            self.agent().ensure_running()?;
            let live = self.ours(kind, name).await?;
            anyhow::ensure!(holds(&live), "its status is {:#}", live["status"]);
            Ok(live)
        })
        .await
    }

    /// Waits until an Application has applied a commit and is ready.
    pub async fn wait_until_synced(&self, name: &str, commit: &str) -> Result<Value> {
        self.wait_for_ours(
            "Application",
            name,
            &format!("synced at {commit}"),
            |live| {
                let applied = live["status"]["lastAppliedRevision"]
                    .as_str()
                    .unwrap_or_default();
                applied.contains(commit) && objects::condition(live, "Ready").is_some()
            },
        )
        .await
    }

    /// Waits until the Ready condition of one of our own objects is `False` for a reason.
    pub async fn wait_for_reason(&self, kind: &str, name: &str, reason: &str) -> Result<Value> {
        self.wait_for_ours(
            kind,
            name,
            &format!("not ready for the reason {reason}"),
            |live| {
                objects::find_condition(live, "Ready")
                    .is_some_and(|ready| ready["status"] == "False" && ready["reason"] == reason)
            },
        )
        .await
    }

    async fn allow_secrets(&self, account: &str) -> Result<()> {
        self.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": "read-secrets" },
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }],
        }))
        .await?;
        self.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "read-secrets" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "read-secrets",
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": account,
                "namespace": self.namespace,
            }],
        }))
        .await?;
        Ok(())
    }
}

/// Sends a delivery in GitHub's form to an agent's webhook listener; answers with the status.
pub async fn deliver(repo: &Repo, agent: &AgentProcess, secret: &str) -> Result<u16> {
    let delivery = repo.delivery(secret)?;
    let answer = reqwest::Client::new()
        .post(agent.webhook_url("/webhook/github"))
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", format!("{}-{}", repo.name(), suffix()))
        .header("x-hub-signature-256", delivery.signature)
        .body(delivery.body)
        .send()
        .await
        .context("deliver the webhook")?;
    Ok(answer.status().as_u16())
}

/// Whether the API server said that an object is not there.
pub fn is_not_found(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.code == 404)
    })
}

/// Lets the agent act as the accounts of a namespace, as `deploy/base` tells the platform to do it.
pub fn impersonation(namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "syncline-impersonate", "namespace": namespace },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "syncline-impersonate",
        },
        "subjects": [{
            "kind": "ServiceAccount",
            "name": agent::ACCOUNT,
            "namespace": agent::NAMESPACE,
        }],
    })
}

const API_VERSION: &str = "syncline.dev/v1alpha1";

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// Puts the members of `more` over those of `base`, object by object.
fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (base, more) => *base = more,
    }
}

/// Five letters that no other test of this machine has at the moment.
pub fn suffix() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let mut number = RandomState::new().hash_one(std::process::id());
    let mut text = String::new();
    for _ in 0..5 {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    text
}
