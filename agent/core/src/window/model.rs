//! The windows against a model that walks through time minute by minute.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// Zones, and moments at which their clocks change.
const CHANGES: [(&str, &[&str]); 5] = [
    (
        "Europe/Berlin",
        &["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"],
    ),
    (
        "America/New_York",
        &["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"],
    ),
    (
        "Australia/Lord_Howe",
        &["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"],
    ),
    ("Asia/Kolkata", &["2026-03-29T01:00:00Z"]),
    ("UTC", &["2026-03-29T01:00:00Z"]),
];

/// A schedule of which the model knows the meaning without reading the text.
#[derive(Clone, Debug)]
struct Plan {
    rule: Rule,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    weekdays: Option<BTreeSet<i8>>,
    length: i64,
}

impl Plan {
    fn text(&self) -> String {
        let list = |all: &BTreeSet<i8>| {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            all.join(",")
        };
        let weekdays = self.weekdays.as_ref().map_or("*".to_owned(), list);
        format!(
            "{} {} * * {weekdays}",
            list(&self.minutes),
            list(&self.hours)
        )
    }

    fn fits(&self, shown: DateTime) -> bool {
        let weekday = shown.weekday().to_sunday_zero_offset();
        self.minutes.contains(&shown.minute())
            && self.hours.contains(&shown.hour())
            && self
                .weekdays
                .as_ref()
                .is_none_or(|all| all.contains(&weekday))
    }

    /// The minutes from `first` on at which the window lasts.
    fn lasting(&self, zone: &TimeZone, first: i64, count: usize) -> Vec<bool> {
        let mut lasts = vec![false; count];
        let mut end = i64::MIN;
        // The latest time that the clock on the wall has shown.
        let mut shown_last: Option<DateTime> = None;
        for (place, lasts) in lasts.iter_mut().enumerate() {
            let second = first + place as i64 * MINUTE;
            let shown = zone.to_datetime(Timestamp::from_second(second).unwrap());
            let mut next = shown_last.map_or(shown, |last| last + 1.minute());
            // All times since then: more than one where the clock jumped, none where it went back.
            while next <= shown {
                if self.fits(next) {
                    end = end.max(second + self.length);
                }
                next += 1.minute();
            }
            shown_last = shown_last.max(Some(shown));
            *lasts = second < end;
        }
        lasts
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let rule = prop_oneof![Just(Rule::Allow), Just(Rule::Deny)];
    let minutes = prop::collection::btree_set(
        prop::sample::select(vec![0, 1, 15, 29, 30, 31, 45, 59]),
        1..4,
    );
    // Mostly near the changes of the clocks.
    let hours = prop::collection::btree_set(prop_oneof![3 => 0_i8..5, 1 => 0_i8..24], 1..4);
    let weekdays = prop::option::weighted(0.3, prop::collection::btree_set(0_i8..7, 1..4));
    let length = prop_oneof![1_i64..90, 90_i64..(36 * 60)];
    let plan = (rule, minutes, hours, weekdays, length);
    let plan = plan.prop_map(|(rule, minutes, hours, weekdays, length)| Plan {
        rule,
        minutes,
        hours,
        weekdays,
        length: length * MINUTE,
    });
    prop::collection::vec(plan, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn windows_say_what_a_walk_through_every_minute_says(
        plans in plans(),
        (zone, change) in (0..CHANGES.len()).prop_flat_map(|place| {
            let (zone, changes) = CHANGES[place];
            (Just(zone), prop::sample::select(changes))
        }),
        asked in prop::collection::vec((-2 * DAY)..(2 * DAY), 12),
    ) {
        let windows: Vec<Window> = plans
            .iter()
            .map(|plan| {
                let length = Duration::from_secs(plan.length.unsigned_abs());
                Window::parse(plan.rule, &plan.text(), length, zone).unwrap()
            })
            .collect();
        let zone = TimeZone::get(zone).unwrap();
        let change: Timestamp = change.parse().unwrap();
        let first = change.as_second() - 4 * DAY;
        let count = (10 * DAY / MINUTE) as usize;
        let lasting: Vec<_> = plans.iter().map(|plan| plan.lasting(&zone, first, count)).collect();
        let open: Vec<bool> = (0..count)
            .map(|place| {
                let lasts = |rule| {
                    plans.iter().zip(&lasting).any(|(plan, all)| plan.rule == rule && all[place])
                };
                let free = plans.iter().all(|plan| plan.rule == Rule::Deny);
                (free || lasts(Rule::Allow)) && !lasts(Rule::Deny)
            })
            .collect();
        let around = [-60, -1, 0, 1, 59, 60, 1800, 3600];
        for offset in asked.into_iter().chain(around) {
            let now = Timestamp::from_second(change.as_second() + offset).unwrap();
            let place = ((now.as_second() - first) / MINUTE) as usize;
            let answer = ask(&windows, now);
            prop_assert_eq!(answer.open, open[place], "at {}", now);
            let expected = (place..count).find(|later| open[*later] != open[place]);
            if let Some(later) = expected {
                let expected = Timestamp::from_second(first + later as i64 * MINUTE).unwrap();
                prop_assert_eq!(answer.until, Some(expected), "at {}", now);
            }
        }
    }
}
