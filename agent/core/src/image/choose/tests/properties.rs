//! What holds for all tags, in whatever order the pages of a registry come.

use proptest::prelude::*;

use super::*;
use crate::image::policy::{By, Downgrade, Membership, Numbers, Reading, Take, read};

fn any_tag() -> impl Strategy<Value = Tag> {
    let text = prop_oneof![
        (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
        (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("v{a}.0{b}.{c}")),
        (0u8..4, 0u8..4, 0u8..4).prop_map(|(a, b, c)| format!("{a}.{b}.0-rc.{c}")),
        (0u8..4, 0u8..9).prop_map(|(a, b)| format!("{b}_{a}")),
        "0{0,2}[0-9]{1,3}".prop_map(String::from),
        "(sha-)?000000[0-9a-f]".prop_map(String::from),
        "[a-z0-9_][a-z0-9._-]{0,8}".prop_map(String::from),
        Just("latest".to_owned()),
    ];
    text.prop_map(|text| Tag::parse(&text).unwrap())
}

fn any_policy() -> impl Strategy<Value = Policy> {
    const RANGES: [&str; 5] = ["*", "^1", ">=1.0.0-0 <3", "0.x || 2.x", "*-0"];
    let order = prop_oneof![
        proptest::sample::select(&RANGES[..]).prop_map(|range| Policy::parse(range).unwrap().order),
        Just(Order::Numerical(Take::Greatest)),
        Just(Order::Numerical(Take::Least)),
        Just(Order::Alphabetical(Take::Greatest)),
        Just(Order::Alphabetical(Take::Least)),
        Just(Order::Newest),
        Just(Order::Commits(By::Creation)),
        Just(Order::Commits(By::History {
            repository: "web".into()
        })),
        Just(Order::DigestOf(Tag::parse("latest").unwrap())),
    ];
    let filters = prop_oneof![
        4 => Just(Filter::default()),
        1 => Just(filter(r"^v?(\d+)", "$1")),
        1 => Just(filter(r"^(.)_(.)$", "1.2.$2+$1")),
        1 => Just(Filter { min_age: Some(std::time::Duration::from_secs(3600)), ..Filter::default() }),
    ];
    (order, filters, any::<bool>(), any::<bool>()).prop_map(|(order, filter, down, pin)| {
        let mut policy = Policy {
            filter,
            ..Policy::of(order)
        };
        if down {
            policy.downgrade = Downgrade::Allow;
        }
        if pin {
            policy.pin = Pin::Digest;
        }
        policy
    })
}

/// A registry, a branch and a person, the same for the same seed.
fn world(list: &[Tag], current: Option<&Tag>, held: Option<&Tag>, seed: u64) -> World {
    let mut world = World::default();
    for tag in list.iter().chain(current) {
        let mut hash = seed;
        for byte in tag.as_str().bytes() {
            hash = hash.wrapping_mul(31).wrapping_add(u64::from(byte));
        }
        let created = match hash % 7 {
            0 => "1970-01-01T00:00:00Z",
            1 => "2026-06-01T11:30:00Z",
            2 | 3 => "2026-01-01T00:00:00Z",
            4 => "2026-01-02T00:00:00Z",
            _ => "2026-01-03T00:00:00Z",
        };
        world = match hash % 11 {
            0 => world.unreadable(tag.as_str(), "it is gone"),
            _ => world.built(tag.as_str(), created),
        };
        let id = tag.as_str().trim_start_matches("sha-").to_owned();
        let place = match hash % 5 {
            0 => CommitPlace::Elsewhere,
            place => CommitPlace::At(place),
        };
        // What a pattern may extract of it.
        let digits: String = id.chars().take_while(char::is_ascii_digit).collect();
        world = world.commit(&digits, place).commit(&id, place);
    }
    world.current = current.map(|tag| tag.clone().into());
    if let Some(held) = held {
        world = world.holding(held.clone(), "reverted");
    }
    world
}

proptest! {
    #[test]
    fn the_choice_does_not_depend_on_the_order_of_the_tags(
        (list, shuffled) in proptest::collection::vec(any_tag(), 0..40)
            .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        current in proptest::option::of(any_tag()),
        held in proptest::option::of(any_tag()),
        policy in any_policy(),
        seed in 0u64..1000,
    ) {
        let world = world(&list, current.as_ref(), held.as_ref(), seed);
        let context = world.context();
        let choice = choose(&list, &policy, &context);
        prop_assert_eq!(&choice, &choose(&shuffled, &policy, &context));
        prop_assert!(choice.chosen.is_some() != choice.refusal.is_some());
        prop_assert!(choice.needs.is_empty(), "{:?}", choice.needs);
        let distinct: BTreeSet<&Tag> = list.iter().collect();
        prop_assert_eq!(choice.counts.values().sum::<usize>(), distinct.len());
        if let Some(chosen) = &choice.chosen {
            prop_assert!(list.contains(&chosen.tag));
            prop_assert_eq!(chosen.digest.is_some(), policy.pin == Pin::Digest);
            prop_assert_eq!(choice.verdicts[0].rule, Rule::Chosen);
            let is_current = current.as_ref() == Some(&chosen.tag);
            prop_assert!(is_current || held.as_ref() != Some(&chosen.tag));
            // Asked again with the choice in Git, it stays.
            let settled = World { current: Some(chosen.clone()), ..world };
            let again = choose(&shuffled, &policy, &settled.context());
            prop_assert_eq!(again.chosen.as_ref(), Some(chosen));
        }
    }

    #[test]
    fn inv_i21_a_version_is_in_its_range_and_never_below_the_current_one(
        list in proptest::collection::vec(any_tag(), 0..40),
        current in proptest::option::of(any_tag()),
        range in prop_oneof![Just("*"), Just("^1"), Just(">=1.0.0-0 <3"), Just("0.x || 2.x")],
    ) {
        let policy = Policy::parse(range).unwrap();
        let world = World { current: current.clone().map(Version::from), ..World::default() };
        let choice = choose(&list, &policy, &world.context());
        if let Some(chosen) = &choice.chosen {
            let version = |tag: &Tag| match read(tag.as_str(), Numbers::Three) {
                Reading::Version(version) => Some(version),
                _ => None,
            };
            let best = version(&chosen.tag).unwrap();
            let Order::Semver(range) = &policy.order else { panic!("another order") };
            prop_assert_eq!(range.membership(&best), Membership::In);
            if let Some(now) = current.as_ref().and_then(version) {
                prop_assert!(best.cmp_precedence(&now).is_ge());
            }
            for tag in &list {
                if let Some(other) = version(tag).filter(|v| range.membership(v) == Membership::In) {
                    prop_assert!(best.cmp_precedence(&other).is_ge());
                }
            }
        }
    }

    #[test]
    fn rounds_end_and_end_where_knowing_everything_ends(
        list in proptest::collection::vec(any_tag(), 1..30),
        current in proptest::option::of(any_tag()),
        policy in any_policy(),
        seed in 0u64..1000,
    ) {
        let all = world(&list, current.as_ref(), None, seed);
        let expected = choose(&list, &policy, &all.context());
        let mut known = World { current: all.current.clone(), ..World::default() };
        for _ in 0..100 {
            let context = Context {
                limits: Limits { round: 3, ..Limits::default() },
                ..known.context()
            };
            let choice = choose(&list, &policy, &context);
            if choice.needs.is_empty() {
                prop_assert_eq!(&choice.chosen, &expected.chosen);
                prop_assert_eq!(&choice.refusal, &expected.refusal);
                return Ok(());
            }
            prop_assert_eq!(choice.chosen, None);
            prop_assert_eq!(choice.refusal.unwrap().reason, Reason::ExaminingTags);
            prop_assert!(choice.needs.facts.len() <= 3);
            for tag in choice.needs.facts {
                let facts = all.facts.get(&tag).cloned();
                let facts = facts.unwrap_or(Examined::Unreadable("it is gone".into()));
                prop_assert!(known.facts.insert(tag, facts).is_none(), "asked twice");
            }
            for id in choice.needs.commits {
                let place = all.commits.get(&id).copied().unwrap_or(CommitPlace::Elsewhere);
                prop_assert!(known.commits.insert(id, place).is_none(), "asked twice");
            }
        }
        prop_assert!(false, "the rounds do not end");
    }
}
