//! Whether the disk has room for what is built, so that a full one is told before an hour of work.

use anyhow::{Context as _, Result, bail};

use crate::cache::Cache;

const GB: u64 = 1_000_000_000;
/// What a first run leaves on the disk: 7 GB in the caches of Go for its builds, 4 GB in those for
/// its modules, 4 GB in the folder of cargo, 1 GB of programs; and room to work. The README says so.
const FIRST: u64 = 20 * GB;
/// What a run needs where the programs of the tests are there.
const LATER: u64 = 6 * GB;

/// Fails where there is no room for what all checks build.
pub(crate) fn ensure_room(cache: &Cache) -> Result<()> {
    let root = cache.root();
    let disk = rustix::fs::statvfs(root)
        .with_context(|| format!("look at the disk of {}", root.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let is_first = !root.join("control-plane").exists();
    let Some(needed) = lacks(free, is_first) else {
        return Ok(());
    };
    bail!(
        "the disk of {root} has {free} GB free, and {needed} GB are needed. To make room empty {target} \
         (`cargo clean --target-dir {target}`) and the caches of Go (`go clean -cache -modcache`): they \
         are filled again. Or name a folder of another disk in SYNCLINE_CACHE",
        root = root.display(),
        target = cache.cargo_target().display(),
        free = free / GB,
        needed = needed / GB,
    )
}

/// The room that a run needs, where less than that is free.
fn lacks(free: u64, is_first: bool) -> Option<u64> {
    let needed = if is_first { FIRST } else { LATER };
    (free < needed).then_some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_run_needs_more_than_a_later_one() {
        assert_eq!(lacks(FIRST, true), None);
        assert_eq!(lacks(FIRST - 1, true), Some(FIRST));
        assert_eq!(lacks(FIRST - 1, false), None);
        assert_eq!(lacks(LATER - 1, false), Some(LATER));
    }

    #[test]
    fn the_readme_says_how_much_is_needed() {
        let text = format!("about {} GB of disk", FIRST / GB);
        assert!(include_str!("../../README.md").contains(&text), "{text}");
    }
}
