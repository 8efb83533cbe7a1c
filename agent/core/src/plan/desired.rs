//! The action on an object that Git names.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Action, Inputs, Live, Plan};
use crate::application::Ignore;
use crate::directives::{self, Apply, Directives};
use crate::handover::Verdict as Handover;
use crate::manifest::{Body, Manifest};
use crate::names;
use crate::object::ObjectKey;
use crate::outcome::{ActionKind, Failure};
use crate::ownership::{self, ADOPTED_MANAGERS, Autoscaled, Examination, Rules, Verdict};
use crate::reason::Reason;
use crate::record::Drift;

/// What is said where every field is still ours and somebody else wrote it.
const UNDER_OUR_NAME: &str = "a value that somebody wrote under our name";

/// How an object comes to us that is not ours yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its record names us.
    Ours,
    /// It has no record: what tools had set is taken over with it.
    Adopted,
    /// It passes from another application of the installation.
    HandedOver,
}

/// Decides about one object. What is drift goes into the plan's list.
pub(super) fn action(inputs: &Inputs<'_>, manifest: &Manifest, plan: &mut Plan) -> Action {
    let key = &manifest.key;
    let said = directives_of(&manifest.body);
    let warnings = said
        .warnings
        .iter()
        .map(|w| format!("{}: {w}", manifest.origin));
    plan.warnings.extend(warnings);
    let mut action = Action::new(key, ActionKind::Update);
    action.origin = Some(manifest.origin.clone());
    action.apply = said.apply;
    action.replace = said.replace;
    action.wave = said.wave;
    if let Some(why) = inputs.facts.unreadable.get(key) {
        return skip(action, why.reason, why.detail.clone());
    }
    let Some(live) = inputs.live.get(key) else {
        return absent(inputs, action, plan);
    };
    action.proof = Some((live.uid.clone(), live.resource_version.clone()));
    if live.deleting {
        return skip(action, Reason::BeingDeleted, key.to_string());
    }
    let standing = match standing(inputs, key, live) {
        Ok(standing) => standing,
        Err(because) => return skip(action, because.reason, because.detail),
    };
    if said.apply != Apply::Always {
        action.kind = ActionKind::Unchanged;
        action
            .notes
            .push("left as it is, as its annotation says".to_owned());
        return action;
    }
    let examination = examine(inputs, manifest, live, standing);
    let changed = standing != Standing::Ours || live.applied() != inputs.hashes.get(key).copied();
    let removed = examination
        .foreign
        .iter()
        .any(|foreign| foreign.verdict == Verdict::Remove);
    // Where Git has not changed, what our entry has beyond it was written under our name; so was
    // an entry that has all that Git names and is not the one that we left: its values may be any.
    let rewritten = inputs.facts.forged.contains(key);
    let forged = rewritten || !examination.surplus.is_empty();
    let drifted =
        !examination.lost.is_empty() || ((removed || forged) && standing == Standing::Ours);
    note(&mut action, &examination, standing, changed);
    let all_stands = examination.lost.is_empty() && examination.surplus.is_empty();
    if rewritten && all_stands && !changed {
        action.notes.push(UNDER_OUR_NAME.to_owned());
    }
    if drifted && !changed {
        // A field that is new in Git is lost as well; only an unchanged object has drifted.
        plan.drift.push(drift(inputs, key, &examination));
    }
    if !changed && drifted && !inputs.policy.self_heal {
        let what = fields(&examination).join(", ");
        action.kind = ActionKind::Unchanged;
        action.because = Some(Failure {
            reason: Reason::DriftFound,
            detail: format!("{key}: {what}"),
        });
        return action;
    }
    if !changed && !drifted && examination.released.is_empty() {
        // Our own record may be damaged although every field stands.
        action.kind = ActionKind::Unchanged;
        return action;
    }
    action.lost = examination.lost;
    action.rewrite = examination.rewrite;
    let adopted = examination.adopted.into_iter().map(|holder| holder.manager);
    action.adopted = adopted.collect();
    action
}

/// An object that Git names and the cluster does not have.
fn absent(inputs: &Inputs<'_>, mut action: Action, plan: &mut Plan) -> Action {
    action.kind = ActionKind::Create;
    if action.apply == Apply::Ignore {
        action.kind = ActionKind::Unchanged;
        action
            .notes
            .push("not created, as its annotation says".to_owned());
        return action;
    }
    let key = &action.key;
    let stood = inputs.before.get(key);
    if stood.is_some() && stood == inputs.hashes.get(key) {
        plan.drift.push(Drift {
            object: key.to_string(),
            fields: Vec::new(),
            manager: "unknown client".to_owned(),
            time: None,
        });
        if !inputs.policy.self_heal {
            action.kind = ActionKind::Unchanged;
            action.because = Some(Failure {
                reason: Reason::DriftFound,
                detail: format!("{key} is gone"),
            });
        }
    }
    action
}

/// Whether the object is ours, or comes to us, or why it must not be touched.
fn standing(inputs: &Inputs<'_>, key: &ObjectKey, live: &Live) -> Result<Standing, Failure> {
    let refuse = |reason, detail| Err(Failure { reason, detail });
    let owner = match live.owner(key) {
        None => {
            return match inputs.facts.tools.get(key) {
                Some(tool) => refuse(Reason::OtherTool, format!("{key}: {tool}")),
                None => Ok(Standing::Adopted),
            };
        }
        Some(owner) if owner == *inputs.owner => return Ok(Standing::Ours),
        Some(owner) => owner,
    };
    if owner.instance != inputs.owner.instance {
        return refuse(
            Reason::OwnedBy,
            format!(
                "{key} belongs to another Syncline ({}, application {})",
                owner.instance, owner.application
            ),
        );
    }
    let other = inputs.facts.others.get(key);
    let by = &owner.application;
    match other.map(crate::handover::Other::verdict) {
        Some(Handover::Take) => Ok(Standing::HandedOver),
        Some(Handover::Shared) => refuse(
            Reason::Shared,
            format!("{key} is declared alike by application {by}, which has it"),
        ),
        Some(Handover::Wait) => refuse(
            Reason::WaitsForRender,
            format!("{key} belongs to application {by}, which is not rendered yet"),
        ),
        Some(Handover::OwnedBy) | None => refuse(
            Reason::OwnedBy,
            format!("{key} belongs to application {by}"),
        ),
    }
}

