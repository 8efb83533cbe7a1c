//! What a candidate has to pass beside the order: holds, our own commits, platforms, age.

use jiff::{SignedDuration, Timestamp};

use super::field::{self, Considered};
use super::rule::Rule;
use super::{Context, looks_at_images};
use crate::image::facts::{Examined, Facts, Held};
use crate::image::policy::{Pin, Policy};
use crate::revision::CommitId;

/// Whether a candidate passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Shut(Rule),
    /// Its image has to be looked at.
    Unknown,
}

/// How many images are asked for at once: one where each of them decides most likely, many where
/// most of them may be refused.
pub(super) fn round(policy: &Policy, context: &Context<'_>) -> usize {
    let refuses = policy.filter.min_age.is_some() || !policy.filter.platforms.is_empty();
    if refuses {
        context.limits.round.clamp(1, 4)
    } else {
        1
    }
}

/// Whether a candidate passes. What Git names already passes all gates.
pub(super) fn of(one: &Considered<'_>, policy: &Policy, context: &Context<'_>) -> Gate {
    let named = field::is_named(one, context);
    if named && policy.pin == Pin::Tag {
        return Gate::Open;
    }
    let mut holds = context
        .held
        .iter()
        .filter(|held| held.version.tag == *one.tag);
    // A hold counts only on what the policy allows, and a platform shows in the image alone.
    let is_allowed = policy.filter.platforms.is_empty();
    let is_whole = holds.clone().any(|held| held.version.digest.is_none());
    if !named && is_allowed && is_whole {
        return Gate::Shut(Rule::Held);
    }
    if !looks_at_images(policy, context) {
        return if holds.next().is_some() {
            Gate::Shut(Rule::Held)
        } else {
            Gate::Open
        };
    }
    let facts = match context.facts.get(one.tag) {
        None => return Gate::Unknown,
        Some(Examined::Unreadable(_)) if holds.next().is_some() => return Gate::Shut(Rule::Held),
        Some(Examined::Unreadable(_)) => return Gate::Shut(Rule::Unreadable),
        Some(Examined::Facts(facts)) => facts,
    };
    let current = context.current.filter(|_| named);
    if current.is_some_and(|current| current.digest.as_ref() == Some(&facts.digest)) {
        return Gate::Open;
    }
    let is_for_others = missing_platform(facts, policy).is_some();
    if !is_for_others && hold_on(one, facts, context).is_some() {
        return Gate::Shut(Rule::Held);
    }
    if own_commit(facts, context).is_some() {
        return Gate::Shut(Rule::OwnCommit);
    }
    if is_for_others {
        return Gate::Shut(Rule::WrongPlatform);
    }
    match (policy.filter.min_age, field::created(facts, context.now)) {
        (None, _) => Gate::Open,
        (Some(_), None) => Gate::Shut(Rule::NoDate),
        (Some(_), Some(_)) => match old_enough_at(facts, policy, context) {
            Some(_) => Gate::Shut(Rule::TooYoung),
            None => Gate::Open,
        },
    }
}

/// The hold on a candidate whose image is known.
fn hold_on<'c>(one: &Considered<'_>, facts: &Facts, context: &Context<'c>) -> Option<&'c Held> {
    context.held.iter().find(|held| {
        let version = &held.version;
        let digest = version.digest.as_ref();
        version.tag == *one.tag && digest.is_none_or(|digest| *digest == facts.digest)
    })
}

/// The hold on a candidate, as far as is known.
pub(super) fn hold<'c>(one: &Considered<'_>, context: &Context<'c>) -> Option<&'c Held> {
    match field::facts(one, context) {
        Some(facts) => hold_on(one, facts, context),
        None => context
            .held
            .iter()
            .find(|held| held.version.tag == *one.tag),
    }
}

/// The commit of ours that an image was built from. Labels may have the beginning of an id.
pub(super) fn own_commit<'c>(facts: &Facts, context: &Context<'c>) -> Option<&'c CommitId> {
    let revision = facts.revision()?.trim().to_ascii_lowercase();
    let is_id = revision.len() >= 7 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    let mut ours = context.ours.iter();
    ours.find(|commit| is_id && commit.as_str().starts_with(&revision))
}

/// The first platform that is asked for and that an image does not have.
pub(super) fn missing_platform(facts: &Facts, policy: &Policy) -> Option<String> {
    let mut wanted = policy.filter.platforms.iter();
    let missing = wanted.find(|wanted| !facts.platforms.iter().any(|there| wanted.accepts(there)));
    missing.map(ToString::to_string)
}

/// When an image that is too young will be old enough.
fn old_enough_at(facts: &Facts, policy: &Policy, context: &Context<'_>) -> Option<Timestamp> {
    let least = SignedDuration::try_from(policy.filter.min_age?).ok()?;
    let created = field::created(facts, context.now)?;
    let at = created.checked_add(least).unwrap_or(Timestamp::MAX);
    (at > context.now).then_some(at)
}

/// When a gate opens by itself.
pub(super) fn until(
    rule: Rule,
    one: &Considered<'_>,
    policy: &Policy,
    context: &Context<'_>,
) -> Option<Timestamp> {
    match rule {
        Rule::TooYoung => old_enough_at(field::facts(one, context)?, policy, context),
        _ => None,
    }
}
