//! The demo: a cluster, a Git server, a registry and the agent, with the sample `roar` loaded.

mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Client;
use serde_json::{Value, json};

use crate::world::deliver;
use crate::{
    Access, AgentProcess, AgentSettings, ControlPlane, GitServer, Options, Registry, Repo, browser,
    objects, programs, wait_for,
};

pub use story::{Measure, play};

/// Namespace of the sample's Repository, Applications and ImagePolicy.
const NAMESPACE: &str = "roar";
/// How long the demo waits for anything. It ends a wait that has no hope.
const DEADLINE: Duration = Duration::from_mins(2);
/// The applications of the sample.
const APPLICATIONS: [&str; 4] = ["roar-dev", "roar-prod", "roar-chart", "roar-tools"];
/// Who may read and push. Everything listens on loopback and ends with the demo.
const USER: &str = "robin";
const PASSWORD: &str = "sample";
const HOOK_SECRET: &str = "sample-hook";

/// The running demo. Dropping it ends everything.
#[derive(Debug)]
pub struct Demo {
    // The agent ends before what it talks to; fields are dropped in this order.
    agent: Arc<AgentProcess>,
    control_plane: ControlPlane,
    git: GitServer,
    registry: Registry,
    repo: Repo,
}

impl Demo {
    /// Starts everything and loads the sample. `say` is told what is done, line by line.
    pub async fn start(say: impl Fn(&str)) -> Result<Self> {
        let begin = Instant::now();
        let control_plane = ControlPlane::start(Options::default()).await?;
        say(&format!(
            "Kubernetes is ready ({:.1?})",
            control_plane.started_in()
        ));
        let git = GitServer::start().await?;
        let access = Access::Basic {
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let repo = git.create("config", access)?;
        let registry = Registry::start(Access::Open).await?;
        registry.push_image("roar-web", "1.0.0").await?;
        say("a Git server and a registry are ready");

        let settings = AgentSettings::in_cluster(&control_plane).await?;
        let agent = Arc::new(AgentProcess::start(settings).await?);
        say("the agent is ready");

        let demo = Self {
            agent,
            control_plane,
            git,
            registry,
            repo,
        };
        demo.load_sample().await?;
        demo.send_webhooks()?;
        demo.wait_until_healthy().await?;
        say(&format!(
            "the sample is deployed ({:.1?} since the start)",
            begin.elapsed()
        ));
        Ok(demo)
    }

    /// What a person needs to know and can try.
    pub fn guide(&self) -> String {
        let addresses = self.agent.addresses();
        let ui = addresses
            .ui_link
            .unwrap_or_else(|| format!("http://{}/", addresses.ui));
        let clone = self.repo.clone_url();
        let kubeconfig = self.control_plane.admin_kubeconfig().display().to_string();
        let image = self.registry.image("roar-web");
        let registry = self.registry.host();
        format!(
            "\nWeb UI (this link signs in once):\n  {ui}\n\
             Configuration repository:\n  git clone {clone}\n\
             Cluster:\n  export KUBECONFIG={kubeconfig}\n\
             Images: {image}\n\n\
             Try, and look at the web UI:\n\
             1. Push a change: edit `apps/dev/greeting.yaml`, commit, push.\n\
             2. Break it: put `]` into `apps/tools/script.yaml`, push, read what it says; the other \
                applications go on.\n\
             3. Roll back: `git revert HEAD`, push.\n\
             4. Release a new image: any OCI tool can push `{image}:1.1.0`\n   \
                (for example `skopeo copy --dest-tls-verify=false SOURCE docker://{registry}/roar-web:1.1.0`);\n   \
                within ten seconds it is a commit, and deployed.\n\
             5. Change the cluster by hand: `kubectl -n roar-dev scale deployment/roar-web --replicas=5`.\n\
             6. Remove `banner.yaml` from `apps/dev` and from its `kustomization.yaml`, push: it is pruned.\n\n\
             Ctrl-C ends everything and leaves nothing behind.\n"
        )
    }

    /// The agent.
    pub fn agent(&self) -> &AgentProcess {
        &self.agent
    }

    /// Runs the browser tests of the web UI against this demo, by `node`. An application that fails
    /// is rolled back there with the keyboard alone.
    pub async fn check_browser(&self) -> Result<()> {
        story::break_tools(self, &[]).await?;
        let failing = format!("{NAMESPACE}/roar-tools");
        let link = self.agent.addresses().ui_link;
        let link = link.context("the agent gave no link to the web UI")?;
        let expected = json!({
            "applications": APPLICATIONS.map(|name| format!("{NAMESPACE}/{name}")),
            "application": format!("{NAMESPACE}/roar-dev"),
            "objects": ["Deployment roar-web"],
            "syncNow": true,
            // The story gave it a new image.
            "change": "spec.template.spec.containers[web].image",
            "failing": [failing],
            "rollback": failing,
        });
        let status = browser::script("run", &link)
            .env("SYNCLINE_EXPECT", expected.to_string())
            .status()
            .context("run node")?;
        ensure!(status.success(), "the browser tests ended with {status}");
        Ok(())
    }

    async fn client(&self) -> Result<Client> {
        self.control_plane.admin().await
    }

    /// `config/samples/roar` with the addresses and credentials of this demo in place of the
    /// examples: what a person does by hand before use.
    async fn load_sample(&self) -> Result<()> {
        let sample = programs::repository_root().join("config/samples/roar");
        let replaced = [
            ("registry.example.com", self.registry.host()),
            (
                "https://git.example.com/roar/config.git",
                self.repo.url().to_owned(),
            ),
        ];
        let replace = |text: String| {
            replaced
                .iter()
                .fold(text, |text, (from, to)| text.replace(from, to))
        };
        let mut files = Vec::new();
        for file in files_of(&sample.join("repository"))? {
            let name = file
                .strip_prefix(sample.join("repository"))?
                .display()
                .to_string();
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("read {}", file.display()))?;
            files.push((name, replace(text)));
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        self.repo.commit(&files, "Start with the sample")?;

        let client = self.client().await?;
        for mut object in built(&self.control_plane, &sample.join("platform"), replace)? {
            adapt(&mut object);
            objects::apply(&client, &object, Some(NAMESPACE)).await?;
        }
        Ok(())
    }

    /// A push over HTTP is announced to the agent, as a Git host does it.
    fn send_webhooks(&self) -> Result<()> {
        let (agent, repo) = (Arc::downgrade(&self.agent), self.repo.clone());
        let background = crate::background()?;
        self.git.after_push(move |_| {
            let (agent, repo) = (agent.upgrade(), repo.clone());
            background.spawn(async move {
                if let Some(agent) = agent {
                    // The agent polls as well: a lost delivery costs time and nothing else.
                    let _ = deliver(&repo, &agent, HOOK_SECRET).await;
                }
            });
        });
        Ok(())
    }

    async fn wait_until_healthy(&self) -> Result<()> {
        let head = self.repo.head()?;
        for name in APPLICATIONS {
            self.wait_for_application(name, |live| {
                let applied = live["status"]["lastAppliedRevision"]
                    .as_str()
                    .unwrap_or_default();
                applied.contains(&head)
                    && objects::condition(live, "Ready").is_some()
                    && live["status"]["health"] == "Healthy"
            })
            .await?;
        }
        Ok(())
    }

    async fn wait_for_application(
        &self,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let client = self.client().await?;
        let object = objects::reference("syncline.dev/v1alpha1", "Application", name);
        wait_for(&format!("the Application {name}"), DEADLINE, async || {
            self.agent.ensure_running()?;
            let live = objects::get(&client, &object, Some(NAMESPACE)).await?;
            ensure!(holds(&live), "its status is {:#}", live["status"]);
            Ok(live)
        })
        .await
    }
}

/// What `kubectl kustomize` makes of a folder, with texts replaced.
fn built(
    control_plane: &ControlPlane,
    folder: &Path,
    replace: impl Fn(String) -> String,
) -> Result<Vec<Value>> {
    let out = std::process::Command::new(programs::control_plane("kubectl")?)
        .arg("kustomize")
        .arg(folder)
        .env("KUBECONFIG", control_plane.admin_kubeconfig())
        .output()
        .context("run kubectl kustomize")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "kubectl kustomize {}: {errors}",
        folder.display()
    );
    objects::documents(&replace(String::from_utf8(out.stdout)?))
}

/// The credentials of the demo, and intervals that a person does not have to wait for.
fn adapt(object: &mut Value) {
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let values = match (object["kind"].as_str().unwrap_or_default(), name.as_str()) {
        ("Secret", "config-read" | "config-write") => {
            vec![("username", USER), ("password", PASSWORD)]
        }
        ("Secret", "config-hook") => vec![("secret", HOOK_SECRET)],
        ("Repository", _) => return object["spec"]["interval"] = "30s".into(),
        ("ImagePolicy", _) => return object["spec"]["interval"] = "10s".into(),
        _ => return,
    };
    let data: serde_json::Map<String, Value> = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), STANDARD.encode(value).into()))
        .collect();
    object["data"] = json!(data);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("stringData");
    }
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_of(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
