//! Choices by semantic version.

use super::*;
use crate::image::policy::Downgrade;

fn policy(range: &str) -> Policy {
    Policy::parse(range).unwrap()
}

/// What a range chooses among tags where nothing else is known.
fn best(range: &str, list: &[&str]) -> Option<String> {
    let choice = World::default().ask(list, &policy(range));
    choice.chosen.map(|version| version.to_string())
}

#[test]
fn ranges_mean_what_users_of_helm_and_flux_expect() {
    let all = [
        "0.1.9", "0.2.0", "0.2.7", "0.3.0", "1.0.0", "1.2.2", "1.2.3", "1.2.9", "1.3.0", "1.9.9",
        "2.0.0", "2.1.0", "3.0.0", "10.0.0",
    ];
    for (range, expected) in [
        ("*", Some("10.0.0")),
        ("x", Some("10.0.0")),
        (">=1.0 <2", Some("1.9.9")),
        (">= 1.0, < 2", Some("1.9.9")),
        (">1 <3", Some("2.1.0")),
        (">1.2 <1.4", Some("1.3.0")),
        (">1.2.9 <1.4", Some("1.3.0")),
        ("1.x", Some("1.9.9")),
        ("1.2.*", Some("1.2.9")),
        ("1", Some("1.9.9")),
        ("=1.2", Some("1.2.9")),
        ("v1.2.3", Some("1.2.3")),
        ("1.2.3 - 2.0.0", Some("2.0.0")),
        ("1.2.3 - 2", Some("2.1.0")),
        ("1.0.0 || 2.x", Some("2.1.0")),
        ("^0.2", Some("0.2.7")),
        ("^0.2.0", Some("0.2.7")),
        ("^0", Some("0.3.0")),
        ("^0.0.3", None),
        ("^1.2", Some("1.9.9")),
        ("~1.2", Some("1.2.9")),
        ("~1.2.3", Some("1.2.9")),
        ("~1", Some("1.9.9")),
        ("~>1.2.3", Some("1.2.9")),
        ("<=1", Some("1.9.9")),
        ("<=1.2", Some("1.2.9")),
        ("<=1.2.3", Some("1.2.3")),
        ("<0.2", Some("0.1.9")),
        ("<3 !=2.x", Some("1.9.9")),
        ("<=2.0.0 !=2.0.0", Some("1.9.9")),
        (">=4 <9", None),
    ] {
        assert_eq!(best(range, &all).as_deref(), expected, "{range}");
    }
}

#[test]
fn inv_i21_a_pre_release_is_chosen_only_if_the_range_says_so() {
    let tags = ["1.0.0", "1.1.0-rc.1", "1.1.0-rc.10", "1.1.0-rc.2"];
    assert_eq!(best("*", &tags).as_deref(), Some("1.0.0"));
    assert_eq!(best(">=1.0.0-0", &tags).as_deref(), Some("1.1.0-rc.10"));
    assert_eq!(best(">=1.0.0", &tags).as_deref(), Some("1.0.0"));
    let next = ["1.0.0", "1.1.0-rc.1", "2.0.0-rc1"];
    assert_eq!(best("^1.x-0", &next).as_deref(), Some("1.1.0-rc.1"));
    assert_eq!(best(">=1.0.0-0 <2", &next).as_deref(), Some("1.1.0-rc.1"));
    let flavours = ["1.2.3-alpine", "1.2.2"];
    assert_eq!(best("*", &flavours).as_deref(), Some("1.2.2"));
    assert_eq!(best("*-0", &flavours).as_deref(), Some("1.2.3-alpine"));
    assert_eq!(
        best("1.0.0 || >=2.0.0-0", &next).as_deref(),
        Some("2.0.0-rc1")
    );
}

#[test]
fn a_tag_needs_three_numbers_and_may_have_a_v_and_leading_zeros() {
    assert_eq!(
        best("1.x", &["1.0", "1.1", "1.0.0"]).as_deref(),
        Some("1.0.0")
    );
    assert_eq!(best("*", &["v1.2.3", "1.2.2"]).as_deref(), Some("v1.2.3"));
    let dates = ["2025.12.31", "2026.02.03", "2026.2.10"];
    assert_eq!(best(">=2026", &dates).as_deref(), Some("2026.2.10"));
    let span = best("2025.02.01 - 2026.02.03", &dates);
    assert_eq!(span.as_deref(), Some("2026.02.03"));
}

