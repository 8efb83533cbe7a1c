//! What a render read, with the id that each had.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use syncline_core::digest::Digest;

use crate::job::{Ask, ChartRef, Location, Lookup};

/// Something that a render depends on, beside its inputs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Read {
    /// What is at a place of a source: the id of a file, or of a directory and all below it. Its
    /// listing depends on that too.
    Place(Location),
    /// The archive of a chart.
    Chart(ChartRef),
    /// Objects of the cluster.
    Lookup(Lookup),
}

impl From<Ask> for Read {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Read(location) | Ask::List(location) => Self::Place(location),
            Ask::Chart(chart) => Self::Chart(chart),
            Ask::Lookup(lookup) => Self::Lookup(lookup),
        }
    }
}

/// What a render read and the ids that it had then; small enough to be kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reads {
    /// Directories whose id vouches for everything below them, the widest first.
    whole: Vec<(Read, Digest)>,
    /// Everything that was read, in order.
    single: Vec<(Read, Option<Digest>)>,
}

impl Reads {
    /// Notes the ids that everything read has now, which must be those of the render.
    ///
    /// `read` names the files and directories as they were asked for, and where a symbolic link was
    /// on the way also the link and the place that it led to: a directory vouches only for what
    /// is named below it. `own` is the path of the application in each source; the roots of the
    /// sources are looked at anyway.
    ///
    /// # Errors
    /// What `id_of` cannot find out.
    pub fn note<E>(
        read: BTreeSet<Read>,
        own: &[Location],
        mut id_of: impl FnMut(&Read) -> Result<Option<Digest>, E>,
    ) -> Result<Self, E> {
        let mut wide: BTreeSet<Location> = BTreeSet::new();
        for read in &read {
            if let Read::Place(location) = read
                && !wide.iter().any(|root| root.source == location.source)
            {
                wide.insert(Location {
                    source: location.source.clone(),
                    path: String::new(),
                });
            }
        }
        wide.extend(own.iter().cloned());
        let mut whole = Vec::with_capacity(wide.len());
        for location in wide {
            let place = Read::Place(location);
            if let Some(id) = id_of(&place)? {
                whole.push((place, id));
            }
        }
        let mut single = Vec::with_capacity(read.len());
        for read in read {
            let id = id_of(&read)?;
            single.push((read, id));
        }
        Ok(Self { whole, single })
    }

    /// Whether everything has the same id still.
    ///
    /// # Errors
    /// What `id_of` cannot find out.
    pub fn hold<E>(
        &self,
        mut id_of: impl FnMut(&Read) -> Result<Option<Digest>, E>,
    ) -> Result<bool, E> {
        let mut unchanged: Vec<&Read> = Vec::with_capacity(self.whole.len());
        let vouched = |unchanged: &[&Read], read: &Read| {
            unchanged.iter().any(|directory| vouches(directory, read))
        };
        for (place, id) in &self.whole {
            if !vouched(&unchanged, place) && id_of(place)? == Some(*id) {
                unchanged.push(place);
            }
        }
        for (read, id) in &self.single {
            if !vouched(&unchanged, read) && id_of(read)? != *id {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Everything that was read, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Read> {
        self.single.iter().map(|(read, _)| read)
    }

    /// Roughly how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let text = |read: &Read| match read {
            Read::Place(location) => location.source.len() + location.path.len(),
            Read::Chart(chart) => {
                chart.repository.len() + chart.name.len() + chart.version.len() + chart.digest.len()
            }
            Read::Lookup(lookup) => {
                lookup.api_version.len()
                    + lookup.object_kind.len()
                    + lookup.namespace.len()
                    + lookup.name.len()
            }
        };
        let whole = self.whole.iter().map(|(read, _)| text(read));
        let single = self.single.iter().map(|(read, _)| text(read));
        size_of_val(&*self.whole) + size_of_val(&*self.single) + whole.chain(single).sum::<usize>()
    }
}

/// Whether a directory that is unchanged means that another place is.
fn vouches(directory: &Read, place: &Read) -> bool {
    let (Read::Place(directory), Read::Place(place)) = (directory, place) else {
        return false;
    };
    if directory.source != place.source {
        return false;
    }
    if directory.path.is_empty() {
        return true;
    }
    let below = place.path.strip_prefix(directory.path.as_str());
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
