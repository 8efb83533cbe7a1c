//! Which tag Git should name, and what became of every other.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::image::policy::{Downgrade, Membership, Policy, Reading, read};
use crate::image::reference::Tag;
use crate::outcome::Failure;
use crate::reason::Reason;

/// What decided about a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It is the newest that the policy allows.
    Chosen,
    /// It is the newest that the policy allows, but Git names a newer one.
    BelowCurrent,
    /// It is allowed, and an older version than the chosen one.
    Older,
    /// It is the same version as the chosen one, written otherwise.
    SameVersion,
    /// It is not in the range.
    OutsideRange,
    /// It is a pre-release, and the range names none.
    PreRelease,
    /// It has fewer than three numbers, so it may move.
    Short,
    /// It has no order.
    Unordered,
    /// It is a signature or the like, not an image.
    Attachment,
}

impl Rule {
    /// The word for people and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::BelowCurrent => "below-current",
            Self::Older => "older",
            Self::SameVersion => "same-version",
            Self::OutsideRange => "outside-range",
            Self::PreRelease => "pre-release",
            Self::Short => "short",
            Self::Unordered => "unordered",
            Self::Attachment => "attachment",
        }
    }
}

/// What became of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The tag.
    pub tag: Tag,
    /// What decided.
    pub rule: Rule,
    /// The same for people, without a full stop.
    pub sentence: String,
}

/// The tag that Git should name, or why none, with a verdict for every tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The tag that Git should name; it may be the one that Git names already.
    pub chosen: Option<Tag>,
    /// Why none is chosen: `NoOrder`, `NoCandidate` or `NoDowngrade`.
    pub refusal: Option<Failure>,
    /// The first verdicts, newest version first, then tags without an order; bounded by the policy.
    pub verdicts: Vec<Verdict>,
    /// How many tags each rule decided, over all tags.
    pub counts: BTreeMap<Rule, usize>,
}

struct Considered<'a> {
    tag: &'a Tag,
    version: Option<Version>,
    rule: Rule,
}

/// Chooses the newest tag that the policy allows and that is not below the current one.
///
/// The same tags give the same choice in any order. Where the newest version is the current one in
/// another spelling (`1.0.0`, `v1.0.0`), the current tag stays.
pub fn choose(tags: &[Tag], policy: &Policy, current: Option<&Tag>) -> Choice {
    let unique: BTreeSet<&Tag> = tags.iter().collect();
    let mut considered: Vec<Considered<'_>> = unique
        .into_iter()
        .map(|tag| consider(tag, policy))
        .collect();
    considered.sort_by(|a, b| newest_first(a, b));

    let current_version = current.and_then(|tag| match read(tag) {
        Reading::Version(version) => Some(version),
        _ => None,
    });
    let mut winner = considered.iter().position(|c| c.rule == Rule::Older);
    if let Some(best) = winner.and_then(|at| considered[at].version.clone()) {
        for (at, other) in considered.iter_mut().enumerate() {
            let same = other
                .version
                .as_ref()
                .is_some_and(|v| v.cmp_precedence(&best).is_eq());
            if other.rule == Rule::Older && same {
                other.rule = Rule::SameVersion;
                if Some(other.tag) == current {
                    winner = Some(at);
                }
            }
        }
    }

    let mut refusal = None;
    let mut chosen = None;
    if let Some(at) = winner {
        let best = &mut considered[at];
        let below = match (&current_version, &best.version) {
            (Some(current), Some(best)) => best.cmp_precedence(current) == Ordering::Less,
            _ => false,
        };
        if below && policy.downgrade == Downgrade::Refuse {
            best.rule = Rule::BelowCurrent;
            let current = current.map_or("", Tag::as_str);
            refusal = Some(Failure {
                reason: Reason::NoDowngrade,
                detail: format!(
                    "Git names `{current}`; the newest tag that `{}` allows is `{}`, which is older",
                    policy.range, best.tag
                ),
            });
        } else {
            best.rule = Rule::Chosen;
            chosen = Some(best.tag.clone());
        }
    } else {
        refusal = Some(nothing_to_choose(&considered, policy));
    }

    let mut counts = BTreeMap::new();
    for one in &considered {
        *counts.entry(one.rule).or_insert(0) += 1;
    }
    let winner = winner.map(|at| considered[at].tag);
    let verdicts = winner_first(&considered, winner)
        .take(policy.verdicts)
        .map(|one| Verdict {
            tag: one.tag.clone(),
            rule: one.rule,
            sentence: sentence(one, policy, chosen.as_ref(), current),
        })
        .collect();
    Choice {
        chosen,
        refusal,
        verdicts,
        counts,
    }
}

