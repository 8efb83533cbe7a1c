//! Which part of the applications a list shows, and in which order.
//!
//! A list goes on after the last application that was shown, not after a number of them: what comes
//! or goes in between neither repeats nor hides another.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::filter::Filter;
use crate::questions::Listed;
use crate::views::{ApplicationList, Severity, Tally};

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    /// What needs attention most first, and of that what has been so longest.
    #[default]
    Severity,
    /// Namespace and name.
    Name,
    /// The youngest commit first.
    Age,
    /// The last sync first.
    Sync,
}

const WORDS: [(&str, By); 4] = [
    ("severity", By::Severity),
    ("name", By::Name),
    ("age", By::Age),
    ("sync", By::Sync),
];

/// The order of a list: `name`, or `-name` the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorting {
    by: By,
    is_reversed: bool,
}

/// No order of that name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoSorting;

impl FromStr for Sorting {
    type Err = NoSorting;

    fn from_str(text: &str) -> Result<Self, NoSorting> {
        let (word, is_reversed) = match text.strip_prefix('-') {
            Some(word) => (word, true),
            None => (text, false),
        };
        let mut found = WORDS.into_iter().filter(|(known, _)| *known == word);
        let (_, by) = found.next().ok_or(NoSorting)?;
        Ok(Self { by, is_reversed })
    }
}

impl Sorting {
    fn compare(self, a: &Place, b: &Place) -> Ordering {
        match a.cmp(b) {
            order if self.is_reversed => order.reverse(),
            order => order,
        }
    }

    fn place_of(self, application: &Listed) -> Place {
        let summary = &application.summary;
        let (major, minor) = match self.by {
            By::Name => (0, 0),
            By::Severity => {
                let since = summary
                    .why
                    .since
                    .map_or(i64::MAX, |since| since.as_millisecond());
                // What is well is found by its name.
                let is_well = summary.severity == Severity::Healthy;
                (summary.severity as i64, if is_well { 0 } else { since })
            }
            By::Age => {
                let commit = summary.commit.as_ref();
                let time = commit.map(|commit| commit.time.as_millisecond());
                (i64::from(time.is_none()), -time.unwrap_or_default())
            }
            By::Sync => match &summary.last_sync {
                Some(sync) => match sync.finished_at {
                    None => (0, 0),
                    Some(end) => (1, -end.as_millisecond()),
                },
                None => (2, 0),
            },
        };
        Place {
            major,
            minor,
            namespace: summary.namespace.clone(),
            name: summary.name.clone(),
        }
    }
}

/// Where an application is in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    major: i64,
    minor: i64,
    namespace: String,
    name: String,
}

/// The place after which a list goes on, as a text that means nothing to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(Place);

/// The text is no cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place {
            major,
            minor,
            namespace,
            name,
        } = &self.0;
        write!(f, "{major}.{minor}.{namespace}/{name}")
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (major, minor) = (number(), number());
        let named = parts.next().and_then(|part| part.split_once('/'));
        match (major, minor, named) {
            (Some(major), Some(minor), Some((namespace, name))) => Ok(Self(Place {
                major,
                minor,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })),
            _ => Err(NoCursor),
        }
    }
}

/// What is asked of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) filter: Filter,
    pub(crate) sorting: Sorting,
    pub(crate) after: Option<Cursor>,
    pub(crate) limit: usize,
}

/// The part that is asked for.
pub(crate) fn part(applications: &[Listed], wish: &Wish) -> ApplicationList {
    let (mut all, mut matching) = (Tally::default(), Tally::default());
    let mut found = Vec::new();
    for application in applications {
        all.count(application);
        if wish.filter.finds(application) {
            matching.count(application);
            found.push((wish.sorting.place_of(application), application));
        }
    }
    if let Some(Cursor(after)) = &wish.after {
        found.retain(|(place, _)| wish.sorting.compare(place, after) == Ordering::Greater);
    }
    found.sort_unstable_by(|(a, _), (b, _)| wish.sorting.compare(a, b));
    let more = found.len() > wish.limit;
    found.truncate(wish.limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|(place, _)| Cursor(place.clone()).to_string());
    let shown = found.iter().map(|(_, application)| *application);
    ApplicationList::new(shown, next, [matching, all])
}

#[cfg(test)]
mod tests;
