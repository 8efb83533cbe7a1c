//! Whether a list of tags is to be believed, judged against the ones before it.
//!
//! A registry that answers in full may still answer wrongly: a broken cache, a restored backup, an
//! upgrade half done. What such a list lost is not acted upon at once (I21, F14): it is believed when
//! it stays so for long enough, or when a person asks for a look.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::reference::Tag;
use crate::outcome::Failure;
use crate::reason::Reason;

/// When a list that lost something is believed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// After so many lists in a row, none of them with fewer tags than the first. Default: 3.
    pub listings: u32,
    /// And not before this time has passed since the first of them. Default: 10 min.
    pub time: Duration,
    /// More than half of the tags are lost only where it is more than so many. Default: 10.
    pub least_loss: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            listings: 3,
            time: Duration::from_mins(10),
            least_loss: 10,
        }
    }
}

/// What is remembered of the lists of one image for one policy. Nothing at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The last list that was believed.
    believed: Option<Believed>,
    /// The lists since then, which were not.
    doubted: Option<Doubted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Believed {
    count: usize,
    /// Tags that Git named then and that it did not have.
    missing: BTreeSet<Tag>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Doubted {
    listings: u32,
    /// How many tags the first of them had.
    count: usize,
    since: Timestamp,
}

/// Who asked for the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The interval, or an event.
    Routinely,
    /// A person, who sees the registry as it is.
    ByPerson,
}

/// What a list is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What to remember for the next list.
    pub memory: Memory,
    /// Why nothing may be changed because of this list; `None` where it is believed.
    pub doubt: Option<Doubt>,
}

/// Why a list is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What it lost.
    pub loss: Loss,
    /// How many lists in a row said so, this one included.
    pub listings: u32,
    /// Since when.
    pub since: Timestamp,
    /// From when on it is believed, if enough lists say so by then.
    pub believed_at: Timestamp,
    /// How many lists have to say so.
    pub needed: u32,
}

/// What a list lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Tags that Git names now.
    Current(BTreeSet<Tag>),
    /// More than half of all tags.
    Most {
        /// How many there were.
        before: usize,
        /// How many there are.
        now: usize,
    },
}

impl Doubt {
    /// As a failure with its detail. The sentence stays the same from list to list, but for the
    /// count of lists.
    pub fn failure(&self) -> Failure {
        let mut detail = match &self.loss {
            Loss::Current(tags) => {
                let names: Vec<String> =
                    tags.iter().take(3).map(|tag| format!("`{tag}`")).collect();
                let more = tags.len().saturating_sub(names.len());
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                format!(
                    "the registry does not list {}{more}, which Git names",
                    names.join(", ")
                )
            }
            Loss::Most { before, now } => {
                format!("the registry lists {now} tags, and {before} before")
            }
        };
        // Writing to a string does not fail.
        let _ = write!(
            detail,
            "; {} of {} lists say so since {}, and it is believed after {}",
            self.listings.min(self.needed),
            self.needed,
            self.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.believed_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        );
        Failure {
            reason: Reason::RegistryDoubtful,
            detail,
        }
    }
}

/// Judges a list.
///
/// `tags` are ordered by their bytes, as the registry client gives them. `current` are the tags that
/// Git names for the image now. Nothing is lost to the first list, as after a restart without the
/// memory, and a tag that Git named and a list that is believed did not have is not lost later.
pub fn judge(
    memory: &Memory,
    tags: &[Tag],
    current: &BTreeSet<Tag>,
    asked: Asked,
    now: Timestamp,
    rules: &Rules,
) -> Judgement {
    let listed = |tag: &Tag| tags.binary_search(tag).is_ok();
    let loss = memory
        .believed
        .as_ref()
        .and_then(|believed| loss(believed, tags.len(), listed, current, rules));
    let doubted = loss.is_some().then(|| match &memory.doubted {
        Some(before) if tags.len() >= before.count => Doubted {
            listings: before.listings.saturating_add(1),
            ..before.clone()
        },
        // The first, or one that lost even more.
        _ => Doubted {
            listings: 1,
            count: tags.len(),
            since: now,
        },
    });
    match loss.zip(doubted) {
        Some((loss, doubted)) if asked == Asked::Routinely => {
            let wait =
                jiff::SignedDuration::try_from(rules.time).unwrap_or(jiff::SignedDuration::MAX);
            let believed_at = doubted.since.checked_add(wait).unwrap_or(Timestamp::MAX);
            if doubted.listings >= rules.listings && now >= believed_at {
                return believe(tags.len(), listed, current);
            }
            Judgement {
                doubt: Some(Doubt {
                    loss,
                    listings: doubted.listings,
                    since: doubted.since,
                    believed_at,
                    needed: rules.listings,
                }),
                memory: Memory {
                    believed: memory.believed.clone(),
                    doubted: Some(doubted),
                },
            }
        }
        // Nothing was lost, or a person says that what is gone is gone.
        Some(_) | None => believe(tags.len(), listed, current),
    }
}

fn loss(
    believed: &Believed,
    count: usize,
    listed: impl Fn(&Tag) -> bool,
    current: &BTreeSet<Tag>,
    rules: &Rules,
) -> Option<Loss> {
    let gone: BTreeSet<Tag> = current
        .iter()
        .filter(|tag| !listed(tag) && !believed.missing.contains(*tag))
        .cloned()
        .collect();
    if !gone.is_empty() {
        return Some(Loss::Current(gone));
    }
    let lost = believed.count.saturating_sub(count);
    let most = lost > rules.least_loss && lost * 2 > believed.count;
    (most || (count == 0 && lost > 0)).then_some(Loss::Most {
        before: believed.count,
        now: count,
    })
}

/// A list that is believed.
fn believe(count: usize, listed: impl Fn(&Tag) -> bool, current: &BTreeSet<Tag>) -> Judgement {
    let missing = current.iter().filter(|tag| !listed(tag)).cloned().collect();
    Judgement {
        memory: Memory {
            believed: Some(Believed { count, missing }),
            doubted: None,
        },
        doubt: None,
    }
}

#[cfg(test)]
mod tests;
