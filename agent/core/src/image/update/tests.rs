//! What commits say of updates, read and written.

use proptest::prelude::*;

use super::*;

fn note() -> UpdateNote {
    UpdateNote {
        policy: Name::new("apps", "web"),
        place: Place {
            file: "apps/web.yaml".into(),
            document: 1,
            path: "spec.containers[0].image".into(),
        },
        old: "1.0.0".into(),
        new: "1.1.0".into(),
    }
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).unwrap()
}

fn read(message: &str) -> Option<HistoryEntry> {
    HistoryEntry::read(
        commit('a'),
        "Ann <ann@example.com>".into(),
        Timestamp::UNIX_EPOCH,
        message,
    )
}

#[test]
fn a_note_reads_well_and_is_read_again() {
    let trailer = note().trailer();
    assert_eq!(
        trailer.to_string(),
        "Syncline-Image: apps/web apps/web.yaml:spec.containers[0].image 1.0.0 1.1.0"
    );
    assert_eq!(UpdateNote::parse(&trailer.value), Some(note()));
    let odd = UpdateNote {
        place: Place {
            file: "my apps/a:b#1%.yaml".into(),
            document: 2,
            path: "image list.web: x".into(),
        },
        old: format!("1.0@sha256:{}", "a".repeat(64)),
        ..note()
    };
    let trailer = odd.trailer();
    assert!(
        trailer
            .value
            .contains("my%20apps/a%3Ab%231%25.yaml#2:image%20list.web:%20x"),
        "{trailer}"
    );
    assert_eq!(UpdateNote::parse(&trailer.value), Some(odd));
}

#[test]
fn what_is_no_note_is_left_out() {
    for text in [
        "",
        "apps/web",
        "web apps/web.yaml:image 1 2",
        "apps/web apps/web.yaml 1 2",
        "apps/web apps/web.yaml:image 1",
        "apps/web apps/web.yaml:image 1 2 3",
        "apps/web apps/web.yaml#0:image 1 2",
        "apps/web apps/%zz.yaml:image 1 2",
        "apps/web apps/%e.yaml:image 1 %",
        "apps/web/x apps/web.yaml:image 1 2",
    ] {
        assert_eq!(UpdateNote::parse(text), None, "{text}");
    }
}

#[test]
fn a_commit_says_what_it_is() {
    assert_eq!(read("Change\n\nSyncline and more\n"), None);
    assert_eq!(read("Syncline-Update: x\n"), None, "a title is no trailer");
    let update = read(&format!(
        "Update web\n\nwords\n\nSyncline-Update: 01\n{}\nSyncline-Image: nonsense\n",
        note().trailer()
    ))
    .unwrap();
    assert!(update.is_update());
    assert_eq!(update.subject, "Update web");
    assert_eq!(update.update(), Some("01"));
    assert_eq!(update.notes, [note()]);

    let (b, c) = (commit('b'), commit('c'));
    let revert = read(&format!(
        "Revert\n\nSyncline-Update: 02\nSyncline-Reverts: {b}\nSyncline-Reverts: {c}\n\
         Syncline-Reason: it broke\n{}\n",
        note().trailer()
    ))
    .unwrap();
    assert!(!revert.is_update());
    assert_eq!(revert.update(), Some("02"));
    assert_eq!(revert.reverts().collect::<Vec<_>>(), [b, c]);
    assert_eq!(revert.reason(), Some("it broke"));
    assert_eq!(revert.notes, []);

    let release = read("Let it go\n\nSyncline-Release: apps/web 1.1.0\nSyncline-Release: x\n");
    assert_eq!(
        release.unwrap().releases().collect::<Vec<_>>(),
        [(Name::new("apps", "web"), "1.1.0".to_owned())]
    );
}

#[test]
fn a_newer_history_keeps_what_is_not_too_old() {
    let at = |digit: char, second: i64| HistoryEntry {
        commit: commit(digit),
        time: Timestamp::from_second(second).unwrap(),
        ..read("x\n\nSyncline-Update: 1\n").unwrap()
    };
    let history = History {
        tip: commit('2'),
        entries: vec![at('2', 200), at('1', 100)],
    };
    let second = |second| Timestamp::from_second(second).unwrap();
    let newer = history
        .clone()
        .newer(commit('3'), vec![at('3', 300)], second(150), 10);
    assert_eq!(newer.tip, commit('3'));
    assert_eq!(newer.entries, [at('3', 300), at('2', 200)]);
    let fewer = history.newer(commit('3'), vec![at('3', 300)], second(0), 1);
    assert_eq!(fewer.entries, [at('3', 300)]);
    assert!(fewer.entry(&commit('3')).is_some());
    assert!(fewer.entry(&commit('2')).is_none());
}

proptest! {
    #[test]
    fn any_place_and_any_values_are_read_again(
        file in "[^/\\x00]{1,12}",
        document in 1_usize..4,
        path in "\\PC{0,16}",
        old in "\\PC{1,12}",
        new in "[ -~]{1,12}",
    ) {
        let note = UpdateNote {
            policy: Name::new("a", "b"),
            place: Place { file, document, path },
            old,
            new,
        };
        let trailer = note.trailer();
        prop_assert_eq!(UpdateNote::parse(&trailer.value), Some(note));
    }

    #[test]
    fn any_value_is_read_without_failing(value in any::<String>()) {
        let _ = UpdateNote::parse(&value);
    }
}
