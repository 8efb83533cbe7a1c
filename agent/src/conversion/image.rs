//! From an ImagePolicy on the wire to the checked domain types.

use std::fmt::Display;
use std::time::Duration;

use syncline_cluster::kinds;
use syncline_core::application::{Suspension, TreePath, check_period};
use syncline_core::image::policy::{By, Matching, Order, Pattern, Pin, Range, Take, Template};
use syncline_core::image::policy::{Filter, PatternError, TemplateError};
use syncline_core::image::{Downgrade, ImageName, Platform, Policy, Tag};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::window::Window;

use super::{DAY, SECOND, invalid, order, suspended};

/// Longest `minAge`.
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// The most expressions in `exclude`.
const MAX_EXCLUDE: usize = 16;
/// The most platforms.
const MAX_PLATFORMS: usize = 16;
/// The longest suffix.
const MAX_SUFFIX: usize = 64;

/// A checked ImagePolicy.
#[derive(Clone, Debug)]
pub(crate) struct ImageUpdate {
    /// Namespace and name.
    pub(crate) name: Name,
    /// The image.
    pub(crate) image: ImageName,
    /// How often its tags are listed.
    pub(crate) interval: Duration,
    /// Service account that reads the Secret.
    pub(crate) account: String,
    /// Secret with the credentials of the registry.
    pub(crate) secret: Option<String>,
    /// Which tags are allowed.
    pub(crate) policy: Policy,
    /// What the policy takes, for people.
    pub(crate) range: String,
    /// The Repository whose files are edited.
    pub(crate) repository: String,
    /// Where in it; everywhere where empty.
    pub(crate) paths: Vec<TreePath>,
    /// When updates may be committed; at any time where it is empty.
    pub(crate) windows: Vec<Window>,
    /// Why it is suspended; `None` where it is not.
    pub(crate) suspend: Option<Suspension>,
}

/// Checks an ImagePolicy.
pub(crate) fn image_policy(
    wire: &kinds::ImagePolicy,
    default_account: &str,
) -> Result<ImageUpdate, Failure> {
    let spec = &wire.spec;
    let policy = policy(spec)?;
    Ok(ImageUpdate {
        name: kinds::name_of(wire),
        image: ImageName::parse(&spec.image).map_err(|error| Failure {
            reason: Reason::InvalidImage,
            detail: format!("`spec.image`: {error}"),
        })?,
        interval: check_period("spec.interval", spec.interval.get(), SECOND, DAY)?,
        account: spec
            .service_account
            .clone()
            .unwrap_or_else(|| default_account.to_owned()),
        secret: spec.secret_ref.as_ref().map(|secret| secret.name.clone()),
        range: policy.to_string(),
        policy,
        repository: spec.update.repository.clone(),
        paths: spec
            .update
            .paths
            .iter()
            .map(|path| TreePath::parse(path).map_err(|f| invalid("spec.update.paths", f.detail)))
            .collect::<Result<_, _>>()?,
        windows: order::windows("spec.windows", &spec.windows)?,
        suspend: suspended(spec.suspend.as_ref()),
    })
}

fn policy(spec: &kinds::ImagePolicySpec) -> Result<Policy, Failure> {
    let filter = match &spec.tags {
        Some(tags) => filter(tags)?,
        None => Filter::default(),
    };
    let order = select(&spec.select)?;
    let pin = spec.pin.as_ref().map(|pin| pin.digest);
    if let Order::DigestOf(_) = order {
        let composes = filter.matching.is_some() || filter.suffix.is_some();
        if composes || !filter.exclude.is_empty() {
            let why = "`digestOf` names its tag itself: leave `match`, `extract`, `exclude` and \
                       `suffix` away";
            return Err(invalid("spec.tags", why));
        }
        if pin == Some(false) {
            let why = "`digestOf` writes a digest: it cannot be false";
            return Err(invalid("spec.pin.digest", why));
        }
        if spec.allow_downgrade {
            let why = "`digestOf` goes wherever its tag goes: leave it away";
            return Err(invalid("spec.allowDowngrade", why));
        }
    }
    let mut policy = Policy::of(order);
    policy.filter = filter;
    if spec.allow_downgrade {
        policy.downgrade = Downgrade::Allow;
    }
    if pin == Some(true) {
        policy.pin = Pin::Digest;
    }
    Ok(policy)
}