fn examine(
    inputs: &Inputs<'_>,
    manifest: &Manifest,
    live: &Live,
    standing: Standing,
) -> Examination {
    let key = &manifest.key;
    let ignore: Vec<&Ignore> = inputs
        .ignore
        .iter()
        .filter(|rule| rule.selects(key))
        .collect();
    let adopted: Vec<String> = match standing {
        Standing::Adopted => ADOPTED_MANAGERS.iter().map(|m| (*m).to_owned()).collect(),
        Standing::Ours | Standing::HandedOver => Vec::new(),
    };
    let autoscaled = if inputs.facts.autoscaled.contains(key) {
        Autoscaled::Yes
    } else {
        Autoscaled::No
    };
    ownership::examine(
        &manifest.body.to_wire(),
        &live.managed_fields,
        &Rules {
            ours: &names::field_manager(&inputs.owner.instance),
            foreign: inputs.policy.foreign,
            manual: inputs.manual_tools,
            ignore: &ignore,
            adopt: &adopted,
            autoscaled,
        },
    )
}

/// Puts what happens to the ownership of fields into words.
fn note(action: &mut Action, examination: &Examination, standing: Standing, changed: bool) {
    let notes = &mut action.notes;
    if standing == Standing::HandedOver {
        notes.push("taken over from another application".to_owned());
    }
    let holders = examination
        .holders
        .iter()
        .map(|holder| holder.manager.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    if standing == Standing::Adopted {
        let by = match holders.as_str() {
            "" | "unknown client" => String::new(),
            holders => format!(" (set by {holders})"),
        };
        notes.push(format!("taken over: it had no owner{by}"));
    }
    if !examination.lost.is_empty() && standing == Standing::Ours {
        let lost = examination.lost.join(", ");
        if !changed {
            notes.push(format!("put back {lost} (changed by {holders})"));
        } else if !holders.is_empty() && holders != "unknown client" {
            notes.push(format!("took {lost} from {holders}"));
        }
    }
    for foreign in &examination.foreign {
        let what = foreign.fields.join(", ");
        let done = match foreign.verdict {
            Verdict::Remove => "removed",
            Verdict::Keep => "left",
        };
        notes.push(format!("{done} {what} (set by {})", foreign.manager));
    }
    if !changed && !examination.surplus.is_empty() {
        let what = examination.surplus.join(", ");
        notes.push(format!("removed {what} (written under our name)"));
    }
    if !examination.released.is_empty() {
        notes.push(format!("gave up {}", examination.released.join(", ")));
    }
}

/// The fields of an unchanged object that drifted: lost ones and those that are removed.
fn fields(examination: &Examination) -> Vec<String> {
    let removed = examination
        .foreign
        .iter()
        .filter(|foreign| foreign.verdict == Verdict::Remove);
    let removed = removed.flat_map(|foreign| &foreign.fields);
    let all = examination.lost.iter().chain(removed);
    let mut all: Vec<_> = all.chain(&examination.surplus).cloned().collect();
    if all.is_empty() {
        all.push(UNDER_OUR_NAME.to_owned());
    }
    all
}

fn drift(inputs: &Inputs<'_>, key: &ObjectKey, examination: &Examination) -> Drift {
    let removed = examination
        .foreign
        .iter()
        .filter(|foreign| foreign.verdict == Verdict::Remove);
    let removed: Vec<_> = removed.collect();
    let mut managers: Vec<&str> = Vec::new();
    if !examination.lost.is_empty() {
        managers.extend(examination.holders.iter().map(|h| h.manager.as_str()));
    }
    managers.extend(removed.iter().map(|foreign| foreign.manager.as_str()));
    let ours = names::field_manager(&inputs.owner.instance);
    if !examination.surplus.is_empty() || managers.is_empty() {
        managers.push(&ours);
    }
    let mut once: Vec<&str> = Vec::new();
    for manager in managers {
        if !once.contains(&manager) {
            once.push(manager);
        }
    }
    let time = examination.holders.iter().find_map(|holder| holder.time);
    Drift {
        object: key.to_string(),
        fields: fields(examination),
        manager: once.join(", "),
        time: time.or(removed.iter().find_map(|foreign| foreign.time)),
    }
}

/// The wave that Git gives an object.
pub fn wave_of(body: &Body) -> i32 {
    directives_of(body).wave
}

/// The directives that Git gives an object.
fn directives_of(body: &Body) -> Directives {
    let metadata = &body.visible()["metadata"];
    let pairs = |field: &str| -> BTreeMap<String, String> {
        let map = metadata[field].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        map.filter_map(|(name, value)| Some((name.clone(), text(value)?)))
            .collect()
    };
    directives::read(&pairs("annotations"), &pairs("labels"))
}

fn skip(mut action: Action, reason: Reason, detail: String) -> Action {
    action.kind = ActionKind::Skip;
    action.because = Some(Failure { reason, detail });
    action
}
