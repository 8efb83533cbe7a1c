//! Which commits a rollback of an application takes back, and whether one may be made by itself.
//!
//! A rollback puts the files that the application reads back to what they were before the newest
//! commit that changed any of them, or to what they were at a commit that is named. What came
//! before is read along the branch itself: of a merge, what it brought to the branch counts as one.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::outcome::Failure;
use crate::owner::public_hash;
use crate::read_set::ReadSet;
use crate::reason::Reason;
use crate::revision::{CommitId, CommitInfo};

/// How many characters of a reason are taken.
const MAX_REASON: usize = 512;

/// What a person asks for: the value of the annotation `syncline.dev/rollback`, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// What tells it from others.
    pub id: String,
    /// The commit to go back to: its first digits; the one before the last change where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why, for the message of the commit.
    pub reason: String,
    /// The hash of the plan that the person has seen. Without it a plan is made, and no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl Request {
    /// Reads and checks the value of the annotation.
    ///
    /// # Errors
    /// `InvalidSpec`, for what is not such a value.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |why: String| {
            Err(Failure {
                reason: Reason::InvalidSpec,
                detail: format!("annotation `syncline.dev/rollback`: {why}"),
            })
        };
        let request: Self = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) => {
                return refuse(format!(
                    "it is not what `syncline rollback` writes: {error}"
                ));
            }
        };
        let digits = |text: &str| {
            (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
        };
        if request.id.is_empty() || request.id.len() > 64 {
            return refuse("`id` has between 1 and 64 characters".to_owned());
        }
        if request.to.as_deref().is_some_and(|to| !digits(to)) {
            return refuse("`to` is a commit: seven hexadecimal digits or more".to_owned());
        }
        let reason = request.reason.trim();
        if reason.is_empty() || reason.chars().count() > MAX_REASON {
            return refuse(format!(
                "`reason` has between 1 and {MAX_REASON} characters"
            ));
        }
        Ok(request)
    }

    /// The name of this very step of it, under which its answer is kept.
    pub fn key(&self) -> String {
        match &self.plan {
            None => self.id.clone(),
            Some(plan) => format!("{}:{plan}", self.id),
        }
    }
}

/// One commit of the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What people read of it.
    pub commit: CommitInfo,
    /// The commit of the branch before it; `None` for the first one.
    pub parent: Option<CommitId>,
    /// The files that it changed on the branch.
    pub paths: Vec<String>,
    /// The commits that it says it takes back (trailer `Syncline-Reverts`).
    pub reverts: Vec<CommitId>,
}

impl Step {
    fn touches(&self, reads: &ReadSet) -> bool {
        reads.is_touched_by(&self.paths)
    }
}

/// What a rollback would take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The commit whose files come back.
    pub target: CommitId,
    /// The commits that are taken back, newest first. Never empty.
    pub commits: Vec<CommitInfo>,
}

impl Plan {
    /// The name of this plan: another one has another name.
    pub fn hash(&self) -> String {
        let commits = self.commits.iter().map(|commit| commit.id.as_str());
        let commits: Vec<&str> = commits.collect();
        public_hash(&json!([self.target.as_str(), commits]))
    }
}

/// What a person asks to have taken back. `history` is the branch, newest first, down to the commit
/// `to` where one is named (and without it).
///
/// # Errors
/// `NothingToRevert`.
pub fn asked(history: &[Step], reads: &ReadSet, to: Option<&CommitId>) -> Result<Plan, Failure> {
    let nothing = |detail: &str| Failure {
        reason: Reason::NothingToRevert,
        detail: detail.to_owned(),
    };
    let mut touching = history.iter().filter(|step| step.touches(reads));
    if let Some(to) = to {
        let commits: Vec<_> = touching.map(|step| step.commit.clone()).collect();
        return if commits.is_empty() {
            let none = format!("no commit since {} changes what it reads", to.short());
            Err(nothing(&none))
        } else {
            let target = to.clone();
            Ok(Plan { target, commits })
        };
    }
    let Some(newest) = touching.next() else {
        return Err(nothing("no recent commit changes what it reads"));
    };
    match &newest.parent {
        Some(parent) => Ok(Plan {
            target: parent.clone(),
            commits: vec![newest.commit.clone()],
        }),
        None => Err(nothing(
            "the commit that changed it last is the first of the branch",
        )),
    }
}

