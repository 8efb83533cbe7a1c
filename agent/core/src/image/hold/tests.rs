//! Branches on which we, people and other agents write one after the other.

use proptest::prelude::*;

use super::*;
use crate::names;
use crate::trailers::{self, Trailer};

const HUMAN: &str = "Ann <ann@example.com>";
const AGENT: &str = "Syncline <syncline@example.com>";

pub(crate) fn policy() -> Name {
    Name::new("apps", "web")
}

fn place() -> Place {
    Place {
        file: "apps/web.yaml".into(),
        document: 1,
        path: "image".into(),
    }
}

/// The value of our place in a file of one line.
fn read(_place: &Place, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("image: web:"))
        .map(str::to_owned)
}

struct Made {
    entry: Option<HistoryEntry>,
    change: FileChange,
}

/// A branch with one file, of which every commit is known.
pub(crate) struct Branch {
    policy: Name,
    value: Option<String>,
    made: Vec<Made>,
}

impl Branch {
    pub(crate) fn new() -> Self {
        let mut branch = Self {
            policy: policy(),
            value: None,
            made: Vec::new(),
        };
        branch.human("1.0");
        branch
    }

    /// Updates that follow are of another policy.
    pub(crate) fn as_policy(&mut self, name: &str) -> &mut Self {
        self.policy = Name::new("apps", name);
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + 60 * self.made.len() as i64).unwrap()
    }

    fn commit(&mut self, author: &str, message: &str, value: Option<&str>) -> CommitId {
        let commit = CommitId::parse(&format!("{:040x}", self.made.len() + 1)).unwrap();
        let file = |value: &Option<String>| {
            let value = value.as_ref()?;
            Some(format!("# a file\nimage: web:{value}\n").into_bytes())
        };
        let before = file(&self.value);
        self.value = value.map(str::to_owned);
        let after = file(&self.value);
        let time = self.now();
        let entry = HistoryEntry::read(commit.clone(), author.to_owned(), time, message);
        self.made.push(Made {
            change: FileChange {
                commit: commit.clone(),
                author: author.to_owned(),
                time,
                subject: message.lines().next().unwrap_or_default().to_owned(),
                entry: entry.clone(),
                before,
                after,
            },
            entry,
        });
        commit
    }

    pub(crate) fn update(&mut self, new: &str) -> CommitId {
        let note = UpdateNote {
            policy: self.policy.clone(),
            place: place(),
            old: self.value.clone().unwrap_or_default(),
            new: new.to_owned(),
        };
        let id = format!("{:026}", self.made.len());
        let trailers = [Trailer::new(names::TRAILER_UPDATE, id), note.trailer()];
        let message = trailers::append(&format!("Update web to {new}"), &trailers);
        self.commit(AGENT, &message, Some(new))
    }

    fn human(&mut self, value: &str) -> CommitId {
        self.commit(HUMAN, &format!("Set web to {value}"), Some(value))
    }

    fn unrelated(&mut self) -> CommitId {
        let value = self.value.clone();
        self.commit(HUMAN, "Change something else", value.as_deref())
    }

    pub(crate) fn rollback(&mut self, value: &str, reason: &str) -> CommitId {
        let reverted = self.made.last().unwrap().change.commit.to_string();
        let trailers = [
            Trailer::new(names::TRAILER_UPDATE, "R"),
            Trailer::new(names::TRAILER_REVERTS, reverted),
            Trailer::new(names::TRAILER_REASON, reason),
        ];
        let message = trailers::append("Revert \"Update web\"", &trailers);
        self.commit(AGENT, &message, Some(value))
    }

    fn release(&mut self, tag: &str) -> CommitId {
        let value = self.value.clone();
        let message = format!("Let go\n\nSyncline-Release: apps/web {tag}");
        self.commit(HUMAN, &message, value.as_deref())
    }

    pub(crate) fn history(&self) -> History {
        History {
            tip: self.made.last().unwrap().change.commit.clone(),
            entries: self
                .made
                .iter()
                .rev()
                .filter_map(|m| m.entry.clone())
                .collect(),
        }
    }

    fn values(&self) -> Values {
        self.value.iter().map(|v| (place(), v.clone())).collect()
    }

    /// What `Mirror::file_changes` answers.
    fn changes(&self, suspect: &Suspect) -> Vec<FileChange> {
        let at = |commit: &CommitId| {
            let found = self.made.iter().position(|m| &m.change.commit == commit);
            found.unwrap() + 1
        };
        let (after, until) = (at(&suspect.after), at(&suspect.until));
        let range = self.made.get(after..until).unwrap_or_default();
        let changed = range.iter().filter(|m| m.change.before != m.change.after);
        changed.rev().map(|m| m.change.clone()).collect()
    }

    fn holds(&self) -> Vec<Hold> {
        let changes = |suspect: &Suspect| Ok::<_, std::convert::Infallible>(self.changes(suspect));
        let mut holds = super::holds(&policy(), &self.values(), &self.history(), changes, &read)
            .unwrap_or_else(|never| match never {});
        holds.reverse();
        holds
    }

    fn held(&self) -> Vec<String> {
        self.holds().into_iter().map(|hold| hold.value).collect()
    }

    fn alternates(&self) -> bool {
        alternation(&self.values(), &self.history(), None).is_some()
    }
}

