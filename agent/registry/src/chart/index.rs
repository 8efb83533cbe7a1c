//! The index of a chart repository: which versions of which charts it has, and where.
//!
//! An index of a busy repository has tens of megabytes, of which four fields per version are
//! wanted. One that is laid out as Helm writes it is read line by line without building a document
//! ([`block`]); JSON, and YAML of another layout, are read by their parsers ([`free`]).
//!
//! As with Helm, a version that is broken is left out, and a broken file is an error.

mod block;
mod free;

use std::collections::BTreeMap;
use std::io::Read as _;

use semver::Version;
use syncline_core::version_range::{Membership, Range, chart_version};

use super::settings::Settings;

/// The most versions that a message names.
const NEAR: usize = 5;

/// What a repository has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The versions of each chart, newest first.
    charts: BTreeMap<Box<str>, Vec<Entry>>,
    /// How many versions were left out.
    pub(super) left_out: usize,
}

/// One version of a chart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    version: Version,
    /// The version as written.
    pub(super) text: Box<str>,
    /// Its first URL.
    pub(super) url: Option<Box<str>>,
    /// The digest as written.
    pub(super) digest: Option<Box<str>>,
}

/// One version as it stands in the file.
#[derive(Debug, Default)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    url: Option<String>,
    digest: Option<String>,
}

/// Whether the transfer itself showed that the file came in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// It did: a length, chunks or a stream with an end.
    Whole,
    /// The connection ended, and nobody knows whether that was the end of the file.
    Open,
}

/// Why an index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexError {
    #[error("over the limit of {limit} {what}; raise `{setting}`")]
    Limit {
        what: &'static str,
        limit: usize,
        setting: &'static str,
    },
    #[error("not UTF-8")]
    Encoding,
    #[error("compressed with gzip, and not readable as that")]
    Gzip,
    #[error("it has no `apiVersion`, so it is no index of charts")]
    NoApiVersion,
    #[error("not readable: {0}")]
    Syntax(String),
    #[error("it may be cut off: the server says no length, and the last field is missing")]
    Cut,
}

/// Collects what a parser finds.
struct Collector {
    index: Index,
    counted: usize,
    most: usize,
    api_version: bool,
    /// `generated`, the last field of an index that Helm wrote.
    generated: bool,
}

impl Index {
    /// Reads a file. Blocks, for a large file up to seconds.
    pub(super) fn read(
        body: Vec<u8>,
        framing: Framing,
        settings: &Settings,
    ) -> Result<Self, IndexError> {
        let body = unpacked(body, settings)?;
        let text = str::from_utf8(&body).map_err(|_| IndexError::Encoding)?;
        let collector = Collector::new(settings);
        let json = text.trim_start().starts_with('{');
        let collector = match block::read(text, collector)? {
            block::Outcome::Read(collector) => collector,
            block::Outcome::OtherLayout if json => free::read_json(text, Collector::new(settings))?,
            block::Outcome::OtherLayout => {
                if text.len() > settings.max_free_index_bytes {
                    return Err(IndexError::Limit {
                        what: "bytes for a layout that is not Helm's",
                        limit: settings.max_free_index_bytes,
                        setting: "max_free_index_bytes",
                    });
                }
                free::read_yaml(text, Collector::new(settings))?
            }
        };
        if !collector.api_version {
            return Err(IndexError::NoApiVersion);
        }
        // JSON shows its own end.
        if framing == Framing::Open && !json && !collector.generated {
            return Err(IndexError::Cut);
        }
        let mut index = collector.index;
        for versions in index.charts.values_mut() {
            // The build metadata decides between equals, so that the order of the file does not.
            versions.sort_by(|a, b| b.version.cmp(&a.version));
        }
        Ok(index)
    }

    /// The versions of a chart, newest first.
    pub(super) fn versions(&self, chart: &str) -> Option<&[Entry]> {
        self.charts.get(chart).map(Vec::as_slice)
    }

    /// At most five names of charts that are like this one, for a message.
    pub(super) fn names_like(&self, chart: &str) -> Vec<&str> {
        let lower = chart.to_ascii_lowercase();
        self.charts
            .keys()
            .map(AsRef::as_ref)
            .filter(|name| {
                let name = name.to_ascii_lowercase();
                name.contains(&lower) || lower.contains(&name)
            })
            .take(NEAR)
            .collect()
    }
}

