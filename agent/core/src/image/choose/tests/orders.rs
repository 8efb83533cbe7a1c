//! Choices by number, alphabet, time, digest and commit.

use super::*;
use crate::image::policy::{By, Downgrade, Take};

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:07x}")).collect()
}

fn history() -> Policy {
    Policy::of(Order::Commits(By::History {
        repository: "web".into(),
    }))
}

#[test]
fn time_stamps_of_seventeen_digits_are_told_apart() {
    let policy = Policy::of(Order::Numerical(Take::Greatest));
    let list = [
        "20260101120000001",
        "20260101120000002",
        "20260101120000000",
    ];
    let choice = World::default().ask(&list, &policy);
    assert_eq!(chosen(&choice), Some("20260101120000002"));
}

#[test]
fn what_is_no_number_is_skipped_and_explained() {
    let policy = Policy::of(Order::Numerical(Take::Greatest));
    let list = [
        "7", "10", "Inf", "1e3", "1_000", "10.5", "010.50", "latest", "v11",
    ];
    let choice = World::default().ask(&list, &policy);
    assert_eq!(chosen(&choice), Some("10.5"));
    assert_rules(
        &choice,
        &[
            ("010.50", Rule::SameVersion),
            ("7", Rule::Older),
            ("Inf", Rule::Unordered),
            ("1e3", Rule::Unordered),
            ("1_000", Rule::Unordered),
            ("v11", Rule::Unordered),
            ("latest", Rule::Mutable),
        ],
    );
    assert_eq!(
        verdict_of(&choice, "7").sentence,
        "a lower number than `10.5`"
    );
    assert_eq!(
        verdict_of(&choice, "Inf").sentence,
        "not a number, so it has no order"
    );
    let lowest = Policy::of(Order::Numerical(Take::Least));
    assert_eq!(chosen(&World::default().ask(&list, &lowest)), Some("7"));
    let choice = World::default().ask(&["a", "b"], &policy);
    assert_eq!(reason(&choice), Some(Reason::NoOrder));
}

#[test]
fn equal_numbers_of_different_tags_do_not_alternate() {
    let policy = Policy {
        filter: filter(r"^\w-(\d+)$", "$1"),
        ..Policy::of(Order::Numerical(Take::Greatest))
    };
    for list in [["b-05", "a-5"], ["a-5", "b-05"]] {
        assert_eq!(chosen(&World::default().ask(&list, &policy)), Some("b-05"));
        let choice = World::naming("a-5").ask(&list, &policy);
        assert_eq!(chosen(&choice), Some("a-5"));
    }
}

#[test]
fn inv_i21_numbers_and_names_never_go_down_either() {
    let numbers = Policy::of(Order::Numerical(Take::Greatest));
    let choice = World::naming("12").ask(&["9", "11"], &numbers);
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
    assert_rules(&choice, &[("11", Rule::BelowCurrent)]);
    let lowest = Policy::of(Order::Numerical(Take::Least));
    assert_eq!(
        chosen(&World::naming("12").ask(&["9", "11"], &lowest)),
        Some("9")
    );
    let names = Policy::of(Order::Alphabetical(Take::Greatest));
    let choice = World::naming("2026-06-01").ask(&["2026-05-31"], &names);
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
}

#[test]
fn the_alphabet_is_that_of_the_bytes() {
    let list = ["a", "B", "b", "ab", "latest", "main"];
    let last = Policy::of(Order::Alphabetical(Take::Greatest));
    let choice = World::default().ask(&list, &last);
    assert_eq!(chosen(&choice), Some("b"));
    assert_rules(&choice, &[("latest", Rule::Mutable), ("ab", Rule::Older)]);
    assert_eq!(verdict_of(&choice, "ab").sentence, "comes before `b`");
    let first = Policy::of(Order::Alphabetical(Take::Least));
    assert_eq!(chosen(&World::default().ask(&list, &first)), Some("B"));
    // A word that moves is no place in the alphabet to come from.
    assert_eq!(
        chosen(&World::naming("latest").ask(&["a"], &last)),
        Some("a")
    );
}

