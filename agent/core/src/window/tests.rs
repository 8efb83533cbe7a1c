//! Windows against a model that looks at every minute.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn window(rule: Rule, schedule: &str, duration: Duration, zone: &str) -> Window {
    Window::parse(rule, schedule, duration, zone).unwrap()
}

fn allow(schedule: &str, duration: Duration, zone: &str) -> Window {
    window(Rule::Allow, schedule, duration, zone)
}

fn deny(schedule: &str, duration: Duration, zone: &str) -> Window {
    window(Rule::Deny, schedule, duration, zone)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[track_caller]
fn says(windows: &[Window], now: &str, open: bool, until: &str) {
    let answer = ask(windows, at(now));
    assert_eq!((answer.open, answer.until), (open, Some(at(until))));
}

#[test]
fn without_windows_it_is_open_for_ever() {
    let answer = Answer {
        open: true,
        until: None,
    };
    assert_eq!(ask(&[], at("2026-11-21T12:00:00Z")), answer);
}

#[test]
fn outside_of_all_windows_that_allow_nothing_is_allowed() {
    let office = [allow("0 8 * * MON-FRI", 10 * HOUR, "Europe/Berlin")];
    // Friday evening until Monday morning.
    says(
        &office,
        "2026-11-20T17:00:00Z",
        false,
        "2026-11-23T07:00:00Z",
    );
    says(
        &office,
        "2026-11-23T07:00:00Z",
        true,
        "2026-11-23T17:00:00Z",
    );
    says(
        &office,
        "2026-11-23T16:59:59Z",
        true,
        "2026-11-23T17:00:00Z",
    );
}

#[test]
fn a_window_that_forbids_wins() {
    let windows = [
        allow("0 8 * * *", 10 * HOUR, "UTC"),
        deny("0 12 * * *", HOUR, "UTC"),
    ];
    says(
        &windows,
        "2026-11-21T09:00:00Z",
        true,
        "2026-11-21T12:00:00Z",
    );
    says(
        &windows,
        "2026-11-21T12:00:00Z",
        false,
        "2026-11-21T13:00:00Z",
    );
    says(
        &windows,
        "2026-11-21T13:00:00Z",
        true,
        "2026-11-21T18:00:00Z",
    );
    let alone = &windows[1..];
    says(alone, "2026-11-21T13:00:00Z", true, "2026-11-22T12:00:00Z");
}

#[test]
fn windows_that_overlap_or_touch_are_one() {
    let windows = [
        allow("0 8 * * *", 2 * HOUR, "UTC"),
        allow("0 9 * * *", 2 * HOUR, "UTC"),
        allow("0 11 * * *", HOUR, "UTC"),
    ];
    says(
        &windows,
        "2026-11-21T08:30:00Z",
        true,
        "2026-11-21T12:00:00Z",
    );
    // One that begins anew before it ends.
    let hourly = [allow("0 8,9,10 * * *", 90 * HOUR / 60, "UTC")];
    says(
        &hourly,
        "2026-11-21T08:30:00Z",
        true,
        "2026-11-21T11:30:00Z",
    );
}

#[test]
fn a_window_that_began_long_ago_and_still_lasts_is_found() {
    let freeze = [deny("0 0 20 12 *", 15 * 24 * HOUR, "Europe/Berlin")];
    says(
        &freeze,
        "2027-01-02T12:00:00Z",
        false,
        "2027-01-03T23:00:00Z",
    );
    says(
        &freeze,
        "2026-12-01T12:00:00Z",
        true,
        "2026-12-19T23:00:00Z",
    );
}

#[test]
fn a_window_in_the_hour_that_does_not_exist_begins_at_the_first_moment_after_it() {
    // 29 March 2026: 02:00 becomes 03:00, at 01:00 UTC.
    let night = [allow("30 2 * * *", HOUR, "Europe/Berlin")];
    says(
        &night,
        "2026-03-29T00:59:59Z",
        false,
        "2026-03-29T01:00:00Z",
    );
    says(&night, "2026-03-29T01:00:00Z", true, "2026-03-29T02:00:00Z");
    says(
        &night,
        "2026-03-29T02:00:00Z",
        false,
        "2026-03-30T00:30:00Z",
    );
}

#[test]
fn a_window_in_the_hour_that_comes_twice_begins_once() {
    // 25 October 2026: 03:00 becomes 02:00, at 01:00 UTC.
    let night = [allow("30 2 * * *", HOUR / 2, "Europe/Berlin")];
    says(
        &night,
        "2026-10-25T00:29:59Z",
        false,
        "2026-10-25T00:30:00Z",
    );
    says(&night, "2026-10-25T00:30:00Z", true, "2026-10-25T01:00:00Z");
    says(
        &night,
        "2026-10-25T01:29:59Z",
        false,
        "2026-10-26T01:30:00Z",
    );
    says(
        &night,
        "2026-10-25T01:30:00Z",
        false,
        "2026-10-26T01:30:00Z",
    );
}

#[test]
fn the_length_of_a_window_is_time_that_passes() {
    let night = [allow("0 22 * * SAT", 8 * HOUR, "America/New_York")];
    // 1 November 2026 has 25 hours: eight hours after 22:00 it is 05:00.
    says(&night, "2026-11-01T02:00:00Z", true, "2026-11-01T10:00:00Z");
    // 8 March 2026 has 23: it is 07:00.
    says(&night, "2026-03-08T03:00:00Z", true, "2026-03-08T11:00:00Z");
}

#[test]
fn a_zone_that_skips_a_whole_day_begins_the_window_after_it() {
    // Samoa had no 30 December 2011.
    let daily = [allow("0 9 * * *", HOUR, "Pacific/Apia")];
    says(
        &daily,
        "2011-12-29T21:00:00Z",
        false,
        "2011-12-30T10:00:00Z",
    );
    says(&daily, "2011-12-30T10:00:00Z", true, "2011-12-30T11:00:00Z");
}

#[test]
fn a_leap_day_is_found_without_a_search_through_the_years() {
    let rare = [allow("0 0 29 2 *", HOUR, "UTC")];
    says(&rare, "2096-03-01T00:00:00Z", false, "2104-02-29T00:00:00Z");
}

#[test]
fn windows_without_an_end_are_asked_again_some_time() {
    let always = [allow("0 * * * *", HOUR, "UTC")];
    let answer = ask(&always, at("2026-11-21T12:00:00Z"));
    assert!(answer.open);
    assert!(
        answer
            .until
            .is_some_and(|until| until > at("2026-12-21T12:00:00Z"))
    );
}

#[test]
fn what_is_no_schedule_is_refused_in_words() {
    let refused = |schedule, zone| Window::parse(Rule::Allow, schedule, HOUR, zone).unwrap_err();
    for (schedule, why) in [
        ("@daily", "`schedule: @daily`: a name is no schedule"),
        ("0 0 8 * * *", "it has 6 fields and needs five"),
        ("0 8 * *", "it has 4 fields and needs five"),
        ("0 25 * * *", "`schedule: 0 25 * * *`: "),
        ("0 0 30 2 *", "there is no such day"),
    ] {
        let said = refused(schedule, "UTC");
        assert!(said.contains(why), "{said}");
        assert!(!said.ends_with('.'), "{said}");
    }
    let said = refused("0 8 * * *", "Europe/Berlim");
    assert!(said.starts_with("`timeZone: Europe/Berlim`: "), "{said}");
}

#[test]
fn the_time_zones_are_inside_the_program() {
    let bundled = jiff::tz::TimeZoneDatabase::bundled();
    assert!(bundled.get("Europe/Berlin").is_ok());
}

#[test]
fn a_time_is_said_on_the_clocks_of_the_windows() {
    let windows = [
        allow("0 8 * * *", HOUR, "Europe/Berlin"),
        deny("0 8 * * *", HOUR, "Europe/Berlin"),
        deny("0 8 * * *", HOUR, "Asia/Kolkata"),
        deny("0 8 * * *", HOUR, "UTC"),
    ];
    let said = spoken(&windows, at("2026-11-23T07:00:00Z"));
    assert_eq!(
        said,
        "2026-11-23T07:00:00Z (Europe/Berlin 08:00, Asia/Kolkata 12:30)"
    );
}
