//! What the history of a branch says of updates, with real commits of people.

use std::io::Write;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use syncline_core::image::hold::{self, Values};
use syncline_core::image::update::{History, HistoryEntry, Place, UpdateNote};
use syncline_core::names;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::trailers::{self, Trailer};
use syncline_source::{HistoryLimits, Mirror, NewCommit, Push};

use crate::fixture::{Fixture, new_commit};
use crate::server::Mode;

const FILE: &str = "apps/web.yaml";

fn place() -> Place {
    Place {
        file: FILE.to_owned(),
        document: 1,
        path: "image".to_owned(),
    }
}

fn policy() -> Name {
    Name::new("apps", "web")
}

fn value(_place: &Place, bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("image: web:"));
    line.map(str::to_owned)
}

fn limits() -> HistoryLimits {
    HistoryLimits {
        commits: 1000,
        oldest: Timestamp::UNIX_EPOCH,
    }
}

fn updating(old: &str, new: &str, id: &str) -> NewCommit {
    let note = UpdateNote {
        policy: policy(),
        place: place(),
        old: old.to_owned(),
        new: new.to_owned(),
    };
    let trailers = [Trailer::new(names::TRAILER_UPDATE, id), note.trailer()];
    let message = trailers::append(&format!("Update web to {new}"), &trailers);
    NewCommit {
        time: Timestamp::now(),
        ..new_commit(&message)
    }
}

/// An update of ours on the tip of the server's branch; the clone of the person follows.
fn update(fixture: &Fixture, mirror: &Mirror, old: &str, new: &str, id: &str) -> CommitId {
    let base = mirror.fetch(&fixture.access, "main").unwrap().commit;
    let edits = [(FILE.to_owned(), format!("image: web:{new}\n").into_bytes())];
    let commit = mirror
        .commit(&base, &edits, &updating(old, new, id))
        .unwrap();
    assert_eq!(
        mirror.push(&fixture.access, "main", &commit).unwrap(),
        Push::Accepted
    );
    fixture.git(&["fetch", "-q", "origin", "main"]);
    fixture.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    commit
}

fn holds(fixture: &Fixture, mirror: &Mirror) -> Vec<hold::Hold> {
    let tip = mirror.fetch(&fixture.access, "main").unwrap().commit;
    let entries = mirror.updates(&tip, None, &limits()).unwrap();
    let history = History {
        tip: tip.clone(),
        entries,
    };
    let bytes = mirror
        .snapshot(&tip)
        .unwrap()
        .read_file(FILE)
        .unwrap()
        .unwrap();
    let values = Values::from([(place(), value(&place(), &bytes).unwrap())]);
    let changes = |suspect: &hold::Suspect| {
        mirror.file_changes(&suspect.after, &suspect.until, &suspect.place.file)
    };
    hold::holds(&policy(), &values, &history, changes, &value).unwrap()
}

#[test]
fn a_revert_by_git_itself_is_a_hold_with_its_author() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    let ours = update(&fixture, &mirror, "1", "2", "01");
    assert_eq!(holds(&fixture, &mirror), []);
    fixture.git(&["revert", "--no-edit", ours.as_str()]);
    fixture.write("README.md", "more\n");
    fixture.commit_and_push("main");
    let held = holds(&fixture, &mirror);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].value, "2");
    let by = held[0].by.as_ref().unwrap();
    assert_eq!(by.subject, "Revert \"Update web to 2\"");
    assert!(!by.author.contains("syncline@"), "{}", by.author);
    // A mirror that was never there before reads the same.
    let other = Fixture {
        settings: syncline_source::Settings {
            dir: fixture.folder.path().join("other"),
            ..fixture.settings.clone()
        },
        ..fixture
    };
    assert_eq!(holds(&other, &other.mirror()), held);
}

#[test]
fn a_squash_and_a_merge_that_take_the_value_back_are_holds() {
    for squash in ["--squash", "--no-ff"] {
        let fixture = Fixture::new();
        let mirror = fixture.mirror();
        let ours = update(&fixture, &mirror, "1", "2", "01");
        fixture.git(&["checkout", "-q", "-b", "topic"]);
        fixture.write("apps/api.yaml", "image: api:1\n");
        fixture.git(&["add", "--all"]);
        fixture.git(&["commit", "-q", "-m", "Add api"]);
        fixture.git(&["revert", "--no-edit", ours.as_str()]);
        fixture.git(&["checkout", "-q", "-"]);
        fixture.git(&["merge", "-q", squash, "topic", "-m", "Add api (#7)"]);
        fixture.commit_and_push("main");
        let held = holds(&fixture, &mirror);
        assert_eq!(held.len(), 1, "{squash}");
        assert!(held[0].by.is_some(), "{squash}");
    }
}