#[test]
fn a_pattern_without_capture_extracts_text_that_is_empty_and_has_no_order() {
    let policy = Policy {
        filter: filter("^a(x)?", "$1"),
        ..Policy::of(Order::Alphabetical(Take::Greatest))
    };
    let choice = World::default().ask(&["a", "ax"], &policy);
    assert_eq!(chosen(&choice), Some("ax"));
    assert_rules(&choice, &[("a", Rule::Unordered)]);
}

#[test]
fn the_newest_build_needs_the_images_and_then_is_the_one_built_last() {
    let policy = Policy::of(Order::Newest);
    let list = ["b1", "b2", "b10"];
    let none = World::default().ask(&list, &policy);
    assert_eq!(none.chosen, None);
    assert_eq!(reason(&none), Some(Reason::ExaminingTags));
    // The newest-looking first.
    assert_eq!(none.needs.facts, tags(&["b10", "b2", "b1"]));
    assert_rules(&none, &[("b1", Rule::Pending)]);
    let world = World::default()
        .built("b1", "2026-05-03T00:00:00Z")
        .built("b10", "2026-05-01T00:00:00Z");
    let some = world.ask(&list, &policy);
    assert_eq!(some.chosen, None);
    assert_eq!(some.needs.facts, tags(&["b2"]));
    let world = world.built("b2", "2026-05-02T00:00:00Z");
    let choice = world.ask(&list, &policy);
    assert!(choice.needs.is_empty());
    assert_eq!(chosen(&choice), Some("b1"));
    let verdict = verdict_of(&choice, "b1");
    assert_eq!(
        verdict.sentence,
        "the newest build, of 2026-05-03T00:00:00Z"
    );
    let verdict = verdict_of(&choice, "b2");
    assert_eq!(verdict.sentence, "of 2026-05-02T00:00:00Z, older than `b1`");
}

#[test]
fn needs_come_in_rounds_and_never_more_than_the_limit_allows() {
    let policy = Policy::of(Order::Newest);
    let list: Vec<Tag> = (0..120).map(|n| tag(&format!("b{n}"))).collect();
    let mut facts = BTreeMap::new();
    let mut rounds = 0;
    let choice = loop {
        let context = Context {
            facts: &facts,
            ..Context::at(now())
        };
        let choice = choose(&list, &policy, &context);
        if choice.needs.is_empty() {
            break choice;
        }
        assert!(choice.needs.facts.len() <= context.limits.round);
        assert_eq!(choice.chosen, None);
        for tag in choice.needs.facts {
            let world = World::default().built(tag.as_str(), "2026-05-01T00:00:00Z");
            facts.extend(world.facts);
        }
        rounds += 1;
    };
    assert_eq!(rounds, 3);
    assert_eq!(chosen(&choice), Some("b99"));
    let context = Context {
        limits: Limits {
            facts: 119,
            ..Limits::default()
        },
        ..Context::at(now())
    };
    let choice = choose(&list, &policy, &context);
    assert_eq!(reason(&choice), Some(Reason::RegistryLimit));
    assert!(choice.needs.is_empty());
}

#[test]
fn images_of_reproducible_builds_have_no_time_and_are_refused_with_the_reason() {
    let policy = Policy::of(Order::Newest);
    let world = World::default()
        .built("a", "1970-01-01T00:00:00Z")
        .built("b", "1980-01-01T00:00:01Z")
        .built("c", "2031-01-01T00:00:00Z")
        .built("d", "2026-01-01T00:00:00Z")
        .with("d", |facts| facts.created = None);
    let choice = world.ask(&["a", "b", "c", "d"], &policy);
    assert_eq!(reason(&choice), Some(Reason::NoOrder));
    for text in ["a", "b", "c", "d"] {
        assert_rules(&choice, &[(text, Rule::NoDate)]);
    }
    assert!(verdict_of(&choice, "a").sentence.contains("reproducible"));
    assert!(verdict_of(&choice, "c").sentence.contains("future"));
    // One image that says when it was built is enough.
    let world = world.built("e", "2026-01-01T00:00:00Z");
    let choice = world.ask(&["a", "b", "c", "d", "e"], &policy);
    assert_eq!(chosen(&choice), Some("e"));
}