#[test]
fn two_numbers_count_where_they_are_extracted_or_pinned() {
    let list = ["16.4", "16.5", "17.0", "16", "latest"];
    let plain = World::default().ask(&list, &policy("16.x"));
    assert_rules(&plain, &[("16.5", Rule::Short), ("16", Rule::Short)]);
    assert_eq!(reason(&plain), Some(Reason::NoOrder));
    let extracted = Policy {
        filter: filter(r"^(\d+\.\d+)$", "$1"),
        ..policy("16.x")
    };
    let choice = World::default().ask(&list, &extracted);
    assert_eq!(chosen(&choice), Some("16.5"));
    assert_rules(
        &choice,
        &[("16", Rule::NoMatch), ("17.0", Rule::OutsideRange)],
    );
    let pinned = Policy {
        pin: Pin::Digest,
        ..policy("16.x")
    };
    let world = World::default().built("16.5", "2026-01-01T00:00:00Z");
    let choice = world.ask(&list, &pinned);
    let digest = digest('a');
    assert_eq!(choice.chosen.unwrap().to_string(), format!("16.5@{digest}"));
}

#[test]
fn build_metadata_orders_what_is_the_same_version_otherwise() {
    let kept = Policy {
        filter: filter(r"^v?(.*)_(\w+)$", "$1+$2"),
        ..policy("1.x")
    };
    let list = ["1.2.3_build9", "1.2.3_build10", "1.2.2_build11", "1.2.3"];
    let choice = World::default().ask(&list, &kept);
    // Identifiers with letters are compared by their bytes, numbers by their value.
    assert_eq!(chosen(&choice), Some("1.2.3_build9"));
    let numbers = ["1.2.3_9", "1.2.3_10", "v1.2.3_10"];
    let choice = World::naming("1.2.3_10").ask(&numbers, &kept);
    assert_eq!(chosen(&choice), Some("1.2.3_10"));
    assert_rules(
        &choice,
        &[("v1.2.3_10", Rule::SameVersion), ("1.2.3_9", Rule::Older)],
    );
}

#[test]
fn every_tag_gets_a_verdict_with_its_rule() {
    let list = [
        "1.0.0",
        "v1.0.0",
        "0.9.0",
        "2.0.0",
        "1.1.0-rc.1",
        "1.0",
        "latest",
        "a1b",
    ];
    let choice = World::default().ask(&list, &policy("1.x"));
    assert_eq!(chosen(&choice), Some("v1.0.0"));
    assert_eq!(choice.refusal, None);
    assert_eq!(choice.verdicts[0].tag, tag("v1.0.0"));
    assert_rules(
        &choice,
        &[
            ("v1.0.0", Rule::Chosen),
            ("1.0.0", Rule::SameVersion),
            ("0.9.0", Rule::OutsideRange),
            ("2.0.0", Rule::OutsideRange),
            ("1.1.0-rc.1", Rule::PreRelease),
            ("1.0", Rule::Short),
            ("latest", Rule::Mutable),
            ("a1b", Rule::Unordered),
        ],
    );
}

#[test]
fn bad_b56_tags_that_are_skipped_are_counted_with_an_example() {
    let choice = World::default().ask(&["1.0.0", "v1.2", "latest", "x"], &policy("*"));
    assert_eq!(chosen(&choice), Some("1.0.0"));
    let skipped = choice.skipped.unwrap();
    assert_eq!(skipped.reason.row().code, "policy.skipped");
    assert!(
        skipped.detail.starts_with("3 tags, such as `v1.2`: "),
        "{}",
        skipped.detail
    );
    assert_eq!(World::default().ask(&["1.0.0"], &policy("*")).skipped, None);
}

#[test]
fn latest_alone_is_refused_because_it_has_no_order() {
    let choice = World::default().ask(&["latest", "main", "1.2"], &policy("*"));
    assert_eq!(choice.chosen, None);
    assert_eq!(reason(&choice), Some(Reason::NoOrder));
}

#[test]
fn a_range_without_a_member_and_an_empty_list_have_no_candidate() {
    let choice = World::default().ask(&["1.0.0", "2.1.0-rc.1", "latest"], &policy(">=2"));
    assert_eq!(reason(&choice), Some(Reason::NoCandidate));
    let detail = choice.refusal.unwrap().detail;
    assert!(detail.contains("1 would be"), "{detail}");
    let choice = World::default().ask(&[], &policy("*"));
    assert_eq!(reason(&choice), Some(Reason::NoCandidate));
}

