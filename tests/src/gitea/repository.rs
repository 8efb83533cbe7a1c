//! One repository of Gitea, changed by `git` over HTTP, and its settings.

use std::path::PathBuf;

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use super::{Gitea, USER};
use crate::git_server::{Commit, git, log_of};

/// A repository with a working copy that the test writes in. All goes over HTTP.
#[derive(Clone, Debug)]
pub struct GiteaRepository<'a> {
    gitea: &'a Gitea,
    name: String,
    work: PathBuf,
}

impl<'a> GiteaRepository<'a> {
    pub(super) fn around(gitea: &'a Gitea, name: &str) -> Result<Self> {
        let root = gitea.folder.path();
        let work = root.join(format!("{name}.work"));
        let this = Self {
            gitea,
            name: name.to_owned(),
            work,
        };
        let work = this.work.display().to_string();
        git(root, &["init", "--quiet", "--initial-branch=main", &work])?;
        let signed_in = format!("http://{USER}:{}@", gitea.token);
        let remote = this.url().replacen("http://", &signed_in, 1);
        git(&this.work, &["remote", "add", "origin", &remote])?;
        Ok(this)
    }

    /// Its URL, without credentials.
    pub fn url(&self) -> String {
        format!("http://{}/{USER}/{}.git", self.gitea.address, self.name)
    }

    /// Its URL for SSH.
    pub fn ssh_url(&self) -> String {
        format!("ssh://git@{}/{USER}/{}.git", self.gitea.ssh, self.name)
    }

    /// Writes files on top of `main`, commits and pushes them. Answers with the commit's id.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String> {
        if self.fetch().is_ok() {
            git(&self.work, &["reset", "--quiet", "--hard", "origin/main"])?;
        }
        for (path, content) in files {
            let file = self.work.join(path);
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&file, content)?;
        }
        git(&self.work, &["add", "--all"])?;
        git(&self.work, &["commit", "--quiet", "--message", message])?;
        git(&self.work, &["push", "--quiet", "origin", "HEAD:main"])?;
        self.head()
    }

    /// The commit that `main` points to on the server.
    pub fn head(&self) -> Result<String> {
        self.fetch()?;
        let head = git(&self.work, &["rev-parse", "origin/main"])?;
        Ok(head.trim().to_owned())
    }

    /// The commits of `main`, newest first.
    pub fn log(&self) -> Result<Vec<Commit>> {
        self.fetch()?;
        log_of(&self.work, "origin/main")
    }

    /// The content of a file of `main`.
    pub fn read(&self, path: &str) -> Result<String> {
        self.fetch()?;
        git(&self.work, &["show", &format!("origin/main:{path}")])
    }

    /// Forbids everybody to push to a branch.
    pub async fn protect(&self, branch: &str) -> Result<()> {
        let rule = json!({ "rule_name": branch, "enable_push": false });
        let path = format!("repos/{USER}/{}/branch_protections", self.name);
        self.gitea.ask(Method::POST, &path, Some(rule)).await?;
        Ok(())
    }

    /// Ends the protection of a branch.
    pub async fn unprotect(&self, branch: &str) -> Result<()> {
        let path = format!("repos/{USER}/{}/branch_protections/{branch}", self.name);
        self.gitea.ask(Method::DELETE, &path, None).await?;
        Ok(())
    }

    /// Lets Gitea deliver each push to a URL, signed with a secret.
    pub async fn webhook(&self, url: &str, secret: &str) -> Result<()> {
        let hook = json!({
            "type": "gitea",
            "active": true,
            "events": ["push"],
            "config": { "url": url, "content_type": "json", "secret": secret },
        });
        let path = format!("repos/{USER}/{}/hooks", self.name);
        self.gitea.ask(Method::POST, &path, Some(hook)).await?;
        Ok(())
    }

    /// Fails while the repository is empty.
    fn fetch(&self) -> Result<()> {
        git(&self.work, &["fetch", "--quiet", "origin", "main"])?;
        Ok(())
    }
}
