//! All tags of an image with what is compared of each, newest first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::rule::Rule;
use super::{Context, Needs};
use crate::image::facts::{CommitPlace, Examined, Facts, Pinned};
use crate::image::filter::Sifted;
use crate::image::order::version::{Reading, read};
use crate::image::order::{By, Key, Order, commit, compare, number};
use crate::image::policy::{Downgrade, Membership, Pin, Policy};
use crate::image::reference::{Tag, Version};

/// Before the year 2000 no image was built: reproducible builds say such times.
const NO_TIME: i64 = 946_684_800;
/// How far a clock of a build may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// One tag in the course of a choice.
pub(super) struct Considered<'a> {
    pub(super) tag: &'a Tag,
    /// What is compared of it, or what was looked at.
    pub(super) value: Cow<'a, str>,
    /// What orders it; `None` where nothing does.
    pub(super) key: Option<Key>,
    /// What is allowed is `Older` until more is known.
    pub(super) rule: Rule,
}

/// What Git names, as the order sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Current {
    /// Nothing that the order could compare with.
    Nothing,
    /// Something with a place in the order.
    Known(Key, String),
    /// It cannot be said whether it is newer; why, without a full stop.
    Untold(String),
    /// Its image is to be looked at.
    MissingFacts,
    /// Its commit is to be looked for.
    MissingCommit(String),
}

/// Reads all tags and sorts them: the newest first, then those without an order.
pub(super) fn consider<'a>(
    tags: &'a [Tag],
    policy: &Policy,
    context: &Context<'_>,
) -> Vec<Considered<'a>> {
    let mut considered: Vec<Considered<'a>> = tags
        .iter()
        .map(|tag| {
            let (value, key, rule) = read_tag(tag, policy, context);
            Considered {
                tag,
                value,
                key,
                rule,
            }
        })
        .collect();
    considered.sort_by(|a, b| newest_first(a, b, policy, context));
    considered.dedup_by(|a, b| a.tag == b.tag);
    considered
}

