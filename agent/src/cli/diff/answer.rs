//! How `syncline diff` prints what it found.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use syncline_core::hooks::Moment;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::Action;
use syncline_core::reason::Class;

use super::super::{print, report};
use super::{DiffArguments, Format, refused};
use crate::preview::Preview;

/// Prints what was found.
pub(super) fn answer(arguments: &DiffArguments, preview: &Preview) -> anyhow::Result<ExitCode> {
    let unread: Vec<Failure> = preview
        .unread
        .iter()
        .cloned()
        .chain(preview.plan.actions.iter().filter_map(not_known))
        .collect();
    let differs = preview.plan.hold.is_some()
        || !preview.hooks.is_empty()
        || preview.plan.actions.iter().any(differs);
    match arguments.output {
        Format::Text => {
            for line in preview.remarks.iter().chain(&preview.plan.warnings) {
                report(&format!("note: {line}"));
            }
            print(&text(arguments, preview))?;
        }
        Format::Json => {
            let mut value = serde_json::to_value(preview)?;
            value["summary"] = summary(preview);
            print(&format!("{value:#}\n"))?;
        }
    }
    if !unread.is_empty() {
        return refused(&unread);
    }
    Ok(if differs {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// Why nothing is known of an object.
fn not_known(action: &Action) -> Option<Failure> {
    let because = action.because.as_ref()?;
    let closed = matches!(because.reason.class(), Class::Denied | Class::Transient);
    (action.kind == ActionKind::Skip && closed).then(|| because.clone())
}

/// Whether an object is not as Git says it.
fn differs(action: &Action) -> bool {
    let good = |because: &Failure| because.reason.class() == Class::Good;
    match action.kind {
        ActionKind::Create | ActionKind::Update | ActionKind::Prune => true,
        ActionKind::Unchanged => action.because.is_some(),
        ActionKind::Skip => !action.because.as_ref().is_some_and(good),
    }
}

const KINDS: [ActionKind; 5] = [
    ActionKind::Create,
    ActionKind::Update,
    ActionKind::Prune,
    ActionKind::Skip,
    ActionKind::Unchanged,
];

fn summary(preview: &Preview) -> Value {
    let counts = KINDS.map(|kind| (kind.as_str().to_owned(), json!(preview.plan.count(kind))));
    Value::Object(counts.into_iter().collect())
}

/// The hooks of a moment, in the order in which they run.
fn hooks(out: &mut String, preview: &Preview, moment: Moment) {
    for hook in preview.hooks.iter().filter(|hook| hook.moment == moment) {
        let (moment, key, origin) = (moment.as_str(), &hook.key, &hook.origin);
        let _ = writeln!(out, "hook      {moment} {key}  # {origin}");
    }
}

fn text(arguments: &DiffArguments, preview: &Preview) -> String {
    let mut out = String::new();
    hooks(&mut out, preview, Moment::Before);
    for action in &preview.plan.actions {
        let quiet = action.kind == ActionKind::Unchanged && action.because.is_none();
        if quiet && !arguments.show_unchanged {
            continue;
        }
        let _ = write!(out, "{:9} {}", action.kind.as_str(), action.key);
        if action.wave != 0 {
            let _ = write!(out, "  (wave {})", action.wave);
        }
        if let Some(origin) = &action.origin {
            let _ = write!(out, "  # {origin}");
        }
        out.push('\n');
        for change in &action.changes {
            let before = change.before.as_deref().unwrap_or("-");
            let after = change.after.as_deref().unwrap_or("-");
            let _ = writeln!(out, "          {}: {before} -> {after}", change.path);
        }
        if let Some(because) = &action.because {
            let _ = writeln!(
                out,
                "          {}: {}",
                because.reason.name(),
                because.detail
            );
        }
        for note in &action.notes {
            let _ = writeln!(out, "          {note}");
        }
    }
    hooks(&mut out, preview, Moment::During);
    hooks(&mut out, preview, Moment::After);
    if let Some(hold) = &preview.plan.hold {
        let _ = writeln!(out, "held      {}: {}", hold.reason.name(), hold.detail);
    }
    let counts = KINDS.map(|kind| format!("{} {}", preview.plan.count(kind), kind.as_str()));
    let _ = writeln!(out, "{}", counts.join(", "));
    out
}
