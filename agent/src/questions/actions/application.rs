//! What a person asks of an Application.

use std::sync::Arc;
use std::time::Duration;

use syncline_cluster::kinds::Kind;
use syncline_core::decision::{self, Allowed, ApplicationFacts, Because, Decision, Stop, Verb};
use syncline_core::gate;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::owner::Owner;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollback::Request;
use syncline_core::rollout::Ledger;
use syncline_web_ui::views::{ActionAnswer, ApplicationAction, RollbackView};
use syncline_web_ui::{How, Unanswered};
use tokio::time::Instant;

use super::{answer, change, check, failed, refused};
use crate::agent::Agent;
use crate::applications::{ask_for_sync, look_at_sources};
use crate::images::rollback;
use crate::preview::{Preview, counted, of_draft, waiting_or_at};
use crate::state::{ApplicationState, State};

/// Time between two looks whether a rollback was answered.
const ROLLBACK_LOOK: Duration = Duration::from_millis(200);

/// What may be asked of it now.
pub(super) fn allowed(
    agent: &Agent,
    state: &State,
    name: &Name,
    entry: &ApplicationState,
) -> Vec<Allowed> {
    let now = agent.clock.now();
    let spec = entry.spec.as_ref().ok();
    let suspension = spec.and_then(|spec| spec.suspend.as_ref());
    let source = state.source_of(name);
    let named = spec
        .map(|spec| spec.repository.as_str())
        .unwrap_or_default();
    let missing = || {
        let sentence = Reason::RepositoryMissing.row().sentence;
        format!("{sentence} (`{named}`)")
    };
    let repository = match source.map(|source| &source.spec) {
        None => Err(missing()),
        Some(Err(_)) => Err(format!("the spec of Repository `{named}` is wrong")),
        Some(Ok(repository)) => Ok(repository),
    };
    let unwritable = repository.as_ref().map_or_else(
        |why| Some(why.clone()),
        |repository| {
            let suspended = repository.suspend.as_ref().is_some_and(|s| s.holds(now));
            if repository.write.is_none() {
                let sentence = Reason::WriteNotConfigured.row().sentence;
                Some(format!("{sentence} (`{named}`)"))
            } else if suspended {
                Some(format!("Repository `{named}` is suspended"))
            } else {
                None
            }
        },
    );
    let rolls = entry.rollout.as_ref().is_some_and(Ledger::is_active);
    decision::of_application(&ApplicationFacts {
        deleting: entry.deleting.is_some(),
        invalid: entry.spec.as_ref().err().cloned(),
        frozen: agent.freeze.current().map(|freeze| freeze.failure()),
        suspended: suspension.filter(|s| s.holds(now)).map(gate::suspended),
        has_suspension: suspension.is_some(),
        has_pin: spec.is_some_and(|spec| spec.pin.is_some()),
        is_busy: entry.running.is_some() || rolls,
        is_stopped: entry.stop().is_some(),
        plan_waits: entry.waiting_hash().is_some(),
        unreadable: repository.err(),
        unwritable,
        was_applied: entry.applied.is_some() || entry.recorded.is_some(),
    })
}

/// The Application that applies this one from Git.
pub(in crate::questions) fn kept_by(name: &Name, entry: &ApplicationState) -> Option<Name> {
    let key = ObjectKey {
        group: names::GROUP.to_owned(),
        version: names::VERSION.to_owned(),
        kind: Kind::Application.as_str().to_owned(),
        namespace: Some(name.namespace.clone()),
        name: name.name.clone(),
    };
    let owner = entry.annotations.get(names::ANNOTATION_OWNER)?;
    Owner::read(owner, &key).map(|owner| owner.application)
}

/// What is known when something is asked for.
struct Seen {
    allowed: Vec<Allowed>,
    kept_by: Option<Name>,
    waits: Option<String>,
    head: Option<CommitId>,
    repository: String,
    hook_runs: bool,
    pinned: Option<String>,
}

