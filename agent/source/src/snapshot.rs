//! The files of one commit, read from its trees; nothing is ever written to disk.
//!
//! Symbolic links are followed inside the repository only. A path that leads out, round in a
//! circle or into a submodule is an error: leaving it out would look like a deletion.

mod path;
mod walk;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use git2::{ObjectType, Oid, Repository};
use syncline_core::digest::Digest;
use syncline_core::revision::CommitId;

use crate::error::Error;
use crate::mirror::{Generation, Mirror};

pub use path::{checked, forbidden};
pub use walk::SourceFile;

use path::{join, printed};

/// The longest target of a symbolic link that is read, as on Linux.
const MAX_LINK_BYTES: usize = 4096;
/// How every Git LFS pointer begins.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Pointers are smaller than this, by their specification.
const MAX_LFS_POINTER_BYTES: usize = 1024;

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: String,
    /// What it is; of a symbolic link, what it leads to.
    pub kind: EntryKind,
}

/// The two kinds of things that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, to be read with [`Snapshot::read_file`].
    File,
    /// A directory, to be read with [`Snapshot::list`].
    Directory,
}

/// The tree of one commit. Trees once read are kept, so many reads in a few directories are fast;
/// it is meant to live for one piece of work, on one thread at a time.
pub struct Snapshot {
    // The handle is closed before the generation may be removed: fields are dropped in order.
    repository: Repository,
    _generation: Arc<Generation>,
    mirror: Mirror,
    commit: CommitId,
    root: Oid,
    trees: RefCell<HashMap<Oid, Arc<Tree>>>,
    /// The directory in which [`Snapshot::digest`] looked last, in its plain form.
    held: RefCell<Option<(String, Arc<Tree>)>>,
}

type Tree = BTreeMap<Vec<u8>, Node>;

#[derive(Clone, Copy)]
struct Node {
    id: Oid,
    kind: NodeKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    File,
    Directory,
    Link,
    Submodule,
}

/// Where a path leads.
struct Resolved {
    /// The links that were passed, as paths of the repository.
    links: Vec<String>,
    /// The path without links; also where nothing is there.
    real: String,
    found: Option<(Oid, EntryKind)>,
}

impl Snapshot {
    pub(crate) fn open(
        mirror: Mirror,
        generation: Arc<Generation>,
        commit: &CommitId,
    ) -> Result<Self, Error> {
        let repository = generation.open().map_err(|error| mirror.explain(&error))?;
        let root = mirror.find_commit(&repository, commit)?.tree_id();
        Ok(Self {
            repository,
            _generation: generation,
            mirror,
            commit: commit.clone(),
            root,
            trees: RefCell::default(),
            held: RefCell::default(),
        })
    }

    /// The commit whose files these are.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// The content of a file; none where no file is.
    ///
    /// # Errors
    /// [`Error::InvalidPath`], [`Error::InvalidName`], [`Error::PathEscape`], [`Error::LinkLoop`], [`Error::TooLarge`];
    /// [`Error::Unsupported`] for a submodule or an LFS pointer.
    pub fn read_file(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let resolved = self.resolve(&checked(path)?)?;
        let Some((id, EntryKind::File)) = resolved.found else {
            return Ok(None);
        };
        let bytes = self.blob(id, &resolved.real)?;
        if is_lfs_pointer(&bytes) {
            return Err(unsupported(&resolved.real, "Git LFS objects"));
        }
        Ok(Some(bytes))
    }

