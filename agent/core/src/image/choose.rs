//! Which tag Git should name, and what became of every other.
//!
//! It works in rounds. What it needs to know of a tag or a commit it asks for in [`Needs`]; until
//! it has it nothing is chosen. The same tags with the same knowledge give the same choice, in
//! whatever order they come.
//!
//! ```text
//! tags -> filter -> order -> gates (held, own commit, platform, age), newest first -> Choice
//! ```

mod field;
mod gate;
mod refusal;
mod rule;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::image::facts::{CommitPlace, Examined, Held, Pinned, Reach};
use crate::image::policy::{Order, Pin, Policy};
use crate::image::reference::{Tag, Version};
use crate::outcome::Failure;
use crate::revision::CommitId;
pub use rule::{Rule, Standing, Verdict};

use field::{Considered, Current};
use gate::Gate;

/// How much a choice may cost and say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many verdicts a choice keeps; all are counted. Default: 100.
    pub verdicts: usize,
    /// Of how many tags of one policy the images may be looked at. Default: 1000.
    pub facts: usize,
    /// How many of them are asked for in one round. Default: 50.
    pub round: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            verdicts: 100,
            facts: 1000,
            round: 50,
        }
    }
}

/// What is known beside the tags.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// What Git names. `None` where it names nothing yet.
    pub current: Option<&'a Version>,
    /// What was found out about the images of some tags.
    pub facts: &'a BTreeMap<Tag, Examined>,
    /// Where commits stand, by their ids as [`Needs::commits`] asked for them.
    pub commits: &'a BTreeMap<String, CommitPlace>,
    /// What shall not be written again.
    pub held: &'a [Held],
    /// The tag that a person pinned: no other is chosen, and it may be older than what Git names.
    pub pinned: Option<&'a Pinned>,
    /// The commits that were made by updates of ours.
    pub ours: &'a BTreeSet<CommitId>,
    /// How much it may cost.
    pub limits: Limits,
}

impl Context<'_> {
    /// Nothing is known but the time.
    pub fn at(now: Timestamp) -> Self {
        static FACTS: BTreeMap<Tag, Examined> = BTreeMap::new();
        static COMMITS: BTreeMap<String, CommitPlace> = BTreeMap::new();
        static OURS: BTreeSet<CommitId> = BTreeSet::new();
        Self {
            now,
            current: None,
            facts: &FACTS,
            commits: &COMMITS,
            held: &[],
            pinned: None,
            ours: &OURS,
            limits: Limits::default(),
        }
    }
}

/// What has to be found out before there is a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The tags whose images are to be looked at, newest-looking first; at most a round of them.
    pub facts: Vec<Tag>,
    /// The ids, or beginnings of ids, of commits whose places in the branch are asked; lower case.
    pub commits: Vec<String>,
}

impl Needs {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.commits.is_empty()
    }
}

/// What Git should name, or why that cannot be said, with a verdict for every tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What Git should name; it may be what Git names already.
    pub chosen: Option<Version>,
    /// Why nothing is chosen; present exactly where nothing is.
    pub refusal: Option<Failure>,
    /// What to find out before asking again; nothing is chosen while it is not empty.
    pub needs: Needs,
    /// Something newer than the chosen one is allowed, and why it is not chosen now: `TagHeld`,
    /// `TagTooYoung` or `UpdateLoop`.
    pub withheld: Option<Failure>,
    /// When a tag that is too young will be old enough.
    pub again: Option<Timestamp>,
    /// How many tags passed the filter and have no order: `TagsSkipped`.
    pub skipped: Option<Failure>,
    /// The first verdicts: the chosen one, then newest first, then tags without an order.
    pub verdicts: Vec<Verdict>,
    /// How many tags each rule decided, over all tags.
    pub counts: BTreeMap<Rule, usize>,
}

/// Chooses the newest tag that the policy allows and that is not below the current one.
///
/// The order is total: the policy's own, then what Git names before another spelling of the same,
/// then the bytes of the tag.
pub fn choose(tags: &[Tag], policy: &Policy, context: &Context<'_>) -> Choice {
    decide(tags, policy, context).0
}

/// What a choice says of one tag, whether or not the registry lists it.
pub fn judge(tag: &Tag, tags: &[Tag], policy: &Policy, context: &Context<'_>) -> Verdict {
    let mut all: Vec<Tag> = tags.to_vec();
    all.push(tag.clone());
    let (choice, considered) = decide(&all, policy, context);
    let one = considered.iter().find(|one| one.tag == tag);
    let one = one.expect("every tag is considered");
    rule::verdict(one, policy, context, choice.chosen.as_ref())
}

/// Whether a policy chooses among tags such as this one: it passes the filter, and is in the range.
/// What only its image or its commit shows is not asked.
pub fn admits(policy: &Policy, tag: &Tag) -> bool {
    let nothing = Context::at(Timestamp::UNIX_EPOCH);
    let considered = field::consider(std::slice::from_ref(tag), policy, &nothing);
    let mut rules = considered.iter().map(|one| one.rule);
    rules.any(|rule| matches!(rule, Rule::Older | Rule::Pending))
}