impl Entry {
    pub(super) fn version(&self) -> &Version {
        &self.version
    }
}

/// The position of the newest version in a range. The text as it stands comes first, as with Helm.
pub(super) fn choose<'a>(
    versions: impl Iterator<Item = (&'a Version, &'a str)> + Clone,
    written: &str,
    range: &Range,
) -> Option<usize> {
    let exact = versions
        .clone()
        .position(|(_, text)| !written.is_empty() && text == written);
    exact.or_else(|| {
        versions
            .enumerate()
            .filter(|(_, (version, _))| range.membership(version) == Membership::In)
            // The first of the newest, whatever the order is.
            .reduce(|best, next| if next.1.0 > best.1.0 { next } else { best })
            .map(|(position, _)| position)
    })
}

/// At most five versions near a range, as half a sentence.
pub(super) fn near(mut versions: Vec<&Version>, range: &Range) -> String {
    versions.sort_unstable();
    versions.dedup();
    if versions.is_empty() {
        return "it has no version at all".to_owned();
    }
    let would_fit: Vec<&Version> = versions
        .iter()
        .filter(|version| range.membership(version) == Membership::PreRelease)
        .copied()
        .collect();
    let (what, from) = if would_fit.is_empty() {
        ("it has", &versions)
    } else {
        (
            "without a pre-release in the range these are left aside:",
            &would_fit,
        )
    };
    // Around the place where the range begins, else the newest.
    let place = range.first_bound().map_or(from.len(), |bound| {
        from.partition_point(|version| *version < bound)
    });
    let start = place
        .saturating_sub(NEAR / 2)
        .min(from.len().saturating_sub(NEAR));
    let shown: Vec<String> = from
        .iter()
        .skip(start)
        .take(NEAR)
        .map(ToString::to_string)
        .collect();
    let all = if from.len() > shown.len() {
        format!(" (of {})", from.len())
    } else {
        String::new()
    };
    format!("{what} {}{all}", shown.join(", "))
}

impl Collector {
    fn new(settings: &Settings) -> Self {
        Self {
            index: Index::default(),
            counted: 0,
            most: settings.max_index_versions,
            api_version: false,
            generated: false,
        }
    }

    /// A chart is there, with or without a version.
    fn chart(&mut self, name: &str) -> Result<(), IndexError> {
        self.count()?;
        if !self.index.charts.contains_key(name) {
            self.index.charts.insert(name.into(), Vec::new());
        }
        Ok(())
    }

    /// Counts what takes memory: a chart or a version.
    fn count(&mut self) -> Result<(), IndexError> {
        self.counted += 1;
        if self.counted > self.most {
            return Err(IndexError::Limit {
                what: "charts and versions",
                limit: self.most,
                setting: "max_index_versions",
            });
        }
        Ok(())
    }

    /// A version of a chart, or `None` for one that is broken.
    fn version(&mut self, chart: &str, written: Option<Written>) -> Result<(), IndexError> {
        self.count()?;
        let Some(entry) = written.and_then(Written::entry) else {
            self.index.left_out += 1;
            return Ok(());
        };
        match self.index.charts.get_mut(chart) {
            Some(versions) => versions.push(entry),
            None => {
                self.index.charts.insert(chart.into(), vec![entry]);
            }
        }
        Ok(())
    }
}

impl Written {
    /// What can be used of it. As with Helm it has a name that is one (B34) and a version.
    fn entry(self) -> Option<Entry> {
        let name = self.name?;
        let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\']);
        let text = self.version?;
        let version = chart_version(&text).filter(|_| plain)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(Entry {
            version,
            text: text.into(),
            url: filled(self.url).map(Into::into),
            digest: filled(self.digest).map(Into::into),
        })
    }
}

/// Undoes gzip, which is known by its first bytes: servers do not always name it.
fn unpacked(body: Vec<u8>, settings: &Settings) -> Result<Vec<u8>, IndexError> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return Ok(body);
    }
    let limit = settings.max_index_bytes;
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(body.as_slice())
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| IndexError::Gzip)?;
    if plain.len() > limit {
        return Err(IndexError::Limit {
            what: "bytes",
            limit,
            setting: "max_index_bytes",
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
