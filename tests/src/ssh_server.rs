//! A real SSH server, `sshd` of OpenSSH, in front of the repositories of a Git server. Whoever runs
//! the tests signs in, with the one key that it lets in.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::process::{Process, command, free_port, state_folder};
use crate::wait::wait_blocking;
use crate::{Repo, programs};

/// A running server. Ends when it is dropped.
#[derive(Debug)]
pub struct SshServer {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
}

impl SshServer {
    /// Starts a server on a free loopback port, with a host key and the key `client`, which it lets
    /// in.
    pub fn start() -> Result<Self> {
        let folder = state_folder("ssh")?;
        make_key(&folder.path().join("host"), "")?;
        make_key(&folder.path().join("client"), "")?;
        let mut server = Self {
            folder,
            port: free_port()?,
            process: None,
        };
        server.listen("")?;
        Ok(server)
    }

    /// Starts it anew on its port; `more` are further lines of `sshd_config`.
    pub fn listen(&mut self, more: &str) -> Result<()> {
        drop(self.process.take());
        let folder = self.folder.path();
        let shown = folder.display();
        let settings = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nPidFile none\nStrictModes no\n\
             AuthorizedKeysFile {shown}/client.pub\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n{more}\n",
            self.port
        );
        fs::write(folder.join("settings"), settings)?;
        // As root it wants the folder that its package makes.
        if folder.metadata()?.uid() == 0 {
            fs::create_dir_all("/run/sshd").context("make /run/sshd")?;
        }
        let mut sshd = command(programs::sshd()?);
        sshd.args(["-D", "-e", "-f"]).arg(folder.join("settings"));
        let mut process = Process::start("sshd", sshd, &folder.join("log"))?;
        let port = self.port;
        wait_blocking("sshd to listen", Duration::from_secs(20), || {
            process.ensure_running()?;
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect")
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Gives the server another host key, and starts it anew.
    pub fn change_host_key(&mut self) -> Result<()> {
        for name in ["host", "host.pub"] {
            fs::remove_file(self.folder.path().join(name))?;
        }
        make_key(&self.folder.path().join("host"), "")?;
        self.listen("")
    }

    /// Locks the key `client` by a passphrase.
    pub fn lock_client_key(&self, passphrase: &str) -> Result<()> {
        let arguments = ["-q", "-p", "-P", "", "-N", passphrase, "-f", "client"];
        keygen(self.folder.path(), &arguments).map(drop)
    }

    /// The URL of a repository, as this server knows it.
    pub fn url(&self, repo: &Repo) -> Result<String> {
        let user = Command::new("id").arg("-un").output()?.stdout;
        let user = String::from_utf8(user)?;
        let (user, path) = (user.trim(), repo.path().display());
        Ok(format!("ssh://{user}@127.0.0.1:{}{path}", self.port))
    }

    /// The private key that is let in.
    pub fn identity(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("client"))?)
    }

    /// The line of `known_hosts` for the host key of now.
    pub fn known_hosts(&self) -> Result<String> {
        let key = fs::read_to_string(self.folder.path().join("host.pub"))?;
        Ok(format!("[127.0.0.1]:{} {key}", self.port))
    }

    /// The fingerprint of the host key of now.
    pub fn fingerprint(&self) -> Result<String> {
        let line = keygen(self.folder.path(), &["-l", "-f", "host.pub"])?;
        let word = line.split(' ').nth(1).context("ssh-keygen -l prints it")?;
        Ok(word.to_owned())
    }

    /// All that the server said since it was made.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Makes an Ed25519 key at `path`, and its public half at `path.pub`.
pub fn make_key(path: &Path, passphrase: &str) -> Result<()> {
    let folder = path.parent().context("a key is in a folder")?;
    let path = path.to_str().context("the path of a key is text")?;
    let arguments = [
        "-q", "-t", "ed25519", "-C", "", "-N", passphrase, "-f", path,
    ];
    keygen(folder, &arguments).map(drop)
}

fn keygen(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("run ssh-keygen")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ssh-keygen failed: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}
