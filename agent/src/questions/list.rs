//! The list of applications as the web UI shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use syncline_core::image::Reference;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_web_ui::{Answer, ListQuestions, Listed};

use super::order::Moment;
use super::{Answers, application};
use crate::agent::Agent;
use crate::state::{ApplicationState, State};

/// After how many applications the agent may go on with its work: who looks at a list of thousands
/// must not hold up a sync.
const AT_ONCE: usize = 200;

/// Namespace and image, and the tag that waits.
type Updates = HashMap<String, BTreeMap<String, String>>;

impl ListQuestions for Answers {
    fn listed(&self) -> Answer<'_, Vec<Listed>> {
        let agent = Arc::clone(&self.agent);
        Box::pin(async move { Ok(all(&agent)) })
    }

    fn names(&self) -> Answer<'_, Vec<Name>> {
        Box::pin(async {
            let state = self.agent.state.lock();
            Ok(state.applications.keys().cloned().collect())
        })
    }
}

fn all(agent: &Agent) -> Vec<Listed> {
    let at = Moment::of(agent);
    let (names, updates) = {
        let state = agent.state.lock();
        let names: Vec<Name> = state.applications.keys().cloned().collect();
        (names, updates(&state))
    };
    let mut all = Vec::with_capacity(names.len());
    for names in names.chunks(AT_ONCE) {
        let state = agent.state.lock();
        // One that was deleted meanwhile is left out.
        all.extend(names.iter().filter_map(|name| {
            let entry = state.applications.get(name)?;
            Some(listed(&state, name, entry, &at, &updates))
        }));
    }
    all
}

fn listed(
    state: &State,
    name: &Name,
    entry: &ApplicationState,
    at: &Moment,
    updates: &Updates,
) -> Listed {
    let spec = entry.spec.as_ref().ok();
    Listed {
        summary: application::summary(state, name, entry, at),
        labels: entry.labels.clone(),
        automatic: spec.is_some_and(|spec| spec.sync.automatic),
        drifted: matches!(
            entry.statement.reason,
            Reason::DriftFound | Reason::Fighting
        ),
        cause: entry.last_sync.as_ref().map(|sync| sync.cause.into()),
        update: updates
            .get(&name.namespace)
            .and_then(|updates| waiting(entry, updates)),
    }
}

/// The tags that policies have chosen and Git does not name yet.
fn updates(state: &State) -> Updates {
    let mut updates = Updates::new();
    for (name, policy) in &state.policies {
        let (Ok(spec), Some(chosen)) = (&policy.spec, &policy.memory.latest) else {
            continue;
        };
        if policy
            .current
            .as_ref()
            .is_some_and(|current| current != chosen)
        {
            updates
                .entry(name.namespace.clone())
                .or_default()
                .insert(spec.image.to_string(), chosen.clone());
        }
    }
    updates
}

/// The first of them that is of an image that an application runs.
fn waiting(entry: &ApplicationState, updates: &BTreeMap<String, String>) -> Option<String> {
    let images = &entry.kept.as_ref()?.images;
    let names: BTreeSet<String> = images
        .iter()
        .filter_map(|text| Some(Reference::parse(text).ok()?.name.to_string()))
        .collect();
    names.iter().find_map(|name| updates.get(name).cloned())
}
