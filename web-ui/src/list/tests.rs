//! Orders and parts of the list, while applications come and go.

use std::collections::BTreeMap;

use jiff::Timestamp;
use syncline_core::reason::Reason;

use super::*;
use crate::views::{ApplicationSummary, Commit, Health, LastSync, SyncResult, Why};

/// An application with a state since, a commit and a last sync at so many seconds.
fn listed(
    name: &str,
    reason: Reason,
    since: i64,
    commit: Option<i64>,
    sync: Option<i64>,
) -> Listed {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let health = Health::Healthy;
    Listed {
        summary: ApplicationSummary {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            repository: "config".to_owned(),
            path: name.to_owned(),
            destination: "shop".to_owned(),
            severity: Severity::of(reason, health),
            health,
            health_since: None,
            why: Why::new(reason, "", Some(at(since))),
            holds: Vec::new(),
            waiting_for: Vec::new(),
            next_try: None,
            revision: None,
            commit: commit.map(|seconds| Commit {
                id: format!("{seconds:040}"),
                subject: "Change it".to_owned(),
                author: "Ada".to_owned(),
                time: at(seconds),
            }),
            last_sync: sync.map(|seconds| LastSync {
                id: "S".to_owned(),
                result: SyncResult::Succeeded,
                finished_at: (seconds > 0).then(|| at(seconds)),
            }),
            objects: 1,
            images: Vec::new(),
        },
        labels: BTreeMap::new(),
        automatic: true,
        drifted: reason == Reason::DriftFound,
        cause: None,
        update: None,
    }
}

fn some() -> Vec<Listed> {
    vec![
        listed("well-2", Reason::Synced, 5, Some(30), Some(40)),
        listed("well-1", Reason::Synced, 9, None, None),
        listed("new-failure", Reason::YamlSyntax, 90, Some(20), Some(50)),
        listed("old-failure", Reason::HelmFailed, 10, Some(10), Some(60)),
        listed("held", Reason::DriftFound, 1, Some(40), Some(0)),
        listed("off", Reason::Suspended, 1, Some(50), Some(10)),
    ]
}

fn names(list: &ApplicationList) -> Vec<&str> {
    list.items.iter().map(|item| item.name.as_str()).collect()
}

fn wish(sorting: &str) -> Wish {
    Wish {
        sorting: sorting.parse().unwrap(),
        limit: 100,
        ..Wish::default()
    }
}

#[test]
fn each_order_is_what_its_name_says_and_can_be_turned_round() {
    for (sorting, expected) in [
        (
            "severity",
            [
                "old-failure",
                "new-failure",
                "held",
                "off",
                "well-1",
                "well-2",
            ],
        ),
        (
            "name",
            [
                "held",
                "new-failure",
                "off",
                "old-failure",
                "well-1",
                "well-2",
            ],
        ),
        (
            "age",
            [
                "off",
                "held",
                "well-2",
                "new-failure",
                "old-failure",
                "well-1",
            ],
        ),
        (
            "sync",
            [
                "held",
                "old-failure",
                "new-failure",
                "well-2",
                "off",
                "well-1",
            ],
        ),
    ] {
        let applications = some();
        assert_eq!(
            names(&part(&applications, &wish(sorting))),
            expected,
            "{sorting}"
        );
        let mut turned = expected;
        turned.reverse();
        let reversed = part(&applications, &wish(&format!("-{sorting}")));
        assert_eq!(names(&reversed), turned, "-{sorting}");
    }
    for none in ["", "-", "size", "--name", "Name"] {
        assert_eq!(none.parse::<Sorting>(), Err(NoSorting), "{none}");
    }
}

#[test]
fn parts_follow_each_other_without_gap_or_repetition_whatever_comes_or_goes() {
    for sorting in [
        "severity",
        "name",
        "age",
        "sync",
        "-severity",
        "-name",
        "-age",
        "-sync",
    ] {
        let mut applications = some();
        let whole = part(&applications, &wish(sorting));
        let first = part(
            &applications,
            &Wish {
                limit: 2,
                ..wish(sorting)
            },
        );
        assert_eq!(names(&first), names(&whole)[..2], "{sorting}");
        // The last one that was shown goes, and another comes in front.
        let last = names(&first)[1].to_owned();
        applications.retain(|application| application.summary.name != last);
        let after: Cursor = first.next.unwrap().parse().unwrap();
        let more = Wish {
            after: Some(after),
            ..wish(sorting)
        };
        let rest = part(&applications, &more);
        assert_eq!(names(&rest), names(&whole)[2..], "{sorting}");
        assert_eq!(rest.next, None);
    }
}

#[test]
fn what_is_no_place_in_a_list_is_refused() {
    for text in ["", "1", "1.2", "1.2.shop", "a.2.shop/web", "1.x.shop/web"] {
        assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
    }
    let text = "1.-2.shop/web.api";
    assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
}

#[test]
fn counts_are_of_all_parts_and_of_all_applications() {
    let list = part(
        &some(),
        &Wish {
            filter: Filter::parse("state:failing,waiting").unwrap(),
            limit: 1,
            ..Wish::default()
        },
    );
    assert_eq!(names(&list), ["old-failure"]);
    let counted = |tally: Tally| [tally.total, tally.failing, tally.waiting, tally.drifted];
    assert_eq!(counted(list.matching), [3, 2, 1, 1]);
    assert_eq!(counted(list.all), [6, 2, 1, 1]);
}

#[test]
fn commits_and_reasons_that_lines_share_are_told_once() {
    let mut applications = some();
    applications.push(listed("again", Reason::Synced, 5, Some(30), None));
    let list = part(&applications, &wish("name"));
    assert_eq!(list.commits.len(), 5);
    let commit = |name: &str| {
        list.items
            .iter()
            .find(|item| item.name == name)
            .unwrap()
            .commit
    };
    assert_eq!(commit("again"), commit("well-2"));
    assert_eq!(
        list.commits[commit("again").unwrap() as usize].id,
        "0000000000"
    );
    assert!(list.reasons["Synced"].sentence.len() > 5);
    assert_eq!(list.reasons.len(), 5);
}