#[test]
fn an_update_that_stands_is_not_held() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.unrelated();
    branch.update("1.2");
    assert_eq!(branch.held(), Vec::<String>::new());
}

#[test]
fn a_persons_revert_holds_the_tag_and_says_who_and_when() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.unrelated();
    let revert = branch.commit(HUMAN, "Revert \"Update web to 1.1\"", Some("1.0"));
    let since = branch.made.last().unwrap().change.time;
    branch.unrelated();
    let holds = branch.holds();
    let [hold] = &holds[..] else {
        panic!("{holds:?}")
    };
    assert_eq!((hold.value.as_str(), hold.since), ("1.1", since));
    let by = hold.by.as_ref().unwrap();
    assert_eq!((by.author.as_str(), &by.commit), (HUMAN, &revert));
    assert!(hold.holds("1.1") && hold.holds("1.1@sha256:ab") && !hold.holds("1.2"));
    assert_eq!(
        hold.to_string(),
        format!(
            "`1.1` was taken back in `apps/web.yaml` by {HUMAN} in commit {} \
             (`Revert \"Update web to 1.1\"`)",
            revert.short()
        )
    );
}

#[test]
fn a_hold_counts_only_while_the_policy_lets_its_version_through() {
    use crate::image::policy::{Order, Pattern, Policy};

    let mut branch = Branch::new();
    branch.update("1.1.0");
    branch.human("1.0.0");
    let counts = |policy: &Policy| counting(branch.holds(), policy).len() == 1;
    let range = |text: &str| Policy::parse(text).unwrap();
    assert!(counts(&range("^1")));
    assert!(!counts(&range("~1.0")));
    let mut excluding = range("^1");
    excluding.filter.exclude = vec![Pattern::parse("^1\\.1\\.").unwrap()];
    assert!(!counts(&excluding));
    let mut flavour = range("^1");
    flavour.filter.suffix = Some("-alpine".into());
    assert!(!counts(&flavour));
    // What shows in the image alone is not asked.
    assert!(counts(&Policy::of(Order::Newest)));
    let named = |tag: &str| Policy::of(Order::DigestOf(crate::image::Tag::parse(tag).unwrap()));
    assert!(counts(&named("1.1.0")) && !counts(&named("stable")));
    // A digest without a tag is of no filter's business.
    let mut digest = branch.holds();
    digest[0].value = format!("@sha256:{}", "a".repeat(64));
    assert_eq!(counting(digest, &range("~1.0")).len(), 1);
}

