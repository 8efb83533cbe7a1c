//! Applications whose syncs are not automatic: the plan of a newer commit is shown and waits until a
//! person approves it, or asks for a sync.
//!
//! ```text
//! newer commit -> plan, nothing written -> hash in the status -> approved? -> sync of that commit
//! ```
//!
//! The plan is made once and made anew only where what it was made of has changed. A sync that was
//! approved compares its own plan with the approved one, and writes nothing that nobody has seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use syncline_core::digest::Digest;
use syncline_core::gate::Approval;
use syncline_core::hooks::{self, Hook};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::plan::{Consent, Plan};
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollout::{self, Ledger, Past, Phase};
use syncline_core::trailers::parse;
use syncline_core::trigger::Cause;
use syncline_source::Mirror;

use crate::agent::{Agent, blocking};
use crate::preview::{Detail, Preview, counted};
use crate::state::{ApplicationState, Head};
use crate::sync::{Dry, Start};

/// How many commits are looked through for an approval in Git.
const APPROVAL_COMMITS: usize = 200;

/// The plan of a commit that waits for a person.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The commit.
    pub(crate) commit: CommitId,
    /// What the plan was made of.
    basis: String,
    /// The plan, or why there is none.
    pub(crate) made: Result<Preview, Failure>,
}

/// A commit that a person lets an application go to.
#[derive(Debug)]
pub(crate) struct Granted {
    commit: CommitId,
    /// What may be written; `None` for whatever it takes.
    writes: Option<Consent>,
}

impl ApplicationState {
    /// The hash that an approval would name now.
    pub(crate) fn waiting_hash(&self) -> Option<String> {
        let proposed = self.proposal.as_ref().and_then(|p| p.made.as_ref().ok());
        let proposed = proposed.filter(|preview| !preview.consent.is_empty());
        let hash = proposed.map(|preview| preview.plan.hash.clone());
        hash.or_else(|| self.plan_hash.clone())
    }

    fn is_granted(&self, head: &Head) -> bool {
        let commit = &head.info.id;
        let granted = self.granted.as_ref();
        // A rollout that began is let to its end, also by an agent that was started anew.
        let rollout = self.rollout.as_ref();
        granted.is_some_and(|granted| granted.commit == *commit)
            || rollout.is_some_and(|ledger| {
                ledger.commit == *commit && !matches!(ledger.phase, Phase::Done | Phase::Failed)
            })
    }

    fn applied_commit(&self) -> Option<&CommitId> {
        let applied = self.applied.as_ref().map(|applied| &applied.info.id);
        applied.or(self.recorded.as_ref())
    }

    /// What is known from before a sync for a commit; `ours` is how many live objects are its own.
    pub(crate) fn past(&self, commit: &CommitId, ours: usize) -> Past {
        past(self.applied_commit(), commit, ours)
    }

    fn is_applied(&self, head: &Head) -> bool {
        self.applied_commit() == Some(&head.info.id)
    }

    /// Whether an approval is that of the plan which was carried out.
    fn has_spent(&self, approved: &str) -> bool {
        let granted = self.granted.as_ref();
        let granted = granted.filter(|granted| self.applied_commit() == Some(&granted.commit));
        let writes = granted.and_then(|granted| granted.writes.as_ref());
        writes.is_some_and(|writes| writes.hash() == approved)
    }
}

/// What is known from before a sync for a commit, where `applied` was applied last.
pub(crate) fn past(applied: Option<&CommitId>, commit: &CommitId, ours: usize) -> Past {
    match applied {
        Some(applied) if applied == commit => Past::Same,
        Some(_) => Past::Other,
        None if ours > 0 => Past::Unknown,
        None => Past::Nothing,
    }
}

/// Makes sure that the plan of a newer commit is known, where it waits for a person.
pub(crate) async fn look(agent: &Arc<Agent>, name: &Name, cause: Cause) {
    if cause == Cause::User {
        // The gate hears whether it goes past the plan; where it does not, the plan waits on.
        return;
    }
    let Some(question) = question(agent, name) else {
        if let Some(entry) = agent.state.lock().applications.get_mut(name) {
            entry.proposal = None;
        }
        return;
    };
    let head = question.head;
    if let (Some(mirror), Some(since)) = (&question.mirror, &question.applied) {
        let trailers = [names::TRAILER_APPROVE];
        if in_git(mirror, name, since, &head.info.id, &trailers).await {
            grant(agent, name, &head, None);
            return;
        }
    }
    let commit = head.info.id.clone();
    let limit = agent.settings.preview_timeout;
    let made = tokio::time::timeout(limit, propose(agent, name, head, question.known)).await;
    let proposal = match made {
        Ok(Some(proposal)) => proposal,
        Ok(None) => return,
        Err(_) => Proposal {
            commit,
            basis: String::new(),
            made: Err(Failure {
                reason: Reason::ApiUnavailable,
                detail: format!("the plan was not made within `preview_timeout` ({limit:?})"),
            }),
        },
    };
    if let Some(entry) = agent.state.lock().applications.get_mut(name) {
        entry.proposal = Some(Arc::new(proposal));
    }
}

