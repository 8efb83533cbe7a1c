//! One repository of the Git server, changed by the real `git` program as a person does it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Access;

/// A repository with a working copy that the test writes in.
///
/// The working copy pushes by the path of the repository, so that the server's request log holds
/// the requests of the program under test only. [`Repo::clone_url`] is for a push over HTTP.
#[derive(Clone, Debug)]
pub struct Repo {
    name: String,
    url: String,
    access: Access,
    bare: PathBuf,
    work: PathBuf,
}

/// A signed webhook delivery, as a Git host sends it after a push.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The body, JSON.
    pub body: String,
    /// The value of the header `X-Hub-Signature-256`.
    pub signature: String,
}

impl Repo {
    pub(super) fn create(root: &Path, name: &str, url: String, access: Access) -> Result<Self> {
        let bare = root.join(format!("{name}.git"));
        let work = root.join(format!("{name}.work"));
        let repo = Self {
            name: name.to_owned(),
            url,
            access,
            bare,
            work,
        };
        let (bare, work) = (
            repo.bare.display().to_string(),
            repo.work.display().to_string(),
        );
        git(
            root,
            &["init", "--quiet", "--bare", "--initial-branch=main", &bare],
        )?;
        git(&repo.bare, &["config", "http.receivepack", "true"])?;
        git(root, &["init", "--quiet", "--initial-branch=main", &work])?;
        git(&repo.work, &["remote", "add", "origin", &bare])?;
        Ok(repo)
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is on this machine.
    pub fn path(&self) -> &Path {
        &self.bare
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its URL with the credentials, for `git clone`.
    pub fn clone_url(&self) -> String {
        match &self.access {
            Access::Open => self.url.clone(),
            Access::Basic { user, password } => {
                self.url
                    .replacen("http://", &format!("http://{user}:{password}@"), 1)
            }
        }
    }

    /// Writes files, commits and pushes them. Answers with the commit's id.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        self.take_pushed()?;
        self.commit_here(files, message)
    }

    /// Removes some files and writes others in one commit, pushed.
    pub fn replace(
        &self,
        removed: &[&str],
        files: &[(&str, &str)],
        message: &str,
    ) -> Result<String> {
        self.take_pushed()?;
        let mut arguments = vec!["rm", "--quiet", "-r", "--"];
        arguments.extend(removed);
        git(&self.work, &arguments)?;
        self.commit_here(files, message)
    }

    fn commit_here(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        for (path, content) in files {
            let file = self.work.join(path);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&file, content).with_context(|| format!("write {path}"))?;
        }
        self.commit_all(message)
    }

    /// Removes files or folders, commits and pushes that.
    pub fn remove(&self, paths: &[&str], message: &str) -> Result<String> {
        self.take_pushed()?;
        let mut arguments = vec!["rm", "--quiet", "-r", "--"];
        arguments.extend(paths);
        git(&self.work, &arguments)?;
        self.commit_all(message)
    }

    /// Copies the files of a folder into the repository, commits and pushes them.
    pub fn import(&self, folder: &Path, message: &str) -> Result<String> {
        self.take_pushed()?;
        let source = format!("{}/.", folder.display());
        let copied = Command::new("cp")
            .args(["-R", &source])
            .arg(&self.work)
            .status()?;
        ensure!(copied.success(), "cp -R {source} failed");
        self.commit_all(message)
    }

    /// `git revert` of a commit, pushed.
    pub fn revert(&self, commit: &str) -> Result<String> {
        self.take_pushed()?;
        git(&self.work, &["revert", "--no-edit", commit])?;
        self.push()
    }

    /// Rewrites the branch: makes `commit` its tip by a forced push.
    pub fn rewind_to(&self, commit: &str) -> Result<String> {
        self.take_pushed()?;
        git(&self.work, &["reset", "--quiet", "--hard", commit])?;
        git(
            &self.work,
            &["push", "--quiet", "--force", "origin", "HEAD:main"],
        )?;
        self.head()
    }

    /// The commit that the branch `main` points to on the server.
    pub fn head(&self) -> Result<String> {
        Ok(git(&self.bare, &["rev-parse", "refs/heads/main"])?
            .trim()
            .to_owned())
    }

    /// The commits of `main`, newest first.
    pub fn log(&self) -> Result<Vec<Commit>> {
        log_of(&self.bare, "main")
    }

    /// The content of a file at a commit, or at `main`.
    pub fn read(&self, commit: &str, path: &str) -> Result<String> {
        git(&self.bare, &["show", &format!("{commit}:{path}")])
    }

    /// The paths that a commit changed.
    pub fn changed_paths(&self, commit: &str) -> Result<Vec<String>> {
        let text = git(&self.bare, &["show", "--format=", "--name-only", commit])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// What a Git host would deliver now, in GitHub's shape, signed with `secret`.
    pub fn delivery(&self, secret: &str) -> Result<Delivery> {
        let body = serde_json::json!({
            "ref": "refs/heads/main",
            "after": self.head()?,
            "repository": { "clone_url": self.url, "full_name": self.name },
        })
        .to_string();
        Ok(Delivery {
            signature: signature(secret, &body)?,
            body,
        })
    }

    /// Runs `git` in the working copy.
    pub fn git(&self, arguments: &[&str]) -> Result<String> {
        git(&self.work, arguments)
    }

    /// Somebody else may have pushed since: the image flow of the agent does.
    fn take_pushed(&self) -> Result<()> {
        git(&self.work, &["fetch", "--quiet", "origin"])?;
        if git(
            &self.work,
            &["rev-parse", "--verify", "--quiet", "origin/main"],
        )
        .is_ok()
        {
            git(&self.work, &["reset", "--quiet", "--hard", "origin/main"])?;
        }
        Ok(())
    }

    fn commit_all(&self, message: &str) -> Result<String> {
        git(&self.work, &["add", "--all"])?;
        git(&self.work, &["commit", "--quiet", "--message", message])?;
        self.push()
    }

    fn push(&self) -> Result<String> {
        git(&self.work, &["push", "--quiet", "origin", "HEAD:main"])?;
        self.head()
    }
}

/// One commit of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: String,
    /// The author's name.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// The whole message.
    pub message: String,
}

/// The commits of a reference of the repository in a folder, newest first.
pub(crate) fn log_of(folder: &Path, reference: &str) -> Result<Vec<Commit>> {
    let format = "--format=%H%x00%an%x00%ae%x00%B%x01";
    let text = git(folder, &["log", format, reference])?;
    let commits = text
        .split('\u{1}')
        .map(|entry| entry.trim_start_matches('\n'));
    commits
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let mut fields = entry.split('\0').map(str::to_owned);
            let mut next = || fields.next().context("git log left a field out");
            Ok(Commit {
                id: next()?,
                author: next()?,
                email: next()?,
                message: next()?,
            })
        })
        .collect()
}

/// `sha256=<hex of HMAC-SHA256>`, as GitHub signs a delivery.
pub fn signature(secret: &str, body: &str) -> Result<String> {
    use std::fmt::Write as _;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body.as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// Runs `git` without the settings of the person who runs the tests.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let out = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "commit.gpgSign=false",
            "-c",
            "gc.auto=0",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Robin")
        .env("GIT_AUTHOR_EMAIL", "robin@example.com")
        .env("GIT_COMMITTER_NAME", "Robin")
        .env("GIT_COMMITTER_EMAIL", "robin@example.com")
        .output()
        .context("run git")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "git {} failed: {errors}",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