    /// What a directory holds, by name; none where no directory is. Links to nothing are left out.
    /// A submodule is listed as a directory that cannot be read.
    ///
    /// # Errors
    /// As [`Snapshot::read_file`]; [`Error::InvalidTree`] and [`Error::InvalidName`] where an entry has a forbidden name.
    pub fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, Error> {
        let resolved = self.resolve(&checked(path)?)?;
        let Some((id, EntryKind::Directory)) = resolved.found else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for (name, node) in self.tree(id, &resolved.real)?.iter() {
            let name = printed_name(&resolved.real, name)?;
            let kind = match node.kind {
                NodeKind::File => EntryKind::File,
                NodeKind::Directory | NodeKind::Submodule => EntryKind::Directory,
                NodeKind::Link => match self.resolve(&join(&resolved.real, &name))?.found {
                    Some((_, kind)) => kind,
                    None => continue,
                },
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    /// The object id of the file or directory that a path leads to; none where nothing is. Two
    /// snapshots that give the same id for a file have the same content there; for a directory
    /// that holds for all but links that lead out of it, see [`SourceFile::links`].
    ///
    /// # Errors
    /// As [`Snapshot::read_file`].
    pub fn id(&self, path: &str) -> Result<Option<String>, Error> {
        let resolved = self.resolve(&checked(path)?)?;
        Ok(resolved.found.map(|(id, _)| id.to_string()))
    }

    /// The id of [`Snapshot::id`] in a short form that can be compared. Paths of one directory after
    /// each other are cheap: the directory is held until another one is asked for.
    ///
    /// # Errors
    /// As [`Snapshot::read_file`].
    pub fn digest(&self, path: &str) -> Result<Option<Digest>, Error> {
        let short = |id: Oid| Digest::from_hash(id.as_bytes());
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        // What is wrong with the directory is told below, with the whole path.
        if !path.starts_with('/')
            && !forbidden(name)
            && let Ok(Some(tree)) = self.hold(directory)
        {
            match tree.get(name.as_bytes()) {
                None => return Ok(None),
                Some(node) if matches!(node.kind, NodeKind::File | NodeKind::Directory) => {
                    return Ok(Some(short(node.id)));
                }
                // A link has to be followed, a submodule refused.
                Some(_) => {}
            }
        }
        let resolved = self.resolve(&checked(path)?)?;
        Ok(resolved.found.map(|(id, _)| short(id)))
    }

    /// The entries of a directory, which stays held; none where no directory is.
    fn hold(&self, directory: &str) -> Result<Option<Arc<Tree>>, Error> {
        if let Some((held, tree)) = &*self.held.borrow()
            && held == directory
        {
            return Ok(Some(Arc::clone(tree)));
        }
        let plain = checked(directory)?;
        let resolved = self.resolve(&plain)?;
        let Some((id, EntryKind::Directory)) = resolved.found else {
            return Ok(None);
        };
        let tree = self.tree(id, &resolved.real)?;
        if plain == directory {
            self.held.replace(Some((plain, Arc::clone(&tree))));
        }
        Ok(Some(tree))
    }

    /// The paths that decide what is read at a path: each symbolic link on the way, and the path
    /// without links at the end. These are the paths that [`Mirror::changed_paths`] names.
    ///
    /// # Errors
    /// As [`Snapshot::read_file`].
    pub fn trail(&self, path: &str) -> Result<Vec<String>, Error> {
        let mut resolved = self.resolve(&checked(path)?)?;
        resolved.links.push(resolved.real);
        Ok(resolved.links)
    }

    /// Follows a checked path from the root.
    fn resolve(&self, path: &str) -> Result<Resolved, Error> {
        let mut links = Vec::new();
        let mut ahead: VecDeque<String> = components(path).collect();
        let mut behind: Vec<(String, Oid)> = Vec::new();
        while let Some(name) = ahead.pop_front() {
            let place = behind
                .iter()
                .fold(String::new(), |place, (name, _)| join(&place, name));
            if name == ".." {
                if behind.pop().is_none() {
                    return Err(Error::PathEscape {
                        path: links.pop().unwrap_or_else(|| path.to_owned()),
                    });
                }
                continue;
            }
            let directory = behind.last().map_or(self.root, |(_, id)| *id);
            let here = join(&place, &name);
            let missing = |links| {
                let real = ahead
                    .iter()
                    .fold(here.clone(), |real, name| join(&real, name));
                Ok(Resolved {
                    links,
                    real,
                    found: None,
                })
            };
            let Some(node) = self.tree(directory, &place)?.get(name.as_bytes()).copied() else {
                return missing(links);
            };
            match node.kind {
                NodeKind::Directory => behind.push((name, node.id)),
                NodeKind::Submodule => return Err(unsupported(&here, "submodules")),
                NodeKind::File if ahead.is_empty() => {
                    let found = Some((node.id, EntryKind::File));
                    return Ok(Resolved {
                        links,
                        real: here,
                        found,
                    });
                }
                NodeKind::File => return missing(links),
                NodeKind::Link => {
                    if links.len() >= self.mirror.settings().max_links {
                        return Err(Error::LinkLoop {
                            path: path.to_owned(),
                        });
                    }
                    let target = self.link_target(node.id, &here)?;
                    links.push(here);
                    for name in components(&target).collect::<Vec<_>>().into_iter().rev() {
                        ahead.push_front(name);
                    }
                }
            }
        }
        let real = behind
            .iter()
            .fold(String::new(), |place, (name, _)| join(&place, name));
        let id = behind.last().map_or(self.root, |(_, id)| *id);
        Ok(Resolved {
            links,
            real,
            found: Some((id, EntryKind::Directory)),
        })
    }

    fn link_target(&self, id: Oid, path: &str) -> Result<String, Error> {
        let escape = || Error::PathEscape {
            path: path.to_owned(),
        };
        if self.size(id)? > MAX_LINK_BYTES as u64 {
            return Err(Error::LinkLoop {
                path: path.to_owned(),
            });
        }
        let target = String::from_utf8(self.blob(id, path)?).map_err(|_| escape())?;
        // An absolute target names a file of whichever machine reads it.
        if target.starts_with('/') || target.chars().any(char::is_control) {
            return Err(escape());
        }
        Ok(target)
    }

    fn blob(&self, id: Oid, path: &str) -> Result<Vec<u8>, Error> {
        self.check_size(id, path)?;
        let blob = self
            .repository
            .find_blob(id)
            .map_err(|error| self.mirror.explain(&error))?;
        Ok(blob.content().to_vec())
    }

    fn tree(&self, id: Oid, path: &str) -> Result<Arc<Tree>, Error> {
        if let Some(tree) = self.trees.borrow().get(&id) {
            return Ok(Arc::clone(tree));
        }
        self.check_size(id, path)?;
        let found = self
            .repository
            .find_tree(id)
            .map_err(|error| self.mirror.explain(&error))?;
        let mut tree = Tree::new();
        for entry in &found {
            let kind = match (entry.kind(), entry.filemode()) {
                (Some(ObjectType::Tree), _) => NodeKind::Directory,
                (Some(ObjectType::Commit), _) => NodeKind::Submodule,
                (_, 0o120_000) => NodeKind::Link,
                _ => NodeKind::File,
            };
            tree.insert(
                entry.name_bytes().to_vec(),
                Node {
                    id: entry.id(),
                    kind,
                },
            );
        }
        let tree = Arc::new(tree);
        self.trees.borrow_mut().insert(id, Arc::clone(&tree));
        Ok(tree)
    }

    fn size(&self, id: Oid) -> Result<u64, Error> {
        self.repository
            .odb()
            .and_then(|odb| odb.read_header(id))
            .map(|(size, _)| size as u64)
            .map_err(|error| self.mirror.explain(&error))
    }

    fn check_size(&self, id: Oid, path: &str) -> Result<u64, Error> {
        let size = self.size(id)?;
        let limit = self.mirror.settings().max_file_bytes;
        if size > limit {
            let subject = format!("path `{path}`");
            return Err(Error::TooLarge {
                subject,
                limit,
                setting: "max_file_bytes",
            });
        }
        Ok(size)
    }
}

fn components(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(str::to_owned)
}

/// Whether a file stands for one that Git LFS keeps elsewhere.
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() < MAX_LFS_POINTER_BYTES && bytes.starts_with(LFS_POINTER)
}

fn unsupported(path: &str, what: &'static str) -> Error {
    Error::Unsupported {
        subject: format!("path `{path}`"),
        what,
    }
}

/// The name of an entry, if it is one that Git would let anybody check out (B52) and that does not
/// mislead whoever sees it (B30).
pub fn printed_name(directory: &str, name: &[u8]) -> Result<String, Error> {
    match std::str::from_utf8(name) {
        Ok(name) if name.chars().any(char::is_control) => Err(Error::InvalidName {
            path: printed(&join(directory, name)),
            name: printed(name),
        }),
        Ok(name) if !forbidden(name) => Ok(name.to_owned()),
        _ => Err(Error::InvalidTree {
            path: directory.to_owned(),
            name: String::from_utf8_lossy(name).escape_debug().to_string(),
        }),
    }
}
