//! The commit that `syncline diff --ref` renders: from a clone of this machine, or fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use syncline_cluster::{Cluster, kinds};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::redacted::Redacted;
use syncline_core::revision::CommitInfo;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Credentials, LocalClone, Mirror, Settings, Snapshot};

use crate::agent::blocking;
use crate::settings;

/// Where the files of a reference come from.
#[derive(Args, Clone, Debug)]
pub(super) struct CommitOptions {
    /// Compare what a commit, branch, tag or full name such as `refs/pull/7/head` has.
    #[arg(
        long = "ref",
        value_name = "REFERENCE",
        conflicts_with_all = ["path", "root"],
        help_heading = "Git"
    )]
    reference: Option<String>,
    /// Clone that has the reference, whatever its remotes are; the current folder, where it is a
    /// clone of the Application's Repository.
    #[arg(
        long,
        value_name = "FOLDER",
        requires = "reference",
        conflicts_with = "fetch",
        help_heading = "Git"
    )]
    repo: Option<PathBuf>,
    /// Fetch the reference from the URL of the Repository, into a cache of your own.
    #[arg(long, requires = "reference", help_heading = "Git")]
    fetch: bool,
    /// User name for the Git server.
    #[arg(long, value_name = "NAME", requires_all = ["fetch", "git_password_file"], help_heading = "Git")]
    git_username: Option<String>,
    /// File with the password or token for the Git server.
    #[arg(long, value_name = "FILE", requires = "fetch", help_heading = "Git")]
    git_password_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the Git server's has to lead to.
    #[arg(long, value_name = "FILE", requires = "fetch", help_heading = "Git")]
    git_ca_file: Option<PathBuf>,
    /// Deadline of the fetch.
    #[arg(long, default_value = "1m", value_parser = settings::duration, value_name = "DURATION", help_heading = "Git")]
    git_timeout: Duration,
}

/// A commit with its files.
pub(super) struct Found {
    /// What it is.
    pub(super) commit: CommitInfo,
    /// Its files.
    pub(super) snapshot: Snapshot,
    /// Where they come from, for people.
    pub(super) place: String,
}

impl CommitOptions {
    /// Whether a reference is named.
    pub(super) fn is_some(&self) -> bool {
        self.reference.is_some()
    }

    /// Finds the commit of the reference that is named; `None` where none is.
    pub(super) async fn find(
        &self,
        cluster: &Cluster,
        application: &kinds::Application,
        namespace: &str,
    ) -> Result<Option<Found>, Failure> {
        let Some(reference) = self.reference.clone() else {
            return Ok(None);
        };
        let name = Name::new(namespace, &*application.spec.repository);
        let url = url_of(cluster, &name).await?;
        if self.fetch {
            let access = self.access().map_err(|error| Failure {
                reason: Reason::AuthFailed,
                detail: format!("{error:#}"),
            })?;
            return blocking(move || fetched(&url, &access, &reference))
                .await
                .map(Some);
        }
        let repo = self.repo.clone();
        let found = blocking(move || cloned(&url, &name, repo.as_deref(), &reference));
        found.await.map(Some)
    }

    fn access(&self) -> anyhow::Result<Access> {
        let read = |option: &str, file: &Path| {
            std::fs::read(file).with_context(|| format!("{option} `{}`", file.display()))
        };
        let credentials = match &self.git_password_file {
            Some(file) => {
                let option = "--git-password-file";
                let text = String::from_utf8(read(option, file)?);
                // The bytes may be the secret: they stay out of the error.
                let text = text.map_err(|_| anyhow::anyhow!("{option}: it is not UTF-8"))?;
                Credentials::Basic {
                    username: self.git_username.clone().unwrap_or_default(),
                    password: Redacted::new(text.trim_end_matches(['\n', '\r'])),
                }
            }
            None => Credentials::Anonymous,
        };
        let ca_pem = match &self.git_ca_file {
            Some(file) => Some(read("--git-ca-file", file)?),
            None => None,
        };
        Ok(Access {
            credentials,
            ca_pem,
            timeout: Some(self.git_timeout),
            ..Access::default()
        })
    }
}

/// The URL of a Repository in the cluster.
async fn url_of(cluster: &Cluster, name: &Name) -> Result<RepoUrl, Failure> {
    let failed = |error: syncline_cluster::Error| Failure {
        reason: error.reason(),
        detail: format!("the Repository `{name}`: {error}"),
    };
    let kind = syncline_cluster::Kind::Repository.as_str();
    let resource = cluster.discovery().preferred(names::GROUP, kind).await;
    let resource = resource.map_err(failed)?;
    let key = resource.key(Some(name.namespace.clone()), name.name.as_str());
    let found = cluster.person().get_full(&resource, &key).await;
    let Some(found) = found.map_err(failed)? else {
        let detail = format!("`{name}`");
        let reason = Reason::RepositoryMissing;
        return Err(Failure { reason, detail });
    };
    let url = found["spec"]["url"].as_str().unwrap_or_default();
    RepoUrl::parse(url).map_err(|error| Failure {
        reason: Reason::InvalidSpec,
        detail: format!("the Repository `{name}`: `spec.url`: {error}"),
    })
}

fn failure(error: syncline_source::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: error.to_string(),
    }
}

/// The commit of a clone on this machine.
fn cloned(
    url: &RepoUrl,
    repository: &Name,
    repo: Option<&Path>,
    reference: &str,
) -> Result<Found, Failure> {
    let settings = Settings::default();
    let clone = match repo {
        Some(folder) => LocalClone::around(&settings, url, folder).map_err(failure)?,
        None => {
            let here = LocalClone::around(&settings, url, Path::new(".")).ok();
            let is_it = |clone: &LocalClone| clone.remotes().is_ok_and(|found| !found.is_empty());
            here.filter(is_it).ok_or_else(|| Failure {
                reason: Reason::RepositoryNotFound,
                detail: format!(
                    "the current folder is in no clone with a remote `{url}`, the Repository \
                     `{repository}`: name a clone with `--repo FOLDER`, or have it fetched with \
                     `--fetch`"
                ),
            })?
        }
    };
    let commit = clone.resolve(reference).map_err(failure)?;
    Ok(Found {
        commit: clone.commit_info(&commit).map_err(failure)?,
        snapshot: clone.snapshot(&commit).map_err(failure)?,
        place: format!("the clone `{}`", clone.folder().display()),
    })
}

/// The commit as the Git server has it.
fn fetched(url: &RepoUrl, access: &Access, reference: &str) -> Result<Found, Failure> {
    let settings = Settings {
        dir: super::super::options::cache().join("git"),
        proxies: settings::git_proxies(),
        ..Settings::default()
    };
    let mirror = Mirror::open(&settings, url).map_err(failure)?;
    let commit = mirror.fetch_reference(access, reference).map_err(failure)?;
    Ok(Found {
        commit: mirror.commit_info(&commit).map_err(failure)?,
        snapshot: mirror.snapshot(&commit).map_err(failure)?,
        place: format!("`{url}`"),
    })
}
