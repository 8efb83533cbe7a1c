//! A real PostgreSQL with a database for whoever asks.
//!
//! It refuses to run as root: started by root it runs as `nobody`. It sorts by the rules of English,
//! so that what must sort by bytes has to say so itself. The tests of the store are in another
//! package that cannot use this one, and take this file as a module of theirs: it needs nothing else
//! of this package.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

/// Its superuser.
const USER: &str = "syncline";
/// The password of that user, with characters that a URL must escape.
const PASSWORD: &str = "p@ss/word";
/// User and group `nobody`.
const NOBODY: u32 = 65534;
/// Name of the folders, which the harness removes when the process that made them is gone.
const PREFIX: &str = "syncline-tests-";

/// How much it does for what it has promised to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: as fast as it can be, for tests.
    None,
    /// As it comes, for a bench.
    Full,
}

/// A running PostgreSQL. Ends when it is dropped, or with this process.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    folder: TempDir,
    durability: Durability,
    server: Mutex<Option<Child>>,
}

impl Postgres {
    /// Starts one on a free loopback port.
    pub async fn start(durability: Durability) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-postgres-", std::process::id()))
            .tempdir()
            .context("make a temporary folder")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        drop(listener);
        let this = Self {
            address,
            folder,
            durability,
            server: Mutex::new(None),
        };
        this.initialise()?;
        this.resume().await?;
        Ok(this)
    }

    /// A new and empty database; answers with its URL.
    pub async fn create(&self, name: &str) -> Result<String> {
        let mut connection = self.connect("postgres").await?;
        let statement = format!("create database \"{name}\"");
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(self.url(name))
    }

    /// The URL of a database, with user and password.
    pub fn url(&self, name: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace('/', "%2F");
        format!("postgres://{USER}:{password}@{}/{name}", self.address)
    }

    /// A connection to a database.
    pub async fn connect(&self, name: &str) -> Result<PgConnection> {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.address.ip().to_string())
            .port(self.address.port())
            .username(USER)
            .password(PASSWORD)
            .database(name)
            .disable_statement_logging();
        Ok(options.connect().await?)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it at once, as a crash does: what was promised to be kept is kept.
    pub fn stop(&self) -> Result<()> {
        let server = self.lock().take();
        let Some(mut server) = server else {
            return Ok(());
        };
        // `immediate`: no process of it is left to write.
        let sent = Command::new("kill")
            .args(["-QUIT", &server.id().to_string()])
            .status()
            .context("run kill")?;
        ensure!(sent.success(), "PostgreSQL cannot be ended");
        server.wait()?;
        Ok(())
    }

    /// Starts it again, with its databases, on the same port.
    pub async fn resume(&self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let mut postgres = self.program("postgres")?;
        postgres.arg("-D").arg(self.data());
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.address.port()),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
        ] {
            postgres.args(["-c", &setting]);
        }
        if self.durability == Durability::None {
            for setting in [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
            ] {
                postgres.args(["-c", setting]);
            }
        }
        postgres
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        *self.lock() = Some(spawn(postgres)?);
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let failed = match self.connect("postgres").await {
                Ok(connection) => return Ok(connection.close().await?),
                Err(error) => error,
            };
            let ended = match self.lock().as_mut() {
                Some(server) => server.try_wait()?,
                None => None,
            };
            if ended.is_some() || began.elapsed() > Duration::from_mins(1) {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                bail!(
                    "PostgreSQL is not ready: {failed:#}; {}",
                    log.unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn initialise(&self) -> Result<()> {
        let password = self.folder.path().join("password");
        std::fs::write(&password, PASSWORD)?;
        if is_root(self.folder.path())? {
            for path in [self.folder.path(), &password] {
                chown(path, Some(NOBODY), Some(NOBODY))?;
            }
        }
        let out = self
            .program("initdb")?
            .arg("-D")
            .arg(self.data())
            .args(["-U", USER, "-E", "UTF8", "-A", "scram-sha-256", "--pwfile"])
            .arg(&password)
            .args(["--locale-provider=icu", "--icu-locale=en", "--locale=C"])
            .args(["--no-sync", "--no-instructions"])
            .output()
            .context("run initdb")?;
        ensure!(
            out.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(())
    }

    /// A command for one of its programs that ends with this process.
    fn program(&self, name: &str) -> Result<Command> {
        let program = programs()?.join(name);
        let mut command = Command::new("setpriv");
        if is_root(self.folder.path())? || owner(self.folder.path())? == NOBODY {
            let nobody = NOBODY.to_string();
            command.args([
                "--reuid",
                &nobody,
                "--regid",
                &nobody,
                "--clear-groups",
                "--",
            ]);
            command.arg("setpriv");
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        // It must be able to enter the folder where it starts.
        command.current_dir(self.folder.path());
        Ok(command)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // What is gone already is what we want.
        let _ = self.stop();
    }
}

/// The folder of the programs `postgres` and `initdb`.
fn programs() -> Result<PathBuf> {
    let name = std::env::var_os("SYNCLINE_POSTGRES").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = (15..=20)
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let folders = std::env::split_paths(&path)
        .chain(versions)
        .map(|folder| folder.join("postgres"));
    let found = name.into_iter().chain(folders).find(|path| path.is_file());
    let found = found.context(
        "no `postgres`: run `apt-get update && apt-get install -y --no-install-recommends \
         postgresql`, or name one in SYNCLINE_POSTGRES",
    )?;
    // A link may stand alone in its folder.
    let program = std::fs::canonicalize(found)?;
    Ok(program
        .parent()
        .context("`postgres` has no folder")?
        .to_owned())
}

/// Whether we are root: what we made is root's.
fn is_root(ours: &Path) -> Result<bool> {
    Ok(owner(ours)? == 0)
}

fn owner(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.uid())
}

/// Starts a program from a thread that lives as long as this process: the kernel ends the program
/// with the thread that started it.
fn spawn(mut command: Command) -> Result<Child> {
    let (sender, child) = mpsc::channel();
    std::thread::spawn(move || {
        // The asker has gone only if its thread panicked.
        let _ = sender.send(command.spawn());
        loop {
            std::thread::park();
        }
    });
    child.recv()?.context("start PostgreSQL")
}
