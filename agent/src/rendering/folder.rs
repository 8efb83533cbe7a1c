//! A folder on disk as a tree of files, for the command line: nothing outside of its root is read.
//!
//! Every name is opened by itself and relative to the directory before it, and links are followed
//! here and not by the operating system, so no link leads out of the root, whoever changes the
//! folder meanwhile. The rules and the words are those of a commit's tree (`Snapshot`).

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;
use syncline_source::{
    Entry, EntryKind, Error, SourceFile, checked, forbidden, is_lfs_pointer, printed_name,
};

/// What may be read of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of one file.
    pub(crate) max_file_bytes: u64,
    /// Entries of one directory, and of one walk.
    pub(crate) max_files: usize,
    /// Directories inside each other in one walk.
    pub(crate) max_depth: usize,
    /// Bytes of all files of one walk.
    pub(crate) max_bytes: u64,
    /// Symbolic links on one path.
    pub(crate) max_links: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let of_a_commit = syncline_source::Settings::default();
        Self {
            max_file_bytes: of_a_commit.max_file_bytes,
            max_files: of_a_commit.max_files,
            max_depth: of_a_commit.max_depth,
            max_bytes: of_a_commit.max_bytes,
            max_links: of_a_commit.max_links,
        }
    }
}

/// A folder whose files are read by paths relative to it. Reads as [`Snapshot`] does:
/// `.git` is not there, repositories inside of it cannot be read, and what is neither a file, a
/// directory nor a link does not exist.
///
/// [`Snapshot`]: syncline_source::Snapshot
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    root: PathBuf,
    limits: Limits,
}

/// Where a path leads.
enum Found {
    Nothing,
    /// The open file and its path without links.
    File(OwnedFd, String),
    /// The open directory and its path without links; `None` for the root itself.
    Directory(Option<OwnedFd>, String),
    /// A repository of its own.
    Repository(String),
}

/// The files of one walk, and how much of its limits it has used.
#[derive(Default)]
struct Walk {
    files: Vec<SourceFile>,
    met: usize,
    bytes: u64,
    /// The directories that the walk is inside of, by their paths without links.
    inside: Vec<String>,
}

impl Folder {
    /// The folder that a path belongs to: the Git work tree around it, or else the directory
    /// itself (of a file its directory).
    pub(crate) fn around(path: &Path) -> std::io::Result<PathBuf> {
        let path = path.canonicalize()?;
        let found = path.ancestors().find(|folder| folder.join(".git").exists());
        Ok(match found {
            Some(folder) => folder.to_owned(),
            None if path.is_dir() => path,
            None => path.parent().unwrap_or(&path).to_owned(),
        })
    }

    /// Opens a folder.
    pub(crate) fn open(root: &Path, limits: Limits) -> std::io::Result<Self> {
        let root = root.canonicalize()?;
        let descriptor = openat(CWD, &root, DIRECTORY, Mode::empty())?;
        Ok(Self {
            descriptor,
            root,
            limits,
        })
    }

