//! Holds, loops, platforms and age.

use std::time::Duration;

use super::*;

const TAGS: [&str; 4] = ["1.0.0", "1.0.5", "1.1.0", "1.2.0"];

fn policy() -> Policy {
    Policy::parse("^1").unwrap()
}

fn aged(hours: u64) -> Policy {
    let mut policy = policy();
    policy.filter.min_age = Some(Duration::from_secs(hours * 3600));
    policy
}

#[test]
fn a_held_tag_is_not_chosen_and_nothing_older_in_its_place() {
    let world = World::naming("1.0.0").holding(tag("1.1.0"), "reverted by Ann in 4c1d9ab");
    let choice = world.ask(&TAGS[..3], &policy());
    // Git stays where the person put it.
    assert_eq!(chosen(&choice), Some("1.0.0"));
    assert_rules(
        &choice,
        &[
            ("1.1.0", Rule::Held),
            ("1.0.5", Rule::Held),
            ("1.0.0", Rule::Chosen),
        ],
    );
    assert_eq!(
        verdict_of(&choice, "1.1.0").sentence,
        "held since 2026-05-30T08:00:00Z: reverted by Ann in 4c1d9ab"
    );
    assert_eq!(choice.withheld.unwrap().reason, Reason::TagHeld);
    // A strictly newer tag ends it.
    let choice = world.ask(&TAGS, &policy());
    assert_eq!(chosen(&choice), Some("1.2.0"));
    assert_eq!(choice.withheld, None);
}

#[test]
fn another_spelling_of_a_held_version_is_held_too() {
    for held in ["1.1.0", "v1.1.0"] {
        let world = World::naming("1.0.0").holding(tag(held), "reverted");
        let choice = world.ask(&["1.0.0", "1.1.0", "v1.1.0"], &policy());
        assert_eq!(chosen(&choice), Some("1.0.0"), "{held}");
        assert_rules(&choice, &[("1.1.0", Rule::Held), ("v1.1.0", Rule::Held)]);
    }
}

#[test]
fn a_hold_outside_of_the_range_holds_nothing_inside() {
    let world = World::naming("1.0.0").holding(tag("2.0.0"), "reverted");
    let choice = world.ask(&["1.0.0", "1.1.0", "2.0.0"], &policy());
    assert_eq!(chosen(&choice), Some("1.1.0"));
}

#[test]
fn a_hold_on_what_the_filter_does_not_let_through_holds_nothing_and_is_not_told() {
    let list = ["1.0.0", "1.0.5", "1.1.0"];
    let world = World::naming("1.0.0").holding(tag("1.1.0"), "reverted");
    let mut excluding = policy();
    excluding.filter.exclude = vec![Pattern::parse("^1\\.1\\.").unwrap()];
    let choice = world.ask(&list, &excluding);
    assert_eq!(chosen(&choice), Some("1.0.5"));
    assert_eq!(choice.withheld, None);
    assert_rules(&choice, &[("1.1.0", Rule::Excluded)]);
    let choice = world.ask(&list, &Policy::parse("~1.0").unwrap());
    assert_eq!(chosen(&choice), Some("1.0.5"));
    assert_eq!(choice.withheld, None);
    assert_rules(&choice, &[("1.1.0", Rule::OutsideRange)]);
}

#[test]
fn a_hold_on_an_image_for_other_platforms_holds_nothing() {
    let mut arm = policy();
    let platform = Platform::parse("linux/arm64").unwrap();
    arm.filter.platforms.insert(platform.clone());
    let list = ["1.0.0", "1.0.5", "1.1.0"];
    let world = World::naming("1.0.0").holding(tag("1.1.0"), "reverted");
    // Whether the hold counts shows in the image.
    let choice = world.ask(&list, &arm);
    assert_eq!(choice.needs.facts, tags(&["1.1.0", "1.0.5"]));
    let world = world
        .built("1.1.0", "2026-01-01T00:00:00Z")
        .built("1.0.5", "2026-01-01T00:00:00Z")
        .with("1.0.5", |facts| {
            facts.platforms.insert(platform.clone());
        });
    let choice = world.ask(&list, &arm);
    assert_eq!(chosen(&choice), Some("1.0.5"));
    assert_eq!(choice.withheld, None);
    assert_rules(&choice, &[("1.1.0", Rule::WrongPlatform)]);
    let world = world.with("1.1.0", |facts| {
        facts.platforms.insert(platform);
    });
    let choice = world.ask(&list, &arm);
    assert_eq!(chosen(&choice), Some("1.0.0"));
    assert_rules(&choice, &[("1.1.0", Rule::Held), ("1.0.5", Rule::Held)]);
}

