//! A repository on a server, a clone that a person works in, and a mirror of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Credentials, Mirror, NewCommit, Settings};
use tempfile::TempDir;

use crate::server::GitServer;

pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) server: GitServer,
    pub(crate) settings: Settings,
    pub(crate) access: Access,
}

impl Fixture {
    /// A server with the empty repository `config.git`.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("served");
        fs::create_dir_all(&root).unwrap();
        git(
            &root,
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "config.git",
            ],
        );
        git(
            &root.join("config.git"),
            &["config", "http.receivepack", "true"],
        );
        let work = folder.path().join("work");
        git(
            folder.path(),
            &["init", "--quiet", "--initial-branch=main", "work"],
        );
        let bare = root.join("config.git");
        git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        let server = GitServer::start(root);
        let settings = Settings {
            dir: folder.path().join("mirrors"),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            ..Settings::default()
        };
        Self {
            folder,
            server,
            settings,
            access: Access::default(),
        }
    }

    /// The same with one commit, which holds `apps/web.yaml`.
    pub(crate) fn new() -> Self {
        let fixture = Self::empty();
        fixture.push_files(&[
            ("apps/web.yaml", "image: web:1\n"),
            ("README.md", "hello\n"),
        ]);
        fixture
    }

    pub(crate) fn url(&self) -> RepoUrl {
        RepoUrl::parse(&format!("{}/config.git", self.server.origin())).unwrap()
    }

    pub(crate) fn mirror(&self) -> Mirror {
        Mirror::open(&self.settings, &self.url()).unwrap()
    }

    /// A mirror that has fetched `main`, and its commit.
    pub(crate) fn fetched(&self) -> (Mirror, CommitId) {
        let mirror = self.mirror();
        let commit = mirror.fetch(&self.access, "main").unwrap().commit;
        (mirror, commit)
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.folder.path().join("served/config.git")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs git in the clone.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.work(), arguments)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits all that the clone holds, and pushes it to a branch.
    pub(crate) fn commit_and_push(&self, branch: &str) -> CommitId {
        self.git(&["add", "--all"]);
        self.git(&[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message=change files",
        ]);
        self.git(&[
            "push",
            "--quiet",
            "origin",
            &format!("+HEAD:refs/heads/{branch}"),
        ]);
        self.head()
    }

    pub(crate) fn push_files(&self, files: &[(&str, &str)]) -> CommitId {
        for (path, content) in files {
            self.write(path, content);
        }
        self.commit_and_push("main")
    }

    pub(crate) fn head(&self) -> CommitId {
        CommitId::parse(self.git(&["rev-parse", "HEAD"]).trim()).unwrap()
    }

    /// What a branch of the server points to.
    pub(crate) fn served(&self, branch: &str) -> String {
        git(
            &self.bare(),
            &["rev-parse", &format!("refs/heads/{branch}")],
        )
        .trim()
        .to_owned()
    }

    /// The only folder of the mirror on disk that ends in `.git`.
    pub(crate) fn generation(&self) -> PathBuf {
        let root = fs::read_dir(&self.settings.dir)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let mut found: Vec<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "git"))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// Text that does not compress well, always the same.
pub(crate) fn noise(numbers: u64) -> String {
    let numbers = (0..numbers).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    numbers.collect::<Vec<_>>().concat()
}

pub(crate) fn basic(username: &str, password: &str) -> Access {
    let credentials = Credentials::Basic {
        username: username.to_owned(),
        password: password.to_owned().into(),
    };
    Access {
        credentials,
        ..Access::default()
    }
}

pub(crate) fn new_commit(message: &str) -> NewCommit {
    NewCommit {
        message: message.to_owned(),
        author_name: "Syncline".to_owned(),
        author_email: "syncline@example.com".to_owned(),
        time: "2026-01-02T03:04:05Z".parse().unwrap(),
        signing: None,
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_NAME", "Ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "Ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