impl Seen {
    fn of(agent: &Agent, name: &Name) -> Option<Self> {
        let now = agent.clock.now();
        let state = agent.state.lock();
        let entry = state.applications.get(name)?;
        let source = state.source_of(name);
        let head = source.and_then(|source| source.head.as_ref());
        let ledger = entry.rollout.as_ref().filter(|ledger| ledger.is_active());
        Some(Self {
            allowed: allowed(agent, &state, name, entry),
            kept_by: kept_by(name, entry),
            waits: entry.waiting_hash(),
            head: head.map(|head| head.info.id.clone()),
            repository: entry
                .spec
                .as_ref()
                .map_or_else(|_| String::new(), |spec| spec.repository.clone()),
            hook_runs: ledger.is_some_and(|ledger| ledger.running().is_some()),
            pinned: entry
                .spec
                .as_ref()
                .ok()
                .and_then(|spec| spec.pinned(now))
                .map(|pin| pin.commit.clone()),
        })
    }
}

/// Whether Git's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Git {
    /// What Git has is changed there.
    Keeps,
    /// It is changed here all the same.
    MayPutBack,
}

fn git(force: bool) -> Git {
    if force { Git::MayPutBack } else { Git::Keeps }
}

/// Does it, or says what would happen.
pub(super) async fn act(
    agent: &Arc<Agent>,
    name: &Name,
    action: ApplicationAction,
    how: &How,
) -> Result<Option<ActionAnswer>, Unanswered> {
    let Some(seen) = Seen::of(agent, name) else {
        return Ok(None);
    };
    let may = |verb| check(&seen.allowed, verb);
    let now = agent.clock.now();
    let because = |reason: &str, until| Because::checked(reason, until, now).map_err(refused);
    match action {
        ApplicationAction::Sync => {
            may(Verb::Sync)?;
            sync(agent, name, &seen, how).await.map(Some)
        }
        ApplicationAction::Refresh => {
            may(Verb::Refresh)?;
            if let How::Do(_) = how {
                look_at_sources(agent, name);
            }
            let sentence = format!(
                "the Git server is asked for the newest commit of Repository `{}`",
                seen.repository
            );
            Ok(Some(answer(how, sentence, decision::refresh_command(name))))
        }
        ApplicationAction::Approve { plan } => {
            may(Verb::Approve)?;
            decision::approves(name, &plan, seen.waits.as_deref()).map_err(refused)?;
            approve(agent, name, plan, how).await
        }
        ApplicationAction::Abort { reason } => {
            let reason = decision::reason(&reason).map_err(refused)?;
            may(Verb::Abort)?;
            let by = match how {
                How::Do(by) => Some(by.clone()),
                How::Try => None,
            };
            let stop = Stop {
                reason,
                commit: seen.head.clone(),
                by,
                at: Some(now),
            };
            let mut told = answer(
                how,
                "what runs ends between two objects, and nothing more is applied until a newer \
                 commit changes what it reads, or a person asks for a sync",
                Decision::Abort(stop.clone()).command(name),
            );
            if seen.hook_runs {
                let note = "a hook that was started is let to its end";
                told.notes.push(note.to_owned());
            }
            write(agent, name, &Decision::Abort(stop), how, told).await
        }
        ApplicationAction::Rollback { to, reason, plan } => {
            may(Verb::Rollback)?;
            let to = to.as_deref().map(decision::commit).transpose();
            let request = Request {
                id: ulid::Ulid::new().to_string(),
                to: to.map_err(refused)?,
                reason: decision::reason(&reason).map_err(refused)?,
                plan,
            };
            match how {
                How::Try => plan_rollback(agent, name, request).await.map(Some),
                How::Do(_) => roll_back(agent, name, request, how).await,
            }
        }
        ApplicationAction::Suspend {
            reason,
            until,
            force,
        } => {
            may(Verb::Suspend)?;
            let decision = Decision::Suspend(because(&reason, until)?);
            let sentence = "no sync runs, also no repair of drift; what runs is let to its end";
            of_spec(agent, name, &seen, (&decision, sentence), git(force), how).await
        }
        ApplicationAction::Resume { force } => {
            may(Verb::Resume)?;
            let said = (&Decision::Resume, "syncs go on, with the newest commit");
            of_spec(agent, name, &seen, said, git(force), how).await
        }
        ApplicationAction::Pin {
            commit,
            reason,
            until,
            force,
        } => {
            may(Verb::Pin)?;
            let commit = decision::commit(&commit).map_err(refused)?;
            let because = because(&reason, until)?;
            let sentence =
                format!("it goes to commit {commit} and stays there, whatever is pushed");
            let decision = Decision::Pin { commit, because };
            of_spec(
                agent,
                name,
                &seen,
                (&decision, sentence.as_str()),
                git(force),
                how,
            )
            .await
        }
        ApplicationAction::Unpin { force } => {
            may(Verb::Unpin)?;
            let said = (&Decision::Unpin, "it goes to the newest commit again");
            of_spec(agent, name, &seen, said, git(force), how).await
        }
    }
}

