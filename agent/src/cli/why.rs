//! `syncline why`: why an Application is as it is, from its own spec and status.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use syncline_cluster::kinds::{self, ApplicationStatus, RolloutStatus};
use syncline_core::reason::Reason;

use super::connection::{Connection, Found, apart, plain, shown};
use super::page::{Page, since};
use super::print;

/// Arguments of `syncline why`.
#[derive(Args, Clone, Debug)]
pub struct WhyArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Reads and prints.
pub(super) async fn run(arguments: &WhyArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let others = if found.application.spec.depends_on.is_empty() {
        Vec::new()
    } else {
        // Who may read one Application only is told of that one.
        place
            .list(Some(&found.name.namespace))
            .await
            .unwrap_or_default()
    };
    print(&told(&found, &others, Timestamp::now()))
}

/// Everything that is known, for people.
fn told(found: &Found, others: &[Found], now: Timestamp) -> String {
    let spec = &found.application.spec;
    let status = found.application.status.clone().unwrap_or_default();
    let word = status.sync.as_deref().unwrap_or("not looked at yet");
    let mut page = Page(format!("{}: {}\n", found.name, plain(word)));
    let message = status
        .message
        .as_deref()
        .unwrap_or("the agent has not said anything of it");
    let _ = writeln!(page.0, "  {}", plain(message));
    let ready = status.conditions.iter().find(|one| one.type_ == "Ready");
    if let Some(ready) = ready {
        page.line("since", &since(ready.last_transition_time, now));
    }
    if let Some(health) = &status.health {
        let at = status
            .health_since
            .map(|at| format!(", since {}", since(at, now)));
        page.line("health", &format!("{health}{}", at.unwrap_or_default()));
    }
    page.option("applied", status.last_applied_revision.as_deref());
    page.option("tried", tried(&status));
    stops(&mut page, spec, now);
    page.list("waits for", &status.waiting_for);
    page.list("depends on", &chain(found, others));
    if let Some(rollout) = &status.rollout {
        page.list("rollout", &rollout_lines(rollout, spec, now));
    }
    let windows = spec.sync.windows.iter().map(|window| {
        let rule = match window.kind {
            kinds::WindowKind::Allow => "allows",
            kinds::WindowKind::Deny => "forbids",
        };
        let length = humantime::format_duration(window.duration.get());
        format!(
            "{rule} `{}` for {length}, {}",
            window.schedule, window.time_zone
        )
    });
    page.list("windows", &windows.collect::<Vec<_>>());
    if let Some(hash) = &status.plan_hash {
        page.line(
            "plan",
            &format!("{hash} waits: `syncline approve {} {hash}`", found.name),
        );
    }
    if let Some(at) = status.next_try {
        let text = if at > now {
            format!("{} (in {})", shown(at), apart(at, now))
        } else {
            "now".to_owned()
        };
        page.line("next try", &text);
    }
    page.0
}

/// The revision of the last try, where it is not the applied one.
fn tried(status: &ApplicationStatus) -> Option<&str> {
    let tried = status.last_attempted_revision.as_deref()?;
    (status.last_applied_revision.as_deref() != Some(tried)).then_some(tried)
}

/// What a person decided.
fn stops(page: &mut Page, spec: &kinds::ApplicationSpec, now: Timestamp) {
    let ends = |until: Option<Timestamp>| match until {
        Some(until) if until <= now => format!(" (ended {})", shown(until)),
        Some(until) => format!(" (until {}, in {})", shown(until), apart(until, now)),
        None => String::new(),
    };
    if let Some(suspend) = &spec.suspend {
        page.line(
            "suspended",
            &format!("{}{}", suspend.reason, ends(suspend.until)),
        );
    }
    if let Some(pin) = &spec.pin {
        let text = format!("to {}: {}{}", pin.commit, pin.reason, ends(pin.until));
        page.line("pinned", &text);
    }
}

/// What it depends on, and what that depends on, each once; further away is further in.
fn chain(found: &Found, others: &[Found]) -> Vec<String> {
    let by_name: BTreeMap<&str, &Found> = others
        .iter()
        .map(|other| (other.name.name.as_str(), other))
        .collect();
    let mut lines = Vec::new();
    let mut seen = BTreeSet::from([found.name.name.clone()]);
    walk(&found.application.spec, &by_name, &mut seen, 0, &mut lines);
    lines
}

fn walk(
    spec: &kinds::ApplicationSpec,
    others: &BTreeMap<&str, &Found>,
    seen: &mut BTreeSet<String>,
    depth: usize,
    lines: &mut Vec<String>,
) {
    for dependency in &spec.depends_on {
        let indent = "  ".repeat(depth);
        let condition = dependency.ready.as_ref();
        let condition = condition
            .map(|ready| format!(", where `{ready}`"))
            .unwrap_or_default();
        if let Some(kind) = &dependency.kind {
            let namespace = dependency.namespace.as_deref();
            let namespace = namespace
                .map(|space| format!("{space}/"))
                .unwrap_or_default();
            lines.push(format!(
                "{indent}{kind} {namespace}{}{condition}",
                dependency.name
            ));
            continue;
        }
        let name = &dependency.name;
        let Some(other) = others.get(name.as_str()) else {
            lines.push(format!(
                "{indent}{name}: it is not there, or may not be read{condition}"
            ));
            continue;
        };
        if !seen.insert(name.clone()) {
            lines.push(format!("{indent}{name}: see above{condition}"));
            continue;
        }
        let status = other.application.status.clone().unwrap_or_default();
        let sync = status.sync.as_deref().unwrap_or("not looked at yet");
        let health = status.health.as_deref().unwrap_or("Unknown");
        let why = status.message.filter(|_| !is_well(sync, health));
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!("{indent}{name}: {sync}, {health}{condition}{why}"));
        walk(&other.application.spec, others, seen, depth + 1, lines);
    }
}

