//! Image policies as the web UI shows them: what was chosen, why not the others, where it stands.

mod filter;

use std::collections::BTreeMap;

use syncline_core::image::hold::{self, Alternation};
use syncline_core::image::limits::Limited;
use syncline_core::image::{Choice, Examined, Facts, Reference, Rule, Standing, Tag, Verdict};
use syncline_core::record::Name;
use syncline_web_ui::Unanswered;
use syncline_web_ui::views::{
    self, HeldTag, ImageDetail, ImagePlace, ImagePolicyName, ImageSummary, ImageUser, RuleCount,
    Severity, TagAnswer, TagFacts, TagVerdict, Why,
};

use super::{actions, next_look, why};
use crate::agent::Agent;
use crate::images::{self, Knowledge, Memory, Place};
use crate::poller::Target;
use crate::state::{ApplicationState, PolicyState, State};

/// A line of the list.
pub(super) fn summary(agent: &Agent, name: &Name, entry: &PolicyState) -> ImageSummary {
    let spec = entry.spec.as_ref().ok();
    ImageSummary {
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        image: spec.map(|spec| spec.image.to_string()).unwrap_or_default(),
        select: spec.map(|spec| spec.range.clone()).unwrap_or_default(),
        repository: spec.map(|s| s.repository.clone()).unwrap_or_default(),
        current: entry.current.clone(),
        chosen: entry.memory.latest.clone(),
        severity: Severity::of(entry.statement.reason, views::Health::Healthy),
        why: why(&entry.statement),
        scanned_at: entry.memory.scanned_at,
        next_scan: next_look(agent, &Target::ImagePolicy(name.clone())),
    }
}

/// The page of a policy; `None` where there is no such policy.
pub(super) fn detail(agent: &Agent, name: &Name) -> Option<ImageDetail> {
    // It takes the state by itself.
    let choice = images::explain(agent, name);
    let state = agent.state.lock();
    let entry = state.policies.get(name)?;
    let policy = entry.spec.as_ref().ok().map(|spec| &spec.policy);
    let held = entry.memory.holds.iter();
    let held = held.map(|hold| HeldTag::new(name, &hold.value, hold.to_string(), hold.since));
    let skips = hold::skips(entry.skip.as_deref());
    let skipped = skips.iter().map(|said| HeldTag::skipped(name, said));
    let choice = choice.as_ref();
    Some(ImageDetail {
        summary: summary(agent, name, entry),
        filter: policy.map(filter::words).unwrap_or_default(),
        warnings: policy.map(|policy| policy.warnings()).unwrap_or_default(),
        remarks: remarks(&entry.memory, choice),
        counts: choice
            .map(|choice| counts(&choice.counts))
            .unwrap_or_default(),
        places: entry.memory.places.iter().map(place).collect(),
        allowed_actions: actions::of_image(entry),
        pinned: hold::pin(entry.pin.as_deref()).as_ref().map(Into::into),
        held: skipped.chain(held).collect(),
        applications: users(&state, name, entry),
    })
}

/// What is the case beside the state.
fn remarks(memory: &Memory, choice: Option<&Choice>) -> Vec<Why> {
    let registry = memory.registry.as_ref();
    let registry = registry
        .map(|(failure, since)| Why::new(failure.reason, failure.detail.clone(), Some(*since)));
    let others = [
        memory.alternation.as_ref().map(Alternation::failure),
        memory.limited.as_ref().map(Limited::failure),
        choice.and_then(|choice| choice.withheld.clone()),
        choice.and_then(|choice| choice.skipped.clone()),
    ];
    let others = others.iter().flatten().map(Why::from);
    registry.into_iter().chain(others).collect()
}

/// Every tag of the last list; `None` where there is no such policy.
pub(super) fn tags(agent: &Agent, name: &Name) -> Option<Vec<TagVerdict>> {
    if !is_known(agent, name) {
        return None;
    }
    let knowledge = knowledge(agent, name).unwrap_or_default();
    let choice = images::explain(agent, name);
    let verdicts = choice.map(|choice| choice.verdicts).unwrap_or_default();
    let verdicts = verdicts.iter();
    Some(verdicts.map(|one| verdict(one, &knowledge)).collect())
}

