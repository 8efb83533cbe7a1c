//! What the annotations of one object say of hooks: ours, Argo CD's and Helm's.
//!
//! Ours win over Argo CD's, and those over Helm's. What is not understood is an error: an object
//! that was meant to run once is never applied as one that stays.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DeletePolicy, Moment, Occasion};
use crate::names::{
    ANNOTATION_HOOK, ANNOTATION_HOOK_DELETE, ANNOTATION_HOOK_TIMEOUT, ANNOTATION_WAVE, ARGO_HOOK,
    ARGO_HOOK_DELETE, ARGO_WAVE, HELM_HOOK, HELM_HOOK_DELETE, HELM_HOOK_OUTPUT, HELM_HOOK_WEIGHT,
};

/// How many characters of a value an error shows.
const SHOWN: usize = 64;
/// The shortest and the longest time that a hook may be given.
const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(744 * 3600);

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// An object like any other.
    Ordinary,
    /// A hook that never runs, and why, for people.
    Never(&'static str),
    /// A hook.
    Hook(Terms),
}

/// When and how a hook runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// When, each moment once, in their order; none for one that never runs.
    pub moments: BTreeMap<Moment, Occasion>,
    /// Its place among the hooks of its moment.
    pub weight: i32,
    /// When its object is deleted.
    pub delete: DeletePolicy,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// An annotation of a hook that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{annotation}: {value}` is not understood: {wanted}")]
pub struct Invalid {
    /// Its name.
    pub annotation: &'static str,
    /// The beginning of its value.
    pub value: String,
    /// What it may be.
    pub wanted: &'static str,
}

impl Invalid {
    fn new(annotation: &'static str, value: &str, wanted: &'static str) -> Self {
        let shown = value.chars().filter(|c| !c.is_control()).take(SHOWN);
        Self {
            annotation,
            value: shown.collect(),
            wanted,
        }
    }
}

/// Reads the annotations of an object.
///
/// Fails where one that decides is not understood. What a winning annotation overrides is not
/// looked at.
pub fn read(annotations: &BTreeMap<String, String>) -> Result<Reading, Invalid> {
    let value = |name| annotations.get(name).map(String::as_str);
    let moments = if let Some(words) = value(ANNOTATION_HOOK) {
        ours(words)?
    } else if let Some(words) = value(ARGO_HOOK) {
        match argo(words)? {
            Some(moments) => moments,
            // Argo CD leaves it alone, see `directives`.
            None => return Ok(Reading::Ordinary),
        }
    } else if let Some(words) = value(HELM_HOOK) {
        match helm(words)? {
            HelmEvents::Definition => return Ok(Reading::Ordinary),
            HelmEvents::Never(why) => return Ok(Reading::Never(why)),
            HelmEvents::Moments(moments) => {
                value(HELM_HOOK_OUTPUT).map_or(Ok(()), check_output)?;
                moments
            }
        }
    } else {
        return Ok(Reading::Ordinary);
    };
    Ok(Reading::Hook(Terms {
        moments,
        weight: weight(annotations)?,
        delete: delete(annotations)?,
        timeout: value(ANNOTATION_HOOK_TIMEOUT).map(timeout).transpose()?,
    }))
}

type Moments = BTreeMap<Moment, Occasion>;

fn ours(words: &str) -> Result<Moments, Invalid> {
    let wanted = "a list of `before`, `during`, `after`, `failure`, `before-delete` and \
                  `after-delete`";
    let known = [
        Moment::Before,
        Moment::During,
        Moment::After,
        Moment::Failure,
        Moment::BeforeDelete,
        Moment::AfterDelete,
    ];
    let moments = list(words).map(|word| {
        let found = known.into_iter().find(|moment| moment.as_str() == word);
        let moment = found.ok_or_else(|| Invalid::new(ANNOTATION_HOOK, word, wanted))?;
        Ok((moment, Occasion::Any))
    });
    moments.collect()
}

/// `None` for `Skip`.
fn argo(words: &str) -> Result<Option<Moments>, Invalid> {
    let wanted = "a list of `PreSync`, `Sync`, `PostSync`, `SyncFail`, `PreDelete` and \
                  `PostDelete`, or `Skip` alone";
    if words.trim() == "Skip" {
        return Ok(None);
    }
    let moments = list(words).map(|word| {
        let moment = match word {
            "PreSync" => Moment::Before,
            "Sync" => Moment::During,
            "PostSync" => Moment::After,
            "SyncFail" => Moment::Failure,
            "PreDelete" => Moment::BeforeDelete,
            "PostDelete" => Moment::AfterDelete,
            _ => return Err(Invalid::new(ARGO_HOOK, word, wanted)),
        };
        Ok((moment, Occasion::Any))
    });
    moments.collect::<Result<_, _>>().map(Some)
}

