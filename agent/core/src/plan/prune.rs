//! The action on an object of ours that left Git.

use super::{Action, Inputs, Live};
use crate::directives::{self, OnDeletion, Prune};
use crate::handover::Verdict;
use crate::names;
use crate::object::ObjectKey;
use crate::outcome::{ActionKind, Failure};
use crate::reason::Reason;

/// Decides about one object that carries our record and that Git does not name.
pub(super) fn action(
    inputs: &Inputs<'_>,
    key: &ObjectKey,
    live: &Live,
    warnings: &mut Vec<String>,
) -> Action {
    let mut action = Action::new(key, ActionKind::Prune);
    let said = directives::read(&live.annotations, &live.labels);
    warnings.extend(said.warnings.iter().map(|w| format!("{key}: {w}")));
    action.proof = Some((live.uid.clone(), live.resource_version.clone()));
    action.propagation = said.propagation;
    action.wave = said.wave;
    action.because = stays(inputs, key, live, said.prune);
    if action.because.is_some() {
        action.kind = ActionKind::Skip;
    }
    action
}

/// Why it is not pruned; `None` where it may go.
fn stays(inputs: &Inputs<'_>, key: &ObjectKey, live: &Live, said: Prune) -> Option<Failure> {
    let because = |reason, detail: String| Some(Failure { reason, detail });
    if !inputs.policy.prune {
        let detail = format!("{key} left Git and stays: `spec.sync.prune` is false");
        return because(Reason::Synced, detail);
    }
    if said == Prune::Never {
        let detail = format!("{key} left Git and stays, as its annotation says");
        return because(Reason::Synced, detail);
    }
    if is_protected(key, inputs.agent_namespace) {
        return because(Reason::Protected, format!("{key} is never pruned"));
    }
    if let Some(controller) = &live.controller {
        return because(
            Reason::AdoptedByController,
            format!("{key} was adopted by {controller}"),
        );
    }
    let other = inputs.facts.others.get(key)?;
    let name = &other.application;
    // From the other's side: we left it.
    match other.verdict() {
        Verdict::Take | Verdict::Wait => because(
            Reason::WaitsForRender,
            format!("{key} left Git here and passes to application {name}"),
        ),
        Verdict::Shared | Verdict::OwnedBy => because(
            Reason::ClaimedElsewhere,
            format!("{key} left Git here and is declared by application {name}"),
        ),
    }
}

/// The agent's own namespace and kinds and the namespaces of Kubernetes itself (inv_i07).
pub fn is_protected(key: &ObjectKey, agent_namespace: &str) -> bool {
    if key.namespace.as_deref() == Some(agent_namespace) {
        return true;
    }
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Namespace") => {
            key.name == "default" || key.name.starts_with("kube-") || key.name == agent_namespace
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            key.name.ends_with(&format!(".{}", names::GROUP))
        }
        _ => false,
    }
}

/// Kinds whose removal is never done without a person: they hold data, or other objects.
pub(super) fn is_precious(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        (
            "",
            "PersistentVolumeClaim" | "PersistentVolume" | "Namespace"
        ) | ("apps", "StatefulSet")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | (names::GROUP, "Application")
    )
}

/// Whether an object stays when its Application is deleted: what holds data or other objects does,
/// unless it carries `syncline.dev/prune: always`; what is never pruned does as well.
pub fn is_kept_on_deletion(key: &ObjectKey, live: &Live, agent_namespace: &str) -> bool {
    let said = directives::read(&live.annotations, &live.labels);
    let holds_data = is_precious(key) && key.kind != "StatefulSet" && key.group != names::GROUP;
    is_protected(key, agent_namespace)
        || said.on_deletion == OnDeletion::Keep
        || (holds_data && said.prune != Prune::Always)
}
