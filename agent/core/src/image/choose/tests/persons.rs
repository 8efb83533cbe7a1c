//! Tags that a person skipped or pinned.

use super::*;

fn skipping(current: &str, skipped: &str) -> World {
    let mut world = World::naming(current);
    world.held.push(Held {
        version: tag(skipped).into(),
        because: format!("`{skipped}` was skipped by a person"),
        since: None,
        reach: Reach::Alone,
    });
    world
}

fn pinning(current: &str, pinned: &str, list: &[&str]) -> Choice {
    let world = World::naming(current);
    let pinned = Pinned {
        tag: tag(pinned),
        because: format!("`{pinned}` was pinned by a person"),
    };
    let context = Context {
        pinned: Some(&pinned),
        ..world.context()
    };
    choose(&tags(list), &Policy::parse(">=1.0 <3").unwrap(), &context)
}

fn sentence<'c>(choice: &'c Choice, name: &str) -> (Rule, &'c str) {
    let mut all = choice.verdicts.iter();
    let found = all.find(|verdict| verdict.tag.as_str() == name);
    let found = found.unwrap();
    (found.rule, &found.sentence)
}

#[test]
fn a_skipped_tag_is_left_out_and_the_one_before_it_is_taken() {
    let policy = Policy::parse(">=1.0").unwrap();
    let list = ["1.8.0", "1.9.0", "1.10.0"];
    let choice = skipping("1.8.0", "1.10.0").ask(&list, &policy);
    assert_eq!(chosen(&choice), Some("1.9.0"));
    assert_eq!(
        sentence(&choice, "1.10.0"),
        (Rule::Held, "held: `1.10.0` was skipped by a person")
    );
    let named = skipping("1.10.0", "1.10.0").ask(&list, &policy);
    assert_eq!(chosen(&named), Some("1.10.0"), "what Git names stays");
}

#[test]
fn a_pinned_tag_is_chosen_also_where_it_is_older_than_what_git_names() {
    let choice = pinning("1.9.0", "1.8.0", &["1.8.0", "1.9.0", "1.10.0", "4.0.0"]);
    assert_eq!(chosen(&choice), Some("1.8.0"));
    assert_eq!(
        sentence(&choice, "1.10.0"),
        (Rule::Pinned, "allowed, but `1.8.0` was pinned by a person")
    );
    assert_eq!(sentence(&choice, "4.0.0").0, Rule::OutsideRange);
}

#[test]
fn a_pinned_tag_that_the_policy_does_not_allow_is_not_chosen_and_nothing_else_is() {
    for (pinned, why) in [
        (
            "4.0.0",
            "`4.0.0` is pinned by a person, and not in `>=1.0 <3`",
        ),
        (
            "1.7.0",
            "`1.7.0` is pinned by a person, and the registry does not list it",
        ),
    ] {
        let choice = pinning("1.9.0", pinned, &["1.8.0", "1.9.0", "1.10.0", "4.0.0"]);
        assert_eq!(chosen(&choice), None);
        let refusal = choice.refusal.unwrap();
        assert_eq!(refusal.reason, Reason::NoCandidate);
        assert_eq!(refusal.detail, why);
    }
}
