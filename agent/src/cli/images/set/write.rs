//! Replaces a file by another content, at once.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

/// Writes a file beside the old one and puts it in its place, so that nobody ever reads half of it.
/// Its permissions stay. A file that is not the expected one any more is left alone.
pub(super) fn replace(
    root: &Path,
    file: &str,
    expected: &[u8],
    bytes: &[u8],
) -> anyhow::Result<()> {
    let path = root.join(file);
    let directory = path.parent().context("a file is in a directory")?;
    let name = path.file_name().context("a file has a name")?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".syncline-{}", std::process::id()));
    let beside = directory.join(hidden);
    let written = write(&path, &beside, expected, bytes);
    if written.is_err() {
        // Nothing can be done where this fails too.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn write(path: &Path, beside: &Path, expected: &[u8], bytes: &[u8]) -> anyhow::Result<()> {
    let metadata = path.symlink_metadata()?;
    ensure!(metadata.is_file(), "it is not a file any more");
    let mut file = std::fs::File::create_new(beside)?;
    file.write_all(bytes)?;
    file.set_permissions(metadata.permissions())?;
    file.sync_all()?;
    let now = std::fs::read(path)?;
    ensure!(
        now == expected,
        "it changed meanwhile; nothing was written to it"
    );
    std::fs::rename(beside, path)?;
    Ok(())
}
