//! The pace of one host, with a clock that is set by hand.

use super::super::headers::Requests;
use super::*;

const HOST: &str = "r.io";

fn pace() -> Pace {
    Pace {
        rate: 10.0,
        burst: 5.0,
        max_wait: Duration::from_secs(2),
        default_retry_after: Duration::from_mins(1),
        max_retry_after: Duration::from_hours(1),
        pull_reserve: 50,
        failures: 3,
        rest_first: Duration::from_secs(1),
        rest_most: Duration::from_secs(10),
    }
}

/// A lane on a clock that only moves when it is told to.
struct Played {
    pace: Pace,
    lane: Lane,
    now: Now,
}

impl Played {
    fn new() -> Self {
        let (pace, now) = (pace(), Now::read());
        Self {
            lane: Lane::new(&pace, now),
            pace,
            now,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.timestamp += jiff::SignedDuration::try_from(time).unwrap();
    }

    fn ask(&mut self, kind: Kind) -> Result<Admission, Error> {
        self.lane.admit(&self.pace, self.now, HOST, kind)
    }

    fn answer(&mut self, status: u16, limits: Limits) -> Result<(), Error> {
        let status = StatusCode::from_u16(status).unwrap();
        self.lane
            .answered(&self.pace, self.now, HOST, status, &limits)
    }

    fn fail(&mut self) {
        self.lane.failed(&self.pace, self.now, "no route");
    }

    fn refusal(&mut self) -> (String, Duration) {
        let error = self.ask(Kind::Other).unwrap_err();
        (error.to_string(), error.retry_after().unwrap())
    }
}

fn retry_after(seconds: u64) -> Limits {
    Limits {
        retry_after: Some(Duration::from_secs(seconds)),
        ..Limits::default()
    }
}

fn pulls(remaining: u64) -> Limits {
    Limits {
        pulls: Some(Pulls {
            limit: 100,
            remaining,
            window: Duration::from_hours(6),
        }),
        ..Limits::default()
    }
}

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let mut played = Played::new();
    for _ in 0..5 {
        assert_eq!(played.ask(Kind::Other), Ok(Admission::Go));
    }
    let wait = |played: &mut Played| match played.ask(Kind::Other) {
        Ok(Admission::Wait(wait)) => wait.as_millis(),
        other => panic!("{other:?}"),
    };
    assert_eq!((wait(&mut played), wait(&mut played)), (100, 200));
    for _ in 0..18 {
        assert!(played.ask(Kind::Other).is_ok());
    }
    let (text, after) = played.refusal();
    assert!(after > Duration::from_secs(2), "{text}");
    // Who was refused took no turn.
    played.pass(Duration::from_secs(3));
    assert_eq!(played.ask(Kind::Other), Ok(Admission::Go));
}

#[test]
fn fault_f13_a_host_that_asks_to_slow_down_is_left_alone_and_then_asked_more_slowly() {
    let mut played = Played::new();
    let error = played.answer(429, retry_after(300)).unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(5)));
    let (first, _) = played.refusal();
    played.pass(Duration::from_secs(100));
    let (second, after) = played.refusal();
    assert_eq!(
        first, second,
        "the sentence names a time that does not move"
    );
    assert_eq!(after, Duration::from_secs(200));
    // A shorter time does not shorten the longer one.
    assert!(played.answer(429, retry_after(1)).is_err());
    assert_eq!(played.refusal().1, Duration::from_secs(200));
    played.pass(Duration::from_secs(201));
    assert!(played.ask(Kind::Other).is_ok());
    assert!(
        (played.lane.rate - 2.5).abs() < 0.01,
        "{}",
        played.lane.rate
    );
    for _ in 0..200 {
        played.answer(200, Limits::default()).unwrap();
    }
    assert!((played.lane.rate - 10.0).abs() < 0.01);
}