#[test]
fn where_git_does_not_name_a_candidate_the_hold_is_the_refusal() {
    let world = World::naming("0.9.0").holding(tag("1.1.0"), "reverted");
    let choice = world.ask(&TAGS[..3], &policy());
    assert_eq!(reason(&choice), Some(Reason::TagHeld));
    assert_eq!(choice.chosen, None);
}

#[test]
fn what_a_person_wrote_by_hand_stays_although_it_is_held() {
    let world = World::naming("1.1.0").holding(tag("1.1.0"), "reverted");
    let choice = world.ask(&TAGS[..3], &policy());
    assert_eq!(chosen(&choice), Some("1.1.0"));
    assert_eq!(choice.withheld, None);
}

#[test]
fn a_held_digest_holds_only_that_digest_of_its_tag() {
    let policy = Policy::of(Order::DigestOf(tag("stable")));
    let version = |digit| Version {
        tag: tag("stable"),
        digest: Some(digest(digit)),
    };
    let world = World {
        current: Some(version('b')),
        ..World::default()
    };
    let world = world
        .built("stable", "2026-01-01T00:00:00Z")
        .holding(version('a'), "reverted");
    let choice = world.ask(&["stable"], &policy);
    assert_eq!(reason(&choice), Some(Reason::TagHeld));
    let world = world.with("stable", |facts| facts.digest = digest('c'));
    let choice = world.ask(&["stable"], &policy);
    assert_eq!(choice.chosen, Some(version('c')));
}

#[test]
fn inv_i19_an_image_that_was_built_from_our_own_commit_is_not_taken() {
    let ours = CommitId::parse(&"4c1d9ab0".repeat(5)).unwrap();
    let world = World {
        ours: BTreeSet::from([ours.clone()]),
        ..World::naming("1.0.0")
    };
    // The image of the winner is looked at before a change, and only that one.
    let asked = world.ask(&TAGS, &policy());
    assert_eq!(asked.needs.facts, tags(&["1.2.0"]));
    for label in [ours.as_str(), "4C1D9AB"] {
        let world = World {
            ours: world.ours.clone(),
            ..World::naming("1.0.0")
        };
        let world = world
            .built("1.2.0", "2026-01-01T00:00:00Z")
            .with("1.2.0", |facts| {
                facts.labels.insert(LABEL_REVISION.into(), label.into());
            })
            .built("1.1.0", "2026-01-01T00:00:00Z");
        let choice = world.ask(&TAGS, &policy());
        assert_eq!(chosen(&choice), Some("1.1.0"), "{label}");
        assert_rules(&choice, &[("1.2.0", Rule::OwnCommit)]);
        assert!(verdict_of(&choice, "1.2.0").sentence.contains("4c1d9ab"));
        assert_eq!(choice.withheld.unwrap().reason, Reason::UpdateLoop);
    }
    // What Git names needs no look.
    let world = World {
        current: Some(tag("1.2.0").into()),
        ..world
    };
    let choice = world.ask(&TAGS, &policy());
    assert!(choice.needs.is_empty());
    assert_eq!(chosen(&choice), Some("1.2.0"));
}

#[test]
fn a_tag_that_is_too_young_waits_and_an_older_one_is_chosen() {
    let world = World::naming("1.0.0")
        .built("1.2.0", "2026-06-01T11:30:00Z")
        .built("1.1.0", "2026-06-01T10:00:00Z");
    let choice = world.ask(&TAGS, &aged(1));
    assert_eq!(chosen(&choice), Some("1.1.0"));
    assert_rules(&choice, &[("1.2.0", Rule::TooYoung)]);
    assert_eq!(
        verdict_of(&choice, "1.2.0").sentence,
        "30m old, which is younger than `minAge`; old enough at 2026-06-01T12:30:00Z"
    );
    assert_eq!(choice.again, Some(time("2026-06-01T12:30:00Z")));
    assert_eq!(choice.withheld.unwrap().reason, Reason::TagTooYoung);
    // To the second.
    let old = World::naming("1.0.0").built("1.2.0", "2026-06-01T11:00:00Z");
    let choice = old.ask(&TAGS, &aged(1));
    assert_eq!(chosen(&choice), Some("1.2.0"));
    assert_eq!(choice.again, None);
}

