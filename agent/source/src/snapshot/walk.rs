//! Reads all files below a directory, within limits.

use git2::Oid;

use super::path::{checked, join};
use super::{EntryKind, NodeKind, Snapshot, is_lfs_pointer, printed_name, unsupported};
use crate::error::Error;

/// One file below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path from the root of the repository, as it was reached.
    pub path: String,
    /// What it holds. An LFS pointer is given as it is where the name is not that of a manifest.
    pub bytes: Vec<u8>,
    /// The paths that decide what the file holds when a symbolic link was passed below the
    /// directory: the links, and the file's path without them. Empty for most files.
    pub links: Vec<String>,
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

/// A directory as it was reached, and as it is.
struct Directory {
    id: Oid,
    reached: String,
    real: String,
    links: Vec<String>,
}

impl Snapshot {
    /// All files below a directory, also through symbolic links, sorted by path; none where no
    /// directory is. Links to nothing are left out, unless they have the name of a manifest.
    ///
    /// # Errors
    /// As [`Snapshot::list`]; [`Error::TooLarge`] where a limit of the settings is passed;
    /// [`Error::DanglingLink`]; [`Error::Unsupported`] for a submodule, and for a manifest that is
    /// an LFS pointer.
    pub fn files_below(&self, path: &str) -> Result<Option<Vec<SourceFile>>, Error> {
        let reached = checked(path)?;
        let resolved = self.resolve(&reached)?;
        let Some((id, EntryKind::Directory)) = resolved.found else {
            return Ok(None);
        };
        let mut walk = Walk::default();
        let start = Directory {
            id,
            reached,
            real: resolved.real,
            links: Vec::new(),
        };
        self.walk(&mut walk, &start)?;
        walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Some(walk.files))
    }

    fn walk(&self, walk: &mut Walk, directory: &Directory) -> Result<(), Error> {
        let settings = self.mirror.settings();
        if walk.inside.contains(&directory.real) {
            return Err(Error::LinkLoop {
                path: directory.reached.clone(),
            });
        }
        if walk.inside.len() >= settings.max_depth {
            return Err(Error::TooLarge {
                subject: format!("the depth of path `{}`", directory.reached),
                limit: settings.max_depth as u64,
                setting: "max_depth",
            });
        }
        walk.inside.push(directory.real.clone());
        for (name, node) in self.tree(directory.id, &directory.real)?.iter() {
            walk.met += 1;
            if walk.met > settings.max_files {
                return Err(Error::TooLarge {
                    subject: format!("the number of files below path `{}`", directory.reached),
                    limit: settings.max_files as u64,
                    setting: "max_files",
                });
            }
            let name = printed_name(&directory.real, name)?;
            let reached = join(&directory.reached, &name);
            let mut real = join(&directory.real, &name);
            let mut links = directory.links.clone();
            let (id, kind) = match node.kind {
                NodeKind::File => (node.id, EntryKind::File),
                NodeKind::Directory => (node.id, EntryKind::Directory),
                NodeKind::Submodule => return Err(unsupported(&reached, "submodules")),
                NodeKind::Link => {
                    let resolved = self.resolve(&real)?;
                    let Some(found) = resolved.found else {
                        if is_manifest(&name) {
                            return Err(Error::DanglingLink { path: reached });
                        }
                        continue;
                    };
                    links.extend(resolved.links);
                    real = resolved.real;
                    found
                }
            };
            match kind {
                EntryKind::Directory => {
                    self.walk(
                        walk,
                        &Directory {
                            id,
                            reached,
                            real,
                            links,
                        },
                    )?;
                }
                EntryKind::File => {
                    walk.bytes += self.check_size(id, &reached)?;
                    if walk.bytes > settings.max_bytes {
                        return Err(Error::TooLarge {
                            subject: format!("the size of path `{}`", directory.reached),
                            limit: settings.max_bytes,
                            setting: "max_bytes",
                        });
                    }
                    let bytes = self.blob(id, &reached)?;
                    if is_manifest(&name) && is_lfs_pointer(&bytes) {
                        return Err(unsupported(&reached, "Git LFS objects"));
                    }
                    if !links.is_empty() {
                        links.push(real);
                    }
                    walk.files.push(SourceFile {
                        path: reached,
                        bytes,
                        links,
                    });
                }
            }
        }
        walk.inside.pop();
        Ok(())
    }
}

fn is_manifest(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["yaml", "yml", "json"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}
