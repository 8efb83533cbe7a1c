//! A real `sshd` (Debian: `apt-get install -y --no-install-recommends openssh-server`) that lets one
//! key in and runs the real `git`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use syncline_core::redacted::Redacted;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Credentials, SshCredentials};

/// A server on loopback. It is the user that runs the tests who signs in.
pub(crate) struct SshServer {
    folder: PathBuf,
    port: u16,
    process: Child,
}

impl SshServer {
    /// Starts it with a host key of each kind and with the key `ann` that it lets in.
    pub(crate) fn start(folder: &Path) -> Self {
        let folder = folder.join("sshd");
        fs::create_dir_all(&folder).unwrap();
        for kind in ["ed25519", "ecdsa", "rsa"] {
            make_key(&folder.join(format!("host-{kind}")), kind, "");
        }
        make_key(&folder.join("ann"), "ed25519", "");
        let mut server = Self {
            port: free_port(),
            process: idle(),
            folder,
        };
        server.listen(&["host-ed25519", "host-ecdsa", "host-rsa"], "");
        server
    }

    /// Starts it anew on its port, with these host keys and further lines of settings.
    pub(crate) fn listen(&mut self, host_keys: &[&str], more: &str) {
        self.stop();
        let folder = self.folder.display();
        let host_keys = host_keys.iter();
        let host_keys: Vec<String> = host_keys
            .map(|name| format!("HostKey {folder}/{name}\n"))
            .collect();
        let host_keys = host_keys.concat();
        let settings = format!(
            "Port {}\nListenAddress 127.0.0.1\n{host_keys}PidFile none\nStrictModes no\n\
             AuthorizedKeysFile {folder}/allowed\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n{more}\n",
            self.port
        );
        fs::write(self.folder.join("settings"), settings).unwrap();
        self.allow(&["ann"]);
        // Where the tests run as root, `sshd` wants the folder that its package makes.
        if self.folder.metadata().unwrap().uid() == 0 {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        // It ends with the thread of the test, also where that is killed.
        self.process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program())
            .args(["-D", "-e", "-f"])
            .arg(self.folder.join("settings"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(
                Instant::now() < until,
                "sshd does not listen: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets only these keys of its folder in.
    pub(crate) fn allow(&self, names: &[&str]) {
        let keys = names.iter().map(|name| self.read(&format!("{name}.pub")));
        fs::write(self.folder.join("allowed"), keys.collect::<String>()).unwrap();
    }

    /// Makes a key in its folder; it is not let in by that.
    pub(crate) fn make_key(&self, name: &str, kind: &str, passphrase: &str) {
        make_key(&self.folder.join(name), kind, passphrase);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// The fingerprint of a key in its folder, as `ssh-keygen` prints it.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let output = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(self.folder.join(format!("{name}.pub")))
            .output()
            .unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// The line of `known_hosts` for one of its host keys.
    pub(crate) fn known(&self, host_key: &str) -> String {
        format!(
            "[127.0.0.1]:{} {}",
            self.port,
            self.read(&format!("{host_key}.pub"))
        )
    }

    /// What signs in as `ann`, with the Ed25519 key of the host known.
    pub(crate) fn access(&self) -> Access {
        self.access_with("ann", None, &self.known("host-ed25519"))
    }

    pub(crate) fn access_with(
        &self,
        key: &str,
        passphrase: Option<&str>,
        known_hosts: &str,
    ) -> Access {
        Access {
            credentials: Credentials::Ssh(SshCredentials {
                identity: Redacted::new(self.read(key)),
                passphrase: passphrase.map(Redacted::new),
                known_hosts: known_hosts.to_owned(),
            }),
            ..Access::default()
        }
    }

    /// The URL of a repository at a path of this machine.
    pub(crate) fn url(&self, path: &Path) -> RepoUrl {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        let (user, path) = (user.trim(), path.display());
        RepoUrl::parse(&format!("ssh://{user}@127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.read("log")
    }

    pub(crate) fn stop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn make_key(path: &Path, kind: &str, passphrase: &str) {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"])
        .arg(path)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ssh-keygen: {error}");
}

/// Where the system has it, which is seldom on the path of a person.
fn program() -> PathBuf {
    let named = std::env::var_os("SYNCLINE_SSHD").map(PathBuf::from);
    let usual = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].map(PathBuf::from);
    let mut found = named.into_iter().chain(usual).filter(|path| path.is_file());
    found.next().expect(
        "no `sshd` for the tests of SSH: run `apt-get update && apt-get install -y \
         --no-install-recommends openssh-server`, or name one in SYNCLINE_SSHD",
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A process to be ended in place of one that was not started yet.
fn idle() -> Child {
    Command::new("true").spawn().unwrap()
}