/// What Helm's events make of an object.
enum HelmEvents {
    /// A CRD as Helm 2 wrote them: an object, which comes early anyway.
    Definition,
    /// A hook that never runs.
    Never(&'static str),
    /// A hook.
    Moments(Moments),
}

fn helm(words: &str) -> Result<HelmEvents, Invalid> {
    let wanted = "a list of `pre-install`, `post-install`, `pre-upgrade`, `post-upgrade`, \
                  `pre-delete`, `post-delete`, `pre-rollback`, `post-rollback` and `test`";
    let lower = words.to_ascii_lowercase();
    if lower.trim() == "crd-install" {
        return Ok(HelmEvents::Definition);
    }
    let mut moments = Moments::new();
    let mut never = "";
    for word in list(&lower) {
        let (moment, occasion) = match word {
            "pre-install" => (Moment::Before, Occasion::Install),
            "pre-upgrade" => (Moment::Before, Occasion::Upgrade),
            "post-install" => (Moment::After, Occasion::Install),
            "post-upgrade" => (Moment::After, Occasion::Upgrade),
            "pre-delete" => (Moment::BeforeDelete, Occasion::Any),
            "post-delete" => (Moment::AfterDelete, Occasion::Any),
            "pre-rollback" | "post-rollback" => {
                never = "rollback hooks never run: going back is a commit, and an upgrade";
                continue;
            }
            "test" | "test-success" | "test-failure" => {
                if never.is_empty() {
                    never = "tests of a chart are not run";
                }
                continue;
            }
            _ => return Err(Invalid::new(HELM_HOOK, word, wanted)),
        };
        let known = moments.entry(moment).or_insert(occasion);
        if *known != occasion {
            *known = Occasion::Any;
        }
    }
    Ok(if moments.is_empty() {
        HelmEvents::Never(never)
    } else {
        HelmEvents::Moments(moments)
    })
}

/// Its content has no effect: the log of a hook that failed is always kept.
fn check_output(words: &str) -> Result<(), Invalid> {
    let wanted = "a list of `hook-succeeded` and `hook-failed`";
    let lower = words.to_ascii_lowercase();
    let mut unknown =
        list(&lower).filter(|word| !matches!(*word, "hook-succeeded" | "hook-failed"));
    match unknown.next() {
        None => Ok(()),
        Some(word) => Err(Invalid::new(HELM_HOOK_OUTPUT, word, wanted)),
    }
}

/// The wave of an object is the weight of a hook.
fn weight(annotations: &BTreeMap<String, String>) -> Result<i32, Invalid> {
    for name in [ANNOTATION_WAVE, ARGO_WAVE, HELM_HOOK_WEIGHT] {
        if let Some(value) = annotations.get(name) {
            let number = value.trim().parse();
            return number.map_err(|_| Invalid::new(name, value, "a whole number"));
        }
    }
    Ok(0)
}

fn delete(annotations: &BTreeMap<String, String>) -> Result<DeletePolicy, Invalid> {
    let dialects = [
        (
            ANNOTATION_HOOK_DELETE,
            ["before-creation", "succeeded", "failed"],
            "a list of `before-creation`, `succeeded` and `failed`",
        ),
        (
            ARGO_HOOK_DELETE,
            ["BeforeHookCreation", "HookSucceeded", "HookFailed"],
            "a list of `BeforeHookCreation`, `HookSucceeded` and `HookFailed`",
        ),
        (
            HELM_HOOK_DELETE,
            ["before-hook-creation", "hook-succeeded", "hook-failed"],
            "a list of `before-hook-creation`, `hook-succeeded` and `hook-failed`",
        ),
    ];
    for (name, [before_creation, succeeded, failed], wanted) in dialects {
        let Some(value) = annotations.get(name) else {
            continue;
        };
        let mut policy = DeletePolicy {
            before_creation: false,
            ..DeletePolicy::default()
        };
        for word in list(value) {
            // Helm reads its own in any case.
            let is = |known: &str| {
                word == known || (name == HELM_HOOK_DELETE && word.eq_ignore_ascii_case(known))
            };
            if is(before_creation) {
                policy.before_creation = true;
            } else if is(succeeded) {
                policy.succeeded = true;
            } else if is(failed) {
                policy.failed = true;
            } else {
                return Err(Invalid::new(name, word, wanted));
            }
        }
        return Ok(policy);
    }
    Ok(DeletePolicy::default())
}

fn list(words: &str) -> impl Iterator<Item = &str> {
    words.split(',').map(str::trim)
}

/// A duration as elsewhere in our kinds: `90s`, `1h30m`.
fn timeout(written: &str) -> Result<Duration, Invalid> {
    let wrong = || {
        let wanted = "a duration between `1s` and `744h`, for example `10m`";
        Invalid::new(ANNOTATION_HOOK_TIMEOUT, written, wanted)
    };
    let mut rest = written.trim();
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind) = behind.split_at(letters);
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(wrong()),
        };
        let part = unit.checked_mul(number).ok_or_else(wrong)?;
        sum = sum.checked_add(part).ok_or_else(wrong)?;
        rest = behind;
    }
    if TIMEOUTS.contains(&sum) {
        Ok(sum)
    } else {
        Err(wrong())
    }
}

#[cfg(test)]
mod tests;
