//! What is remembered of the last look at an image, so that people can be told why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use syncline_cluster::kinds::ImagePolicyStatus;
use syncline_core::image::hold::{Alternation, Hold};
use syncline_core::image::limits::Limited;
use syncline_core::image::listing;
use syncline_core::image::{
    Choice, CommitPlace, Context, Examined, Held, Limits, Pinned, Policy, Rule, Tag, Verdict,
    Version, choose, judge,
};
use syncline_core::outcome::Failure;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;

use crate::agent::Agent;

/// What the last look at an image found.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What was chosen from; `None` before the first complete list.
    pub(crate) knowledge: Option<Knowledge>,
    /// What the last decision was made on that changed nothing; `None` where more than that counts.
    pub(super) basis: Option<Basis>,
    /// What is remembered of the lists before.
    pub(super) listing: listing::Memory,
    /// When the registry gave a complete list.
    pub(crate) scanned_at: Option<Timestamp>,
    /// Why the registry does not give one, and since when.
    pub(crate) registry: Option<(Failure, Timestamp)>,
    /// The tag that the policy chooses.
    pub(crate) latest: Option<String>,
    /// What was decided about each tag; the first few.
    pub(crate) verdicts: Vec<Verdict>,
    /// How many tags each rule decided.
    pub(crate) counts: BTreeMap<Rule, usize>,
    /// Something newer is allowed, and why it is not chosen now.
    pub(crate) withheld: Option<Failure>,
    /// How many tags have no order.
    pub(crate) skipped: Option<Failure>,
    /// Where Git names the image.
    pub(crate) places: Vec<Place>,
    /// What was taken back in Git and is not written again.
    pub(crate) holds: Vec<Hold>,
    /// Two writers take turns.
    pub(crate) alternation: Option<Alternation>,
    /// The policy has made as many updates as it may.
    pub(crate) limited: Option<Limited>,
}

/// What a decision was made on: as long as all of it is the same, the decision is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    /// The list of tags.
    pub(super) fingerprint: u64,
    /// The commit.
    pub(super) tip: CommitId,
    /// The spec.
    pub(super) generation: Option<i64>,
}

/// What a choice is made from. A cheap copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knowledge {
    /// The last complete list of the registry.
    pub(crate) tags: Arc<[Tag]>,
    /// Another list has another one.
    pub(super) fingerprint: u64,
    /// What was found out about some of the images.
    pub(crate) facts: Arc<BTreeMap<Tag, Examined>>,
    /// Where commits stand in the branch that orders them.
    pub(crate) commits: Arc<BTreeMap<String, CommitPlace>>,
    /// What shall not be written again.
    pub(crate) held: Arc<[Held]>,
    /// The tag that a person pinned.
    pub(crate) pinned: Option<Pinned>,
    /// The commits of our own updates.
    pub(crate) ours: Arc<BTreeSet<CommitId>>,
}

impl Knowledge {
    fn context<'a>(
        &'a self,
        current: Option<&'a Version>,
        limits: Limits,
        now: Timestamp,
    ) -> Context<'a> {
        Context {
            now,
            current,
            facts: &self.facts,
            commits: &self.commits,
            held: &self.held,
            pinned: self.pinned.as_ref(),
            ours: &self.ours,
            limits,
        }
    }

    /// What a policy chooses where Git names `current`.
    pub(super) fn choose(
        &self,
        policy: &Policy,
        current: Option<&Version>,
        limits: Limits,
        now: Timestamp,
    ) -> Choice {
        choose(&self.tags, policy, &self.context(current, limits, now))
    }
}

/// A place that names the image, at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Path of the file.
    pub(crate) file: String,
    /// Line, from 1; 0 for the whole file.
    pub(crate) line: usize,
    /// What stands there; none where that cannot be read.
    pub(crate) current: Option<Version>,
    /// Whether a marker stands at it.
    pub(crate) by_marker: bool,
    /// Why it is not edited.
    pub(crate) refused: Option<Failure>,
}

impl Memory {
    /// What the status of an earlier run says.
    pub(crate) fn told(status: &ImagePolicyStatus) -> Self {
        Self {
            latest: status.latest_tag.clone(),
            ..Self::default()
        }
    }

    /// A person decided something else: what was decided before counts no more.
    pub(crate) fn decide_anew(&mut self) {
        self.basis = None;
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
    pub(super) fn chose(&mut self, choice: &Choice, kept: usize) {
        self.latest = choice.chosen.as_ref().map(ToString::to_string);
        self.verdicts = choice.verdicts.iter().take(kept).cloned().collect();
        self.counts.clone_from(&choice.counts);
        self.withheld.clone_from(&choice.withheld);
        self.skipped.clone_from(&choice.skipped);
    }

    /// The versions that Git names, each once; one that is not known where it names none.
    pub(super) fn currents(&self) -> Vec<Option<Version>> {
        let versions = self.places.iter().filter_map(|place| place.current.clone());
        let versions: BTreeSet<Version> = versions.collect();
        if versions.is_empty() {
            return vec![None];
        }
        versions.into_iter().map(Some).collect()
    }
}

/// How much a choice may cost and say.
pub(super) fn limits(agent: &Agent) -> Limits {
    Limits {
        verdicts: agent.settings.image_verdicts,
        facts: agent.settings.image_facts_most,
        round: agent.settings.image_facts_round,
    }
}

/// The choice of a policy from what its last look found, with a verdict for every tag; `None` before
/// the first look.
pub(crate) fn explain(agent: &Agent, name: &Name) -> Option<Choice> {
    let (policy, knowledge, current) = known(agent, name)?;
    let all = Limits {
        verdicts: usize::MAX,
        ..limits(agent)
    };
    let now = agent.clock.now();
    Some(knowledge.choose(&policy, current.as_ref(), all, now))
}

/// What the policy says of one tag, whether or not the registry lists it.
pub(crate) fn judge_one(agent: &Agent, name: &Name, tag: &Tag) -> Option<Verdict> {
    let (policy, knowledge, current) = known(agent, name)?;
    let context = knowledge.context(current.as_ref(), limits(agent), agent.clock.now());
    Some(judge(tag, &knowledge.tags, &policy, &context))
}

fn known(agent: &Agent, name: &Name) -> Option<(Policy, Knowledge, Option<Version>)> {
    let state = agent.state.lock();
    let entry = state.policies.get(name)?;
    let policy = entry.spec.as_ref().ok()?.policy.clone();
    let knowledge = entry.memory.knowledge.clone()?;
    let current = entry.memory.currents().into_iter().next().flatten();
    Some((policy, knowledge, current))
}