async fn sync(
    agent: &Arc<Agent>,
    name: &Name,
    seen: &Seen,
    how: &How,
) -> Result<ActionAnswer, Unanswered> {
    let command = Decision::Sync.command(name);
    if let How::Do(_) = how {
        ask_for_sync(agent, name);
        return Ok(answer(how, "a sync was asked for", command));
    }
    let sentence = match &seen.pinned {
        Some(commit) => format!("it is brought to commit {commit}, where it is pinned"),
        None => "it is brought to the newest commit".to_owned(),
    };
    let mut told = answer(how, sentence, command);
    look_ahead(&mut told, waiting_or_at(agent, name, None).await);
    Ok(told)
}

/// Puts what would change beside an answer.
fn look_ahead(told: &mut ActionAnswer, made: Result<Preview, crate::preview::Unpreviewed>) {
    match made {
        Ok(preview) => {
            told.sentence = format!("{}: {}", told.sentence, counted(preview.counts));
            told.preview = Some(preview.view());
        }
        Err(error) => told
            .notes
            .push(format!("what would change is not known: {error}")),
    }
}

async fn approve(
    agent: &Arc<Agent>,
    name: &Name,
    plan: String,
    how: &How,
) -> Result<Option<ActionAnswer>, Unanswered> {
    let sentence = format!("plan `{plan}` is approved, and no other");
    let decision = Decision::Approve(plan.clone());
    let mut told = answer(how, sentence, decision.command(name));
    if *how == How::Try {
        let made = waiting_or_at(agent, name, None).await;
        look_ahead(&mut told, made);
        let shown = told
            .preview
            .as_ref()
            .and_then(|view| view.approval.as_ref());
        if shown.is_some_and(|shown| shown.plan_hash != plan) {
            told.notes
                .push("the plan has changed since: look at it again".to_owned());
        }
    }
    write(agent, name, &decision, how, told).await
}

/// Writes a decision where it is to be done.
async fn write(
    agent: &Agent,
    name: &Name,
    decision: &Decision,
    how: &How,
    told: ActionAnswer,
) -> Result<Option<ActionAnswer>, Unanswered> {
    if *how == How::Try {
        return Ok(Some(told));
    }
    let now = agent.clock.now();
    let written = change(agent, Kind::Application, name, |_| Ok(decision.patch(now))).await?;
    Ok(written.map(|()| told))
}