fn filter(wire: &kinds::TagFilter) -> Result<Filter, Failure> {
    let refuse = |field: &str, why: &dyn Display| Failure {
        reason: Reason::InvalidRegex,
        detail: format!("`spec.tags.{field}`: {why}"),
    };
    let pattern = |field: &str, text: &str| {
        Pattern::parse(text).map_err(|error: PatternError| refuse(field, &error))
    };
    let matching = match (&wire.match_, &wire.extract) {
        (None, None) => None,
        (None, Some(_)) => {
            let why = "takes a part of what `match` found: name `match` too";
            return Err(invalid("spec.tags.extract", why));
        }
        (Some(text), extract) => {
            let pattern = pattern("match", text)?;
            let extract = extract.as_ref().map(|text| {
                Template::parse(text, &pattern)
                    .map_err(|error: TemplateError| refuse("extract", &error))
            });
            Some(Matching {
                extract: extract.transpose()?,
                pattern,
            })
        }
    };
    if wire.exclude.len() > MAX_EXCLUDE {
        let why = format!("more than {MAX_EXCLUDE} expressions; join some with `|`");
        return Err(invalid("spec.tags.exclude", why));
    }
    let exclude = wire.exclude.iter().enumerate();
    let exclude = exclude.map(|(index, text)| pattern(&format!("exclude[{index}]"), text));
    let exclude: Vec<Pattern> = exclude.collect::<Result<_, _>>()?;
    if let Some(suffix) = &wire.suffix {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if suffix.is_empty() || suffix.len() > MAX_SUFFIX || !suffix.bytes().all(known) {
            let why = format!("up to {MAX_SUFFIX} letters, digits, `.`, `_` and `-`");
            return Err(invalid("spec.tags.suffix", why));
        }
    }
    if wire.platforms.len() > MAX_PLATFORMS {
        let why = format!("more than {MAX_PLATFORMS} platforms");
        return Err(invalid("spec.tags.platforms", why));
    }
    let platforms = wire.platforms.iter().enumerate().map(|(index, text)| {
        let at = format!("spec.tags.platforms[{index}]");
        Platform::parse(text).map_err(|error| invalid(&at, error))
    });
    let min_age = wire
        .min_age
        .map(|age| check_period("spec.tags.minAge", age.get(), SECOND, YEAR));
    Ok(Filter {
        matching,
        exclude,
        suffix: wire.suffix.clone(),
        platforms: platforms.collect::<Result<_, _>>()?,
        min_age: min_age.transpose()?,
    })
}

