//! One turn of a writer: the orders of one Repository, until each has its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_core::application::{Repository, TreePath, Write};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::UpdateRecord;
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use syncline_source::NewCommit;

use super::tip::{self, Tip};
use super::{Order, pause};
use crate::agent::{Agent, blocking};
use crate::failpoint;
use crate::images::decide::{self, Decision, Edit, Files};
use crate::images::prove::{self, Question, Reader};
use crate::images::{Attempt, Settled, fail, may_commit};
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
struct Planned {
    order: Order,
    edit: Edit,
    /// What is said of the proof; empty where there is nothing to say.
    note: String,
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
    fn answer(self, ended: Attempt<Settled>) {
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
            let landed = tip::landed(&tip, &sent.tip, &sent.commit, &sent.id).await;
            if let Some(commit) = landed.map_err(|failure| (failure, None))? {
                self.record(sent, &commit);
                return Ok(Once::Done);
            }
            self.orders
                .extend(sent.planned.into_iter().map(|planned| planned.order));
        }
        let mut planned = self.decide(&tip).await?;
        let Some(write) = self.repository.write.clone() else {
            for planned in planned {
                let change = format!("{} should become {}", planned.edit.old, planned.edit.new);
                planned
                    .order
                    .answer(fail(Reason::WriteNotConfigured, change));
            }
            return Ok(Once::Done);
        };
        if planned.is_empty() {
            return Ok(Once::Done);
        }
        let id = ulid::Ulid::new().to_string();
        let commit = loop {
            if planned.is_empty() {
                return Ok(Once::Done);
            }
            let commit = match self.commit(&tip, &planned, &write, &id).await {
                Ok(commit) => commit,
                Err(refused) => return self.give_up(planned, refused),
            };
            match self.prove(&tip, &commit, &mut planned).await {
                Ok(0) => break commit,
                Ok(_) => {}
                Err(failure) => return self.give_up(planned, (failure, None)),
            }
        };
        self.push(tip, commit, planned, &write, id).await
    }

    /// Nothing comes of any of them.
    fn give_up(
        &mut self,
        planned: Vec<Planned>,
        refused: (Failure, Option<Duration>),
    ) -> Attempt<Once> {
        self.orders
            .extend(planned.into_iter().map(|planned| planned.order));
        Err(refused)
    }

    /// Decides for each order on the tip. Those that want nothing get their answer.
    async fn decide(&mut self, tip: &Tip) -> Attempt<Vec<Planned>> {
        let (mirror, commit) = (tip.mirror.clone(), tip.commit.clone());
        let paths = self.paths();
        let files = blocking(move || decide::read(&mirror, &commit, &paths)).await;
        let files = files.map_err(|error| git(&error))?;
        let mut planned = Vec::new();
        for order in std::mem::take(&mut self.orders) {
            match decide::decide(self.agent, &order.policy, &files) {
                Ok(Decision::Settled(settled)) => order.answer(Ok(settled)),
                Err(refused) => order.answer(Err(refused)),
                Ok(Decision::Edit(edit)) => {
                    let update = format!("{} -> {}", edit.old, edit.new);
                    let allowed = if self.repository.write.is_some() {
                        may_commit(self.agent, &order.policy, order.cause, &update)
                    } else {
                        Ok(())
                    };
                    match allowed {
                        Ok(()) => planned.push(Planned {
                            order,
                            edit,
                            note: String::new(),
                        }),
                        Err(refused) => order.answer(Err(refused)),
                    }
                }
            }
        }
        if let Err(failure) = failpoint::reached("image.decided").await {
            return self.give_up(planned, (failure, None)).map(|_| Vec::new());
        }
        Ok(planned)
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
        planned: &[Planned],
        write: &Write,
        id: &str,
    ) -> Attempt<CommitId> {
        let (mirror, base) = (tip.mirror.clone(), tip.commit.clone());
        let new = NewCommit {
            message: message(planned, write, id),
            author_name: write.author_name.clone(),
            author_email: write.author_email.clone(),
            time: self.agent.clock.now(),
        };
        let wanted: Vec<_> = planned
            .iter()
            .map(|planned| (planned.order.policy.clone(), planned.edit.clone()))
            .collect();
        let made = blocking(move || {
            let paths: BTreeSet<&str> = wanted.iter().flat_map(|(_, edit)| edit.files()).collect();
            let paths: Vec<TreePath> = paths
                .into_iter()
                .map(TreePath::parse)
                .collect::<Result<_, _>>()
                .map_err(|failure| (failure, None))?;
            let mut files: Files =
                decide::read(&mirror, &base, &paths).map_err(|error| git(&error))?;
            let before = files.clone();
            for (policy, edit) in &wanted {
                decide::lay_over(&mut files, policy, edit).map_err(|failure| (failure, None))?;
            }
            files.retain(|path, bytes| before.get(path) != Some(bytes));
            let edits: Vec<_> = files.into_iter().collect();
            mirror
                .commit(&base, &edits, &new)
                .map_err(|error| git(&error))
        });
        made.await
    }

    /// Renders what reads the edited files, and answers the orders that what comes out speaks
    /// against. Answers with how many those are.
    async fn prove(
        &self,
        tip: &Tip,
        commit: &CommitId,
        planned: &mut Vec<Planned>,
    ) -> Result<usize, Failure> {
        let files = planned.iter().flat_map(|planned| planned.edit.files());
        let files: BTreeSet<String> = files.map(str::to_owned).collect();
        let question = Question {
            repository: &self.repository,
            mirror: &tip.mirror,
            before: &tip.commit,
            after: commit,
            files: &files,
        };
        let readers = prove::readers(self.agent, &question).await?;
        let mut refused: BTreeMap<usize, String> = BTreeMap::new();
        for reader in &readers {
            let Some(why) = prove::against(reader) else {
                continue;
            };
            let suspects = planned.iter().enumerate();
            let suspects = suspects.filter(|(_, planned)| is_read(planned, reader));
            for (index, _) in suspects {
                refused.entry(index).or_insert_with(|| why.clone());
            }
        }
        for one in planned.iter_mut() {
            let is_proved = readers.iter().any(|reader| is_read(one, reader));
            one.note = if is_proved {
                String::new()
            } else {
                "not proved: no application reads the file".to_owned()
            };
        }
        let count = refused.len();
        for (index, why) in refused.into_iter().rev() {
            let Planned { order, edit, .. } = planned.remove(index);
            let places = edit.places().join(", ");
            order.answer(fail(Reason::EditRefused, format!("{places}: {why}")));
        }
        Ok(count)
    }

    async fn push(
        &mut self,
        tip: Tip,
        commit: CommitId,
        planned: Vec<Planned>,
        write: &Write,
        id: String,
    ) -> Attempt<Once> {
        let sending = tip::send(self.agent, &self.repository, write, &tip, &commit).await;
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
                old: edit.old.to_string(),
                new: edit.new.to_string(),
                files: edit.places(),
                commit: commit.clone(),
                time: now,
            };
            agent.history.record_update(&record);
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

