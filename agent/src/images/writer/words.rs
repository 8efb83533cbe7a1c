//! What the commit of an update says.

use syncline_core::application::Repository;
use syncline_core::image::Examined;
use syncline_core::image::message::{CommitText, UpdateText, message};
use syncline_core::image::update::UpdateNote;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;

use super::batch::Planned;
use super::tip;
use crate::agent::Agent;

/// The message of a commit: what the template of the Repository makes, then the trailers.
pub(super) fn words(
    agent: &Agent,
    repository: &Repository,
    planned: &[&Planned],
    id: &str,
) -> Result<String, Failure> {
    let write = tip::write_of(repository)?;
    let notes = planned.iter().flat_map(|one| {
        let changes = one.edit.changes().iter();
        changes.map(|change| change.note(&one.order.policy.name))
    });
    let notes: Vec<UpdateNote> = notes.collect();
    let updates = planned.iter().map(|one| told(agent, repository, one));
    let text = CommitText {
        repository: repository.name.name.clone(),
        branch: repository.branch.clone(),
        updates: updates.collect(),
    };
    let message = message(&write.message, &text, write.skip_ci.as_deref(), id, &notes);
    message.map_err(|error| Failure {
        reason: Reason::InvalidSpec,
        detail: format!("`spec.write.message`: {error}"),
    })
}

/// What a message says of an update.
fn told(agent: &Agent, repository: &Repository, planned: &Planned) -> UpdateText {
    let (policy, edit) = (&planned.order.policy, &planned.edit);
    let files: Vec<String> = edit.files().map(str::to_owned).collect();
    let state = agent.state.lock();
    let entry = state.policies.get(&policy.name);
    let knowledge = entry.and_then(|entry| entry.memory.knowledge.as_ref());
    let tag = edit.changes().first().map(|change| &change.version.tag);
    let facts = tag.and_then(|tag| match knowledge?.facts.get(tag)? {
        Examined::Facts(facts) => Some(facts),
        Examined::Unreadable(_) => None,
    });
    let labels = facts.map(|facts| facts.labels.clone()).unwrap_or_default();
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let entry = state.repositories.get(&repository.name);
    let readers = entry.map(|entry| entry.index.touched_by(&files));
    UpdateText {
        policy: policy.name.to_string(),
        image: policy.image.to_string(),
        old: edit.old_version(),
        new: edit.new_version(),
        files: edit.places(),
        applications: readers.iter().flatten().map(ToString::to_string).collect(),
        source: label("org.opencontainers.image.source"),
        revision: label("org.opencontainers.image.revision"),
        labels,
    }
}
