//! Why nothing is chosen, and what is said beside a choice.

use super::field::Considered;
use super::rule::{self, Rule};
use super::{Context, Needs};
use crate::image::facts::Pinned;
use crate::image::order::{By, Order};
use crate::image::policy::Policy;
use crate::outcome::Failure;
use crate::reason::Reason;

/// More images would have to be looked at than may be.
pub(super) fn too_many(
    considered: &[Considered<'_>],
    policy: &Policy,
    context: &Context<'_>,
) -> Option<Failure> {
    if !policy.order.is_by_creation() {
        return None;
    }
    let dated = considered.iter().filter(|one| {
        let undated = matches!(one.rule, Rule::Pending | Rule::NoDate | Rule::Unreadable);
        undated || one.key.is_some()
    });
    let count = dated.count();
    (count > context.limits.facts).then(|| over(count, context))
}

/// The failure that says so.
pub(super) fn over(count: usize, context: &Context<'_>) -> Failure {
    Failure {
        reason: Reason::RegistryLimit,
        detail: format!(
            "the images of {count} tags would have to be looked at; the limit is {}: narrow \
             `spec.tags`, or raise `image_facts_most`",
            context.limits.facts
        ),
    }
}

/// Something is still to be found out.
pub(super) fn examining(considered: &[Considered<'_>], needs: &Needs, policy: &Policy) -> Failure {
    let pending = considered.iter().filter(|one| one.rule == Rule::Pending);
    let count = pending.count().max(needs.facts.len());
    let detail = match &policy.order {
        Order::Commits(By::History { .. }) if !needs.commits.is_empty() => {
            format!(
                "{} commits are looked for in the branch",
                needs.commits.len()
            )
        }
        order if order.is_by_creation() => {
            format!("the images of {count} tags are still to be looked at")
        }
        _ => {
            let names: Vec<String> = needs.facts.iter().map(|tag| format!("`{tag}`")).collect();
            format!("to be looked at: {}", names.join(", "))
        }
    };
    Failure {
        reason: Reason::ExaminingTags,
        detail,
    }
}

/// Whether what Git names is older cannot be said.
pub(super) fn untold(best: &Considered<'_>, why: &str, context: &Context<'_>) -> Failure {
    let current = context.current.map_or("", |current| current.tag.as_str());
    Failure {
        reason: Reason::NoDowngrade,
        detail: format!(
            "Git names `{current}`, and it cannot be said whether `{}` is newer: {why}; write the \
             tag once by hand, or allow it with `allowDowngrade`",
            best.tag
        ),
    }
}

/// Why a candidate is allowed and not chosen now.
pub(super) fn withheld(
    rule: Rule,
    one: &Considered<'_>,
    policy: &Policy,
    context: &Context<'_>,
) -> Option<Failure> {
    let reason = match rule {
        Rule::Held => Reason::TagHeld,
        Rule::TooYoung => Reason::TagTooYoung,
        Rule::OwnCommit => Reason::UpdateLoop,
        _ => return None,
    };
    let judged = Considered {
        tag: one.tag,
        value: one.value.clone(),
        key: None,
        rule,
    };
    let sentence = rule::sentence(&judged, policy, context, None);
    Some(Failure {
        reason,
        detail: format!("`{}`: {sentence}", one.tag),
    })
}

/// Nothing is left to choose.
pub(super) fn nothing(
    considered: &[Considered<'_>],
    below: Option<usize>,
    policy: &Policy,
    context: &Context<'_>,
) -> Failure {
    if let Some(at) = below {
        let current = context.current.map_or("", |current| current.tag.as_str());
        return Failure {
            reason: Reason::NoDowngrade,
            detail: format!(
                "Git names `{current}`; the newest tag that `{policy}` allows is `{}`, which is older",
                considered[at].tag
            ),
        };
    }
    let count = |wanted: &dyn Fn(Rule) -> bool| {
        let found = considered.iter().filter(|one| wanted(one.rule));
        found.count()
    };
    let no_candidate = |detail: String| Failure {
        reason: Reason::NoCandidate,
        detail,
    };
    if considered.is_empty() {
        return no_candidate("the registry lists no tag".into());
    }
    if let Order::DigestOf(tag) = &policy.order {
        let followed = considered.iter().find(|one| one.tag == tag);
        return no_candidate(match followed {
            Some(one) => first_of(one, policy, context),
            None => format!("the registry does not list `{tag}`"),
        });
    }
    let passed = considered.len() - count(&Rule::is_filtered);
    if passed == 0 {
        let mut ways = Vec::new();
        for (rule, words) in [
            (Rule::NoMatch, "without a match"),
            (Rule::OtherFlavour, "of another flavour"),
            (Rule::Excluded, "excluded"),
            (Rule::Attachment, "signatures or the like"),
        ] {
            let found = count(&|other| other == rule);
            if found > 0 {
                ways.push(format!("{found} {words}"));
            }
        }
        return no_candidate(format!(
            "none of {} tags passes `spec.tags`: {}",
            considered.len(),
            ways.join(", ")
        ));
    }
    let ordered: Vec<&Considered<'_>> = considered.iter().filter(|one| one.key.is_some()).collect();
    if ordered.is_empty() {
        return no_order(considered, passed, policy, context);
    }
    if let Order::Semver(range) = &policy.order
        && ordered
            .iter()
            .all(|one| matches!(one.rule, Rule::OutsideRange | Rule::PreRelease))
    {
        let pre = count(&|rule| rule == Rule::PreRelease);
        let hint = if pre > 0 {
            format!("; {pre} would be, if the range named a pre-release, such as `>=1.0.0-0`")
        } else {
            String::new()
        };
        return no_candidate(format!(
            "none of {} versions is in `{range}`{hint}",
            ordered.len()
        ));
    }
    let refused = ordered.iter().find(|one| {
        matches!(
            one.rule,
            Rule::WrongPlatform | Rule::NoDate | Rule::Unreadable
        )
    });
    no_candidate(match refused {
        Some(one) => first_of(one, policy, context),
        None => "no tag is allowed".into(),
    })
}

/// A person pinned a tag that cannot be chosen.
pub(super) fn pinned(
    considered: &[Considered<'_>],
    pinned: &Pinned,
    policy: &Policy,
    context: &Context<'_>,
) -> Failure {
    let found = considered.iter().find(|one| *one.tag == pinned.tag);
    let why = match found {
        Some(one) => rule::sentence(one, policy, context, None),
        None => "the registry does not list it".to_owned(),
    };
    Failure {
        reason: Reason::NoCandidate,
        detail: format!("`{}` is pinned by a person, and {why}", pinned.tag),
    }
}

fn first_of(one: &Considered<'_>, policy: &Policy, context: &Context<'_>) -> String {
    let sentence = rule::sentence(one, policy, context, None);
    format!("`{}`: {sentence}", one.tag)
}

/// Tags pass the filter, and none of them has an order.
fn no_order(
    considered: &[Considered<'_>],
    passed: usize,
    policy: &Policy,
    context: &Context<'_>,
) -> Failure {
    let what = match &policy.order {
        Order::Semver(_) => "is a version of three numbers, such as `1.2.3`",
        Order::Numerical(_) => "is a number",
        Order::Alphabetical(_) => "has an order",
        Order::Commits(By::History { .. }) => "names a commit of the branch",
        Order::Commits(By::Creation) => "names a commit whose image says when it was built",
        Order::Newest | Order::DigestOf(_) => "has an image that says when it was built",
    };
    let mut skipped = considered.iter().filter(|one| !one.rule.is_filtered());
    let there = match &policy.order {
        Order::Semver(_) => {
            let names = skipped.take(3).map(|one| format!("`{}`", one.tag));
            format!("there is {}", names.collect::<Vec<_>>().join(", "))
        }
        _ => match skipped.next() {
            Some(one) => first_of(one, policy, context),
            None => "there is nothing".into(),
        },
    };
    Failure {
        reason: Reason::NoOrder,
        detail: format!("none of {passed} tags {what}; {there}"),
    }
}

/// The tags that passed the filter and have no order.
pub(super) fn skipped(
    considered: &[Considered<'_>],
    policy: &Policy,
    context: &Context<'_>,
) -> Option<Failure> {
    let skipped: Vec<_> = considered.iter().filter(|one| one.rule.is_skip()).collect();
    let first = skipped.first()?;
    Some(Failure {
        reason: Reason::TagsSkipped,
        detail: match skipped.len() {
            1 => first_of(first, policy, context),
            count => format!("{count} tags, such as {}", first_of(first, policy, context)),
        },
    })
}