fn is_read(planned: &Planned, reader: &Reader) -> bool {
    planned.edit.files().any(|file| reader.files.contains(file))
}

/// The message of a commit: the template of the Repository, or a line that says what changed; then
/// every change, and the trailer with the id.
fn message(planned: &[Planned], write: &Write, id: &str) -> String {
    let subject = match planned {
        [one] => {
            let (policy, edit) = (&one.order.policy, &one.edit);
            let (image, old, new) = (&policy.image, &edit.old, &edit.new);
            if write.message.is_empty() {
                format!("Update {image} from {old} to {new}")
            } else {
                write
                    .message
                    .replace("{image}", &image.to_string())
                    .replace("{old}", old.as_str())
                    .replace("{new}", new.as_str())
                    .replace("{policy}", &policy.name.to_string())
            }
        }
        several => format!("Update {} images", several.len()),
    };
    let body = planned.iter().map(|one| {
        let (policy, edit) = (&one.order.policy, &one.edit);
        let places = edit.places().join("\n- ");
        let (name, range, new) = (&policy.name, &policy.range, &edit.new);
        format!(
            "Policy {name} ({range}) chose {new}, was {}.\n- {places}",
            edit.old
        )
    });
    let body: Vec<String> = body.collect();
    let (subject, body) = (subject.trim_end(), body.join("\n\n"));
    format!("{subject}\n\n{body}\n\n{}: {id}\n", names::TRAILER_UPDATE)
}
