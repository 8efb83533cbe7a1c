//! Child processes that never outlive the process which started them.
//!
//! Each one is started through `setpriv --pdeathsig KILL`, so the kernel ends it when the thread
//! that started it ends. That thread is one of our own and lives as long as the process: a test's
//! thread would take the shared control plane with it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::wait::wait_blocking;

/// A running child process with its log file. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
}

/// A command for `program` that dies with this process. Add arguments and environment to it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let setpriv = *SETPRIV.get_or_init(|| {
        let try_out = ["--pdeathsig", "KILL", "--", "true"];
        Command::new("setpriv")
            .args(try_out)
            .output()
            .is_ok_and(|out| out.status.success())
    });
    if !setpriv {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

impl Process {
    /// Starts a command made by [`command`]; output and errors go to the file `log`, appended.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = spawn(command).with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            child,
            ended: None,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has written so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Fails with the end of its log if the process is gone.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!(
                "{} ended with {status}; the end of its log:\n{}",
                self.name,
                self.log_end()
            );
        }
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits; fails if it has not ended by the deadline.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            let id = self.id().to_string();
            let sent = Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .context("run kill")?;
            ensure!(sent.success(), "kill -TERM {id} failed");
        }
        let name = self.name.clone();
        wait_blocking(&format!("{name} to end"), deadline, || {
            self.ended()?.with_context(|| format!("{name} still runs"))
        })
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            self.child.kill()?;
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    fn log_end(&self) -> String {
        last_lines(&self.log(), 25, |_| true).join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that is gone already is what we want.
        let _ = self.kill();
    }
}

/// A loopback port that nobody listened on a moment ago; this process gets each one once.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = TcpListener::bind("127.0.0.1:0")
            .context("find a free port")?
            .local_addr()?
            .port();
        if given.insert(port) {
            return Ok(port);
        }
    }
}

/// A folder for one part of the harness. It names the process that made it, and folders whose
/// process is gone (their shared parts are never dropped) are removed here.
pub fn state_folder(part: &str) -> Result<tempfile::TempDir> {
    const PREFIX: &str = "syncline-tests-";
    let root = std::env::temp_dir();
    for entry in std::fs::read_dir(&root)
        .context("list the temporary folder")?
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner
            .is_some_and(|id| id.parse::<u32>().is_ok() && !Path::new("/proc").join(id).exists())
        {
            // Another run may be removing it as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-{part}-", std::process::id()))
        .tempdir()
        .context("make a temporary folder")
}

type Answer = mpsc::Sender<std::io::Result<Child>>;

fn spawn(command: Command) -> Result<Child> {
    static STARTER: OnceLock<Mutex<mpsc::Sender<(Command, Answer)>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<(Command, Answer)>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                // The asker has gone only if its thread panicked.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (answer, child) = mpsc::channel();
    starter
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, answer))
        .context("the thread that starts processes is gone")?;
    Ok(child
        .recv()
        .context("the thread that starts processes is gone")??)
}

/// The last `most` of the lines of a text that are asked for, in order.
pub fn last_lines(text: &str, most: usize, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| wanted(line)).collect();
    lines[lines.len().saturating_sub(most)..].to_vec()
}
