//! Every combination of what may hold a commit back.

use std::time::Duration;

use super::*;
use crate::window::Rule;

const NOW: &str = "2026-11-21T12:00:00Z";
const LATER: &str = "2026-11-22T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn freeze(until: Option<&str>) -> Freeze {
    Freeze {
        reason: "the database moves".to_owned(),
        by: "ada".to_owned(),
        until: until.map(at),
    }
}

fn suspension(until: Option<&str>) -> Suspension {
    Suspension {
        reason: "holiday".to_owned(),
        until: until.map(at),
    }
}

fn pin(until: Option<&str>) -> Pin {
    Pin {
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        reason: "1.9 leaks".to_owned(),
        until: until.map(at),
    }
}

fn failure(reason: Reason) -> Failure {
    Failure {
        reason,
        detail: "why".to_owned(),
    }
}

fn night() -> Vec<Window> {
    let hour = Duration::from_secs(3600);
    vec![Window::parse(Rule::Allow, "0 1 * * *", hour, "Europe/Berlin").unwrap()]
}

fn open() -> Inputs<'static> {
    Inputs {
        now: at(NOW),
        cause: Cause::Poll,
        freeze: None,
        suspension: None,
        stopped: None,
        pin: None,
        blocked: None,
        windows: &[],
        approval: Approval::NotNeeded,
    }
}

#[test]
fn the_strongest_of_all_that_holds_decides() {
    // Every combination of the six.
    let (freeze, suspension, pin, windows) = (freeze(None), suspension(None), pin(None), night());
    let pinned = Target::Pinned(pin.commit.clone());
    let order = [
        (Reason::Frozen, Target::Nothing),
        (Reason::Suspended, Target::Nothing),
        (Reason::Pinned, pinned),
        (Reason::Blocked, Target::Applied),
        (Reason::WindowClosed, Target::Applied),
        (Reason::ManualSync, Target::Applied),
    ];
    for cause in [Cause::Poll, Cause::Drift, Cause::User] {
        for set in 0_u32..64 {
            let has = |place: usize| set & (1 << place) != 0;
            let inputs = Inputs {
                cause,
                freeze: has(0).then_some(&freeze),
                suspension: has(1).then_some(&suspension),
                pin: has(2).then_some(&pin),
                blocked: has(3).then(|| failure(Reason::Blocked)),
                windows: if has(4) { &windows } else { &[] },
                approval: if has(5) {
                    Approval::Missing(failure(Reason::ManualSync))
                } else {
                    Approval::Given
                },
                ..open()
            };
            let verdict = decide(&inputs);
            let weak = |place: &usize| *place < 4 || cause != Cause::User;
            let expected = (0..6).find(|place| has(*place) && weak(place));
            let expected = expected.map(|place| order[place].clone());
            let target = expected
                .clone()
                .map_or(Target::Newest, |(_, target)| target);
            let reason = expected.map(|(reason, _)| reason);
            assert_eq!(verdict.target, target, "{cause} {set:06b}");
            let because = verdict.because.map(|because| because.reason);
            assert_eq!(because, reason, "{cause} {set:06b}");
            let overridden: Vec<Reason> =
                verdict.overridden.iter().map(|held| held.reason).collect();
            let weaker = (4..6).filter(|place| has(*place) && verdict.target == Target::Newest);
            let weaker: Vec<Reason> = weaker.map(|place| order[place].0).collect();
            assert_eq!(overridden, weaker, "{cause} {set:06b}");
        }
    }
}

#[test]
fn nothing_in_the_way_means_the_newest_commit() {
    let verdict = decide(&open());
    assert_eq!((verdict.target, verdict.because), (Target::Newest, None));
    assert_eq!(verdict.until, None);
}

#[test]
fn each_thing_that_ends_by_itself_says_when_and_does_not_hold_after_it() {
    let (freeze_now, suspended_now, pinned_now) = (
        freeze(Some(LATER)),
        suspension(Some(LATER)),
        pin(Some(LATER)),
    );
    let with = [
        Inputs {
            freeze: Some(&freeze_now),
            ..open()
        },
        Inputs {
            suspension: Some(&suspended_now),
            ..open()
        },
        Inputs {
            pin: Some(&pinned_now),
            ..open()
        },
    ];
    for mut inputs in with {
        let verdict = decide(&inputs);
        assert_eq!(verdict.until, Some(at(LATER)));
        let said = verdict.because.unwrap().detail;
        assert!(said.ends_with("; until 2026-11-22T12:00:00Z"), "{said}");
        inputs.now = at(LATER);
        assert_eq!(decide(&inputs).target, Target::Newest);
    }
}

#[test]
fn a_closed_window_says_when_it_opens_and_on_whose_clock() {
    let windows = night();
    let verdict = decide(&Inputs {
        windows: &windows,
        ..open()
    });
    assert_eq!(verdict.until, Some(at("2026-11-22T00:00:00Z")));
    let said = verdict.because.unwrap().detail;
    assert_eq!(said, "opens at 2026-11-22T00:00:00Z (Europe/Berlin 01:00)");
}

#[test]
fn what_is_said_names_the_reason_and_the_person() {
    let (freeze, pin) = (freeze(None), pin(None));
    let frozen = decide(&Inputs {
        freeze: Some(&freeze),
        ..open()
    });
    let said = frozen.because.unwrap().detail;
    assert_eq!(said, "the database moves (by ada)");
    let pinned = decide(&Inputs {
        pin: Some(&pin),
        ..open()
    });
    assert_eq!(pinned.because.unwrap().detail, "0123456: 1.9 leaks");
}

#[test]
fn what_a_person_stopped_stays_until_a_person_asks_for_it() {
    let stopped = |cause| {
        decide(&Inputs {
            stopped: Some(failure(Reason::Aborted)),
            cause,
            ..open()
        })
    };
    let held = stopped(Cause::Poll);
    assert_eq!(held.target, Target::Nothing);
    assert_eq!(held.because.unwrap().reason, Reason::Aborted);
    let asked = stopped(Cause::User);
    assert_eq!(asked.target, Target::Newest);
    assert_eq!(asked.overridden[0].reason, Reason::Aborted);
}