/// Reads a tag against the range; what is allowed is `Older` until a winner is known.
fn consider<'a>(tag: &'a Tag, policy: &Policy) -> Considered<'a> {
    match read(tag) {
        Reading::Version(version) => {
            let rule = match policy.range.membership(&version) {
                Membership::In => Rule::Older,
                Membership::PreRelease => Rule::PreRelease,
                Membership::Out => Rule::OutsideRange,
            };
            Considered {
                tag,
                version: Some(version),
                rule,
            }
        }
        Reading::Short => Considered {
            tag,
            version: None,
            rule: Rule::Short,
        },
        Reading::Attachment => Considered {
            tag,
            version: None,
            rule: Rule::Attachment,
        },
        Reading::Unordered => Considered {
            tag,
            version: None,
            rule: Rule::Unordered,
        },
    }
}

/// The total order: version, then the bytes of the tag; what has no version comes last.
fn newest_first(a: &Considered<'_>, b: &Considered<'_>) -> Ordering {
    match (&a.version, &b.version) {
        (Some(x), Some(y)) => y.cmp_precedence(x).then_with(|| b.tag.cmp(a.tag)),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.rule.cmp(&b.rule).then_with(|| a.tag.cmp(b.tag)),
    }
}

fn winner_first<'a, 'b>(
    considered: &'b [Considered<'a>],
    winner: Option<&'b Tag>,
) -> impl Iterator<Item = &'b Considered<'a>> {
    let first = considered.iter().filter(move |one| Some(one.tag) == winner);
    first.chain(considered.iter().filter(move |one| Some(one.tag) != winner))
}