#[test]
fn a_hold_is_read_from_git_alone_so_it_survives_a_reinstall() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    // Whoever reads the same history for the first time comes to the same holds.
    let (first, history) = (branch.holds(), branch.history());
    let messages = history.entries.iter().map(|entry| {
        let mut text = entry.subject.clone();
        text = trailers::append(&text, &entry.trailers);
        let notes: Vec<Trailer> = entry.notes.iter().map(UpdateNote::trailer).collect();
        text = trailers::append(&text, &notes);
        HistoryEntry::read(
            entry.commit.clone(),
            entry.author.clone(),
            entry.time,
            &text,
        )
        .unwrap()
    });
    let again = History {
        tip: history.tip.clone(),
        entries: messages.collect(),
    };
    assert_eq!(again, history);
    assert_eq!(first.len(), 1);
}

#[test]
fn a_newer_tag_goes_on_and_the_rejected_one_stays_held() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    branch.update("1.2");
    assert_eq!(branch.held(), ["1.1"]);
    branch.human("1.0");
    assert_eq!(branch.held(), ["1.1", "1.2"]);
}

#[test]
fn a_release_in_a_commit_lets_a_tag_go_until_it_is_taken_back_again() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    branch.release("1.2");
    assert_eq!(branch.held(), ["1.1"], "the release of another tag");
    branch.release("1.1");
    assert_eq!(branch.held(), Vec::<String>::new());
    branch.unrelated();
    branch.update("1.1");
    assert_eq!(branch.held(), Vec::<String>::new());
    branch.human("1.0");
    assert_eq!(branch.held(), ["1.1"]);
}

#[test]
fn a_release_before_the_revert_lets_nothing_go() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.release("1.1");
    branch.human("1.0");
    assert_eq!(branch.held(), ["1.1"]);
}

#[test]
fn the_annotation_lets_the_tags_go_that_it_names() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    branch.update("1.2");
    branch.human("1.0");
    let left = |annotation| {
        let left = unreleased(branch.holds(), annotation);
        left.into_iter().map(|hold| hold.value).collect::<Vec<_>>()
    };
    assert_eq!(left(None), ["1.1", "1.2"]);
    assert_eq!(left(Some("")), ["1.1", "1.2"]);
    assert_eq!(left(Some("1.2")), ["1.1"]);
    assert_eq!(left(Some(" 1.1, 1.2@sha256:ab ,")), Vec::<String>::new());
}

#[test]
fn a_squashed_merge_that_takes_the_value_back_holds_it() {
    let mut branch = Branch::new();
    let update = branch.update("1.1");
    // Squashed messages carry along what stood in the commits, also trailers.
    let entry = branch.made.last().unwrap().entry.clone().unwrap();
    let mut all = entry.trailers.clone();
    all.extend(entry.notes.iter().map(UpdateNote::trailer));
    let message = trailers::append("Add an ingress (#12)", &all);
    branch.commit(HUMAN, &message, Some("1.0"));
    assert_ne!(branch.history().tip, update);
    let holds = branch.holds();
    assert_eq!(branch.held(), ["1.1"]);
    assert_eq!(
        holds[0].by.as_ref().unwrap().subject,
        "Add an ingress (#12)"
    );
}

#[test]
fn a_rollback_of_ours_holds_the_tag_with_its_reason() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.rollback("1.0", "errors in production");
    let holds = branch.holds();
    assert_eq!(holds.len(), 1);
    assert!(
        holds[0].to_string().ends_with(": errors in production"),
        "{}",
        holds[0]
    );
}

#[test]
fn a_value_that_a_person_set_again_is_not_held() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    branch.human("1.1");
    assert_eq!(branch.held(), Vec::<String>::new());
    branch.update("1.2");
    assert_eq!(branch.held(), Vec::<String>::new());
}

#[test]
fn a_place_that_is_gone_holds_nothing() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.commit(HUMAN, "Remove web", None);
    assert_eq!(branch.held(), Vec::<String>::new());
}

#[test]
fn a_tag_whose_revert_cannot_be_named_is_held_all_the_same() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.human("1.0");
    let suspects = suspects(&policy(), &branch.values(), &branch.history());
    let hold = judge(&suspects[0], &[], &read).unwrap();
    assert_eq!(hold.by, None);
    assert_eq!(hold.to_string(), "`1.1` was taken back in `apps/web.yaml`");
}