/// What is asked: may the application go to this commit?
struct Question {
    head: Head,
    mirror: Option<Mirror>,
    applied: Option<CommitId>,
    known: Option<Arc<Proposal>>,
}

/// `None` where nobody has to be asked.
fn question(agent: &Agent, name: &Name) -> Option<Question> {
    let state = agent.state.lock();
    let entry = state.applications.get(name)?;
    let spec = entry.spec.as_ref().ok()?;
    let idle = spec.suspend.is_some() || entry.deleting.is_some();
    if spec.sync.automatic || idle {
        return None;
    }
    let repository = Name::new(&name.namespace, &spec.repository);
    let source = state.repositories.get(&repository)?;
    let head = source.head.clone()?;
    if entry.is_applied(&head) || entry.is_granted(&head) {
        return None;
    }
    let url = source.spec.as_ref().ok().map(|spec| &spec.url);
    let applied = entry
        .applied
        .as_ref()
        .map(|applied| applied.info.id.clone());
    Some(Question {
        mirror: url.and_then(|url| agent.mirrors.get(url).ok()),
        applied: applied.or(entry.recorded.clone()),
        known: entry.proposal.clone(),
        head,
    })
}

/// The plan of a commit; `None` where the one that is known still holds.
async fn propose(
    agent: &Arc<Agent>,
    name: &Name,
    head: Head,
    known: Option<Arc<Proposal>>,
) -> Option<Proposal> {
    let commit = head.info.id.clone();
    let summary = |mut failures: Vec<Failure>| {
        let first = (!failures.is_empty()).then(|| failures.remove(0));
        first.unwrap_or(Failure {
            reason: Reason::Internal,
            detail: String::new(),
        })
    };
    let dry = match Dry::begin(agent, name, head).await {
        Ok(dry) => dry,
        Err(failures) => {
            return Some(Proposal {
                commit,
                basis: String::new(),
                made: Err(summary(failures)),
            });
        }
    };
    let basis = dry.basis();
    let holds = |known: &Arc<Proposal>| known.basis == basis && known.made.is_ok();
    if known.as_ref().is_some_and(holds) {
        return None;
    }
    let made = dry.plan(Detail::Fields).await.map_err(summary);
    Some(Proposal {
        commit,
        basis,
        made,
    })
}

/// Remembers that an application goes to a commit because a person said so: the passes that follow
/// are for the same one.
///
/// Only what the gate let through is remembered. Who asks for a sync while it is closed is told why,
/// and has to ask again: nothing happens later that nobody thinks of any more. The approval of a plan
/// lasts, because it stands on the Application, and a trailer, because it stands in Git.
pub(crate) fn remember(entry: &mut ApplicationState, head: &Head, cause: Cause) {
    let automatic = entry.spec.as_ref().is_ok_and(|spec| spec.sync.automatic);
    if automatic || entry.is_applied(head) {
        return;
    }
    let writes = if cause == Cause::User {
        None
    } else if entry.is_granted(head) {
        return;
    } else {
        let proposal = entry.proposal.as_ref();
        let made = proposal.and_then(|proposal| proposal.made.as_ref().ok());
        let Some(preview) = made else { return };
        Some(preview.consent.clone())
    };
    entry.proposal = None;
    entry.granted = Some(Granted {
        commit: head.info.id.clone(),
        writes,
    });
}

/// Whether an application may go to a commit, as far as persons are concerned.
pub(crate) fn judge(entry: &ApplicationState, head: &Head) -> Approval {
    let automatic = entry.spec.as_ref().is_ok_and(|spec| spec.sync.automatic);
    if automatic || entry.is_applied(head) {
        return Approval::NotNeeded;
    }
    if entry.is_granted(head) {
        return Approval::Given;
    }
    let short = head.info.id.short();
    let missing = |detail| {
        Approval::Missing(Failure {
            reason: Reason::ManualSync,
            detail,
        })
    };
    let proposal = entry.proposal.as_ref();
    let preview = match proposal
        .filter(|p| p.commit == head.info.id)
        .map(|p| &p.made)
    {
        None => return missing(format!("commit {short} waits")),
        Some(Err(failure)) => {
            let Failure { reason, detail } = failure;
            let sentence = reason.row().sentence;
            return missing(format!(
                "commit {short} waits and has no plan: {sentence}: {detail}"
            ));
        }
        Some(Ok(preview)) => preview,
    };
    let hash = &preview.plan.hash;
    let approved = entry.annotations.get(names::ANNOTATION_APPROVE);
    if preview.consent.is_empty() || approved == Some(hash) {
        return Approval::Given;
    }
    let counts = counted(preview.counts);
    let waits = format!("plan {hash} of commit {short} waits: {counts}");
    missing(match approved {
        // What was approved of the commit that is applied is no news.
        Some(other) if !entry.has_spent(other) => {
            let other = shown(other);
            format!("approved plan {other} is not the plan any more; {waits}")
        }
        _ => waits,
    })
}

