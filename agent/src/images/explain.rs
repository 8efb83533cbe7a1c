//! What is remembered of the last look at an image, so that people can be told why.

use std::sync::Arc;

use jiff::Timestamp;
use syncline_cluster::kinds::ImagePolicyStatus;
use syncline_core::image::{Choice, Tag, Verdict};
use syncline_core::outcome::Failure;

/// What the last look at an image found.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last complete list of the registry.
    pub(crate) tags: Option<Arc<[Tag]>>,
    /// When that was read.
    pub(crate) scanned_at: Option<Timestamp>,
    /// Why the registry did not give a list, since when.
    pub(crate) registry: Option<(Failure, Timestamp)>,
    /// The tag that the policy chooses.
    pub(crate) latest: Option<String>,
    /// What was decided about each tag; the first few.
    pub(crate) verdicts: Vec<Verdict>,
    /// Where Git names the image.
    pub(crate) places: Vec<Place>,
}

/// A place that names the image, at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path of the file.
    pub(crate) file: String,
    /// Line, from 1; 0 for the whole file.
    pub(crate) line: usize,
    /// The tag that stands there; none where it cannot be read.
    pub(crate) current: Option<String>,
    /// Why it is not edited.
    pub(crate) refused: Option<Failure>,
}

/// How many verdicts are kept for people.
const VERDICTS: usize = 50;

impl Memory {
    /// What the status of an earlier run says.
    pub(crate) fn told(status: &ImagePolicyStatus) -> Self {
        Self {
            latest: status.latest_tag.clone(),
            ..Self::default()
        }
    }

    /// The registry answered.
    pub(super) fn listed(&mut self, tags: Arc<[Tag]>, now: Timestamp) {
        self.tags = Some(tags);
        self.scanned_at = Some(now);
        self.registry = None;
    }

    /// The registry did not answer with a list.
    pub(super) fn unlisted(&mut self, failure: &Failure, now: Timestamp) {
        let since = match &self.registry {
            Some((known, since)) if known.reason == failure.reason => *since,
            _ => now,
        };
        self.registry = Some((failure.clone(), since));
    }

    /// A choice was made.
    pub(super) fn chose(&mut self, choice: &Choice) {
        self.latest = choice.chosen.as_ref().map(ToString::to_string);
        self.verdicts = choice.verdicts.iter().take(VERDICTS).cloned().collect();
    }
}
