//! What is allowed, for an application, an image and the agent, and the words of a refusal.

use std::collections::BTreeMap;

use crate::image::hold::Said;
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::revision::CommitId;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-12-01T12:00:00Z")
}

fn because(reason: &str) -> Because {
    Because::checked(reason, Some(at("2026-12-01T18:00:00Z")), noon()).unwrap()
}

#[test]
fn a_reason_is_needed_and_an_end_is_to_come() {
    for (reason, until, why) in [
        ("  ", None, "the reason is empty: say why"),
        (
            "x",
            Some("2026-12-01T12:00:00Z"),
            "the end is in the past: it is 2026-12-01T12:00:00Z now",
        ),
    ] {
        let refused = Because::checked(reason, until.map(at), noon()).unwrap_err();
        assert_eq!(refused, Refusal::Invalid(why.to_owned()));
    }
    assert!(Because::checked(&"x".repeat(513), None, noon()).is_err());
    assert_eq!(because(" odd ").reason, "odd");
}

#[test]
fn a_commit_has_seven_digits_or_more() {
    assert_eq!(commit("4C1D9AB").unwrap(), "4c1d9ab");
    for text in ["4c1d9a", "main", ""] {
        assert!(commit(text).is_err(), "{text}");
    }
}

#[test]
fn each_decision_is_a_change_of_the_object_and_a_command() {
    let name = Name::new("shop", "web");
    let stop = Stop {
        reason: "it's wrong".to_owned(),
        commit: None,
        by: None,
        at: None,
    };
    let request = Request {
        id: "1".to_owned(),
        to: Some("4c1d9ab".to_owned()),
        reason: "odd".to_owned(),
        plan: None,
    };
    let pinned = Decision::Pin {
        commit: "4c1d9ab".to_owned(),
        because: because("stay"),
    };
    for (decision, patch, command) in [
        (
            Decision::Sync,
            json!({"metadata": {"annotations": {
                "syncline.dev/requested-at": "2026-12-01T12:00:00Z", "syncline.dev/abort": null,
            }}}),
            "syncline sync shop/web",
        ),
        (
            Decision::Suspend(because("incident 7")),
            json!({"spec": {"suspend": {"reason": "incident 7", "until": "2026-12-01T18:00:00Z"}}}),
            "syncline suspend shop/web --reason 'incident 7' --until 2026-12-01T18:00:00Z",
        ),
        (
            Decision::Resume,
            json!({"spec": {"suspend": null}}),
            "syncline resume shop/web",
        ),
        (
            Decision::Abort(stop),
            json!({"metadata": {"annotations": {
                "syncline.dev/abort": "{\"reason\":\"it's wrong\"}",
            }}}),
            r"syncline abort shop/web --reason 'it'\''s wrong'",
        ),
        (
            Decision::Approve("ab12".to_owned()),
            json!({"metadata": {"annotations": {"syncline.dev/approve": "ab12"}}}),
            "syncline approve shop/web ab12",
        ),
        (
            Decision::Rollback(request),
            json!({"metadata": {"annotations": {
                "syncline.dev/rollback": "{\"id\":\"1\",\"to\":\"4c1d9ab\",\"reason\":\"odd\"}",
            }}}),
            "syncline rollback shop/web --to 4c1d9ab --reason odd",
        ),
        (
            pinned,
            json!({"spec": {"pin": {
                "commit": "4c1d9ab", "reason": "stay", "until": "2026-12-01T18:00:00Z",
            }}}),
            "syncline pin shop/web 4c1d9ab --reason stay --until 2026-12-01T18:00:00Z",
        ),
        (
            Decision::Unpin,
            json!({"spec": {"pin": null}}),
            "syncline unpin shop/web",
        ),
    ] {
        assert_eq!(decision.patch(noon()), patch);
        assert_eq!(decision.command(&name), command);
        assert_eq!(decision.is_of_spec(), patch["spec"].is_object());
    }
}

