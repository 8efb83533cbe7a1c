//! Whether an application is meant.

use super::{Filter, Key, Term, Value};
use crate::questions::Listed;
use crate::views::{Cause, Health, Hold, Severity, SyncResult};

impl Filter {
    /// Whether everything holds of an application.
    pub fn finds(&self, application: &Listed) -> bool {
        self.terms.iter().all(|term| term.holds(application))
    }
}

impl Term {
    fn holds(&self, application: &Listed) -> bool {
        if self.values.is_empty() {
            return true;
        }
        let mut values = self.values.iter();
        let fits = match self.key {
            None => values.all(|value| is_somewhere(application, value)),
            Some(key) => values.any(|value| has(application, key, value)),
        };
        fits != self.negated
    }
}

/// Whether anything that is said of an application has the word.
fn is_somewhere(application: &Listed, value: &Value) -> bool {
    let summary = &application.summary;
    let has = |text: &str| value.pattern.fits(text);
    let why = &summary.why;
    let commit = summary.commit.as_ref();
    has(&summary.name)
        || has(&summary.namespace)
        || has(&format!("{}/{}", summary.namespace, summary.name))
        || [&why.reason, &why.sentence, &why.detail]
            .iter()
            .any(|text| has(text))
        || summary.waiting_for.iter().any(|text| has(text))
        || summary.images.iter().any(|text| has(text))
        || commit.is_some_and(|c| has(&c.subject) || has(&c.author) || has(&c.id))
}

fn has(application: &Listed, key: Key, value: &Value) -> bool {
    let summary = &application.summary;
    let is = |text: &str| value.pattern.fits(text);
    let commit = summary.commit.as_ref();
    match key {
        Key::Auto => is(if application.automatic { "on" } else { "off" }),
        Key::Author => commit.is_some_and(|commit| is(&commit.author)),
        Key::Cause => application
            .cause
            .is_some_and(|cause| is(word_of_cause(cause))),
        Key::Drift => is(yes_or_no(application.drifted)),
        Key::Health => is(word_of_health(summary.health)),
        Key::Hold => summary.holds.iter().any(|hold| is(word_of_hold(*hold))),
        Key::Image => summary.images.iter().any(|image| is(image)),
        Key::Label => application.labels.iter().any(|(name, given)| {
            let equals = value.equals.as_ref();
            is(name) && equals.is_none_or(|equals| equals.fits(given))
        }),
        Key::Name => is(&summary.name),
        Key::Namespace => is(&summary.namespace),
        Key::Path => is(&summary.path),
        Key::Reason => is(&summary.why.reason),
        Key::Repository => is(&summary.repository),
        Key::Result => {
            let last = summary.last_sync.as_ref();
            last.is_some_and(|sync| is(word_of_result(sync.result)))
        }
        Key::Revision => summary
            .revision
            .as_ref()
            .is_some_and(|revision| is(&revision.commit)),
        Key::State => is(word_of_severity(summary.severity)),
        Key::Update => is(yes_or_no(application.update.is_some())),
        Key::Waits => summary.waiting_for.iter().any(|what| is(what)),
    }
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn word_of_cause(cause: Cause) -> &'static str {
    match cause {
        Cause::StartUp => "start-up",
        Cause::Time => "time",
        Cause::Rollout => "rollout",
        Cause::Poll => "poll",
        Cause::Webhook => "webhook",
        Cause::Drift => "drift",
        Cause::Reference => "reference",
        Cause::Image => "image",
        Cause::Chart => "chart",
        Cause::Schedule => "schedule",
        Cause::Dependency => "dependency",
        Cause::Retry => "retry",
        Cause::User => "user",
    }
}

fn word_of_health(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Progressing => "progressing",
        Health::Degraded => "degraded",
        Health::Suspended => "suspended",
        Health::Missing => "missing",
        Health::Unknown => "unknown",
    }
}

fn word_of_hold(hold: Hold) -> &'static str {
    match hold {
        Hold::Frozen => "frozen",
        Hold::Suspended => "suspended",
        Hold::Aborted => "aborted",
        Hold::Pinned => "pinned",
        Hold::Blocked => "blocked",
        Hold::Window => "window",
        Hold::Approval => "approval",
        Hold::Paused => "paused",
        Hold::Hook => "hook",
    }
}

fn word_of_result(result: SyncResult) -> &'static str {
    match result {
        SyncResult::Running => "running",
        SyncResult::Succeeded => "succeeded",
        SyncResult::Failed => "failed",
        SyncResult::Held => "held",
        SyncResult::Interrupted => "interrupted",
        SyncResult::Superseded => "superseded",
    }
}

fn word_of_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Failing => "failing",
        Severity::Waiting => "waiting",
        Severity::Progressing => "progressing",
        Severity::Suspended => "suspended",
        Severity::Healthy => "healthy",
    }
}
