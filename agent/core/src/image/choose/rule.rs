//! What decided about a tag, and the sentence that says it to people.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::field::{self, Considered};
use super::{Context, gate};
use crate::image::facts::{CommitPlace, Examined, Facts};
use crate::image::filter::Sifted;
use crate::image::order::{By, Order, Take, commit};
use crate::image::policy::Policy;
use crate::image::reference::{Tag, Version};

/// What decided about a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It is the newest that the policy allows.
    Chosen,
    /// It is the newest that the policy allows, but Git names a newer one.
    BelowCurrent,
    /// It is allowed, and older than the chosen one.
    Older,
    /// It is the same version as the chosen one, written otherwise.
    SameVersion,
    /// It is allowed, but held, or older than one that is held.
    Held,
    /// It is allowed, but a person pinned another one.
    Pinned,
    /// It is allowed, but its image is too young.
    TooYoung,
    /// Its image was built from a commit of an update of ours.
    OwnCommit,
    /// Its image has to be looked at, or its commit to be found, before anything is said.
    Pending,
    /// Its image does not run on all platforms that are asked for.
    WrongPlatform,
    /// It is not in the range.
    OutsideRange,
    /// It is a pre-release, and the range names none.
    PreRelease,
    /// It has fewer than three numbers, so it may move.
    Short,
    /// It is a word that moves by custom, such as `latest`.
    Mutable,
    /// It has no order.
    Unordered,
    /// Its image does not say when it was built, or says something that cannot be.
    NoDate,
    /// Its commit is not in the history of the branch.
    NotInHistory,
    /// Its image cannot be read.
    Unreadable,
    /// The policy follows another tag.
    OtherTag,
    /// It does not match the pattern.
    NoMatch,
    /// It does not end with the suffix.
    OtherFlavour,
    /// It matches an exclusion.
    Excluded,
    /// It is a signature or the like, not an image.
    Attachment,
}

/// What a rule means for a tag, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The one to run.
    Chosen,
    /// Allowed, but another one is preferred or it has to wait.
    Allowed,
    /// Not allowed.
    Refused,
    /// Not known yet.
    Pending,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Chosen,
        Self::BelowCurrent,
        Self::Older,
        Self::SameVersion,
        Self::Held,
        Self::Pinned,
        Self::TooYoung,
        Self::OwnCommit,
        Self::Pending,
        Self::WrongPlatform,
        Self::OutsideRange,
        Self::PreRelease,
        Self::Short,
        Self::Mutable,
        Self::Unordered,
        Self::NoDate,
        Self::NotInHistory,
        Self::Unreadable,
        Self::OtherTag,
        Self::NoMatch,
        Self::OtherFlavour,
        Self::Excluded,
        Self::Attachment,
    ];

    /// The word for people and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::BelowCurrent => "below-current",
            Self::Older => "older",
            Self::SameVersion => "same-version",
            Self::Held => "held",
            Self::Pinned => "pinned",
            Self::TooYoung => "too-young",
            Self::OwnCommit => "own-commit",
            Self::Pending => "pending",
            Self::WrongPlatform => "wrong-platform",
            Self::OutsideRange => "outside-range",
            Self::PreRelease => "pre-release",
            Self::Short => "short",
            Self::Mutable => "mutable",
            Self::Unordered => "unordered",
            Self::NoDate => "no-date",
            Self::NotInHistory => "not-in-history",
            Self::Unreadable => "unreadable",
            Self::OtherTag => "other-tag",
            Self::NoMatch => "no-match",
            Self::OtherFlavour => "other-flavour",
            Self::Excluded => "excluded",
            Self::Attachment => "attachment",
        }
    }

    /// What it means for a tag.
    pub fn standing(self) -> Standing {
        match self {
            Self::Chosen => Standing::Chosen,
            Self::BelowCurrent
            | Self::Older
            | Self::SameVersion
            | Self::Held
            | Self::Pinned
            | Self::TooYoung => Standing::Allowed,
            Self::Pending => Standing::Pending,
            _ => Standing::Refused,
        }
    }

    /// Whether the tag passed the filter and the order can do nothing with it.
    pub(super) fn is_skip(self) -> bool {
        matches!(
            self,
            Self::Short
                | Self::Mutable
                | Self::Unordered
                | Self::NoDate
                | Self::NotInHistory
                | Self::Unreadable
        )
    }

    /// Whether the filter kept the tag out.
    pub(super) fn is_filtered(self) -> bool {
        matches!(
            self,
            Self::NoMatch | Self::OtherFlavour | Self::Excluded | Self::Attachment | Self::OtherTag
        )
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

/// The verdict on one tag.
pub(super) fn verdict(
    one: &Considered<'_>,
    policy: &Policy,
    context: &Context<'_>,
    chosen: Option<&Version>,
) -> Verdict {
    Verdict {
        tag: one.tag.clone(),
        rule: one.rule,
        sentence: sentence(one, policy, context, chosen),
    }
}

/// What a tag is by which the order goes: `version`, `number`, ...
pub(super) fn noun(order: &Order) -> &'static str {
    match order {
        Order::Semver(_) => "version",
        Order::Numerical(_) => "number",
        Order::Alphabetical(_) => "name",
        Order::Newest | Order::DigestOf(_) | Order::Commits(By::Creation) => "build",
        Order::Commits(By::History { .. }) => "commit",
    }
}