#[test]
fn only_the_plan_that_waits_is_approved() {
    let name = Name::new("shop", "web");
    assert_eq!(approves(&name, "ab12", Some("ab12")), Ok(()));
    let other = approves(&name, "ab12", Some("cd34"))
        .unwrap_err()
        .to_string();
    assert!(other.contains("`cd34` does"), "{other}");
    let none = approves(&name, "ab12", None).unwrap_err().to_string();
    assert_eq!(none, "no plan of `shop/web` waits for approval");
}

#[test]
fn a_stop_is_read_as_it_was_written_and_stops_also_where_it_is_not_understood() {
    let stop = Stop {
        reason: "wrong".to_owned(),
        commit: CommitId::parse(&"a".repeat(40)).ok(),
        by: Some("ada".to_owned()),
        at: Some(noon()),
    };
    assert_eq!(Stop::read(&stop.to_string()), stop);
    assert_eq!(stop.failure().detail, "wrong (by ada)");
    let odd = Stop::read("  please stop ");
    assert_eq!((odd.reason.as_str(), odd.commit), ("please stop", None));
}

fn annotations_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_skipped_tag_is_a_line_beside_the_others_and_its_release_takes_it_away() {
    let policy = Name::new("shop", "web");
    let skip = TagDecision::skip("1.9.0", "it\ncrashes", noon()).unwrap();
    let before = annotations_of(&[("syncline.dev/skip", "1.8.0\n1.9.0 old words")]);
    let patch = skip.patch(&before, &[]).unwrap();
    let line = "1.8.0\n1.9.0 2026-12-01T12:00:00Z it crashes";
    assert_eq!(patch["metadata"]["annotations"]["syncline.dev/skip"], line);
    assert_eq!(
        skip.command(&policy),
        "syncline images skip shop/web 1.9.0 --reason 'it crashes'"
    );

    let release = TagDecision::Release("1.8.0".to_owned());
    let patch = release.patch(&annotations_of(&[("syncline.dev/skip", line)]), &[]);
    let left = "1.9.0 2026-12-01T12:00:00Z it crashes";
    let patch = patch.unwrap();
    assert_eq!(patch["metadata"]["annotations"]["syncline.dev/skip"], left);
    let last = release.patch(&annotations_of(&[("syncline.dev/skip", "1.8.0")]), &[]);
    assert_eq!(
        last.unwrap(),
        json!({"metadata": {"annotations": {"syncline.dev/skip": null}}})
    );
    assert!(TagDecision::skip("not a tag", "x", noon()).is_err());
    assert!(TagDecision::skip("1.9.0", " ", noon()).is_err());
}

#[test]
fn what_git_took_back_is_released_by_its_full_name_beside_the_others() {
    let release = TagDecision::Release("1.9.0".to_owned());
    let held = ["1.9.0@sha256:ab".to_owned(), "1.7.0".to_owned()];
    let before = annotations_of(&[("syncline.dev/release", "1.2.0, 1.3.0")]);
    let patch = release.patch(&before, &held).unwrap();
    assert_eq!(
        patch["metadata"]["annotations"],
        json!({"syncline.dev/release": "1.2.0,1.3.0,1.9.0@sha256:ab"})
    );
    let none = release.patch(&before, &[]).unwrap_err();
    assert_eq!(none, Refusal::NotNow("`1.9.0` is not held".to_owned()));
}

#[test]
fn one_tag_is_pinned_until_it_is_unpinned() {
    let pin = TagDecision::pin("1.8.4", "stay", noon()).unwrap();
    let patch = pin.patch(&BTreeMap::new(), &[]).unwrap();
    let value = &patch["metadata"]["annotations"]["syncline.dev/pin-tag"];
    assert_eq!(value, "1.8.4 2026-12-01T12:00:00Z stay");
    let read = crate::image::hold::pin(value.as_str());
    let expected = Said {
        value: "1.8.4".to_owned(),
        since: Some(noon()),
        reason: "stay".to_owned(),
    };
    assert_eq!(read, Some(expected));
    let pinned = annotations_of(&[("syncline.dev/pin-tag", "1.8.4 stay")]);
    assert_eq!(
        TagDecision::Unpin.patch(&pinned, &[]).unwrap()["metadata"]["annotations"],
        json!({"syncline.dev/pin-tag": null, "syncline.dev/release": "1.8.4"})
    );
    let nothing = TagDecision::Unpin.patch(&BTreeMap::new(), &[]).unwrap_err();
    assert_eq!(nothing.to_string(), "no tag is pinned");
}