/// An approval as a person wrote it, shortened.
fn shown(approved: &str) -> String {
    approved
        .chars()
        .take(16)
        .flat_map(char::escape_debug)
        .collect()
}

fn grant(agent: &Agent, name: &Name, head: &Head, writes: Option<Consent>) {
    if let Some(entry) = agent.state.lock().applications.get_mut(name) {
        entry.proposal = None;
        entry.granted = Some(Granted {
            commit: head.info.id.clone(),
            writes,
        });
    }
}

/// The writes of the approved plan of a commit: its prunes wait no more.
pub(crate) fn whole(agent: &Agent, name: &Name, commit: &CommitId) -> Consent {
    let state = agent.state.lock();
    let granted = state
        .applications
        .get(name)
        .and_then(|entry| entry.granted.as_ref());
    let granted = granted.filter(|granted| granted.commit == *commit);
    granted
        .and_then(|granted| granted.writes.clone())
        .unwrap_or_default()
}

/// What a sync is about to do beside its plan.
pub(crate) struct Begins<'a> {
    /// The hashes of the desired objects.
    pub(crate) hashes: &'a BTreeMap<ObjectKey, Digest>,
    /// Its hooks.
    pub(crate) hooks: &'a [Hook],
    /// The hashes of what was applied before.
    pub(crate) before: &'a BTreeMap<ObjectKey, Digest>,
}

/// Ends a sync of an approved plan before its first write where its own plan writes anything, or
/// where it would run a hook, that was not approved. The plan is shown anew, and waits again.
pub(crate) fn check(
    agent: &Agent,
    start: &Start,
    plan: &Plan,
    begins: &Begins<'_>,
) -> Result<(), Failure> {
    let (name, commit) = start.what();
    let mut state = agent.state.lock();
    let Some(entry) = state.applications.get_mut(name) else {
        return Ok(());
    };
    if entry.applied_commit() == Some(commit) {
        return Ok(());
    }
    let granted = entry.granted.as_ref();
    let writes = granted.filter(|granted| granted.commit == *commit);
    let Some(writes) = writes.and_then(|granted| granted.writes.as_ref()) else {
        return Ok(());
    };
    let news = match writes.beyond(plan, begins.hashes, begins.before) {
        Some(action) => format!("{} {}", action.kind.as_str(), action.key),
        None => {
            let last = entry.rollout.as_ref();
            let past = entry.past(commit, begins.before.len());
            let planned = planned_hooks(last, begins, past, plan);
            let hook = planned.into_iter().find(|hook| !writes.covers_hook(hook));
            let Some(hook) = hook else { return Ok(()) };
            format!("{} hook {}", hook.moment.as_str(), hook.manifest.key)
        }
    };
    let detail = format!(
        "approved plan {} is not the plan any more: {news} was no part of it",
        writes.hash(),
    );
    entry.granted = None;
    entry.proposal = None;
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    agent.queue.push(name, Cause::Reference, now, due);
    Err(Failure {
        reason: Reason::ManualSync,
        detail,
    })
}

fn planned_hooks<'a>(
    last: Option<&Ledger>,
    begins: &Begins<'a>,
    past: Past,
    plan: &Plan,
) -> Vec<&'a Hook> {
    let identity = hooks::identity(begins.hashes, begins.hooks);
    rollout::planned_hooks(last, &identity, past, plan, begins.hooks)
}

/// Whether a commit after `since`, up to `until`, carries one of the trailers for an application.
pub(crate) async fn in_git(
    mirror: &Mirror,
    application: &Name,
    since: &CommitId,
    until: &CommitId,
    trailers: &[&'static str],
) -> bool {
    let (mirror, since, until) = (mirror.clone(), since.clone(), until.clone());
    let (application, trailers) = (application.name.clone(), trailers.to_vec());
    blocking(move || {
        let commits = mirror.commits_between(&since, &until, APPROVAL_COMMITS);
        let commits = commits.unwrap_or_default();
        commits
            .iter()
            .any(|(_, message)| names_application(message, &trailers, &application))
    })
    .await
}

/// Whether a message has a trailer that names an application, alone or among others.
fn names_application(message: &str, trailers: &[&str], application: &str) -> bool {
    parse(message).iter().any(|trailer| {
        trailers.iter().any(|key| trailer.is(key))
            && trailer
                .value
                .split(',')
                .any(|name| name.trim() == application)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_names_one_application_or_several_and_no_part_of_a_name() {
        let trailers = [names::TRAILER_APPROVE];
        for (message, named) in [
            ("Change\n\nSyncline-Approve: web", true),
            ("Change\n\nSyncline-Approve: api, web\n", true),
            ("Change\n\nSyncline-Approve: webshop", false),
            ("Change\n\nSyncline-Prune: web", false),
            ("Change web\n\nSyncline-Approve:", false),
            ("Change\n\nSyncline-Approve: web\n\nwords", false),
            ("Change\n\nSyncline-Approve:\n api,\n web", true),
        ] {
            assert_eq!(
                names_application(message, &trailers, "web"),
                named,
                "{message}"
            );
        }
    }
}