/// What is taken back by itself after a rollout failed. `history` is the branch, newest first, down
/// to the last good commit (and without it).
///
/// # Errors
/// `RollbackRefused`, with why a person has to look: the commit that failed is a revert itself, or
/// was taken back already, or a newer commit changes the application.
pub fn after_failure(
    history: &[Step],
    reads: &ReadSet,
    good: &CommitId,
    failed: &CommitId,
) -> Result<Plan, Failure> {
    let refuse = |detail: String| {
        Err(Failure {
            reason: Reason::RollbackRefused,
            detail,
        })
    };
    let Some(at) = history.iter().position(|step| step.commit.id == *failed) else {
        let (good, failed) = (good.short(), failed.short());
        return refuse(format!("the branch does not lead from {good} to {failed}"));
    };
    let (newer, since) = history.split_at(at);
    for step in newer {
        let by = step.commit.id.short();
        if step.reverts.contains(failed) {
            return refuse(format!("{} is reverted already, by {by}", failed.short()));
        }
        if step.touches(reads) {
            return refuse(format!("the newer commit {by} changes the application"));
        }
    }
    let commits: Vec<&Step> = since.iter().filter(|step| step.touches(reads)).collect();
    if let Some(revert) = commits.iter().find(|step| !step.reverts.is_empty()) {
        let by = revert.commit.id.short();
        return refuse(format!(
            "{by} is a revert itself; a person has to say what shall run"
        ));
    }
    if commits.is_empty() {
        let good = good.short();
        return refuse(format!("no commit since {good} changes what it reads"));
    }
    Ok(Plan {
        target: good.clone(),
        commits: commits
            .into_iter()
            .map(|step| step.commit.clone())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn id(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).unwrap()
    }

    fn step(digit: char, parent: char, path: &str, reverts: &[char]) -> Step {
        Step {
            commit: CommitInfo {
                id: id(digit),
                subject: format!("Commit {digit}"),
                author: "Robin".to_owned(),
                time: Timestamp::UNIX_EPOCH,
            },
            parent: Some(id(parent)),
            paths: vec![path.to_owned()],
            reverts: reverts.iter().copied().map(id).collect(),
        }
    }

    fn web() -> ReadSet {
        let mut reads = ReadSet::default();
        reads.add_tree("apps/web");
        reads
    }

    fn ids(plan: &Plan) -> Vec<&CommitId> {
        plan.commits.iter().map(|commit| &commit.id).collect()
    }

    #[test]
    fn without_a_commit_the_newest_change_of_the_application_is_taken_back() {
        let history = [
            step('5', '4', "apps/api/a.yaml", &[]),
            step('4', '3', "apps/web/a.yaml", &[]),
            step('3', '2', "apps/web/b.yaml", &[]),
        ];
        let plan = asked(&history, &web(), None).unwrap();
        assert_eq!(plan.target, id('3'));
        assert_eq!(ids(&plan), [&id('4')]);
    }

    #[test]
    fn back_to_a_commit_takes_back_all_that_changed_the_application_since() {
        let history = [
            step('5', '4', "apps/web/a.yaml", &[]),
            step('4', '3', "apps/api/a.yaml", &[]),
            step('3', '2', "apps/web/b.yaml", &[]),
        ];
        let plan = asked(&history, &web(), Some(&id('2'))).unwrap();
        assert_eq!(plan.target, id('2'));
        assert_eq!(ids(&plan), [&id('5'), &id('3')]);
        let other = asked(&history[..2], &web(), Some(&id('3'))).unwrap();
        assert_ne!(plan.hash(), other.hash());
        let none = asked(&history[1..2], &web(), Some(&id('3'))).unwrap_err();
        assert_eq!(none.reason, Reason::NothingToRevert);
    }

    #[test]
    fn a_failure_takes_back_what_came_since_the_last_good_commit() {
        let history = [
            step('5', '4', "apps/api/a.yaml", &[]),
            step('4', '3', "apps/web/a.yaml", &[]),
            step('3', '2', "apps/web/b.yaml", &[]),
        ];
        let plan = after_failure(&history, &web(), &id('2'), &id('4')).unwrap();
        assert_eq!(plan.target, id('2'));
        assert_eq!(ids(&plan), [&id('4'), &id('3')]);
    }

    #[test]
    fn a_failure_is_taken_back_once_and_a_revert_never() {
        let failed = step('4', '3', "apps/web/a.yaml", &[]);
        let fix = step('5', '4', "apps/web/a.yaml", &[]);
        let revert = step('5', '4', "README.md", &['4']);
        for (history, at, why) in [
            (
                vec![fix, failed.clone()],
                '4',
                "the newer commit 5555555 changes",
            ),
            (
                vec![revert, failed.clone()],
                '4',
                "reverted already, by 5555555",
            ),
            (
                vec![step('5', '4', "apps/web/a.yaml", &['4']), failed.clone()],
                '5',
                "5555555 is a revert itself",
            ),
            (vec![failed], '9', "does not lead from 3333333 to 9999999"),
        ] {
            let refused = after_failure(&history, &web(), &id('3'), &id(at)).unwrap_err();
            assert_eq!(refused.reason, Reason::RollbackRefused);
            assert!(refused.detail.contains(why), "{}", refused.detail);
        }
    }

    #[test]
    fn a_request_is_what_the_command_writes_and_nothing_else() {
        let request = Request {
            id: "01J".to_owned(),
            to: Some("4c1d9ab".to_owned()),
            reason: "it is slow".to_owned(),
            plan: None,
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(Request::parse(&text).unwrap(), request);
        assert_eq!(request.key(), "01J");
        for wrong in [
            "yes",
            r#"{"id": "1", "reason": " "}"#,
            r#"{"id": "", "reason": "x"}"#,
            r#"{"id": "1", "reason": "x", "to": "main"}"#,
            r#"{"id": "1", "reason": "x", "force": true}"#,
        ] {
            let refused = Request::parse(wrong).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidSpec, "{wrong}");
        }
    }
}