fn refused(all: &[Allowed], verb: Verb) -> Option<&str> {
    let found = all.iter().find(|(one, _)| *one == verb);
    let (_, allowed) = found.unwrap();
    allowed.as_ref().err().map(String::as_str)
}

fn fails(reason: Reason, detail: &str) -> Option<Failure> {
    Some(Failure {
        reason,
        detail: detail.to_owned(),
    })
}

#[test]
fn what_may_not_be_done_says_why_and_is_named_all_the_same() {
    let calm = ApplicationFacts {
        was_applied: true,
        ..ApplicationFacts::default()
    };
    let all = of_application(&calm);
    for verb in [
        Verb::Sync,
        Verb::Refresh,
        Verb::Rollback,
        Verb::Suspend,
        Verb::Pin,
    ] {
        assert_eq!(refused(&all, verb), None, "{verb:?}");
    }
    for (verb, why) in [
        (Verb::Approve, "no plan waits for approval"),
        (Verb::Abort, "no sync runs and no rollout is on its way"),
        (Verb::Resume, "it is not suspended"),
        (Verb::Unpin, "it is not pinned"),
    ] {
        assert_eq!(refused(&all, verb), Some(why));
    }
}

#[test]
fn a_frozen_or_suspended_application_is_not_synced_and_says_so() {
    let frozen = ApplicationFacts {
        frozen: fails(Reason::Frozen, "the database moves"),
        was_applied: true,
        ..ApplicationFacts::default()
    };
    let all = of_application(&frozen);
    let why = "The agent is frozen: no sync runs and no image is updated (the database moves)";
    assert_eq!(refused(&all, Verb::Sync), Some(why));
    assert_eq!(refused(&all, Verb::Rollback), Some(why));
    assert_eq!(refused(&all, Verb::Suspend), None);

    let suspended = ApplicationFacts {
        suspended: fails(Reason::Suspended, "incident 7"),
        has_suspension: true,
        ..ApplicationFacts::default()
    };
    let all = of_application(&suspended);
    assert!(refused(&all, Verb::Sync).unwrap().ends_with("(incident 7)"));
    assert_eq!(refused(&all, Verb::Resume), None);
    let nothing = "nothing was applied yet, so there is nothing to go back to";
    assert_eq!(refused(&all, Verb::Rollback), Some(nothing));
}

#[test]
fn what_runs_is_stopped_once_and_a_repository_that_cannot_write_is_not_rolled_back() {
    let busy = ApplicationFacts {
        is_busy: true,
        was_applied: true,
        unwritable: Some("no `spec.write`".to_owned()),
        ..ApplicationFacts::default()
    };
    let all = of_application(&busy);
    assert_eq!(refused(&all, Verb::Abort), None);
    assert_eq!(refused(&all, Verb::Rollback), Some("no `spec.write`"));
    let stopped = ApplicationFacts {
        is_stopped: true,
        ..busy
    };
    let all = of_application(&stopped);
    assert_eq!(refused(&all, Verb::Abort), Some("it is stopped already"));
    assert_eq!(refused(&all, Verb::Sync), None, "a sync goes on");
}

#[test]
fn tags_are_released_and_unpinned_only_where_there_are_such() {
    let all = of_image(&ImageFacts::default());
    assert_eq!(refused(&all, Verb::Release), Some("no tag is held"));
    assert_eq!(refused(&all, Verb::Unpin), Some("no tag is pinned"));
    assert_eq!(refused(&all, Verb::Skip), None);
    assert_eq!(
        refused(&of_agent(false), Verb::Unfreeze),
        Some("the agent is not frozen")
    );
}