#[test]
fn digests_count_where_both_sides_name_one() {
    for (a, b, equal) in [
        ("1.0", "1.0", true),
        ("1.0", "1.0@sha256:a", true),
        ("1.0@sha256:a", "1.0@sha256:a", true),
        ("1.0@sha256:a", "1.0@sha256:b", false),
        ("1.0", "1.1", false),
        ("@sha256:a", "1.0@sha256:a", true),
        ("@sha256:a", "1.0", false),
        ("@sha256:a", "@sha256:b", false),
        ("1.0@sha256:a", "1.1@sha256:a", false),
    ] {
        assert_eq!(is_same(a, b), equal, "{a} {b}");
        assert_eq!(is_same(b, a), equal, "{b} {a}");
    }
    let mut branch = Branch::new();
    branch.update("main@sha256:a");
    branch.update("main@sha256:b");
    branch.human("main@sha256:a");
    let holds = branch.holds();
    assert_eq!(holds.len(), 1);
    assert!(holds[0].holds("main@sha256:b") && !holds[0].holds("main@sha256:c"));
}

#[test]
fn inv_i19_two_writers_with_opposite_policies_stop_after_three_updates() {
    let mut branch = Branch::new();
    branch.update("1.1");
    branch.as_policy("other").update("1.0");
    assert!(!branch.alternates());
    branch.as_policy("web").update("1.1");
    let found = alternation(&branch.values(), &branch.history(), None).unwrap();
    assert_eq!(found.policies, [Name::new("apps", "other"), policy()]);
    assert_eq!((found.value.as_str(), found.other.as_str()), ("1.1", "1.0"));
    assert_eq!(found.failure().reason, Reason::WritersDisagree);
    // No update is held by it: each of them stood until the other writer came.
    assert_eq!(branch.held(), Vec::<String>::new());
    assert_eq!(
        alternation(&branch.values(), &branch.history(), Some("1.0")),
        None
    );
    branch.unrelated();
    assert!(branch.alternates());
    branch.release("1.1");
    assert!(!branch.alternates());
}

#[test]
fn an_alternation_ends_when_a_person_decides() {
    let mut branch = Branch::new();
    for value in ["1.1", "1.0", "1.1"] {
        branch.update(value);
    }
    assert!(branch.alternates());
    branch.human("1.0");
    assert!(!branch.alternates());
    assert_eq!(branch.held(), ["1.1"]);
}

#[test]
fn updates_that_go_on_are_no_alternation() {
    let mut branch = Branch::new();
    for value in ["1.1", "1.2", "1.1", "1.3", "1.4", "1.5"] {
        branch.update(value);
    }
    assert!(!branch.alternates());
}

proptest! {
    /// Whatever people do to the value, what they took back last is held, and what stands is not.
    #[test]
    fn the_last_word_of_a_person_is_respected(words in prop::collection::vec((0..3_u8, 0..4_u8), 1..20)) {
        let mut branch = Branch::new();
        let mut rejected: Option<String> = None;
        for (who, number) in words {
            let value = format!("2.{number}");
            let current = branch.value.clone().unwrap();
            match who {
                0 if current != value => {
                    branch.update(&value);
                    rejected = None;
                }
                1 => {
                    let ours = branch.made.iter().rev().find_map(|m| m.entry.as_ref()?.notes.first().cloned());
                    branch.human(&value);
                    rejected = ours.map(|note| note.new).filter(|new| new != &value);
                }
                _ => {
                    branch.unrelated();
                }
            }
            let held = branch.held();
            if let Some(rejected) = &rejected {
                prop_assert!(held.contains(rejected), "{:?} of {:?}", rejected, held);
            }
            for suspect in suspects(&policy(), &branch.values(), &branch.history()) {
                prop_assert!(!suspect.released);
            }
        }
    }
}