fn decide<'a>(
    tags: &'a [Tag],
    policy: &Policy,
    context: &Context<'_>,
) -> (Choice, Vec<Considered<'a>>) {
    let mut considered = field::consider(tags, policy, context);
    let current = match context.pinned {
        // Whether it is newer makes no difference: a person said so.
        Some(pinned) => {
            field::leave_but(&mut considered, pinned);
            Current::Nothing
        }
        None => field::current(policy, context),
    };
    let mut needs = field::needs(&considered, &current, policy, context);
    let mut too_many = refusal::too_many(&considered, policy, context);
    let mut walked = Walked::default();
    if needs.is_empty() && too_many.is_none() {
        walked = walk(&mut considered, &current, policy, context);
        needs.facts = std::mem::take(&mut walked.missing);
        if walked.looked > context.limits.facts {
            too_many = Some(refusal::over(walked.looked, context));
        }
    }
    if too_many.is_some() {
        needs = Needs::default();
    }
    let mut chosen = None;
    let refusal = if let Some(failure) = too_many {
        Some(failure)
    } else if !needs.is_empty() {
        Some(refusal::examining(&considered, &needs, policy))
    } else if let Some(at) = walked.winner {
        let best = &considered[at];
        let untold = match &current {
            Current::Untold(why) if !field::is_named(best, context) => Some(why),
            _ => None,
        };
        match untold {
            Some(why) => {
                let failure = refusal::untold(best, why, context);
                considered[at].rule = Rule::BelowCurrent;
                Some(failure)
            }
            None => {
                chosen = Some(field::version(best, policy, context));
                considered[at].rule = Rule::Chosen;
                field::mark_same(&mut considered, at, policy);
                None
            }
        }
    } else {
        walked.winner = walked.below;
        let withheld = walked.withheld.clone();
        let pinned = context.pinned;
        let pinned = pinned.map(|pinned| refusal::pinned(&considered, pinned, policy, context));
        Some(
            withheld
                .or(pinned)
                .unwrap_or_else(|| refusal::nothing(&considered, walked.below, policy, context)),
        )
    };
    let mut counts = BTreeMap::new();
    for one in &considered {
        *counts.entry(one.rule).or_insert(0) += 1;
    }
    let first = walked.winner;
    let order = first.into_iter();
    let order = order.chain((0..considered.len()).filter(|at| Some(*at) != first));
    let verdicts = order
        .take(context.limits.verdicts)
        .map(|at| rule::verdict(&considered[at], policy, context, chosen.as_ref()))
        .collect();
    let choice = Choice {
        refusal,
        needs,
        withheld: walked.withheld,
        again: walked.again,
        skipped: refusal::skipped(&considered, policy, context),
        verdicts,
        counts,
        chosen,
    };
    (choice, considered)
}

/// What came of going through the candidates from the newest on.
#[derive(Default)]
struct Walked {
    winner: Option<usize>,
    /// The first that is below what Git names; nothing behind it was looked at.
    below: Option<usize>,
    withheld: Option<Failure>,
    again: Option<Timestamp>,
    missing: Vec<Tag>,
    /// How many images were or are to be looked at.
    looked: usize,
}

/// Goes through the candidates, newest first, to the first one that passes all gates.
fn walk(
    considered: &mut [Considered<'_>],
    current: &Current,
    policy: &Policy,
    context: &Context<'_>,
) -> Walked {
    let mut walked = Walked::default();
    let mut barred = false;
    let round = gate::round(policy, context);
    for (at, one) in considered.iter_mut().enumerate() {
        if one.rule != Rule::Older {
            continue;
        }
        if field::is_below(one, current, policy, context) {
            if !barred {
                one.rule = Rule::BelowCurrent;
                walked.below = Some(at);
            }
            break;
        }
        let gate = if barred && !field::is_named(one, context) {
            Gate::Shut(Rule::Held)
        } else {
            walked.looked += usize::from(looks_at_images(policy, context));
            gate::of(one, policy, context)
        };
        match gate {
            Gate::Open if walked.missing.is_empty() => walked.winner = Some(at),
            // Which one it is depends on what is still missing.
            Gate::Open => {}
            Gate::Unknown => {
                walked.missing.push(one.tag.clone());
                one.rule = Rule::Pending;
            }
            Gate::Shut(rule) => {
                // A tag that a person skipped says nothing of those before it.
                let held = gate::hold(one, context);
                barred |= rule == Rule::Held && held.is_none_or(|held| held.reach == Reach::Older);
                let until = gate::until(rule, one, policy, context);
                walked.again = walked.again.into_iter().chain(until).min();
                let failure = || refusal::withheld(rule, one, policy, context);
                walked.withheld = walked.withheld.or_else(failure);
                one.rule = rule;
            }
        }
        let spent = walked.looked > context.limits.facts;
        if gate == Gate::Open || spent || walked.missing.len() >= round {
            break;
        }
    }
    if !walked.missing.is_empty() {
        walked.withheld = None;
        walked.again = None;
    }
    walked
}

/// Whether the facts of a candidate are needed before it may be chosen.
fn looks_at_images(policy: &Policy, context: &Context<'_>) -> bool {
    policy.pin == Pin::Digest
        || matches!(policy.order, Order::DigestOf(_))
        || policy.filter.min_age.is_some()
        || !policy.filter.platforms.is_empty()
        || !context.ours.is_empty()
}