#[test]
fn a_time_to_slow_down_is_bounded_from_both_sides() {
    for (status, limits, expected) in [
        (429, retry_after(0), 1),
        (429, Limits::default(), 60),
        (429, retry_after(u64::MAX), 3600),
        (503, retry_after(7), 7),
        (403, retry_after(7), 7),
    ] {
        let error = Played::new().answer(status, limits).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(expected)));
    }
    for status in [401, 403, 404, 500] {
        assert_eq!(Played::new().answer(status, Limits::default()), Ok(()));
    }
}

#[test]
fn a_used_up_limit_holds_until_it_begins_anew_and_a_low_one_slows_down() {
    let left = |remaining, reset| Limits {
        requests: Some(Requests {
            remaining,
            reset: Duration::from_secs(reset),
        }),
        ..Limits::default()
    };
    let mut played = Played::new();
    assert_eq!(played.answer(200, left(0, 90)), Ok(()), "this one is good");
    assert_eq!(played.refusal().1, Duration::from_secs(90));
    assert!(Played::new().answer(403, left(0, 90)).is_err());
    assert_eq!(Played::new().answer(403, left(5, 90)), Ok(()));

    let mut played = Played::new();
    played.answer(200, left(60, 120)).unwrap();
    assert!((played.lane.rate_at(played.now) - 0.5).abs() < 0.01);
    played.pass(Duration::from_secs(121));
    assert!((played.lane.rate_at(played.now) - 10.0).abs() < 0.01);
}

#[test]
fn half_of_the_pulls_are_kept_for_the_nodes_and_lists_go_on() {
    let mut played = Played::new();
    played.answer(200, pulls(51)).unwrap();
    assert!(played.ask(Kind::Pull).is_ok());
    played.answer(200, pulls(48)).unwrap();
    let error = played.ask(Kind::Pull).unwrap_err();
    // Three pulls, each of which comes back after 216 s.
    assert_eq!(error.retry_after(), Some(Duration::from_secs(648)));
    assert!(played.ask(Kind::Other).is_ok());
    // A look that costs no pull says that there are more again.
    played.answer(200, pulls(90)).unwrap();
    assert!(played.ask(Kind::Pull).is_ok());
}

#[test]
fn after_failures_in_a_row_one_request_tries_at_a_time() {
    let mut played = Played::new();
    for _ in 0..2 {
        played.fail();
        assert!(played.ask(Kind::Other).is_ok());
    }
    played.fail();
    let (text, after) = played.refusal();
    assert!(text.starts_with("r.io: no route; "), "{text}");
    assert_eq!(after, Duration::from_secs(1));
    played.pass(Duration::from_secs(1));
    assert!(played.ask(Kind::Other).is_ok());
    assert!(played.ask(Kind::Other).is_err(), "one only");
    played.fail();
    assert_eq!(played.refusal().1, Duration::from_secs(2));
    for _ in 0..10 {
        played.fail();
    }
    assert_eq!(played.refusal().1, Duration::from_secs(10));
    played.pass(Duration::from_secs(10));
    assert!(played.ask(Kind::Other).is_ok());
    played.answer(404, Limits::default()).unwrap();
    assert!(played.ask(Kind::Other).is_ok());
    assert!(played.ask(Kind::Other).is_ok());
}

#[test]
fn the_request_that_tries_does_not_wait_for_the_pace() {
    let mut played = Played::new();
    played.pace.rate = SLOWEST;
    played.lane = Lane::new(&played.pace, played.now);
    for _ in 0..5 {
        assert_eq!(played.ask(Kind::Other), Ok(Admission::Go));
    }
    assert!(played.ask(Kind::Other).is_err());
    for _ in 0..3 {
        played.fail();
    }
    played.pass(Duration::from_secs(1));
    assert_eq!(played.ask(Kind::Other), Ok(Admission::Go));
}

#[test]
fn a_gateway_without_a_registry_behind_it_counts_as_a_failure_and_an_error_of_its_own_does_not() {
    let mut played = Played::new();
    for _ in 0..9 {
        played.answer(500, Limits::default()).unwrap();
    }
    assert!(played.ask(Kind::Other).is_ok());
    for status in [502, 503, 504] {
        played.answer(status, Limits::default()).unwrap();
    }
    assert!(played.ask(Kind::Other).is_err());
}
