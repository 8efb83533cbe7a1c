//! One turn of a writer: the orders of one Repository, until each has its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_core::application::{Repository, TreePath};
use syncline_core::image::Refusal;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::{Name, UpdateRecord};
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;

use super::findings::{Findings, expected, is_read, not_editable, written};
use super::tip::{self, Tip};
use super::words::words;
use super::{Order, pause};
use crate::agent::{Agent, blocking};
use crate::failpoint;
use crate::images::decide::{self, Decision, Edit, Files, Ground, Searches, Unnamed};
use crate::images::prove::{self, Question, Reader, Said};
use crate::images::{Attempt, Settled, fail, may_commit, unnamed};
use crate::poller::Target;

/// Gives every order its answer.
pub(super) async fn write(agent: &Arc<Agent>, orders: Vec<Order>) {
    // The last one knows the newest spec.
    let Some(repository) = orders.last().map(|order| order.repository.clone()) else {
        return;
    };
    let mut batch = Batch {
        agent,
        repository,
        orders,
        sent: None,
    };
    let most = agent.settings.push_attempts.max(1);
    let mut said = String::new();
    for attempt in 1..=most {
        match batch.once().await {
            Ok(Once::Done) => return,
            Ok(Once::Again(why)) => {
                agent.metrics.lost_pushes.inc();
                tracing::info!(attempt, why, "the push is made anew");
                said = why;
            }
            Err(refused) => return batch.refuse(&refused),
        }
        if attempt < most {
            tokio::time::sleep(pause(agent, attempt)).await;
        }
    }
    let reason = match batch.sent {
        Some(_) => Reason::PushFailed,
        None => Reason::PushContention,
    };
    let detail = format!("{most} attempts, the last: {said}");
    batch.refuse(&(Failure { reason, detail }, None));
}

struct Batch<'a> {
    agent: &'a Arc<Agent>,
    repository: Repository,
    orders: Vec<Order>,
    /// The push that got no answer.
    sent: Option<Sent>,
}

/// How one attempt ended.
enum Once {
    /// Every order has its answer.
    Done,
    /// Everything is made anew on the new tip.
    Again(String),
}

/// An order with what it wants changed.
pub(super) struct Planned {
    pub(super) order: Order,
    pub(super) edit: Edit,
    /// What is said of the proof; empty where there is nothing to say.
    pub(super) note: String,
}

/// A commit that was sent.
struct Sent {
    id: String,
    tip: CommitId,
    commit: CommitId,
    planned: Vec<Planned>,
}

fn git(error: &syncline_source::Error) -> (Failure, Option<Duration>) {
    (tip::failure(error), None)
}

impl Order {
    pub(super) fn answer(self, ended: Attempt<Settled>) {
        // Nobody waits any more where the agent ends.
        let _ = self.answer.send(ended);
    }
}