fn is_well(sync: &str, health: &str) -> bool {
    sync == Reason::Synced.name() && health == "Healthy"
}

fn rollout_lines(
    rollout: &RolloutStatus,
    spec: &kinds::ApplicationSpec,
    now: Timestamp,
) -> Vec<String> {
    let wave = rollout
        .wave
        .map(|wave| format!(", wave {wave}"))
        .unwrap_or_default();
    let commit = rollout.commit.get(..7).unwrap_or(&rollout.commit);
    let mut lines = vec![format!(
        "{}{wave} ({} in all) since {}; of {commit}, began {}",
        rollout.phase,
        match rollout.waves {
            1 => "1 wave".to_owned(),
            waves => format!("{waves} waves"),
        },
        since(rollout.since, now),
        since(rollout.started_at, now),
    )];
    for hook in &rollout.hooks {
        let end = hook.finished_at.unwrap_or(now);
        let namespace = hook.namespace.as_ref();
        let namespace = namespace
            .map(|space| format!("{space}/"))
            .unwrap_or_default();
        let message = hook
            .message
            .as_deref()
            .filter(|message| !message.is_empty());
        let message = message
            .map(|message| format!(": {message}"))
            .unwrap_or_default();
        lines.push(format!(
            "  {} hook {} {namespace}{}: {} after {}{message}",
            hook.moment,
            hook.kind,
            hook.name,
            hook.state,
            apart(end, hook.started_at),
        ));
    }
    for pause in &rollout.pauses {
        let index = usize::try_from(pause.index).ok();
        let Some(asked) = index.and_then(|index| spec.sync.pauses.get(index)) else {
            continue;
        };
        let what = match (&asked.for_, &asked.until) {
            (Some(length), _) => format!("for {}", humantime::format_duration(length.get())),
            (None, Some(until)) => {
                format!(
                    "until `{}` holds of {} {}",
                    until.condition, until.kind, until.name
                )
            }
            (None, None) => String::new(),
        };
        let began = since(pause.since, now);
        lines.push(format!(
            "  pause after wave {} {what}, began {began}",
            asked.after_wave
        ));
    }
    if let Some(message) = &rollout.message {
        lines.push(format!("  failed: {message}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::get::tests::application;

    #[test]
    fn what_is_waited_for_is_told_through_others() {
        let orders = application(
            "orders",
            json!({
                "dependsOn": [
                    {"name": "search"},
                    {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "ready": "self.x == 1"},
                    {"name": "gone"},
                ],
                "suspend": {"reason": "the move", "until": "2026-12-01T14:00:00Z"},
            }),
            json!({
                "sync": "Blocked",
                "message": "A newer commit waits for what the application depends on: search",
                "waitingFor": ["Application shop/search"],
                "nextTry": "2026-12-01T12:05:00Z",
                "planHash": "abc",
            }),
        );
        let search = application(
            "search",
            json!({"dependsOn": [{"name": "ledger"}, {"name": "orders"}]}),
            json!({"sync": "Progressing", "health": "Progressing", "message": "2 of 5 pods"}),
        );
        let ledger = application(
            "ledger",
            json!({}),
            json!({"sync": "Synced", "health": "Healthy"}),
        );
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        assert_eq!(
            told(&orders, &[search, ledger], now),
            "shop/orders: Blocked\n\
             \x20 A newer commit waits for what the application depends on: search\n\
             \x20 suspended   the move (until 2026-12-01T14:00:00Z, in 2h)\n\
             \x20 waits for   Application shop/search\n\
             \x20 depends on  search: Progressing, Progressing: 2 of 5 pods\n\
             \x20               ledger: Synced, Healthy\n\
             \x20               orders: it is not there, or may not be read\n\
             \x20             StatefulSet db, where `self.x == 1`\n\
             \x20             gone: it is not there, or may not be read\n\
             \x20 plan        abc waits: `syncline approve shop/orders abc`\n\
             \x20 next try    2026-12-01T12:05:00Z (in 5m)\n"
        );
    }

    #[test]
    fn a_rollout_is_told_with_its_hooks_and_pauses() {
        let orders = application(
            "orders",
            json!({"sync": {"pauses": [{"afterWave": 0, "for": "10m"}]}}),
            json!({
                "sync": "Paused",
                "message": "The rollout pauses between two waves",
                "rollout": {
                    "identity": "i", "commit": "4c1d9ab0", "startedAt": "2026-12-01T11:50:00Z",
                    "phase": "Waves", "wave": 0, "waves": 3, "since": "2026-12-01T11:58:00Z",
                    "hooks": [{
                        "moment": "before", "apiVersion": "batch/v1", "kind": "Job",
                        "namespace": "shop", "name": "migrate", "run": "r", "state": "Succeeded",
                        "startedAt": "2026-12-01T11:50:00Z", "finishedAt": "2026-12-01T11:50:41Z",
                    }],
                    "pauses": [{"index": 0, "since": "2026-12-01T11:58:00Z"}],
                },
            }),
        );
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let page = told(&orders, &[], now);
        for line in [
            "Waves, wave 0 (3 waves in all) since 2026-12-01T11:58:00Z (2m ago); of 4c1d9ab,",
            "before hook Job shop/migrate: Succeeded after 41s\n",
            "pause after wave 0 for 10m, began 2026-12-01T11:58:00Z (2m ago)\n",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
