//! The files of one source: a commit of a Git mirror, or a folder of this machine.

use std::sync::{Mutex, PoisonError};

use syncline_core::digest::Digest;
use syncline_core::outcome::Failure;
use syncline_render::Entry;
use syncline_source::{EntryKind, Snapshot};

use super::folder::Folder;

/// The files of one source. Paths are relative to its root; links are followed inside of it only.
pub(crate) enum Tree {
    /// A commit.
    Git(Mutex<Snapshot>),
    /// A folder of this machine.
    Folder(Folder),
}

/// A file below a directory.
pub(super) struct File {
    /// Its path from the root of the source.
    pub(super) path: String,
    /// What it holds.
    pub(super) bytes: Vec<u8>,
    /// Paths outside of the directory that decide what it holds.
    pub(super) links: Vec<String>,
}

impl Tree {
    /// The tree of a commit.
    pub(crate) fn of(snapshot: Snapshot) -> Self {
        Self::Git(Mutex::new(snapshot))
    }

    /// The content of a file; none where no file is.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self {
            Self::Git(snapshot) => lock(snapshot).read_file(path).map_err(refused),
            Self::Folder(folder) => folder.read_file(path).map_err(refused),
        }
    }

    /// What a directory holds, sorted; none where no directory is.
    pub(super) fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        let entries = match self {
            Self::Git(snapshot) => lock(snapshot).list(path),
            Self::Folder(folder) => folder.list(path),
        };
        let entries = entries.map_err(refused)?;
        Ok(entries.map(|entries| {
            let entries = entries.into_iter().map(|entry| Entry {
                is_directory: entry.kind == EntryKind::Directory,
                name: entry.name,
            });
            entries.collect()
        }))
    }

    /// What changes when anything at or below a path does; none where nothing is, and for a folder.
    pub(super) fn digest(&self, path: &str) -> Result<Option<Digest>, Failure> {
        match self {
            Self::Git(snapshot) => lock(snapshot).digest(path).map_err(refused),
            Self::Folder(_) => Ok(None),
        }
    }

    /// The paths that decide what is read at a path: links on the way, and the path without them.
    pub(super) fn trail(&self, path: &str) -> Result<Vec<String>, Failure> {
        match self {
            Self::Git(snapshot) => lock(snapshot).trail(path).map_err(refused),
            // Nobody asks a second time what was read of a folder.
            Self::Folder(_) => Ok(Vec::new()),
        }
    }

    /// All files below a directory, sorted by path; none where no directory is.
    pub(super) fn files_below(&self, path: &str) -> Result<Option<Vec<File>>, Failure> {
        let files = match self {
            Self::Git(snapshot) => lock(snapshot).files_below(path),
            Self::Folder(folder) => folder.files_below(path),
        };
        let files = files.map_err(refused)?;
        Ok(files.map(|files| {
            let files = files.into_iter().map(|file| File {
                path: file.path,
                bytes: file.bytes,
                links: file.links,
            });
            files.collect()
        }))
    }
}

fn lock(snapshot: &Mutex<Snapshot>) -> std::sync::MutexGuard<'_, Snapshot> {
    snapshot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(error: syncline_source::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: error.to_string(),
    }
}
