//! Limits, intervals and the folder of the chart client.

use std::path::PathBuf;
use std::time::Duration;

/// Limits, intervals and the folder of the chart client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How hosts are spoken to: deadlines, plain HTTP, proxy, limits of lists of tags.
    ///
    /// Default: that of a registry, with 60 s for one request, because charts are larger.
    pub hosts: crate::Settings,
    /// How long an index, a list of tags or a manifest is believed before it is asked for again.
    /// Default: 60 s.
    pub interval: Duration,
    /// How long a failure is believed, so that many charts of one place do not wait for it one
    /// after the other. Default: 5 s.
    pub failure_interval: Duration,
    /// How many indexes are remembered, and connections with TLS settings of their own. What a
    /// registry says is remembered as often as `hosts` says. Default: 64.
    pub remembered: usize,
    /// The most bytes of an index, as sent and unpacked. Default: 50 MiB.
    pub max_index_bytes: usize,
    /// The most bytes of an index that is neither JSON nor YAML laid out as Helm lays it out; such
    /// an index takes many times as long to read. Default: 4 MiB.
    pub max_free_index_bytes: usize,
    /// The most charts and versions in an index, all together. Default: 200,000.
    pub max_index_versions: usize,
    /// The most bytes of the archive of a chart. Default: 20 MiB.
    pub max_archive_bytes: usize,
    /// The most redirects of one download. Default: 10.
    pub max_redirects: usize,
    /// The folder that archives are kept in; it is made. Several processes may share it.
    pub folder: PathBuf,
    /// The most bytes of all archives in the folder; those used longest ago go first.
    /// Default: 1 GiB.
    pub max_folder_bytes: u64,
}

impl Settings {
    /// The defaults, with archives kept in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            hosts: crate::Settings {
                timeout: Duration::from_mins(1),
                ..crate::Settings::default()
            },
            interval: Duration::from_mins(1),
            failure_interval: Duration::from_secs(5),
            remembered: 64,
            max_index_bytes: 50 << 20,
            max_free_index_bytes: 4 << 20,
            max_index_versions: 200_000,
            max_archive_bytes: 20 << 20,
            max_redirects: 10,
            folder: folder.into(),
            max_folder_bytes: 1 << 30,
        }
    }
}
