//! What keeps an application from its newest commit, and when that may change.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::ObjectName;

/// Why an application waits or stands still. A list shows it as one word beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// The whole agent is frozen.
    Frozen,
    /// It is suspended.
    Suspended,
    /// A person stopped what ran.
    Aborted,
    /// It is pinned to a commit.
    Pinned,
    /// It waits for what it depends on.
    Blocked,
    /// It waits for a sync window.
    Window,
    /// A plan waits for a person.
    Approval,
    /// Its rollout pauses between two waves.
    Paused,
    /// Its rollout waits for a hook.
    Hook,
}

/// One thing that keeps an application from its newest commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// What.
    pub hold: Hold,
    /// Why, for people: what the person wrote who decided it, or what is waited for.
    pub reason: String,
    /// Who decided it, where that is known.
    pub by: Option<String>,
    /// The commit of a pin.
    pub commit: Option<String>,
    /// When it ends by itself; absent where only an event or a person ends it.
    pub until: Option<Timestamp>,
    /// What to do. Empty where there is nothing to do.
    pub remedy: String,
}

/// The whole agent is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreezeView {
    /// Why.
    pub reason: String,
    /// Who froze it; empty where that is not known.
    pub by: String,
    /// When it ends by itself; absent where a person ends it.
    pub until: Option<Timestamp>,
}

/// A moment, in UTC and in the time zone of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZonedTime {
    /// In UTC.
    pub at: Timestamp,
    /// As the clocks of the zone show it, with its offset.
    #[schema(example = "2026-12-01 08:00 +01:00")]
    pub local: String,
}

impl ZonedTime {
    /// A moment in a zone.
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        Self {
            at,
            local: local.strftime("%Y-%m-%d %H:%M %:z").to_string(),
        }
    }
}

/// What a window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WindowRule {
    /// Newer commits are applied in it.
    Allow,
    /// Newer commits wait while it lasts.
    Deny,
}

/// A sync window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowView {
    /// What it does.
    pub rule: WindowRule,
    /// When it begins, as a cron expression.
    #[schema(example = "0 8 * * MON-FRI")]
    pub schedule: String,
    /// How long it is, in seconds.
    pub seconds: u64,
    /// Its time zone.
    pub time_zone: String,
    /// Whether it is now.
    pub open: bool,
    /// When it ends, where it is now; when it begins next, where it is not.
    pub changes: Option<ZonedTime>,
}

/// The sync windows of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowsView {
    /// Whether newer commits are applied now, by all windows together.
    pub open: bool,
    /// When that may change; absent for never.
    pub until: Option<Timestamp>,
    /// The windows, in the order of the Application.
    pub items: Vec<WindowView>,
}

/// Whether something that is depended on is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// It is.
    Ready,
    /// It is not, and what depends on it waits.
    Blocking,
    /// It was not looked at yet.
    Unknown,
}

/// Something that an application depends on, directly or through others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencyView {
    /// Name of an Application of the same namespace; absent for any other object.
    pub application: Option<String>,
    /// The object; absent for an Application.
    pub object: Option<ObjectName>,
    /// The CEL expression that has to be true of it; absent for none.
    pub condition: Option<String>,
    /// Whether it is ready.
    pub readiness: Readiness,
    /// Why it is not ready, for people. May be empty.
    pub why: String,
    /// Since when it is as it is, where that is known.
    pub since: Option<Timestamp>,
    /// How far away: 1 is named by the application itself.
    pub depth: u32,
    /// The Application that names it; absent where it is this one.
    pub via: Option<String>,
}

/// An application that depends on this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NeededByView {
    /// Its name, in the same namespace.
    pub name: String,
    /// Whether it names this one itself, and not through others.
    pub direct: bool,
    /// Whether it waits for this one now.
    pub waits: bool,
}

/// How a failed sync is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryView {
    /// How many syncs failed in a row.
    pub failures: u32,
    /// How many may; without end where it is absent.
    pub limit: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_the_clocks_of_its_zone_show_it() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let told = |text: &str| ZonedTime::new(text.parse().unwrap(), &zone).local;
        assert_eq!(told("2026-10-24T06:00:00Z"), "2026-10-24 08:00 +02:00");
        assert_eq!(told("2026-10-26T07:00:00Z"), "2026-10-26 08:00 +01:00");
    }
}