/// The best one of an order.
fn best(order: &Order) -> String {
    match order {
        Order::Semver(range) => format!("the newest version in `{range}`"),
        Order::Numerical(Take::Greatest) => "the highest number".into(),
        Order::Numerical(Take::Least) => "the lowest number".into(),
        Order::Alphabetical(Take::Greatest) => "the last in the alphabet".into(),
        Order::Alphabetical(Take::Least) => "the first in the alphabet".into(),
        Order::Newest | Order::Commits(By::Creation) => "the newest build".into(),
        Order::DigestOf(_) => "the tag that the policy follows".into(),
        Order::Commits(By::History { .. }) => "the newest commit".into(),
    }
}

/// The sentence on one tag, without a full stop.
pub(super) fn sentence(
    one: &Considered<'_>,
    policy: &Policy,
    context: &Context<'_>,
    chosen: Option<&Version>,
) -> String {
    let order = &policy.order;
    let chosen = chosen.map_or_else(
        || "the newest one".to_owned(),
        |one| format!("`{}`", one.tag),
    );
    let current = context.current.map_or("", |current| current.tag.as_str());
    let facts = field::facts(one, context);
    match one.rule {
        Rule::Chosen => match (order.is_by_creation(), facts) {
            (true, Some(facts)) => format!("{}, of {}", best(order), date(facts)),
            _ => best(order),
        },
        Rule::BelowCurrent => match order {
            Order::Semver(_) => format!("{}, but Git names the newer `{current}`", best(order)),
            _ => format!(
                "{}, but not newer than `{current}`, which Git names",
                best(order)
            ),
        },
        Rule::Older => match order {
            Order::Semver(_) => format!("allowed, but older than {chosen}"),
            Order::Numerical(Take::Greatest) => format!("a lower number than {chosen}"),
            Order::Numerical(Take::Least) => format!("a higher number than {chosen}"),
            Order::Alphabetical(Take::Greatest) => format!("comes before {chosen}"),
            Order::Alphabetical(Take::Least) => format!("comes after {chosen}"),
            _ => match (order.is_by_creation(), facts) {
                (true, Some(facts)) => format!("of {}, older than {chosen}", date(facts)),
                _ => format!("an older {} than {chosen}", noun(order)),
            },
        },
        Rule::SameVersion => match order {
            Order::Newest | Order::Commits(By::Creation) => {
                format!("built in the same moment as {chosen}")
            }
            _ => format!("the same {} as {chosen}", noun(order)),
        },
        Rule::Held => match gate::hold(one, context) {
            Some(held) => match held.since {
                Some(since) => format!("held since {}: {}", short(since), held.because),
                None => format!("held: {}", held.because),
            },
            None => "not newer than a tag that is held".into(),
        },
        Rule::Pinned => match context.pinned {
            Some(pinned) => format!("allowed, but {}", pinned.because),
            None => "allowed, but another one is pinned".into(),
        },
        Rule::TooYoung => {
            let until = gate::until(one.rule, one, policy, context);
            let age = facts
                .map(|facts| age(facts, context.now))
                .unwrap_or_default();
            let until = until.map(short).unwrap_or_default();
            format!("{age} old, which is younger than `minAge`; old enough at {until}")
        }
        Rule::OwnCommit => {
            let commit = facts.and_then(|facts| gate::own_commit(facts, context));
            let commit = commit.map_or("", |commit| commit.short());
            format!("built from commit {commit}, which is an update of Syncline's own")
        }
        Rule::Pending => match order {
            Order::Commits(By::History { .. }) => "its commit is still to be looked for".into(),
            _ => "its image is still to be looked at".into(),
        },
        Rule::WrongPlatform => {
            let missing = facts.and_then(|facts| gate::missing_platform(facts, policy));
            let has = facts.map(|facts| platforms(facts)).unwrap_or_default();
            format!("not for {}; it is for {has}", missing.unwrap_or_default())
        }
        Rule::OutsideRange => format!("not in `{order}`"),
        Rule::PreRelease => format!("a pre-release, and `{order}` names none for this version"),
        Rule::Short => "fewer than three numbers: such a tag usually moves".into(),
        Rule::Mutable => {
            "such a tag moves: it is chosen only with its digest, by `pin` or `digestOf`".into()
        }
        Rule::Unordered => unordered(one, order),
        Rule::NoDate => match facts.and_then(|facts| facts.created) {
            None => "its image does not say when it was built".into(),
            Some(created) if created > context.now => {
                format!("says that it is built at {}, in the future", short(created))
            }
            Some(created) => format!(
                "says that it is built at {}, as reproducible builds do: it has no order",
                short(created)
            ),
        },
        Rule::NotInHistory => {
            let id = commit::id_of(&one.value);
            let place = id.and_then(|id| context.commits.get(id.as_ref()));
            match place {
                Some(CommitPlace::Ambiguous) => "several commits begin like that".into(),
                _ => "its commit is not in the history of the branch".into(),
            }
        }
        Rule::Unreadable => match context.facts.get(one.tag) {
            Some(Examined::Unreadable(why)) => format!("its image cannot be read: {why}"),
            _ => "its image cannot be read".into(),
        },
        Rule::OtherTag => match order {
            Order::DigestOf(tag) => format!("the policy follows `{tag}`"),
            _ => "the policy follows another tag".into(),
        },
        Rule::NoMatch => match &policy.filter.matching {
            Some(matching) => format!("does not match `{}`", matching.pattern),
            None => "does not match".into(),
        },
        Rule::OtherFlavour => {
            let suffix = policy.filter.suffix.as_deref().unwrap_or_default();
            format!("does not end with `{suffix}`")
        }
        Rule::Excluded => match policy.filter.sift(one.tag) {
            Sifted::Excluded(index) => {
                format!("excluded by `{}`", policy.filter.exclude[index])
            }
            _ => "excluded".into(),
        },
        Rule::Attachment => "a signature or attestation of another image".into(),
    }
}