#[test]
fn a_merge_that_keeps_its_own_side_of_a_conflict_is_a_hold() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    fixture.write(FILE, "image: web:1\nreplicas: 2\n");
    fixture.git(&["commit", "-q", "-a", "-m", "Scale web"]);
    fixture.git(&["checkout", "-q", "-"]);
    update(&fixture, &mirror, "1", "2", "01");
    fixture.git(&["merge", "-q", "-X", "theirs", "topic", "-m", "Merge topic"]);
    fixture.git(&["checkout", "-q", "topic", "--", FILE]);
    fixture.git(&["commit", "-q", "--amend", "--no-edit", "-a"]);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let held = holds(&fixture, &mirror);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].by.as_ref().unwrap().subject, "Merge topic");
}

#[test]
fn a_history_is_kept_up_to_date_with_what_is_new() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    let first = update(&fixture, &mirror, "1", "2", "01");
    let known = mirror.updates(&first, None, &limits()).unwrap();
    fixture.push_files(&[("README.md", "more\n")]);
    fixture.git(&[
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "Go\n\nSyncline-Release: apps/web 2",
    ]);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let last = update(&fixture, &mirror, "2", "3", "02");
    let newer = mirror.updates(&last, Some(&first), &limits()).unwrap();
    let ids = |entries: &[HistoryEntry]| {
        let ids = entries
            .iter()
            .map(|entry| entry.update().map(str::to_owned));
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&newer), [Some("02".to_owned()), None]);
    let kept = History {
        tip: first.clone(),
        entries: known,
    };
    let kept = kept.newer(last.clone(), newer, Timestamp::UNIX_EPOCH, 100);
    let anew = mirror.updates(&last, None, &limits()).unwrap();
    assert_eq!(kept.entries, anew);
    assert_eq!(
        ids(&anew),
        [Some("02".to_owned()), None, Some("01".to_owned())]
    );

    let few = HistoryLimits {
        commits: 1,
        ..limits()
    };
    assert_eq!(mirror.updates(&last, None, &few).unwrap().len(), 1);
    let young = HistoryLimits {
        oldest: Timestamp::MAX,
        ..limits()
    };
    assert_eq!(mirror.updates(&last, None, &young).unwrap(), []);
    // What is known no more, because the branch was rewritten, is as nothing.
    assert_eq!(
        mirror
            .updates(&first, Some(&last), &limits())
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn fault_f11_an_update_is_found_by_its_trailer_after_an_unclear_push() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let edits = [(FILE.to_owned(), b"image: web:2\n".to_vec())];
    let commit = mirror
        .commit(&base, &edits, &updating("1", "2", "01"))
        .unwrap();
    fixture.server.set(Mode::CutAfterPush);
    let push = mirror.push(&fixture.access, "main", &commit).unwrap();
    assert!(matches!(push, Push::Unclear { .. }), "{push:?}");
    fixture.server.set(Mode::Serve);
    fixture.git(&["fetch", "-q", "origin", "main"]);
    fixture.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    fixture.push_files(&[("theirs.yaml", "a: 1\n")]);
    let tip = mirror.fetch(&fixture.access, "main").unwrap().commit;
    let find = |value: &str, since: &CommitId| {
        let key = names::TRAILER_UPDATE;
        mirror.find_trailer(&tip, since, key, value).unwrap()
    };
    assert_eq!(find("01", &base), Some(commit.clone()));
    assert_eq!(find("0", &base), None, "a part of a value is not the value");
    assert_eq!(find("01", &commit), None, "it is not after itself");
}

#[test]
fn trailers_are_what_git_takes_for_trailers() {
    for message in [
        "Change\n\nA: 1\nB: 2\n",
        "Change\n\nA: 1\n\nB: 2\n",
        "A: 1\nB: 2\n",
        "Change\n\nwords: and\nmore words\n",
        "Change\n\nA: 1\nmore words\nSigned-off-by: Ann <ann@example.com>\n",
        "Change\n\na\nb\nc\nd\nSigned-off-by: Ann <ann@example.com>\n",
        "Change\n\nA: 1\n 2\n\t3\nB: 4\n",
        "Change\n\nA : 1\nB-c:2\n",
        "Change\n\nA: 1\n(cherry picked from commit 1234)\n",
        "Change\n\nhttps://example.com\n",
        "Change\n\n A: 1\nB: 2\n",
        "Change\n\nA: 1\n\n\n",
        "Change\n\n---\nA: 1\n",
        "Change\n\nwords\n---\n\nA: 1\n",
        "Change\n\nA: 1\n---\nB: 2\n",
        "Change\nA: 1\n\n",
        "\n\nA: 1\n",
        "Change\n\nA:\nB: 1\n",
        "Ch\u{e4}nge\n\n\u{c4}: 1\nB: 2\n",
    ] {
        let mut child = Command::new("git")
            .args(["interpret-trailers", "--parse", "--no-divider"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(message.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // Lines that Git keeps of a mixed paragraph without being trailers have no colon.
        let theirs: Vec<String> = said
            .lines()
            .filter(|line| line.contains(": ") || line.ends_with(':'))
            .map(|line| line.trim_end().to_owned())
            .collect();
        let ours: Vec<String> = trailers::parse(message)
            .iter()
            .map(|trailer| trailer.to_string().trim_end().to_owned())
            .collect();
        assert_eq!(ours, theirs, "{message:?}");
    }
}