    /// Where it is, without links.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of something in the folder relative to it; `None` for what is elsewhere.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let path = path.canonicalize().ok()?;
        let below = path.strip_prefix(&self.root).ok()?;
        below.to_str().map(str::to_owned)
    }

    /// The content of a file; `None` where no file is.
    ///
    /// # Errors
    /// As [`syncline_source::Snapshot::read_file`].
    pub(crate) fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let (file, path) = match self.resolve(&checked(path)?)? {
            Found::File(file, path) => (File::from(file), path),
            Found::Repository(path) => return Err(repository(&path)),
            Found::Nothing | Found::Directory(..) => return Ok(None),
        };
        let limit = self.limits.max_file_bytes;
        let mut bytes = Vec::new();
        // One byte more shows that there is more, whatever size the file said it had.
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(Error::TooLarge {
                subject: format!("path `{path}`"),
                limit,
                setting: "max_file_bytes",
            });
        }
        if is_lfs_pointer(&bytes) {
            return Err(Error::Unsupported {
                subject: format!("path `{path}`"),
                what: "Git LFS objects",
            });
        }
        Ok(Some(bytes))
    }

    /// What a directory holds, by name as bytes; `None` where no directory is. Links to nothing
    /// are left out. A repository inside is listed as a directory that cannot be read.
    ///
    /// # Errors
    /// As [`syncline_source::Snapshot::list`].
    pub(crate) fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Error> {
        let (directory, path) = match self.resolve(&checked(path)?)? {
            Found::Directory(directory, path) => (directory, path),
            Found::Repository(path) => return Err(repository(&path)),
            Found::Nothing | Found::File(..) => return Ok(None),
        };
        let directory = directory.as_ref().unwrap_or(&self.descriptor);
        let failed = |error: Errno| unreadable(&path, &error.into());
        let mut entries = Vec::new();
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || name.eq_ignore_ascii_case(b".git") {
                continue;
            }
            let name = printed_name(&path, name)?;
            if entries.len() >= self.limits.max_files {
                return Err(Error::TooLarge {
                    subject: format!("directory `{path}`"),
                    limit: self.limits.max_files as u64,
                    setting: "max_files",
                });
            }
            let kind = match entry.file_type() {
                FileType::RegularFile => Some(EntryKind::File),
                FileType::Directory => Some(EntryKind::Directory),
                // Some file systems do not say it here.
                FileType::Symlink | FileType::Unknown => self.kind(&join(&path, &name))?,
                _ => None,
            };
            entries.extend(kind.map(|kind| Entry { name, kind }));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    /// All files below a directory, also through symbolic links, sorted by path; `None` where no
    /// directory is. Links to nothing are left out.
    ///
    /// # Errors
    /// As [`syncline_source::Snapshot::files_below`].
    pub(crate) fn files_below(&self, path: &str) -> Result<Option<Vec<SourceFile>>, Error> {
        let path = checked(path)?;
        if !matches!(self.resolve(&path)?, Found::Directory(..)) {
            return Ok(None);
        }
        let mut walk = Walk::default();
        self.walk(&mut walk, &path)?;
        walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(walk.files))
    }

    fn walk(&self, walk: &mut Walk, path: &str) -> Result<(), Error> {
        let real = match self.resolve(path)? {
            Found::Directory(_, real) => real,
            Found::Repository(path) => return Err(repository(&path)),
            Found::Nothing | Found::File(..) => return Ok(()),
        };
        if walk.inside.contains(&real) {
            let path = path.to_owned();
            return Err(Error::LinkLoop { path });
        }
        let too_large = |what: &str, limit: u64, setting| Error::TooLarge {
            subject: format!("the {what} of path `{path}`"),
            limit,
            setting,
        };
        let limits = &self.limits;
        if walk.inside.len() >= limits.max_depth {
            return Err(too_large("depth", limits.max_depth as u64, "max_depth"));
        }
        walk.inside.push(real);
        for entry in self.list(path)?.unwrap_or_default() {
            walk.met += 1;
            if walk.met > limits.max_files {
                let limit = limits.max_files as u64;
                return Err(too_large("number of files", limit, "max_files"));
            }
            let path = join(path, &entry.name);
            if entry.kind == EntryKind::Directory {
                self.walk(walk, &path)?;
            } else if let Some(bytes) = self.read_file(&path)? {
                walk.bytes += bytes.len() as u64;
                if walk.bytes > limits.max_bytes {
                    return Err(too_large("size", limits.max_bytes, "max_bytes"));
                }
                walk.files.push(SourceFile {
                    path,
                    bytes,
                    links: Vec::new(),
                });
            }
        }
        walk.inside.pop();
        Ok(())
    }

    fn kind(&self, path: &str) -> Result<Option<EntryKind>, Error> {
        Ok(match self.resolve(path)? {
            Found::File(..) => Some(EntryKind::File),
            Found::Directory(..) | Found::Repository(_) => Some(EntryKind::Directory),
            Found::Nothing => None,
        })
    }

    /// Follows a checked path from the root.
    fn resolve(&self, path: &str) -> Result<Found, Error> {
        let mut links = 0;
        let mut ahead: VecDeque<String> = components(path).map(str::to_owned).collect();
        let mut behind: Vec<(String, OwnedFd)> = Vec::new();
        let mut last_link = path.to_owned();
        while let Some(name) = ahead.pop_front() {
            let here = behind
                .iter()
                .fold(String::new(), |place, (name, _)| join(&place, name));
            if name == ".." {
                if behind.pop().is_none() {
                    return Err(Error::PathEscape { path: last_link });
                }
                continue;
            }
            let here = join(&here, &name);
            if forbidden(&name) {
                // A link leads into `.git`.
                return Err(Error::PathEscape { path: last_link });
            }
            let directory = behind.last().map_or(&self.descriptor, |(_, it)| it).as_fd();
            let failed = |error: Errno| unreadable(&here, &error.into());
            let Some(kind) = kind_at(directory, &name).map_err(failed)? else {
                return Ok(Found::Nothing);
            };
            match kind {
                FileType::Directory => {
                    let opened = openat(directory, name.as_str(), DIRECTORY, Mode::empty());
                    let Some(opened) = there(opened).map_err(failed)? else {
                        return Ok(Found::Nothing);
                    };
                    if kind_at(opened.as_fd(), ".git").map_err(failed)?.is_some() {
                        return Ok(Found::Repository(here));
                    }
                    behind.push((name, opened));
                }
                FileType::RegularFile if ahead.is_empty() => {
                    let opened = openat(directory, name.as_str(), FILE, Mode::empty());
                    let Some(opened) = there(opened).map_err(failed)? else {
                        return Ok(Found::Nothing);
                    };
                    // It may have become something else in between.
                    let stat = fstat(&opened).map_err(failed)?;
                    let same = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                    return Ok(if same {
                        Found::File(opened, here)
                    } else {
                        Found::Nothing
                    });
                }
                FileType::Symlink => {
                    if links >= self.limits.max_links {
                        let path = path.to_owned();
                        return Err(Error::LinkLoop { path });
                    }
                    links += 1;
                    let target = readlinkat(directory, name.as_str(), Vec::new());
                    let Some(target) = there(target).map_err(failed)? else {
                        return Ok(Found::Nothing);
                    };
                    // An absolute target names a file of whichever machine reads it.
                    let target = target.into_string().ok().filter(|target| {
                        !target.starts_with('/') && !target.chars().any(char::is_control)
                    });
                    let Some(target) = target else {
                        return Err(Error::PathEscape { path: here });
                    };
                    for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(name.to_owned());
                    }
                    last_link = here;
                }
                _ => return Ok(Found::Nothing),
            }
        }
        let place = behind
            .iter()
            .fold(String::new(), |place, (name, _)| join(&place, name));
        Ok(Found::Directory(behind.pop().map(|(_, it)| it), place))
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// A pipe that took the place of a file must not hold the reader up.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

fn kind_at(directory: BorrowedFd<'_>, name: &str) -> Result<Option<FileType>, Errno> {
    let stat = there(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW))?;
    Ok(stat.map(|stat| FileType::from_raw_mode(stat.st_mode)))
}

/// `None` for what is not there, or is another thing than it was a moment ago.
fn there<T>(found: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::INVAL) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn repository(path: &str) -> Error {
    Error::Unsupported {
        subject: format!("path `{path}`"),
        what: "submodules",
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !matches!(*name, "" | "."))
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

#[cfg(test)]
mod tests;