/// A decision that changes the spec, which Git may have.
async fn of_spec(
    agent: &Agent,
    name: &Name,
    seen: &Seen,
    (decision, sentence): (&Decision, &str),
    git: Git,
    how: &How,
) -> Result<Option<ActionAnswer>, Unanswered> {
    let mut told = answer(how, sentence, decision.command(name));
    if let Some(owner) = &seen.kept_by {
        if git == Git::Keeps && *how != How::Try {
            return Err(Unanswered::Refused(format!(
                "Git has `{name}`: Application `{owner}` applies it; change it there, or force it"
            )));
        }
        if git == Git::MayPutBack {
            told.command.push_str(" --force");
        }
        told.notes.push(format!(
            "Git has `{name}`: Application `{owner}` may put it back; change it there as well"
        ));
    }
    write(agent, name, decision, how, told).await
}

/// What a rollback would take back, and what that would change in the cluster.
async fn plan_rollback(
    agent: &Arc<Agent>,
    name: &Name,
    request: Request,
) -> Result<ActionAnswer, Unanswered> {
    let command = Decision::Rollback(request.clone()).command(name);
    let limit = agent.settings.preview_timeout;
    let planned = Box::pin(rollback::planned(agent, name, request));
    let planned = tokio::time::timeout(limit, planned);
    let planned = planned.await.map_err(|_| {
        Unanswered::Refused(format!(
            "the rollback was not planned within `preview_timeout` ({limit:?})"
        ))
    })?;
    let planned = planned.map_err(|failure| failed(&failure))?;
    let count = planned.plan.commits.len();
    let commits = if count == 1 {
        "commit is"
    } else {
        "commits are"
    };
    let target = planned.plan.target.short();
    let sentence = format!("{count} {commits} taken back by a new commit, to {target}");
    let mut told = answer(&How::Try, sentence, command);
    look_ahead(&mut told, of_draft(agent, name, planned.draft).await);
    let lines = planned.plan.commits.iter();
    let lines = lines.map(|commit| format!("{} {}", commit.id.short(), commit.subject));
    told.rollback = Some(RollbackView {
        plan: planned.plan.hash(),
        target: planned.plan.target.to_string(),
        commits: lines.collect(),
        files: planned.files,
        others: planned.others.iter().map(ToString::to_string).collect(),
        commit: None,
    });
    Ok(told)
}

/// Asks for the commit of a rollback, by the annotation, and waits for it.
async fn roll_back(
    agent: &Agent,
    name: &Name,
    request: Request,
    how: &How,
) -> Result<Option<ActionAnswer>, Unanswered> {
    if request.plan.is_none() {
        let why = "a rollback needs the plan that was shown: ask with `dryRun` first";
        return Err(Unanswered::Invalid(why.to_owned()));
    }
    let decision = Decision::Rollback(request.clone());
    let told = answer(how, "the rollback was asked for", decision.command(name));
    let Some(mut told) = write(agent, name, &decision, how, told).await? else {
        return Ok(None);
    };
    let deadline = Instant::now() + agent.settings.preview_timeout;
    let key = request.key();
    let mut looks = tokio::time::interval(ROLLBACK_LOOK);
    let status = loop {
        looks.tick().await;
        let status = {
            let state = agent.state.lock();
            let entry = state.applications.get(name);
            entry.and_then(|entry| entry.rollback.clone())
        };
        if let Some(status) = status.filter(|status| status.request == key) {
            break status;
        }
        if Instant::now() > deadline {
            let note = "the agent is still at it; the page says how it ends";
            told.notes.push(note.to_owned());
            return Ok(Some(told));
        }
    };
    let Some(commit) = status.commit else {
        let reason = Reason::from_name(&status.reason).unwrap_or(Reason::RollbackRefused);
        return Err(match status.message {
            Some(message) => Unanswered::Refused(message),
            None => failed(&Failure {
                reason,
                detail: String::new(),
            }),
        });
    };
    told.sentence = status.message.unwrap_or(told.sentence);
    told.rollback = Some(RollbackView {
        plan: status.plan.unwrap_or_default(),
        target: status.target.unwrap_or_default(),
        commits: status.commits,
        files: status.files,
        others: status.others,
        commit: Some(commit),
    });
    Ok(Some(told))
}
