//! A real Gitea, and repositories of it that a test changes as a person does.
//!
//! It has one user, who owns everything and signs in with a token, or with a key of SSH. All of its
//! state is in a folder of its own.

mod repository;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::install_crypto;
use crate::process::{Process, command, free_port, state_folder};
use crate::world::suffix;
use crate::{programs, wait_for};

pub use repository::GiteaRepository;

/// Its user.
pub const USER: &str = "robin";
/// The password of that user.
const PASSWORD: &str = "a-password-for-gitea";

/// The file of its key of SSH, in its folder.
const HOST_KEY: &str = "host-key";

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Read repositories.
    ReadRepositories,
    /// Read repositories and push to them.
    WriteRepositories,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ReadRepositories => "read:repository",
            Self::WriteRepositories => "write:repository",
        }
    }
}

/// A running Gitea. Ends when it is dropped.
#[derive(Debug)]
pub struct Gitea {
    process: Process,
    address: SocketAddr,
    ssh: SocketAddr,
    client: Client,
    token: String,
    folder: TempDir,
}

impl Gitea {
    /// The Gitea that the tests of this process share: a repository each.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: tokio::sync::OnceCell<Gitea> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts one on a free loopback port, with its user and without repositories.
    pub async fn start() -> Result<Self> {
        install_crypto();
        let folder = state_folder("gitea")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let ssh = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        make_key(&folder.path().join(HOST_KEY))?;
        let program = programs::gitea()?;
        let settings = settings_of(&program, folder.path(), address, ssh);
        std::fs::write(folder.path().join("app.ini"), settings)?;
        run(folder.path(), &["migrate"])?;
        let user = ["admin", "user", "create", "--admin", "--username", USER];
        let more = ["--email", "robin@example.com", "--password", PASSWORD];
        let last = ["--must-change-password=false"];
        run(folder.path(), &[&user[..], &more, &last].concat())?;
        let token = new_token(folder.path(), Scope::All)?;
        let mut web = gitea(folder.path())?;
        web.arg("web");
        let process = Process::start("gitea", web, &folder.path().join("log"))?;
        let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
        let mut this = Self {
            process,
            address,
            ssh,
            client,
            token,
            folder,
        };
        this.wait_until_ready().await?;
        Ok(this)
    }

    /// Makes a private, empty repository of its user with the branch `main`.
    pub async fn create(&self, name: &str) -> Result<GiteaRepository<'_>> {
        let wanted = json!({ "name": name, "private": true, "default_branch": "main" });
        self.ask(Method::POST, "user/repos", Some(wanted)).await?;
        GiteaRepository::around(self, name)
    }

    /// Another token of its user. Git takes it as the password.
    pub fn token(&self, scope: Scope) -> Result<String> {
        new_token(self.folder.path(), scope)
    }

    /// Makes a key of SSH and lets it in as its user. Answers with the private key.
    pub async fn ssh_key(&self) -> Result<String> {
        let name = format!("key-{}", suffix());
        let file = self.folder.path().join(&name);
        make_key(&file)?;
        let public = std::fs::read_to_string(file.with_extension("pub"))?;
        let key = json!({ "title": name, "key": public.trim() });
        self.ask(Method::POST, "user/keys", Some(key)).await?;
        Ok(std::fs::read_to_string(file)?)
    }

    /// The line of `known_hosts` for it.
    pub fn known_hosts(&self) -> Result<String> {
        let key = std::fs::read_to_string(self.folder.path().join(format!("{HOST_KEY}.pub")))?;
        Ok(format!("[{}]:{} {key}", self.ssh.ip(), self.ssh.port()))
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Asks its API for a path below `/api/v1/` as its user; answers with the JSON, `null` where
    /// the answer has none. Anything but success is an error with what it said.
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let what = format!("{method} {path}");
        let url = format!("http://{}/api/v1/{path}", self.address);
        let request = self.client.request(method, url);
        let request = request.header("authorization", format!("token {}", self.token));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.with_context(|| what.clone())?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{what}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let url = format!("http://{}/api/healthz", self.address);
        let client = self.client.clone();
        let process = &mut self.process;
        wait_for("Gitea to be ready", Duration::from_mins(2), async || {
            process.ensure_running()?;
            let status = client.get(&url).send().await?.status();
            ensure!(status.is_success(), "it answers {status}");
            Ok(())
        })
        .await
    }
}

/// A command of Gitea's program on the state in a folder.
fn gitea(folder: &Path) -> Result<Command> {
    let mut gitea = command(programs::gitea()?.join("gitea"));
    gitea
        .arg("--config")
        .arg(folder.join("app.ini"))
        .env("GITEA_WORK_DIR", folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir(folder);
    Ok(gitea)
}

/// Runs a command of Gitea's program to its end; answers with what it printed.
fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let out = gitea(folder)?
        .args(arguments)
        .output()
        .context("run gitea")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    let what = arguments.join(" ");
    ensure!(out.status.success(), "gitea {what}: {said}{errors}");
    Ok(said)
}

fn new_token(folder: &Path, scope: Scope) -> Result<String> {
    let named = format!("token-{}", suffix());
    let said = run(
        folder,
        &[
            "admin",
            "user",
            "generate-access-token",
            "--username",
            USER,
            "--token-name",
            &named,
            "--scopes",
            scope.name(),
            "--raw",
        ],
    )?;
    let token = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(token.context("gitea printed no token")?.to_owned())
}

/// Makes an Ed25519 key without a passphrase, and `.pub` beside it.
fn make_key(file: &Path) -> Result<()> {
    let out = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f"])
        .arg(file)
        .output()
        .context("run ssh-keygen")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "ssh-keygen: {errors}");
    Ok(())
}

/// Its settings, see <https://docs.gitea.com/administration/config-cheat-sheet>. Everything that a
/// Git host with webhooks does not need is off.
fn settings_of(program: &Path, folder: &Path, address: SocketAddr, ssh: SocketAddr) -> String {
    let (program, folder) = (program.display(), folder.display());
    let (host, port, ssh_port) = (address.ip(), address.port(), ssh.port());
    format!(
        "RUN_MODE = prod\n\
         ; The tests may be run as root, where it would refuse to start.\n\
         I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n\
         [server]\n\
         HTTP_ADDR = {host}\nHTTP_PORT = {port}\nROOT_URL = http://{address}/\n\
         STATIC_ROOT_PATH = {program}\nOFFLINE_MODE = true\n\
         START_SSH_SERVER = true\nBUILTIN_SSH_SERVER_USER = git\nSSH_LISTEN_HOST = {host}\n\
         SSH_LISTEN_PORT = {ssh_port}\nSSH_SERVER_HOST_KEYS = {folder}/{HOST_KEY}\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {folder}/gitea.db\n\
         [repository]\nROOT = {folder}/repositories\n\
         [security]\nINSTALL_LOCK = true\n\
         [session]\nPROVIDER = memory\n\
         [service]\nDISABLE_REGISTRATION = true\n\
         [webhook]\nALLOWED_HOST_LIST = loopback\n\
         [indexer]\nISSUE_INDEXER_TYPE = db\n\
         [actions]\nENABLED = false\n\
         [packages]\nENABLED = false\n\
         [log]\nMODE = console\nLEVEL = Warn\n"
    )
}