/// Leaves only the pinned tag to choose.
pub(super) fn leave_but(considered: &mut [Considered<'_>], pinned: &Pinned) {
    for one in considered {
        if one.rule == Rule::Older && *one.tag != pinned.tag {
            one.rule = Rule::Pinned;
        }
    }
}

/// The total order: the policy's, then what Git names, then the bytes of the tag; what has no order
/// comes last.
fn newest_first(
    a: &Considered<'_>,
    b: &Considered<'_>,
    policy: &Policy,
    context: &Context<'_>,
) -> Ordering {
    match (&a.key, &b.key) {
        (Some(x), Some(y)) => compare(&policy.order, (y, &b.value), (x, &a.value))
            .then_with(|| is_named(b, context).cmp(&is_named(a, context)))
            // So that a hold is met before another spelling of the same.
            .then_with(|| is_held(b, context).cmp(&is_held(a, context)))
            .then_with(|| b.tag.cmp(a.tag)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.rule.cmp(&b.rule).then_with(|| a.tag.cmp(b.tag)),
    }
}

fn read_tag<'a>(
    tag: &'a Tag,
    policy: &Policy,
    context: &Context<'_>,
) -> (Cow<'a, str>, Option<Key>, Rule) {
    let whole = Cow::Borrowed(tag.as_str());
    if let Order::DigestOf(named) = &policy.order {
        return if tag == named {
            (whole, Some(Key::Value), Rule::Older)
        } else {
            (whole, None, Rule::OtherTag)
        };
    }
    let value = match policy.filter.sift(tag) {
        Sifted::Value(value) => value,
        Sifted::Attachment => return (whole, None, Rule::Attachment),
        Sifted::Excluded(_) => return (whole, None, Rule::Excluded),
        Sifted::NoMatch => return (whole, None, Rule::NoMatch),
        Sifted::OtherFlavour => return (whole, None, Rule::OtherFlavour),
    };
    if policy.pin == Pin::Tag && policy.filter.moves(tag) {
        return (value, None, Rule::Mutable);
    }
    let (key, rule) = match &policy.order {
        Order::Semver(range) => match read(&value, policy.numbers()) {
            Reading::Version(version) => {
                let rule = match range.membership(&version) {
                    Membership::In => Rule::Older,
                    Membership::PreRelease => Rule::PreRelease,
                    Membership::Out => Rule::OutsideRange,
                };
                (Some(Key::Version(version)), rule)
            }
            Reading::Short => (None, Rule::Short),
            Reading::Unordered => (None, Rule::Unordered),
        },
        Order::Numerical(_) if number::is_number(&value) => (Some(Key::Value), Rule::Older),
        Order::Numerical(_) => (None, Rule::Unordered),
        Order::Alphabetical(_) if !value.is_empty() => (Some(Key::Value), Rule::Older),
        Order::Alphabetical(_) => (None, Rule::Unordered),
        Order::Newest => created_key(tag, context),
        Order::Commits(by) => match (commit::id_of(&value), by) {
            (None, _) => (None, Rule::Unordered),
            (Some(_), By::Creation) => created_key(tag, context),
            (Some(id), By::History { .. }) => match context.commits.get(id.as_ref()) {
                None => (None, Rule::Pending),
                Some(CommitPlace::At(depth)) => (Some(Key::Depth(*depth)), Rule::Older),
                Some(_) => (None, Rule::NotInHistory),
            },
        },
        Order::DigestOf(_) => (None, Rule::OtherTag),
    };
    (value, key, rule)
}

fn created_key(tag: &Tag, context: &Context<'_>) -> (Option<Key>, Rule) {
    match context.facts.get(tag) {
        None => (None, Rule::Pending),
        Some(Examined::Unreadable(_)) => (None, Rule::Unreadable),
        Some(Examined::Facts(facts)) => match created(facts, context.now) {
            Some(created) => (Some(Key::Created(created)), Rule::Older),
            None => (None, Rule::NoDate),
        },
    }
}

/// When an image was built, where it says something that can be believed.
pub(super) fn created(facts: &Facts, now: Timestamp) -> Option<Timestamp> {
    let created = facts.created?;
    let believed = created.as_second() >= NO_TIME && created.duration_since(now) <= AHEAD;
    believed.then_some(created)
}

/// What Git names, as the order sees it.
pub(super) fn current(policy: &Policy, context: &Context<'_>) -> Current {
    let Some(version) = context.current else {
        return Current::Nothing;
    };
    if policy.downgrade == Downgrade::Allow {
        return Current::Nothing;
    }
    let tag = &version.tag;
    let value = policy.filter.value_of(tag);
    match &policy.order {
        Order::DigestOf(_) => Current::Nothing,
        Order::Semver(_) => match read(&value, policy.numbers()) {
            Reading::Version(version) => Current::Known(Key::Version(version), value.into_owned()),
            _ => Current::Nothing,
        },
        Order::Numerical(_) if number::is_number(&value) => {
            Current::Known(Key::Value, value.into_owned())
        }
        Order::Numerical(_) => Current::Nothing,
        // Words that move are no place in an alphabet of versions.
        Order::Alphabetical(_) if policy.pin == Pin::Tag && policy.filter.moves(tag) => {
            Current::Nothing
        }
        Order::Alphabetical(_) => Current::Known(Key::Value, value.into_owned()),
        Order::Newest | Order::Commits(By::Creation) => match context.facts.get(tag) {
            None => Current::MissingFacts,
            Some(Examined::Unreadable(why)) => Current::Untold(why.clone()),
            Some(Examined::Facts(facts)) => match created(facts, context.now) {
                Some(created) => Current::Known(Key::Created(created), value.into_owned()),
                None => Current::Untold("its image does not say when it was built".into()),
            },
        },
        Order::Commits(By::History { .. }) => match commit::id_of(&value) {
            None => Current::Nothing,
            Some(id) => match context.commits.get(id.as_ref()) {
                None => Current::MissingCommit(id.into_owned()),
                Some(CommitPlace::At(depth)) => {
                    Current::Known(Key::Depth(*depth), value.into_owned())
                }
                Some(CommitPlace::Elsewhere) => {
                    Current::Untold("its commit is not in the history of the branch".into())
                }
                Some(CommitPlace::Ambiguous) => {
                    Current::Untold("several commits begin like that".into())
                }
            },
        },
    }
}

/// What has to be known before the order stands.
pub(super) fn needs(
    considered: &[Considered<'_>],
    current: &Current,
    policy: &Policy,
    context: &Context<'_>,
) -> Needs {
    let mut needs = Needs::default();
    let pending = considered.iter().filter(|one| one.rule == Rule::Pending);
    if policy.order.is_by_creation() {
        let mut tags: Vec<&Tag> = pending.map(|one| one.tag).collect();
        if let (Current::MissingFacts, Some(version)) = (current, context.current) {
            tags.push(&version.tag);
        }
        tags.sort_by(|a, b| {
            let guess = number::compare_as_people_do(b.as_str(), a.as_str());
            guess.then_with(|| b.cmp(a))
        });
        tags.dedup();
        let round = tags.into_iter().take(context.limits.round.max(1));
        needs.facts = round.cloned().collect();
    } else {
        let ids = pending.filter_map(|one| commit::id_of(&one.value).map(Cow::into_owned));
        needs.commits = ids.collect();
        if let Current::MissingCommit(id) = current {
            needs.commits.push(id.clone());
        }
        needs.commits.sort_unstable();
        needs.commits.dedup();
    }
    needs
}

/// Whether Git names this tag.
pub(super) fn is_named(one: &Considered<'_>, context: &Context<'_>) -> bool {
    context
        .current
        .is_some_and(|current| current.tag == *one.tag)
}

/// Whether a hold is on this tag, with whatever digest.
fn is_held(one: &Considered<'_>, context: &Context<'_>) -> bool {
    let mut held = context.held.iter();
    held.any(|held| held.version.tag == *one.tag)
}

/// Whether it is older than what Git names, where that matters.
pub(super) fn is_below(
    one: &Considered<'_>,
    current: &Current,
    policy: &Policy,
    context: &Context<'_>,
) -> bool {
    match (current, &one.key) {
        (Current::Known(key, value), Some(own)) if !is_named(one, context) => {
            compare(&policy.order, (own, &one.value), (key, value)) == Ordering::Less
        }
        _ => false,
    }
}

/// What was found out about its image.
pub(super) fn facts<'c>(one: &Considered<'_>, context: &Context<'c>) -> Option<&'c Arc<Facts>> {
    match context.facts.get(one.tag) {
        Some(Examined::Facts(facts)) => Some(facts),
        _ => None,
    }
}

/// What Git should name, where this tag is chosen.
pub(super) fn version(one: &Considered<'_>, policy: &Policy, context: &Context<'_>) -> Version {
    let digest = match policy.pin {
        Pin::Tag => None,
        Pin::Digest => facts(one, context).map(|facts| facts.digest.clone()),
    };
    Version {
        tag: one.tag.clone(),
        digest,
    }
}

/// Marks the candidates that are the same as the chosen one, written otherwise.
pub(super) fn mark_same(considered: &mut [Considered<'_>], winner: usize, policy: &Policy) {
    let (before, rest) = considered.split_at_mut(winner);
    let Some((best, after)) = rest.split_first_mut() else {
        return;
    };
    let Some(key) = &best.key else {
        return;
    };
    for one in before.iter_mut().chain(after) {
        let same = one.key.as_ref().is_some_and(|own| {
            compare(&policy.order, (own, &one.value), (key, &best.value)) == Ordering::Equal
        });
        if same && one.rule == Rule::Older {
            one.rule = Rule::SameVersion;
        }
    }
}