#[test]
fn a_filter_that_lets_nothing_through_says_what_it_kept_out() {
    let mut strict = policy("*");
    strict.filter = filter("^v(.*)-alpine$", "$1");
    strict.filter.exclude = vec![Pattern::parse("rc").unwrap()];
    let attachment = format!("sha256-{}.sig", "a".repeat(64));
    let choice = World::default().ask(&["1.0.0", "1.0.0-rc.1", "2.0.0", &attachment], &strict);
    assert_eq!(reason(&choice), Some(Reason::NoCandidate));
    assert_eq!(
        choice.refusal.as_ref().unwrap().detail,
        "none of 4 tags passes `spec.tags`: 2 without a match, 1 excluded, 1 signatures or the like"
    );
    assert_rules(
        &choice,
        &[
            ("1.0.0", Rule::NoMatch),
            ("1.0.0-rc.1", Rule::Excluded),
            (&attachment, Rule::Attachment),
        ],
    );
    assert_eq!(
        verdict_of(&choice, "1.0.0-rc.1").sentence,
        "excluded by `rc`"
    );
}

#[test]
fn a_suffix_keeps_to_its_flavour_and_reads_the_rest_as_version() {
    let mut alpine = policy("1.x");
    alpine.filter.suffix = Some("-alpine".into());
    let list = [
        "1.2.3-alpine",
        "1.3.0",
        "1.2.4-alpine",
        "1.4.0-rc.1-alpine",
        "1.2-alpine",
    ];
    let choice = World::naming("1.2.3-alpine").ask(&list, &alpine);
    assert_eq!(chosen(&choice), Some("1.2.4-alpine"));
    assert_rules(
        &choice,
        &[
            ("1.3.0", Rule::OtherFlavour),
            ("1.4.0-rc.1-alpine", Rule::PreRelease),
            ("1.2-alpine", Rule::Short),
        ],
    );
    // Git names another flavour, and a newer version of it.
    let choice = World::naming("1.3.0").ask(&list, &alpine);
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
}

#[test]
fn inv_i21_a_tag_below_the_current_one_is_never_chosen() {
    // The newest tag was deleted from the registry.
    let choice = World::naming("1.2.0").ask(&["1.0.0", "1.1.0"], &policy("*"));
    assert_eq!(choice.chosen, None);
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
    assert_rules(
        &choice,
        &[("1.1.0", Rule::BelowCurrent), ("1.0.0", Rule::Older)],
    );
    // A person put Git outside the range.
    let world = World::naming("2.0.0");
    let choice = world.ask(&["1.9.0", "2.0.0"], &policy("<2"));
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
    let allowing = Policy {
        downgrade: Downgrade::Allow,
        ..policy("<2")
    };
    let choice = world.ask(&["1.9.0", "2.0.0"], &allowing);
    assert_eq!(chosen(&choice), Some("1.9.0"));
}

#[test]
fn the_current_spelling_of_the_newest_version_stays() {
    let list = ["1.0.0", "v1.0.0", "0.9.0"];
    for (current, expected) in [
        ("1.0.0", "1.0.0"),
        ("v1.0.0", "v1.0.0"),
        ("0.9.0", "v1.0.0"),
        ("latest", "v1.0.0"),
    ] {
        let choice = World::naming(current).ask(&list, &policy("*"));
        assert_eq!(chosen(&choice), Some(expected), "{current}");
    }
}

#[test]
fn verdicts_are_bounded_and_counts_are_not() {
    let list: Vec<Tag> = (0..1000).map(|n| tag(&format!("1.0.{n}"))).collect();
    let context = Context {
        limits: Limits {
            verdicts: 3,
            ..Limits::default()
        },
        ..Context::at(now())
    };
    let choice = choose(&list, &policy("*"), &context);
    let kept: Vec<&str> = choice.verdicts.iter().map(|v| v.tag.as_str()).collect();
    assert_eq!(kept, ["1.0.999", "1.0.998", "1.0.997"]);
    assert_eq!(choice.counts[&Rule::Older], 999);
    assert_eq!(choice.counts.values().sum::<usize>(), 1000);
}

#[test]
fn one_tag_is_judged_whether_or_not_it_is_listed() {
    let world = World::default();
    let list = tags(&["1.0.0", "1.1.0"]);
    let judge_of = |text: &str| judge(&tag(text), &list, &policy("1.x"), &world.context());
    assert_eq!(judge_of("1.0.0").rule, Rule::Older);
    assert_eq!(judge_of("2.0.0").rule, Rule::OutsideRange);
    assert_eq!(judge_of("1.2.0").rule, Rule::Chosen);
    assert_eq!(judge_of("1.2").rule, Rule::Short);
}
