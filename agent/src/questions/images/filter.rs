//! What a tag has to be, in words.

use syncline_core::image::{Downgrade, Pin, Policy};

/// A line for each thing that the policy asks for beside its order.
pub(super) fn words(policy: &Policy) -> Vec<String> {
    let filter = &policy.filter;
    let mut words = Vec::new();
    if let Some(matching) = &filter.matching {
        words.push(match &matching.extract {
            None => format!("matches `{}`", matching.pattern),
            Some(extract) => {
                format!("matches `{}`, compared by `{extract}`", matching.pattern)
            }
        });
    }
    let exclude = filter.exclude.iter();
    words.extend(exclude.map(|pattern| format!("does not match `{pattern}`")));
    if let Some(suffix) = &filter.suffix {
        words.push(format!("ends with `{suffix}`"));
    }
    if !filter.platforms.is_empty() {
        let platforms: Vec<_> = filter.platforms.iter().map(ToString::to_string).collect();
        words.push(format!("runs on {}", platforms.join(" and ")));
    }
    if let Some(age) = filter.min_age {
        let age = humantime::format_duration(age);
        words.push(format!("built {age} ago or earlier"));
    }
    if policy.pin == Pin::Digest {
        words.push("written with its digest".to_owned());
    }
    if policy.downgrade == Downgrade::Allow {
        words.push("may be older than what Git names".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use syncline_core::image::policy::{Matching, Pattern};

    use super::*;

    #[test]
    fn a_policy_that_takes_every_tag_needs_no_words() {
        assert!(words(&Policy::parse(">=1.0").unwrap()).is_empty());
    }

    #[test]
    fn everything_that_a_policy_asks_for_is_said() {
        let mut policy = Policy::parse(">=1.0").unwrap();
        policy.filter.matching = Some(Matching {
            pattern: Pattern::parse("^v").unwrap(),
            extract: None,
        });
        policy.filter.exclude = vec![Pattern::parse("-dev$").unwrap()];
        policy.filter.suffix = Some("-alpine".to_owned());
        policy.filter.min_age = Some(Duration::from_secs(3_600));
        policy.pin = Pin::Digest;
        policy.downgrade = Downgrade::Allow;
        assert_eq!(
            words(&policy),
            [
                "matches `^v`",
                "does not match `-dev$`",
                "ends with `-alpine`",
                "built 1h ago or earlier",
                "written with its digest",
                "may be older than what Git names",
            ]
        );
    }
}
