//! What the applications that read edited files say of the edits, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::image::Refusal;
use syncline_core::image::prove::Expected;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;

use super::batch::Planned;
use crate::agent::Agent;
use crate::images::decide::{Change, Edit};
use crate::images::fail;
use crate::images::prove::{Reader, Said};

/// Whether an application reads one of the files that an order changes.
pub(super) fn is_read(planned: &Planned, reader: &Reader) -> bool {
    planned.edit.files().any(|file| reader.files.contains(file))
}

/// What the changes in the files of an application are to do.
pub(super) fn expected(planned: &[&Planned], reader: &Reader) -> Vec<Expected> {
    let changes = planned.iter().flat_map(|planned| planned.edit.changes());
    let read = changes.filter(|change| reader.files.contains(&change.site.file));
    read.map(Change::expected).collect()
}

/// What the readers said.
#[derive(Default)]
pub(super) struct Findings {
    /// What speaks against an order.
    pub(super) refused: BTreeMap<usize, String>,
    /// Files of an order that an application showed to be what it runs.
    shown: BTreeSet<(usize, String)>,
    /// Why that is not known of the others that somebody reads.
    silent: BTreeMap<(usize, String), String>,
}

impl Findings {
    /// Takes in what one application says.
    pub(super) fn note(
        &mut self,
        planned: &[Planned],
        involved: &[usize],
        reader: &Reader,
        said: &Said,
    ) {
        for index in involved {
            let changes = planned[*index].edit.changes().iter();
            for change in changes.filter(|change| reader.files.contains(&change.site.file)) {
                let place = (*index, change.site.file.clone());
                match said {
                    Said::Shown(proof) if proof.shows(&change.expected()) => {
                        self.shown.insert(place);
                    }
                    Said::Shown(_) => {
                        let other = format!("`{}` runs another image", reader.application);
                        self.silent.entry(place).or_insert(other);
                    }
                    Said::Silent(why) | Said::Unknown(why) | Said::Against(why) => {
                        self.silent.entry(place).or_insert_with(|| why.clone());
                    }
                }
            }
        }
    }

    /// Answers and shortens the orders; answers with whether nothing had to be.
    pub(super) fn take_effect(mut self, agent: &Agent, planned: &mut Vec<Planned>) -> bool {
        let mut stands = true;
        for (index, one) in planned.iter_mut().enumerate() {
            if self.refused.contains_key(&index) {
                continue;
            }
            let mut notes = Vec::new();
            for change in one.edit.clone().changes() {
                let place = (index, change.site.file.clone());
                if self.shown.contains(&place) {
                    continue;
                }
                let why = self.silent.get(&place).cloned();
                let why = why.unwrap_or_else(|| "no application reads the file".to_owned());
                if change.is_meant {
                    notes.push(format!("not proved: {why}"));
                    continue;
                }
                stands = false;
                leave(agent, &one.order.policy.name, &change.site.file, &why);
                if !one.edit.leave(&change.site.file) {
                    self.refused.insert(index, why);
                    break;
                }
            }
            notes.dedup();
            one.note = notes.join("; ");
        }
        for (index, why) in self.refused.into_iter().rev() {
            stands = false;
            let Planned { order, edit, .. } = planned.remove(index);
            let places = edit.places().join(", ");
            let detail = if places.is_empty() {
                why
            } else {
                format!("{places}: {why}")
            };
            order.answer(fail(Reason::EditUnproved, detail));
        }
        stands
    }
}

/// Remembers for people what the places of a policy name now.
pub(super) fn written(agent: &Agent, policy: &Name, edit: &Edit) {
    let mut state = agent.state.lock();
    let Some(entry) = state.policies.get_mut(policy) else {
        return;
    };
    for change in edit.changes() {
        let at = (&change.site.file, change.site.line);
        let places = entry.memory.places.iter_mut();
        for place in places.filter(|place| (&place.file, place.line) == at) {
            place.current = Some(change.version.clone());
        }
    }
}

/// Remembers for people that places of a policy cannot be edited.
pub(super) fn not_editable(agent: &Agent, policy: &Name, refusals: &[Refusal]) {
    let mut state = agent.state.lock();
    let Some(entry) = state.policies.get_mut(policy) else {
        return;
    };
    for refusal in refusals {
        let places = entry.memory.places.iter_mut();
        let here = places.filter(|it| (&it.file, it.line) == (&refusal.file, refusal.line));
        for place in here {
            place.refused = Some(refusal.failure());
        }
    }
}

/// Remembers for people that a file is left as it is.
fn leave(agent: &Agent, policy: &Name, file: &str, why: &str) {
    let mut state = agent.state.lock();
    let Some(entry) = state.policies.get_mut(policy) else {
        return;
    };
    let places = entry.memory.places.iter_mut();
    for place in places.filter(|place| place.file == file) {
        place.refused = Some(Failure {
            reason: Reason::EditUnproved,
            detail: why.to_owned(),
        });
    }
}