fn select(wire: &kinds::Select) -> Result<Order, Failure> {
    let mut orders = Vec::new();
    if let Some(range) = &wire.semver {
        let range = Range::parse(range).map_err(|error| Failure {
            reason: Reason::InvalidRange,
            detail: format!("`spec.select.semver`: {error}"),
        })?;
        orders.push(Order::Semver(range));
    }
    if let Some(numerical) = &wire.numerical {
        orders.push(Order::Numerical(match numerical.take {
            kinds::TakeNumber::Highest => Take::Greatest,
            kinds::TakeNumber::Lowest => Take::Least,
        }));
    }
    if let Some(alphabetical) = &wire.alphabetical {
        orders.push(Order::Alphabetical(match alphabetical.take {
            kinds::TakeName::Last => Take::Greatest,
            kinds::TakeName::First => Take::Least,
        }));
    }
    if wire.newest.is_some() {
        orders.push(Order::Newest);
    }
    if let Some(tag) = &wire.digest_of {
        let tag = Tag::parse(tag).map_err(|error| invalid("spec.select.digestOf", error))?;
        orders.push(Order::DigestOf(tag));
    }
    if let Some(commits) = &wire.commits {
        orders.push(Order::Commits(match &commits.repository {
            None => By::Creation,
            Some(repository) => By::History {
                repository: repository.clone(),
            },
        }));
    }
    match (orders.pop(), orders.is_empty()) {
        (Some(order), true) => Ok(order),
        _ => Err(invalid(
            "spec.select",
            "name exactly one of `semver`, `numerical`, `alphabetical`, `newest`, `digestOf` and \
             `commits`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn convert(spec: &Value) -> Result<ImageUpdate, Failure> {
        let mut whole = json!({
            "image": "registry.example.com/shop/web",
            "select": {"semver": "^1"},
            "update": {"repository": "config"},
        });
        for (name, value) in spec.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let wire = serde_json::from_value(json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "ImagePolicy",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": whole,
        }))
        .unwrap();
        image_policy(&wire, "applier")
    }

    #[test]
    fn a_policy_with_a_range_alone_is_what_it_always_was() {
        let update = convert(&json!({})).unwrap();
        assert_eq!(update.policy, Policy::parse("^1").unwrap());
        assert_eq!(update.range, "^1");
        assert_eq!(update.policy.warnings(), Vec::<String>::new());
    }

    #[test]
    fn each_order_reaches_the_domain() {
        for (select, order) in [
            (json!({"numerical": {}}), Order::Numerical(Take::Greatest)),
            (
                json!({"numerical": {"take": "Lowest"}}),
                Order::Numerical(Take::Least),
            ),
            (
                json!({"alphabetical": {}}),
                Order::Alphabetical(Take::Greatest),
            ),
            (
                json!({"alphabetical": {"take": "First"}}),
                Order::Alphabetical(Take::Least),
            ),
            (json!({"newest": {}}), Order::Newest),
            (
                json!({"digestOf": "stable"}),
                Order::DigestOf(Tag::parse("stable").unwrap()),
            ),
            (json!({"commits": {}}), Order::Commits(By::Creation)),
            (
                json!({"commits": {"repository": "web"}}),
                Order::Commits(By::History {
                    repository: "web".into(),
                }),
            ),
        ] {
            let policy = convert(&json!({"select": select})).unwrap().policy;
            assert_eq!(policy, Policy::of(order), "{select}");
        }
    }

    #[test]
    fn the_filter_and_the_pin_reach_the_domain() {
        let update = convert(&json!({
            "tags": {
                "match": "^v(?P<v>.*)$", "extract": "$v", "exclude": ["rc", "dev$"],
                "suffix": "-alpine", "minAge": "1h", "platforms": ["linux/amd64", "linux/arm64"],
            },
            "allowDowngrade": true,
            "pin": {"digest": true},
        }))
        .unwrap();
        let Policy {
            filter,
            downgrade,
            pin,
            ..
        } = update.policy;
        let matching = filter.matching.unwrap();
        assert_eq!(matching.pattern.to_string(), "^v(?P<v>.*)$");
        assert_eq!(matching.extract.unwrap().to_string(), "$v");
        assert_eq!(filter.exclude.len(), 2);
        assert_eq!(filter.suffix.as_deref(), Some("-alpine"));
        assert_eq!(filter.min_age, Some(Duration::from_secs(3600)));
        assert_eq!(filter.platforms.len(), 2);
        assert_eq!((downgrade, pin), (Downgrade::Allow, Pin::Digest));
    }

    #[test]
    fn bad_b57_what_is_wrong_is_refused_with_its_field_and_code() {
        for (spec, code, field) in [
            (
                json!({"select": {"semver": ">="}}),
                "policy.range",
                "spec.select.semver",
            ),
            (
                json!({"select": {"semver": ""}}),
                "policy.range",
                "spec.select.semver",
            ),
            (
                json!({"tags": {"match": "("}}),
                "policy.regex",
                "spec.tags.match",
            ),
            (
                json!({"tags": {"match": "^(a)_(b)$", "extract": "$1_$2"}}),
                "policy.regex",
                "spec.tags.extract",
            ),
            (
                json!({"tags": {"exclude": ["rc", "(a{1,1000}){1,1000}"]}}),
                "policy.regex",
                "spec.tags.exclude[1]",
            ),
        ] {
            let failure = convert(&spec).unwrap_err();
            assert_eq!(failure.reason.row().code, code, "{spec}");
            assert!(
                failure.detail.starts_with(&format!("`{field}`: ")),
                "{}",
                failure.detail
            );
        }
    }

    #[test]
    fn what_the_schema_refuses_is_refused_here_again() {
        for (spec, field) in [
            (json!({"select": {}}), "spec.select"),
            (
                json!({"select": {"semver": "1", "newest": {}}}),
                "spec.select",
            ),
            (
                json!({"select": {"digestOf": "a b"}}),
                "spec.select.digestOf",
            ),
            (json!({"tags": {"extract": "$1"}}), "spec.tags.extract"),
            (json!({"tags": {"suffix": "a b"}}), "spec.tags.suffix"),
            (
                json!({"tags": {"platforms": ["linux"]}}),
                "spec.tags.platforms[0]",
            ),
            (json!({"tags": {"minAge": "10ms"}}), "spec.tags.minAge"),
            (
                json!({"select": {"digestOf": "stable"}, "tags": {"suffix": "-alpine"}}),
                "spec.tags",
            ),
            (
                json!({"select": {"digestOf": "stable"}, "pin": {"digest": false}}),
                "spec.pin.digest",
            ),
            (
                json!({"select": {"digestOf": "stable"}, "allowDowngrade": true}),
                "spec.allowDowngrade",
            ),
        ] {
            let failure = convert(&spec).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidSpec, "{spec}");
            assert!(
                failure.detail.contains(&format!("`{field}`")),
                "{spec}: {}",
                failure.detail
            );
        }
    }
}