impl Batch<'_> {
    fn refuse(self, refused: &(Failure, Option<Duration>)) {
        let sent = self.sent.into_iter().flat_map(|sent| sent.planned);
        let orders = self.orders.into_iter();
        for order in orders.chain(sent.map(|planned| planned.order)) {
            order.answer(Err(refused.clone()));
        }
    }

    /// One attempt on one tip.
    async fn once(&mut self) -> Attempt<Once> {
        let tip = match tip::fetch(self.agent, &self.repository).await {
            Ok(tip) => tip,
            Err(failure) if self.sent.is_some() => return Ok(Once::Again(failure.detail)),
            Err(failure) => return Err((failure, None)),
        };
        if let Some(sent) = self.sent.take() {
            match tip::landed(&tip, &sent.tip, &sent.commit, &sent.id).await {
                Ok(Some(commit)) => {
                    self.record(sent, &commit);
                    return Ok(Once::Done);
                }
                Ok(None) => {
                    let planned = sent.planned.into_iter();
                    self.orders.extend(planned.map(|planned| planned.order));
                }
                Err(failure) => {
                    self.sent = Some(sent);
                    return Ok(Once::Again(failure.detail));
                }
            }
        }
        let (ground, mut planned) = self.decide(&tip).await?;
        let id = ulid::Ulid::new().to_string();
        // Each round that does not end it takes something away.
        let commit = loop {
            if planned.is_empty() {
                return Ok(Once::Done);
            }
            let all: Vec<&Planned> = planned.iter().collect();
            let commit = match self.commit(&tip, &ground.files, &all, &id).await {
                Ok(commit) => commit,
                Err(Unmade::Edits(refused)) => {
                    refuse(self.agent, &mut planned, &refused);
                    continue;
                }
                Err(Unmade::Commit(failure)) => return self.give_up(planned, (failure, None)),
            };
            match self.prove(&tip, &ground.files, &commit, &mut planned).await {
                Ok(true) => break commit,
                Ok(false) => {}
                Err(failure) => return self.give_up(planned, (failure, None)),
            }
        };
        self.push(tip, commit, planned, id).await
    }

    /// Nothing comes of any of them.
    fn give_up<T>(
        &mut self,
        planned: Vec<Planned>,
        refused: (Failure, Option<Duration>),
    ) -> Attempt<T> {
        self.orders
            .extend(planned.into_iter().map(|planned| planned.order));
        Err(refused)
    }

    /// Decides for each order on the tip. Those that want nothing get their answer.
    async fn decide(&mut self, tip: &Tip) -> Attempt<(Arc<Ground>, Vec<Planned>)> {
        let history = tip::history(self.agent, &self.repository, tip).await;
        let history = history.map_err(|failure| (failure, None))?;
        let (mirror, commit) = (tip.mirror.clone(), tip.commit.clone());
        let paths = self.paths();
        let (agent, orders) = (Arc::clone(self.agent), std::mem::take(&mut self.orders));
        // It reads the mirror and parses files.
        let (ground, decided) = blocking(move || {
            let ground = decide::read(&mirror, &commit, &paths).map(|files| Ground {
                policies: decide::policies(&agent),
                mirror,
                files,
                history,
            });
            let ground = match ground {
                Ok(ground) => Arc::new(ground),
                Err(error) => {
                    return (
                        Err(git(&error)),
                        orders.into_iter().map(undecided).collect(),
                    );
                }
            };
            let mut searches = Searches::of(&ground);
            let decided = orders.into_iter().map(|order| {
                let decision = decide::decide(&agent, &order.policy, &mut searches);
                (order, Some(decision))
            });
            let decided: Vec<_> = decided.collect();
            (Ok(ground), decided)
        })
        .await;
        let mut planned = Vec::new();
        for (order, decision) in decided {
            match decision {
                None => self.orders.push(order),
                Some(Ok(Decision::Settled(settled))) => order.answer(Ok(*settled)),
                Some(Err(refused)) => order.answer(Err(refused)),
                Some(Ok(Decision::Unnamed(unnamed))) => self.unnamed(tip, order, unnamed),
                Some(Ok(Decision::Edit(edit))) => match self.allowed(&order, &edit) {
                    Ok(()) => planned.push(Planned {
                        order,
                        edit,
                        note: String::new(),
                    }),
                    Err(refused) => order.answer(Err(refused)),
                },
            }
        }
        let ground = ground?;
        if let Err(failure) = failpoint::reached("image.decided").await {
            return self.give_up(planned, (failure, None));
        }
        Ok((ground, planned))
    }

    /// Answers an order for an image that no file names. Charts may have to be asked for what to do,
    /// which holds up none of the others.
    fn unnamed(&self, tip: &Tip, order: Order, unnamed: Unnamed) {
        let (agent, tip) = (Arc::clone(self.agent), tip.clone());
        let repository = self.repository.name.clone();
        tokio::spawn(async move {
            let failure =
                unnamed::failure(&agent, &repository, &tip, &order.policy, &unnamed).await;
            order.answer(Err((failure, None)));
        });
    }

    /// Whether an update may be committed now.
    fn allowed(&self, order: &Order, edit: &Edit) -> Attempt<()> {
        let (old, new) = (edit.old_version(), edit.new_version());
        if self.repository.write.is_none() {
            let change = format!("{old} should become {new}");
            return fail(Reason::WriteNotConfigured, change);
        }
        let update = format!("{old} -> {new}");
        may_commit(self.agent, &order.policy, order.cause, &update)
    }

    /// Where the orders look; everywhere where one of them does.
    fn paths(&self) -> Vec<TreePath> {
        let everywhere = |order: &Order| order.policy.paths.is_empty();
        if self.orders.iter().any(everywhere) {
            return Vec::new();
        }
        let paths = self.orders.iter().flat_map(|order| &order.policy.paths);
        let paths: BTreeSet<TreePath> = paths.cloned().collect();
        paths.into_iter().collect()
    }

    /// Makes the commit. It is on no branch yet.
    async fn commit(
        &self,
        tip: &Tip,
        files: &Files,
        planned: &[&Planned],
        id: &str,
    ) -> Result<CommitId, Unmade> {
        let edits: Vec<&Edit> = planned.iter().map(|planned| &planned.edit).collect();
        let made = decide::compose(files, &edits);
        let made = made.map_err(Unmade::Edits)?;
        let message = words(self.agent, &self.repository, planned, id);
        let message = message.map_err(Unmade::Commit)?;
        let new = tip::signed(self.agent, &self.repository, message).await;
        let new = new.map_err(Unmade::Commit)?;
        let (mirror, base) = (tip.mirror.clone(), tip.commit.clone());
        let edits = made.into_iter().map(|edit| (edit.file, edit.bytes));
        let edits: Vec<_> = edits.collect();
        let made = blocking(move || mirror.commit(&base, &edits, &new)).await;
        made.map_err(|error| Unmade::Commit(tip::failure(&error)))
    }

    /// Renders what reads the edited files. Orders that what comes out speaks against get their
    /// answer, and candidates that are not what runs are left as they are; answers with whether all
    /// stands as it is.
    async fn prove(
        &self,
        tip: &Tip,
        files: &Files,
        commit: &CommitId,
        planned: &mut Vec<Planned>,
    ) -> Result<bool, Failure> {
        let all: Vec<&Planned> = planned.iter().collect();
        let readers = self.readers(tip, commit, &all, None).await?;
        let mut findings = Findings::default();
        for reader in &readers {
            let involved: Vec<usize> = (0..planned.len())
                .filter(|index| is_read(&planned[*index], reader))
                .collect();
            let concerned: Vec<&Planned> = involved.iter().map(|index| &planned[*index]).collect();
            match prove::judge(reader, &expected(&concerned, reader)) {
                Said::Against(why) if involved.len() == 1 => {
                    findings
                        .refused
                        .extend(involved.iter().map(|index| (*index, why.clone())));
                }
                Said::Against(why) => {
                    let mut blamed = Vec::new();
                    for index in &involved {
                        let alone = self.alone(tip, files, &planned[*index], reader).await?;
                        blamed.extend(alone.map(|why| (*index, why)));
                    }
                    if blamed.is_empty() {
                        // Only together they do it.
                        blamed.extend(involved.iter().map(|index| (*index, why.clone())));
                    }
                    findings.refused.extend(blamed);
                }
                said => findings.note(planned, &involved, reader, &said),
            }
        }
        Ok(findings.take_effect(self.agent, planned))
    }

    /// What speaks against one of several edits, made alone, in one application.
    async fn alone(
        &self,
        tip: &Tip,
        files: &Files,
        planned: &Planned,
        reader: &Reader,
    ) -> Result<Option<String>, Failure> {
        let commit = match self.commit(tip, files, &[planned], "alone").await {
            Ok(commit) => commit,
            Err(Unmade::Edits(refused)) => {
                let refusals: Vec<Refusal> = refused.into_values().flatten().collect();
                return Ok(Some(decide::refused(&refusals).detail));
            }
            Err(Unmade::Commit(failure)) => return Err(failure),
        };
        let only = Some(&reader.application);
        let readers = self.readers(tip, &commit, &[planned], only).await?;
        let against = readers.iter().find_map(|reader| {
            match prove::judge(reader, &expected(&[planned], reader)) {
                Said::Against(why) => Some(why),
                _ => None,
            }
        });
        Ok(against)
    }

    async fn readers(
        &self,
        tip: &Tip,
        commit: &CommitId,
        planned: &[&Planned],
        only: Option<&Name>,
    ) -> Result<Vec<Reader>, Failure> {
        let files = planned.iter().flat_map(|planned| planned.edit.files());
        let files: BTreeSet<String> = files.map(str::to_owned).collect();
        let question = Question {
            repository: &self.repository,
            mirror: &tip.mirror,
            before: &tip.commit,
            after: commit,
            files: &files,
            only,
        };
        prove::readers(self.agent, &question).await
    }

    async fn push(
        &mut self,
        tip: Tip,
        commit: CommitId,
        planned: Vec<Planned>,
        id: String,
    ) -> Attempt<Once> {
        let sending = tip::send(self.agent, &self.repository, &tip, &commit).await;
        let sent = Sent {
            id,
            tip: tip.commit,
            commit: commit.clone(),
            planned,
        };
        match sending {
            Ok(tip::Sent::Accepted) => {
                self.record(sent, &commit);
                Ok(Once::Done)
            }
            Ok(tip::Sent::Lost(why)) => {
                let planned = sent.planned.into_iter();
                self.orders.extend(planned.map(|planned| planned.order));
                Ok(Once::Again(why))
            }
            Ok(tip::Sent::Unclear(why)) => {
                self.sent = Some(sent);
                Ok(Once::Again(why))
            }
            Err(failure) => self.give_up(sent.planned, (failure, None)),
        }
    }

    /// The commit is on the branch.
    fn record(&self, sent: Sent, commit: &CommitId) {
        let agent = self.agent;
        agent.metrics.commits.inc();
        agent
            .metrics
            .image_updates
            .inc_by(sent.planned.len() as u64);
        let now = agent.clock.now();
        let mut id = Some(sent.id);
        for Planned { order, edit, note } in sent.planned {
            let record = UpdateRecord {
                // The first has the id of the commit.
                id: id.take().unwrap_or_else(|| ulid::Ulid::new().to_string()),
                policy: order.policy.name.clone(),
                repository: self.repository.name.name.clone(),
                image: order.policy.image.to_string(),
                old: edit.old_version(),
                new: edit.new_version(),
                files: edit.places(),
                commit: commit.clone(),
                time: now,
            };
            agent.history.record_update(&record);
            written(agent, &record.policy, &edit);
            tracing::info!(policy = %record.policy, git.commit = %commit, old = record.old, new = record.new, "committed a newer image");
            let note = if note.is_empty() {
                note
            } else {
                format!(" ({note})")
            };
            let (old, new, short) = (&record.old, &record.new, commit.short());
            let detail = format!("{old} -> {new} in commit {short}{note}");
            order.answer(Ok(Settled {
                reason: Reason::UpdateCommitted,
                detail,
                update: Some(record),
            }));
        }
        let target = Target::Repository(self.repository.name.clone());
        agent
            .poller
            .look_now(&target, Cause::Image, agent.clock.monotonic());
    }
}

/// An order that nothing was decided for.
fn undecided(order: Order) -> (Order, Option<Attempt<Decision>>) {
    (order, None)
}

/// Why there is no commit.
enum Unmade {
    /// Places that cannot be edited, by the numbers of their orders.
    Edits(BTreeMap<usize, Vec<Refusal>>),
    /// The commit cannot be made.
    Commit(Failure),
}

/// Answers the orders some of whose places cannot be edited; the others go on.
fn refuse(agent: &Agent, planned: &mut Vec<Planned>, refused: &BTreeMap<usize, Vec<Refusal>>) {
    for (number, refusals) in refused.iter().rev() {
        let one = planned.remove(*number);
        not_editable(agent, &one.order.policy.name, refusals);
        one.order.answer(Err((decide::refused(refusals), None)));
    }
}