#[test]
fn an_image_that_cannot_be_read_leaves_the_others_in_order() {
    let world = World::default()
        .built("a", "2026-01-01T00:00:00Z")
        .unreadable("b", "the manifest is of an unknown type");
    let choice = world.ask(&["a", "b"], &Policy::of(Order::Newest));
    assert_eq!(chosen(&choice), Some("a"));
    assert_rules(&choice, &[("b", Rule::Unreadable)]);
    assert!(verdict_of(&choice, "b").sentence.contains("unknown type"));
}

#[test]
fn inv_i21_a_build_is_not_replaced_where_its_age_is_not_known() {
    let policy = Policy::of(Order::Newest);
    let world = World::naming("gone").built("a", "2026-01-01T00:00:00Z");
    let choice = world.ask(&["a"], &policy);
    assert_eq!(choice.needs.facts, tags(&["gone"]));
    let world = world.unreadable("gone", "the registry does not have it");
    let choice = world.ask(&["a"], &policy);
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
    assert_rules(&choice, &[("a", Rule::BelowCurrent)]);
    let allowing = Policy {
        downgrade: Downgrade::Allow,
        ..policy.clone()
    };
    assert_eq!(chosen(&world.ask(&["a"], &allowing)), Some("a"));
    // Older than what Git names.
    let world = World::naming("b")
        .built("a", "2026-01-01T00:00:00Z")
        .built("b", "2026-01-02T00:00:00Z");
    assert_eq!(
        reason(&world.ask(&["a"], &policy)),
        Some(Reason::NoDowngrade)
    );
}

#[test]
fn a_build_of_the_same_moment_does_not_replace_another() {
    let world = World::naming("a")
        .built("a", "2026-01-01T00:00:00Z")
        .built("b", "2026-01-01T00:00:00Z");
    let choice = world.ask(&["a", "b"], &Policy::of(Order::Newest));
    assert_eq!(chosen(&choice), Some("a"));
    assert_rules(&choice, &[("b", Rule::SameVersion)]);
}

#[test]
fn a_followed_tag_is_chosen_with_its_digest_wherever_it_moves() {
    let policy = Policy::of(Order::DigestOf(tag("stable")));
    let first = World::default().ask(&["1.0.0", "stable"], &policy);
    assert_eq!(first.needs.facts, tags(&["stable"]));
    let world = World::default().built("stable", "2026-01-01T00:00:00Z");
    let choice = world.ask(&["1.0.0", "stable"], &policy);
    let expected = Version {
        tag: tag("stable"),
        digest: Some(digest('a')),
    };
    assert_eq!(choice.chosen, Some(expected.clone()));
    assert_rules(&choice, &[("1.0.0", Rule::OtherTag)]);
    // It moved; Git still names the former digest.
    let moved = World {
        current: Some(expected.clone()),
        ..world
    };
    let moved = moved.with("stable", |facts| facts.digest = digest('b'));
    let choice = moved.ask(&["stable"], &policy);
    assert_eq!(choice.chosen.unwrap().digest, Some(digest('b')));
    let choice = World::default().ask(&["1.0.0"], &policy);
    assert_eq!(reason(&choice), Some(Reason::NoCandidate));
    assert!(choice.refusal.unwrap().detail.contains("`stable`"));
}

