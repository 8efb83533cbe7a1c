//! A bare mirror of one repository: kept on disk, fetched incrementally, read by commit.

mod clone;
mod fetch;
mod generation;
mod history;
mod line;
mod places;
mod reference;
mod revert;
mod tags;
mod turn;
mod updates;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use git2::{ObjectType, Oid};
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;

use crate::error::Error;
use crate::operation::explain_local;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::transport::prepare;

pub use clone::LocalClone;
pub use fetch::Fetched;
pub(crate) use generation::Generation;
pub use line::LineCommit;
pub use revert::{Draft, Reverted};
pub use updates::HistoryLimits;
pub use write::{NewCommit, Push};

use generation::open_newest;
use turn::Turn;

/// The mirror of one URL. Clones, and mirrors opened again with the same folder and URL, share one
/// folder and one lock: a fetch or push waits for the one before it, readers wait for nobody.
#[derive(Clone)]
pub struct Mirror {
    url: RepoUrl,
    settings: Arc<Settings>,
    shared: Arc<Shared>,
}

/// What all mirrors of one URL in this process share.
struct Shared {
    root: PathBuf,
    generation: Mutex<Arc<Generation>>,
    turn: Turn,
    /// A read found damage: the next fetch clones anew.
    damaged: AtomicBool,
}

static MIRRORS: Mutex<BTreeMap<PathBuf, Weak<Shared>>> = Mutex::new(BTreeMap::new());

impl Mirror {
    /// Opens the mirror of a URL, or makes an empty one. Nothing is asked of the server.
    ///
    /// What a killed process left behind is swept. A damaged mirror is set aside (the last one is
    /// kept, as `*.corrupt`) and an empty one takes its place, so that the next fetch clones.
    ///
    /// # Errors
    /// [`Error::Disk`] where the folder cannot be written.
    pub fn open(settings: &Settings, url: &RepoUrl) -> Result<Self, Error> {
        prepare().map_err(|error| explain_local(url, settings, &error))?;
        let name = Oid::hash_object(ObjectType::Blob, url.as_str().as_bytes())
            .map_err(|error| explain_local(url, settings, &error))?;
        let root = settings.dir.join(name.to_string());
        let mut mirrors = MIRRORS.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|_, shared| shared.strong_count() > 0);
        let shared = match mirrors.get(&root).and_then(Weak::upgrade) {
            Some(shared) => shared,
            None => {
                let generation = open_newest(&root)?;
                let shared = Arc::new(Shared {
                    root: root.clone(),
                    generation: Mutex::new(Arc::new(generation)),
                    turn: Turn::default(),
                    damaged: AtomicBool::new(false),
                });
                mirrors.insert(root, Arc::downgrade(&shared));
                shared
            }
        };
        Ok(Self {
            url: url.clone(),
            settings: Arc::new(settings.clone()),
            shared,
        })
    }

    /// The repository that is mirrored.
    pub fn url(&self) -> &RepoUrl {
        &self.url
    }

    /// The files of a commit, to be read from any one thread.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where the commit was never fetched or made.
    pub fn snapshot(&self, commit: &CommitId) -> Result<Snapshot, Error> {
        Snapshot::open(self.clone(), self.generation(), commit)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn generation(&self) -> Arc<Generation> {
        Arc::clone(
            &self
                .shared
                .generation
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// A handle of its own on the present generation, kept alive by the second half.
    fn repository(&self) -> Result<(git2::Repository, Arc<Generation>), Error> {
        let generation = self.generation();
        let repository = generation.open().map_err(|error| self.explain(&error))?;
        Ok((repository, generation))
    }

    /// What an error of libgit2 means while the mirror is read; damage is remembered.
    pub(crate) fn explain(&self, error: &git2::Error) -> Error {
        self.remember(explain_local(&self.url, &self.settings, error))
    }

    /// Lets damage be healed by the next fetch.
    fn remember(&self, error: Error) -> Error {
        if matches!(error, Error::Corrupt { .. }) {
            self.shared.damaged.store(true, Ordering::Relaxed);
        }
        error
    }

    /// The commit object of an id.
    pub(crate) fn find_commit<'repo>(
        &self,
        repository: &'repo git2::Repository,
        commit: &CommitId,
    ) -> Result<git2::Commit<'repo>, Error> {
        let id = Oid::from_str(commit.as_str()).map_err(|error| self.explain(&error))?;
        let odb = repository.odb().map_err(|error| self.explain(&error))?;
        if !odb.exists(id) {
            return Err(Error::CommitNotFound {
                url: self.url.clone(),
                commit: commit.clone(),
            });
        }
        let (size, kind) = odb.read_header(id).map_err(|error| self.explain(&error))?;
        if kind != ObjectType::Commit {
            return Err(Error::CommitNotFound {
                url: self.url.clone(),
                commit: commit.clone(),
            });
        }
        let limit = self.settings.max_file_bytes;
        if size as u64 > limit {
            let subject = format!("the commit {commit} of `{}`", self.url);
            return Err(Error::TooLarge {
                subject,
                limit,
                setting: "max_file_bytes",
            });
        }
        repository
            .find_commit(id)
            .map_err(|error| self.explain(&error))
    }
}

/// The id of a commit that libgit2 gave.
fn commit_id(id: Oid) -> CommitId {
    CommitId::parse(&id.to_string()).expect("an object id has 40 hexadecimal digits")
}

/// Checks the name of a branch (B51), and gives its full reference name.
fn branch_reference(branch: &str) -> Result<String, Error> {
    const LONGEST: usize = 200;
    let full = format!("refs/heads/{branch}");
    let valid = !branch.starts_with('-')
        && branch.len() <= LONGEST
        && git2::Reference::is_valid_name(&full);
    if valid {
        Ok(full)
    } else {
        let branch = branch
            .chars()
            .take(64)
            .flat_map(char::escape_debug)
            .collect();
        Err(Error::InvalidBranch { branch })
    }
}

/// The reference under which the mirror keeps a branch. It is flat: a branch `topic` that becomes
/// `topic/x` would otherwise stand in its own way.
fn mirror_reference(branch: &str) -> String {
    format!(
        "refs/syncline/{}",
        branch.replace('%', "%25").replace('/', "%2F")
    )
}