fn nothing_to_choose(considered: &[Considered<'_>], policy: &Policy) -> Failure {
    let versions = considered
        .iter()
        .filter(|one| one.version.is_some())
        .count();
    if considered.is_empty() {
        Failure {
            reason: Reason::NoCandidate,
            detail: "the registry lists no tag".into(),
        }
    } else if versions == 0 {
        let examples: Vec<String> = considered
            .iter()
            .take(3)
            .map(|one| format!("`{}`", one.tag))
            .collect();
        Failure {
            reason: Reason::NoOrder,
            detail: format!(
                "none of {} tags is a version of three numbers, such as `1.2.3`; there is {}",
                considered.len(),
                examples.join(", ")
            ),
        }
    } else {
        let pre = considered
            .iter()
            .filter(|one| one.rule == Rule::PreRelease)
            .count();
        let hint = if pre > 0 {
            format!("; {pre} would be, if the range named a pre-release, such as `>=1.0.0-0`")
        } else {
            String::new()
        };
        Failure {
            reason: Reason::NoCandidate,
            detail: format!("none of {versions} versions is in `{}`{hint}", policy.range),
        }
    }
}

fn sentence(
    one: &Considered<'_>,
    policy: &Policy,
    chosen: Option<&Tag>,
    current: Option<&Tag>,
) -> String {
    let chosen = chosen.map_or("the newest one", Tag::as_str);
    match one.rule {
        Rule::Chosen => format!("the newest version in `{}`", policy.range),
        Rule::BelowCurrent => format!(
            "the newest version in `{}`, but Git names the newer `{}`",
            policy.range,
            current.map_or("", Tag::as_str)
        ),
        Rule::Older => format!("allowed, but older than `{chosen}`"),
        Rule::SameVersion => format!("the same version as `{chosen}`"),
        Rule::OutsideRange => format!("not in `{}`", policy.range),
        Rule::PreRelease => {
            format!(
                "a pre-release, and `{}` names none for this version",
                policy.range
            )
        }
        Rule::Short => "fewer than three numbers: such a tag usually moves".into(),
        Rule::Unordered => "not a version, so it has no order".into(),
        Rule::Attachment => "a signature or attestation of another image".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(list: &[&str]) -> Vec<Tag> {
        list.iter().map(|t| Tag::parse(t).unwrap()).collect()
    }

    fn tag(text: &str) -> Tag {
        Tag::parse(text).unwrap()
    }

    fn policy(range: &str) -> Policy {
        Policy::parse(range).unwrap()
    }

    fn rule_of(choice: &Choice, text: &str) -> Rule {
        choice
            .verdicts
            .iter()
            .find(|v| v.tag.as_str() == text)
            .unwrap()
            .rule
    }

    #[test]
    fn every_tag_gets_a_verdict_with_its_rule() {
        let list = tags(&[
            "1.0.0",
            "v1.0.0",
            "0.9.0",
            "2.0.0",
            "1.1.0-rc.1",
            "1.0",
            "latest",
        ]);
        let choice = choose(&list, &policy("1.x"), None);
        assert_eq!(choice.chosen, Some(tag("v1.0.0")));
        assert_eq!(choice.refusal, None);
        assert_eq!(choice.verdicts[0].tag, tag("v1.0.0"));
        for (text, rule) in [
            ("v1.0.0", Rule::Chosen),
            ("1.0.0", Rule::SameVersion),
            ("0.9.0", Rule::OutsideRange),
            ("2.0.0", Rule::OutsideRange),
            ("1.1.0-rc.1", Rule::PreRelease),
            ("1.0", Rule::Short),
            ("latest", Rule::Unordered),
        ] {
            assert_eq!(rule_of(&choice, text), rule, "{text}");
        }
    }

    #[test]
    fn latest_alone_is_refused_because_it_has_no_order() {
        let choice = choose(&tags(&["latest", "main", "1.2"]), &policy("*"), None);
        assert_eq!(choice.chosen, None);
        assert_eq!(choice.refusal.unwrap().reason, Reason::NoOrder);
    }

    #[test]
    fn a_range_without_a_member_and_an_empty_list_have_no_candidate() {
        let choice = choose(
            &tags(&["1.0.0", "2.0.0-rc.1", "latest"]),
            &policy(">=2"),
            None,
        );
        assert_eq!(choice.refusal.unwrap().reason, Reason::NoCandidate);
        assert_eq!(
            choose(&[], &policy("*"), None).refusal.unwrap().reason,
            Reason::NoCandidate
        );
    }

    #[test]
    fn inv_i21_a_tag_below_the_current_one_is_never_chosen() {
        // The newest tag was deleted from the registry.
        let choice = choose(
            &tags(&["1.0.0", "1.1.0"]),
            &policy("*"),
            Some(&tag("1.2.0")),
        );
        assert_eq!(choice.chosen, None);
        assert_eq!(choice.refusal.clone().unwrap().reason, Reason::NoDowngrade);
        assert_eq!(rule_of(&choice, "1.1.0"), Rule::BelowCurrent);
        // A person put Git outside the range.
        let choice = choose(
            &tags(&["1.9.0", "2.0.0"]),
            &policy("<2"),
            Some(&tag("2.0.0")),
        );
        assert_eq!(choice.refusal.unwrap().reason, Reason::NoDowngrade);
        let allowing = Policy {
            downgrade: Downgrade::Allow,
            ..policy("<2")
        };
        let choice = choose(&tags(&["1.9.0", "2.0.0"]), &allowing, Some(&tag("2.0.0")));
        assert_eq!(choice.chosen, Some(tag("1.9.0")));
    }

    #[test]
    fn the_current_spelling_of_the_newest_version_stays() {
        let list = tags(&["1.0.0", "v1.0.0", "0.9.0"]);
        assert_eq!(
            choose(&list, &policy("*"), Some(&tag("1.0.0"))).chosen,
            Some(tag("1.0.0"))
        );
        assert_eq!(
            choose(&list, &policy("*"), Some(&tag("v1.0.0"))).chosen,
            Some(tag("v1.0.0"))
        );
        assert_eq!(
            choose(&list, &policy("*"), Some(&tag("0.9.0"))).chosen,
            Some(tag("v1.0.0"))
        );
        assert_eq!(
            choose(&list, &policy("*"), Some(&tag("latest"))).chosen,
            Some(tag("v1.0.0"))
        );
    }

    #[test]
    fn verdicts_are_bounded_and_counts_are_not() {
        let list: Vec<Tag> = (0..1000).map(|n| tag(&format!("1.0.{n}"))).collect();
        let choice = choose(
            &list,
            &Policy {
                verdicts: 3,
                ..policy("*")
            },
            None,
        );
        let kept: Vec<&str> = choice.verdicts.iter().map(|v| v.tag.as_str()).collect();
        assert_eq!(kept, ["1.0.999", "1.0.998", "1.0.997"]);
        assert_eq!(choice.counts[&Rule::Older], 999);
        assert_eq!(choice.counts.values().sum::<usize>(), 1000);
    }

    fn any_tag() -> impl Strategy<Value = Tag> {
        let text = prop_oneof![
            (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
            (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("v{a}.0{b}.{c}")),
            (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("{a}.{b}.0-rc.{c}")),
            "[a-z0-9_][a-z0-9._-]{0,8}".prop_map(String::from),
        ];
        text.prop_map(|text| Tag::parse(&text).unwrap())
    }

    proptest! {
        #[test]
        fn the_choice_does_not_depend_on_the_order_of_the_tags(
            (list, shuffled) in proptest::collection::vec(any_tag(), 0..40)
                .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
            current in proptest::option::of(any_tag()),
            range in prop_oneof![
                Just("*"), Just("^1"), Just(">=1.0.0-0 <3"), Just("0.x || 2.x"), Just("*-0")
            ],
        ) {
            let policy = policy(range);
            let choice = choose(&list, &policy, current.as_ref());
            prop_assert_eq!(&choice, &choose(&shuffled, &policy, current.as_ref()));
            prop_assert!(choice.chosen.is_some() != choice.refusal.is_some());
            if let Some(chosen) = &choice.chosen {
                prop_assert!(list.contains(chosen));
                let Reading::Version(version) = read(chosen) else { panic!("no version") };
                prop_assert_eq!(policy.range.membership(&version), Membership::In);
                if let Some(Reading::Version(now)) = current.as_ref().map(read) {
                    prop_assert!(version.cmp_precedence(&now).is_ge());
                }
            }
        }
    }
}
