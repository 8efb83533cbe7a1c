//! The range dialect of Helm: what `github.com/Masterminds/semver/v3` reads and decides.
//!
//! It differs from the dialect of image policies where that one protects from surprises:
//! `<2` has `2.0.0-rc.1` in it once pre-releases are wanted at all, `~0.0.0` is everything, `^*` is
//! `0.0.0` alone, and a range that nothing can satisfy is valid. What looks like a mistake is kept,
//! because a chart must resolve to the same version as with Helm.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;
use semver::{BuildMetadata, Prerelease, Version};

use super::{Comparison, Operator, Partial, RangeError, Set, clip, number_of};

/// Digits, wildcards and, as there, bars: `1||2 - 3` is a span whose start is `1||2`.
const NUMBERS: &str = r"[0-9xX*|]+(?:\.[0-9xX*|]+){0,2}";
/// Identifiers of a pre-release or of build metadata.
const IDENTIFIERS: &str = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*";
const OPERATOR: &str = "(?:!=|>=|=>|<=|=<|~>|[=<>~^])?";
const SPACE: &str = r"[\t\n\x0c\r ]";

struct Grammar {
    /// `1.2 - 2.0`.
    span: Regex,
    /// One comparison anywhere.
    comparison: Regex,
    /// Comparisons with spaces or commas between them, from end to end.
    set: Regex,
}

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let version = format!(r"v?{NUMBERS}(?:-{IDENTIFIERS})?(?:\+{IDENTIFIERS})?");
    let regex = |text: String| Regex::new(&text).expect("the grammar is constant");
    let one = format!("{OPERATOR}{SPACE}*{version}");
    Grammar {
        span: regex(format!(
            "{SPACE}*({version}){SPACE}+-{SPACE}+({version}){SPACE}*"
        )),
        set: regex(format!(
            "^{SPACE}*{one}{SPACE}*(?:(?:{SPACE}+|,{SPACE}*){one}{SPACE}*)*$"
        )),
        comparison: regex(one),
    }
});

/// The sets of a range.
pub(super) fn parse(text: &str) -> Result<Vec<Set>, RangeError> {
    let mut rewritten = text.to_owned();
    for span in GRAMMAR.span.captures_iter(text) {
        let comparisons = format!(">= {}, <= {} ", &span[1], &span[2]);
        rewritten = rewritten.replacen(&span[0], &comparisons, 1);
    }
    rewritten.split("||").map(set).collect()
}

fn set(text: &str) -> Result<Set, RangeError> {
    if !GRAMMAR.set.is_match(text) {
        return Err(RangeError::NotAVersion(clip(text.trim())));
    }
    let comparisons = GRAMMAR
        .comparison
        .find_iter(text)
        .map(|found| comparison(found.as_str()))
        .collect::<Result<Vec<_>, _>>()?;
    let pre_releases = comparisons.iter().any(|c| !c.bound.floor.pre.is_empty());
    Ok(Set {
        comparisons,
        pre_releases,
    })
}

fn comparison(text: &str) -> Result<Comparison, RangeError> {
    let (operator, _, version) = Operator::split(text.trim());
    let bound =
        partial(version.trim()).ok_or_else(|| RangeError::NotAVersion(clip(text.trim())))?;
    Ok(Comparison { operator, bound })
}

fn partial(text: &str) -> Option<Partial> {
    let body = text.strip_prefix('v').unwrap_or(text);
    let body = body.split_once('+').map_or(body, |(body, _build)| body);
    let (core, pre) = body.split_once('-').unwrap_or((body, ""));
    let mut floor = Version::new(0, 0, 0);
    floor.pre = Prerelease::new(pre).ok()?;
    let given = core
        .split('.')
        .take_while(|part| !matches!(*part, "x" | "X" | "*"));
    let mut parts = 0;
    for (part, number) in given.zip([&mut floor.major, &mut floor.minor, &mut floor.patch]) {
        *number = number_of(part)?;
        parts += 1;
    }
    Some(Partial { floor, parts })
}

/// Whether a comparison holds, pre-releases left aside.
pub(super) fn holds(comparison: &Comparison, version: &Version) -> bool {
    let (bound, parts) = (&comparison.bound.floor, comparison.bound.parts);
    let order = version.cmp_precedence(bound);
    let whole = parts == 3;
    let major = version.major.cmp(&bound.major);
    let minor = version.minor.cmp(&bound.minor);
    match comparison.operator {
        Operator::Equal if whole => order == Ordering::Equal,
        Operator::Equal | Operator::Tilde => {
            let anything = parts != 1 && parts != 2 && is_zero(bound);
            order != Ordering::Less
                && (anything || (major.is_eq() && (parts == 1 || minor.is_eq())))
        }
        Operator::NotEqual => match parts {
            1 => major.is_ne(),
            2 => major.is_ne() || minor.is_ne() || version.pre != bound.pre,
            _ => order != Ordering::Equal,
        },
        Operator::Less => order == Ordering::Less,
        Operator::LessEqual if whole => order != Ordering::Greater,
        Operator::LessEqual => major.is_lt() || (major.is_eq() && (parts == 1 || minor.is_le())),
        Operator::Greater => match parts {
            1 => major.is_gt(),
            2 => major.then(minor).is_gt(),
            _ => order == Ordering::Greater,
        },
        Operator::GreaterEqual => order != Ordering::Less,
        Operator::Caret => {
            order != Ordering::Less
                && major.is_eq()
                && if bound.major > 0 || parts == 1 {
                    true
                } else if bound.minor > 0 || parts == 2 {
                    minor.is_eq()
                } else {
                    minor.is_eq() && version.patch == bound.patch
                }
        }
    }
}

fn is_zero(version: &Version) -> bool {
    (version.major, version.minor, version.patch) == (0, 0, 0)
}

/// Reads the version of a chart as Helm does: `v` in front and missing numbers are fine, and so
/// are leading zeros.
pub(super) fn version(text: &str) -> Option<Version> {
    let body = text.strip_prefix('v').unwrap_or(text);
    let (body, build) = match body.split_once('+') {
        Some((_, "")) => return None,
        Some((body, build)) => (body, BuildMetadata::new(build).ok()?),
        None => (body, BuildMetadata::EMPTY),
    };
    let (core, pre) = match body.split_once('-') {
        Some((_, "")) => return None,
        Some((core, pre)) => (core, Prerelease::new(pre).ok()?),
        None => (body, Prerelease::EMPTY),
    };
    let mut numbers = [0; 3];
    for (index, part) in core.split('.').enumerate() {
        *numbers.get_mut(index)? = number_of(part)?;
    }
    let [major, minor, patch] = numbers;
    Some(Version {
        major,
        minor,
        patch,
        pre,
        build,
    })
}