fn unordered(one: &Considered<'_>, order: &Order) -> String {
    let what = match order {
        Order::Numerical(_) => "a number",
        Order::Commits(_) => "a commit id",
        Order::Alphabetical(_) => return "nothing is left of it to compare".into(),
        _ => "a version",
    };
    if one.value == one.tag.as_str() {
        format!("not {what}, so it has no order")
    } else {
        format!("`{}` is not {what}, so it has no order", one.value)
    }
}

/// A moment to the second.
pub(super) fn short(moment: Timestamp) -> String {
    Timestamp::from_second(moment.as_second())
        .unwrap_or(moment)
        .to_string()
}

fn date(facts: &Facts) -> String {
    facts.created.map(short).unwrap_or_default()
}

/// How old an image is, in its largest units: `3d 4h`.
fn age(facts: &Facts, now: Timestamp) -> String {
    let Some(created) = facts.created.filter(|created| *created < now) else {
        return "0s".into();
    };
    let seconds = now.duration_since(created).as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut words = Vec::new();
    for (length, unit) in units {
        if rest >= length {
            words.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    words.truncate(2);
    if words.is_empty() {
        "0s".into()
    } else {
        words.join(" ")
    }
}

fn platforms(facts: &Facts) -> String {
    if facts.platforms.is_empty() {
        return "no platform that it names".into();
    }
    let names = facts.platforms.iter().take(4).map(ToString::to_string);
    let mut names: Vec<String> = names.collect();
    if facts.platforms.len() > names.len() {
        names.push("others".into());
    }
    names.join(", ")
}