#[test]
fn inv_i21_a_tag_that_was_pushed_again_changes_git_only_with_its_digest() {
    let world = World::naming("1.0.0").built("1.0.0", "2026-01-01T00:00:00Z");
    let plain = Policy::parse("*").unwrap();
    let choice = world.ask(&["1.0.0"], &plain);
    assert_eq!(choice.chosen, world.current);
    let pinned = Policy {
        pin: Pin::Digest,
        ..plain
    };
    let choice = world.ask(&["1.0.0"], &pinned);
    assert_eq!(choice.chosen.unwrap().digest, Some(digest('a')));
}

#[test]
fn latest_is_chosen_only_where_its_digest_is_pinned() {
    let world = World::default()
        .built("latest", "2026-01-02T00:00:00Z")
        .built("b1", "2026-01-01T00:00:00Z");
    let plain = Policy::of(Order::Newest);
    let choice = world.ask(&["latest", "b1"], &plain);
    assert_eq!(chosen(&choice), Some("b1"));
    assert_rules(&choice, &[("latest", Rule::Mutable)]);
    let pinned = Policy {
        pin: Pin::Digest,
        ..plain
    };
    assert_eq!(
        chosen(&world.ask(&["latest", "b1"], &pinned)),
        Some("latest")
    );
}

#[test]
fn commits_are_ordered_by_the_history_of_the_branch() {
    let list = ["0000001", "sha-0000002", "0000003", "v1", "0000004"];
    let first = World::naming("0000009").ask(&list, &history());
    assert_eq!(
        first.needs.commits,
        ["0000001", "0000002", "0000003", "0000004", "0000009"]
    );
    assert_eq!(reason(&first), Some(Reason::ExaminingTags));
    let mut world = World::naming("0000001");
    for (id, place) in [
        ("0000001", CommitPlace::At(3)),
        ("0000002", CommitPlace::At(1)),
        ("0000003", CommitPlace::Elsewhere),
        ("0000004", CommitPlace::Ambiguous),
    ] {
        world = world.commit(id, place);
    }
    let choice = world.ask(&list, &history());
    assert_eq!(chosen(&choice), Some("sha-0000002"));
    assert_rules(
        &choice,
        &[
            ("0000001", Rule::Older),
            ("0000003", Rule::NotInHistory),
            ("0000004", Rule::NotInHistory),
            ("v1", Rule::Unordered),
        ],
    );
    let choice = World {
        current: Some(tag("0000002").into()),
        ..world
    };
    let choice = choice.ask(&["0000001"], &history());
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
}

#[test]
fn inv_i21_a_commit_of_another_branch_is_not_replaced() {
    let world = World::naming("0000009")
        .commit("0000001", CommitPlace::At(0))
        .commit("0000009", CommitPlace::Elsewhere);
    let choice = world.ask(&["0000001"], &history());
    assert_eq!(reason(&choice), Some(Reason::NoDowngrade));
    let detail = choice.refusal.unwrap().detail;
    assert!(detail.contains("not in the history"), "{detail}");
    // What names no commit at all is replaced, as `latest` is by a version.
    let world = World::naming("latest").commit("0000001", CommitPlace::At(0));
    assert_eq!(
        chosen(&world.ask(&["0000001"], &history())),
        Some("0000001")
    );
}

#[test]
fn commits_may_be_ordered_by_the_time_of_their_images() {
    let policy = Policy::of(Order::Commits(By::Creation));
    let list = ids(3);
    let list: Vec<&str> = list.iter().map(String::as_str).chain(["v1.0.0"]).collect();
    let world = World::default()
        .built("0000000", "2026-01-01T00:00:00Z")
        .built("0000001", "2026-01-03T00:00:00Z")
        .built("0000002", "2026-01-02T00:00:00Z");
    let choice = world.ask(&list, &policy);
    assert_eq!(chosen(&choice), Some("0000001"));
    assert_rules(&choice, &[("v1.0.0", Rule::Unordered)]);
}