/// What a policy says of one tag; `None` where there is no such policy.
pub(super) fn tag(agent: &Agent, name: &Name, text: &str) -> Result<Option<TagAnswer>, Unanswered> {
    if !is_known(agent, name) {
        return Ok(None);
    }
    let Some(knowledge) = knowledge(agent, name) else {
        let why = "the registry was not read yet".to_owned();
        return Err(Unanswered::Refused(why));
    };
    let tag = Tag::parse(text).map_err(|error| Unanswered::Refused(error.to_string()))?;
    let judged = images::judge_one(agent, name, &tag);
    Ok(judged.map(|judged| TagAnswer {
        listed: knowledge.tags.contains(&tag),
        verdict: verdict(&judged, &knowledge),
    }))
}

fn is_known(agent: &Agent, name: &Name) -> bool {
    agent.state.lock().policies.contains_key(name)
}

/// What the last choice was made from; `None` where there was none.
fn knowledge(agent: &Agent, name: &Name) -> Option<Knowledge> {
    let state = agent.state.lock();
    state.policies.get(name)?.memory.knowledge.clone()
}

/// The applications of the namespace that run the image.
fn users(state: &State, name: &Name, entry: &PolicyState) -> Vec<ImageUser> {
    let image = entry.spec.as_ref().ok().map(|spec| &spec.image);
    let near = state.applications.iter();
    let near = near.filter(|(other, _)| other.namespace == name.namespace);
    let users = near.map(|(other, entry)| {
        let images = runs(entry).filter(|(_, reference)| Some(&reference.name) == image);
        ImageUser {
            namespace: other.namespace.clone(),
            name: other.name.clone(),
            images: images.map(|(text, _)| text.to_owned()).collect(),
        }
    });
    users.filter(|user| !user.images.is_empty()).collect()
}

/// The policies of its namespace that speak for an image that an application runs.
pub(super) fn policies_of(
    state: &State,
    application: &Name,
    entry: &ApplicationState,
) -> Vec<ImagePolicyName> {
    let near = state.policies.iter();
    let near = near.filter(|(name, _)| name.namespace == application.namespace);
    let found = near.flat_map(|(name, policy)| {
        let image = policy.spec.as_ref().ok().map(|spec| &spec.image);
        let used = runs(entry).filter(move |(_, reference)| Some(&reference.name) == image);
        used.map(|(text, _)| ImagePolicyName {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            image: text.to_owned(),
        })
    });
    found.collect()
}

/// What the workloads of an application run, as it is written and as it is read.
fn runs(entry: &ApplicationState) -> impl Iterator<Item = (&str, Reference)> {
    let images = entry.kept.iter().flat_map(|kept| &kept.images);
    images.filter_map(|text| Some((text.as_str(), Reference::parse(text).ok()?)))
}

fn place(place: &Place) -> ImagePlace {
    ImagePlace {
        file: place.file.clone(),
        line: u32::try_from(place.line).ok().filter(|line| *line > 0),
        tag: place.current.as_ref().map(ToString::to_string),
        marked: place.by_marker,
        refused: place.refused.as_ref().map(Why::from),
    }
}

fn counts(counts: &BTreeMap<Rule, usize>) -> Vec<RuleCount> {
    let counts = counts.iter().map(|(rule, tags)| RuleCount {
        rule: rule.as_str().to_owned(),
        verdict: standing(rule.standing()),
        tags: *tags as u32,
    });
    counts.collect()
}

fn verdict(verdict: &Verdict, knowledge: &Knowledge) -> TagVerdict {
    let facts = match knowledge.facts.get(&verdict.tag) {
        Some(Examined::Facts(facts)) => Some(told(facts)),
        Some(Examined::Unreadable(_)) | None => None,
    };
    TagVerdict {
        tag: verdict.tag.to_string(),
        verdict: standing(verdict.rule.standing()),
        rule: verdict.rule.as_str().to_owned(),
        sentence: verdict.sentence.clone(),
        facts,
    }
}

fn told(facts: &Facts) -> TagFacts {
    TagFacts {
        digest: facts.digest.to_string(),
        created: facts.created,
        platforms: facts.platforms.iter().map(ToString::to_string).collect(),
    }
}

fn standing(standing: Standing) -> views::Verdict {
    match standing {
        Standing::Chosen => views::Verdict::Chosen,
        Standing::Allowed => views::Verdict::Allowed,
        Standing::Refused => views::Verdict::Refused,
        Standing::Pending => views::Verdict::Pending,
    }
}