#[test]
fn an_age_is_asked_for_from_the_newest_on_until_one_is_old_enough() {
    let asked = World::default().ask(&TAGS, &aged(1));
    assert_eq!(
        asked.needs.facts,
        tags(&["1.2.0", "1.1.0", "1.0.5", "1.0.0"])
    );
    assert_rules(&asked, &[("1.2.0", Rule::Pending)]);
    // What is old enough ends the search, although one above it is missing.
    let world = World::default().built("1.1.0", "2026-01-01T00:00:00Z");
    let asked = world.ask(&TAGS, &aged(1));
    assert_eq!(asked.needs.facts, tags(&["1.2.0"]));
    assert_eq!(asked.chosen, None);
    let world = world.built("1.2.0", "2026-01-01T00:00:00Z");
    assert_eq!(chosen(&world.ask(&TAGS, &aged(1))), Some("1.2.0"));
}

#[test]
fn an_age_that_is_not_known_is_not_old_enough() {
    let world = World::naming("1.1.0").built("1.2.0", "1970-01-01T00:00:00Z");
    let choice = world.ask(&TAGS, &aged(1));
    assert_rules(&choice, &[("1.2.0", Rule::NoDate)]);
    assert_eq!(chosen(&choice), Some("1.1.0"));
}

#[test]
fn an_image_has_to_run_on_all_platforms_that_are_asked_for() {
    let mut both = policy();
    for text in ["linux/amd64", "linux/arm64"] {
        let platform = Platform::parse(text).unwrap();
        both.filter.platforms.insert(platform);
    }
    let world = World::naming("1.0.0")
        .built("1.2.0", "2026-01-01T00:00:00Z")
        .built("1.1.0", "2026-01-01T00:00:00Z")
        .with("1.1.0", |facts| {
            facts
                .platforms
                .insert(Platform::parse("linux/arm64/v8").unwrap());
        });
    let choice = world.ask(&TAGS, &both);
    assert_eq!(chosen(&choice), Some("1.1.0"));
    assert_rules(&choice, &[("1.2.0", Rule::WrongPlatform)]);
    assert_eq!(
        verdict_of(&choice, "1.2.0").sentence,
        "not for linux/arm64; it is for linux/amd64"
    );
    let alone = World::naming("0.1.0").built("1.0.0", "2026-01-01T00:00:00Z");
    let choice = alone.ask(&TAGS[..1], &both);
    assert_eq!(reason(&choice), Some(Reason::NoCandidate));
    let detail = choice.refusal.unwrap().detail;
    assert!(detail.contains("linux/arm64"), "{detail}");
}

#[test]
fn images_are_looked_at_up_to_the_limit_only() {
    let world = World::default();
    let list: Vec<Tag> = (0..30).map(|n| tag(&format!("1.0.{n}"))).collect();
    let mut facts = BTreeMap::new();
    for tag in &list {
        facts.extend(
            World::default()
                .built(tag.as_str(), "2026-06-01T11:59:00Z")
                .facts,
        );
    }
    let context = Context {
        facts: &facts,
        limits: Limits {
            facts: 10,
            ..Limits::default()
        },
        ..world.context()
    };
    let choice = choose(&list, &aged(1), &context);
    assert_eq!(reason(&choice), Some(Reason::RegistryLimit));
    assert!(choice.needs.is_empty());
}

#[test]
fn every_rule_has_its_word_and_reads_back() {
    let mut words = BTreeSet::new();
    for rule in Rule::ALL {
        let json = serde_json::to_value(rule).unwrap();
        assert_eq!(json, rule.as_str());
        assert_eq!(serde_json::from_value::<Rule>(json).unwrap(), rule);
        words.insert(rule.as_str());
    }
    assert_eq!(words.len(), Rule::ALL.len());
}

#[test]
fn a_choice_is_plain_data_for_programs() {
    let world = World::naming("1.0.0").holding(tag("1.1.0"), "reverted");
    let choice = world.ask(&TAGS[..3], &policy());
    let json = serde_json::to_value(&choice).unwrap();
    assert_eq!(json["chosen"]["tag"], "1.0.0");
    assert_eq!(json["withheld"]["reason"], "TagHeld");
    assert_eq!(json["counts"]["held"], 2);
    assert_eq!(json["verdicts"][0]["rule"], "chosen");
}
