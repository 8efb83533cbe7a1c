//! What a person may ask for now, and why not what may not: a button is shut with this sentence.

use crate::outcome::Failure;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// A sync now.
    Sync,
    /// A look at the repository, or at the registry, now.
    Refresh,
    /// A plan that waits.
    Approve,
    /// The end of what runs.
    Abort,
    /// A revert in Git.
    Rollback,
    /// No sync.
    Suspend,
    /// Syncs again.
    Resume,
    /// One commit or one tag.
    Pin,
    /// The newest again.
    Unpin,
    /// A tag that is not chosen.
    Skip,
    /// A held tag that may be chosen again.
    Release,
    /// Nothing at all, of everything.
    Freeze,
    /// Everything again.
    Unfreeze,
}

impl Verb {
    /// The word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Refresh => "refresh",
            Self::Approve => "approve",
            Self::Abort => "abort",
            Self::Rollback => "rollback",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Skip => "skip",
            Self::Release => "release",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
        }
    }
}

/// Whether something may be asked for now; the sentence (without a full stop) says why not.
pub type Allowed = (Verb, Result<(), String>);

/// What is known of an Application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationFacts {
    /// It is being deleted.
    pub deleting: bool,
    /// What is wrong with its spec.
    pub invalid: Option<Failure>,
    /// Why the agent stands still.
    pub frozen: Option<Failure>,
    /// Why it is suspended, while that holds.
    pub suspended: Option<Failure>,
    /// Its spec has a suspension, whether or not it has ended.
    pub has_suspension: bool,
    /// Its spec has a pin, whether or not it has ended.
    pub has_pin: bool,
    /// A sync runs, or a rollout is on its way.
    pub is_busy: bool,
    /// Somebody stopped it already.
    pub is_stopped: bool,
    /// A plan waits for a person.
    pub plan_waits: bool,
    /// Why its Repository cannot be looked at.
    pub unreadable: Option<String>,
    /// Why no commit can be made in its Repository.
    pub unwritable: Option<String>,
    /// A commit was applied once.
    pub was_applied: bool,
}

/// What is known of an ImagePolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// What is wrong with its spec.
    pub invalid: Option<Failure>,
    /// Tags are held.
    pub has_holds: bool,
    /// A tag is pinned.
    pub has_pin: bool,
}

fn unless(refused: bool, why: &str) -> Result<(), String> {
    if refused { Err(why.to_owned()) } else { Ok(()) }
}

fn without(failure: Option<&Failure>) -> Result<(), String> {
    failure.map_or(Ok(()), |failure| Err(told(failure)))
}

/// A failure as a sentence without a full stop.
fn told(failure: &Failure) -> String {
    let sentence = failure.reason.row().sentence;
    match failure.detail.as_str() {
        "" => sentence.to_owned(),
        detail => format!("{sentence} ({detail})"),
    }
}

/// What may be asked of an Application, in the order of the buttons.
pub fn of_application(facts: &ApplicationFacts) -> Vec<Allowed> {
    let there = || unless(facts.deleting, "it is being deleted");
    let valid = || without(facts.invalid.as_ref());
    let moves = || without(facts.frozen.as_ref());
    let readable = || facts.unreadable.clone().map_or(Ok(()), Err);
    let writable = || facts.unwritable.clone().map_or(Ok(()), Err);
    let sync = there()
        .and_then(|()| valid())
        .and_then(|()| moves())
        .and_then(|()| without(facts.suspended.as_ref()));
    let approve = there().and_then(|()| unless(!facts.plan_waits, "no plan waits for approval"));
    let busy = unless(!facts.is_busy, "no sync runs and no rollout is on its way");
    let abort = there()
        .and_then(|()| unless(facts.is_stopped, "it is stopped already"))
        .and(busy);
    let rollback = there()
        .and_then(|()| valid())
        .and_then(|()| moves())
        .and_then(|()| writable())
        .and_then(|()| {
            unless(
                !facts.was_applied,
                "nothing was applied yet, so there is nothing to go back to",
            )
        });
    vec![
        (Verb::Sync, sync),
        (Verb::Refresh, readable()),
        (Verb::Approve, approve),
        (Verb::Abort, abort),
        (Verb::Rollback, rollback),
        (Verb::Suspend, there()),
        (
            Verb::Resume,
            unless(!facts.has_suspension, "it is not suspended"),
        ),
        (Verb::Pin, there()),
        (Verb::Unpin, unless(!facts.has_pin, "it is not pinned")),
    ]
}

/// What may be asked of an ImagePolicy, in the order of the buttons.
pub fn of_image(facts: &ImageFacts) -> Vec<Allowed> {
    let valid = || without(facts.invalid.as_ref());
    vec![
        (Verb::Refresh, valid()),
        (Verb::Skip, valid()),
        (Verb::Release, unless(!facts.has_holds, "no tag is held")),
        (Verb::Pin, valid()),
        (Verb::Unpin, unless(!facts.has_pin, "no tag is pinned")),
    ]
}

/// What may be asked of the agent itself.
pub fn of_agent(frozen: bool) -> Vec<Allowed> {
    vec![
        (Verb::Freeze, Ok(())),
        (Verb::Unfreeze, unless(!frozen, "the agent is not frozen")),
    ]
}
