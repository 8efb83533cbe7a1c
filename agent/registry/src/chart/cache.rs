//! The folder of archives, each under the SHA-256 of its content.
//!
//! A file comes into being by a rename, so it is there in full or not at all, whoever else writes.
//! What is read is hashed again: a file that does not fit its name is removed and never used.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::digest::ArchiveDigest;

/// After how long the remains of a writer that died are removed.
const ABANDONED: Duration = Duration::from_hours(1);
/// What names of half-written files begin with.
const HALF: &str = ".half-";

/// The folder of archives.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    max_bytes: u64,
    max_archive: u64,
}

impl Cache {
    pub(super) fn new(folder: &Path, max_bytes: u64, max_archive: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            max_bytes,
            max_archive,
        }
    }

    /// The archive, if it is there and whole. Blocks.
    pub(super) fn read(&self, digest: ArchiveDigest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        // Larger than any archive that was written: not read into memory to find that out.
        let fits = fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_file() && found.len() <= self.max_archive);
        let bytes = fits.then(|| fs::read(&path).ok()).flatten();
        match bytes {
            Some(bytes) if ArchiveDigest::of(&bytes) == digest => {
                // Used just now; where that cannot be noted, it only goes earlier.
                let now = FileTimes::new().set_modified(SystemTime::now());
                let _ = File::options()
                    .write(true)
                    .open(&path)
                    .and_then(|file| file.set_times(now));
                Some(bytes)
            }
            _ => {
                if fs::remove_file(&path).is_ok() {
                    tracing::warn!(%digest, "a chart in the folder was damaged and is fetched again");
                }
                None
            }
        }
    }

    /// Keeps an archive, and makes room for it. Blocks.
    pub(super) fn write(&self, digest: ArchiveDigest, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.max_bytes {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        let mut half = tempfile::Builder::new()
            .prefix(HALF)
            .tempfile_in(&self.folder)?;
        half.write_all(bytes)?;
        half.as_file().sync_data()?;
        half.persist(self.path(digest))
            .map_err(|error| error.error)?;
        self.make_room(digest)
    }

    /// Removes the archives that were used longest ago, never the one just written.
    fn make_room(&self, keep: ArchiveDigest) -> io::Result<()> {
        let keep = self.path(keep);
        let now = SystemTime::now();
        let mut files = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(HALF) {
                if now.duration_since(used).is_ok_and(|age| age > ABANDONED) {
                    let _ = fs::remove_file(entry.path());
                }
            } else if name.ends_with(".tgz") && meta.is_file() {
                total += meta.len();
                if entry.path() != keep {
                    files.push((used, meta.len(), entry.path()));
                }
            }
        }
        files.sort_unstable();
        for (_, length, path) in files {
            if total <= self.max_bytes {
                break;
            }
            // Another process may have removed it already, which makes room as well.
            let _ = fs::remove_file(path);
            total -= length;
        }
        Ok(())
    }

    fn path(&self, digest: ArchiveDigest) -> PathBuf {
        self.folder.join(format!("{}.tgz", digest.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Cache, content: &[u8]) -> bool {
        cache.read(ArchiveDigest::of(content)).is_some()
    }

    fn write(cache: &Cache, content: &[u8]) -> ArchiveDigest {
        let digest = ArchiveDigest::of(content);
        cache.write(digest, content).unwrap();
        digest
    }

    fn used(cache: &Cache, digest: ArchiveDigest, age: Duration) {
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        let file = File::options()
            .write(true)
            .open(cache.path(digest))
            .unwrap();
        file.set_times(times).unwrap();
    }

    #[test]
    fn the_archives_used_longest_ago_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(&folder.path().join("charts"), 10, 10);
        let first = write(&cache, b"1111");
        let second = write(&cache, b"2222");
        used(&cache, first, Duration::from_mins(3));
        used(&cache, second, Duration::from_mins(2));
        assert!(kept(&cache, b"1111"), "a look counts as a use");
        write(&cache, b"3333");
        assert!(kept(&cache, b"1111") && !kept(&cache, b"2222") && kept(&cache, b"3333"));
        // Larger than the folder: used, not kept.
        write(&cache, b"12345678901");
        assert!(!kept(&cache, b"12345678901") && kept(&cache, b"3333"));
    }

    #[test]
    fn a_damaged_archive_is_removed_and_never_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), 1000, 100);
        let digest = write(&cache, b"content");
        for damage in [&b"contenT"[..], b"", &[0; 200]] {
            fs::write(cache.path(digest), damage).unwrap();
            assert_eq!(cache.read(digest), None);
            assert!(!cache.path(digest).exists());
            write(&cache, b"content");
            assert!(kept(&cache, b"content"));
        }
    }

    #[test]
    fn what_a_writer_left_that_died_is_removed_after_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), 1000, 100);
        let (old, new) = (
            folder.path().join(".half-old"),
            folder.path().join(".half-new"),
        );
        fs::write(&old, "x").unwrap();
        fs::write(&new, "x").unwrap();
        let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(2));
        let file = File::options().write(true).open(&old).unwrap();
        file.set_times(times).unwrap();
        write(&cache, b"content");
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn many_writers_and_readers_at_once_see_whole_archives_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let content = |n: usize| vec![n as u8; 20_000 + n];
        std::thread::scope(|scope| {
            for worker in 0..4 {
                scope.spawn(move || {
                    // A folder of its own view, as another process has it.
                    let cache = Cache::new(path, 60_000, 100_000);
                    for round in 0..20 {
                        let bytes = content((round + worker) % 5);
                        let digest = ArchiveDigest::of(&bytes);
                        if let Some(read) = cache.read(digest) {
                            assert_eq!(read, bytes);
                        }
                        cache.write(digest, &bytes).unwrap();
                    }
                });
            }
        });
        let total: u64 = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(total <= 60_000, "{total}");
    }
}
