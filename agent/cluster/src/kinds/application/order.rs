//! What an Application says of order, time and health, and what its status says of a rollout.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::period::Period;

/// The one commit that is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The commit, in full or its beginning.
    #[schemars(length(min = 7, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub commit: String,
    /// Why, for the next person who looks.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
    /// When it ends by itself; never where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
}

/// Something that has to be ready before a newer commit is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.kind) || !has(self.namespace)").message("another Application is of the same namespace: leave `namespace` away").field_path(".namespace"))]
#[x_kube(validation = Rule::new("has(self.kind) == has(self.apiVersion)").message("an object is named by `apiVersion` and `kind`, an Application by its `name` alone"))]
pub struct Dependency {
    /// Name of an Application of the same namespace; with `kind` the name of an object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// `apiVersion` of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub api_version: Option<String>,
    /// Kind of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Namespace of the object; the destination's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// A CEL expression that has to be true of it; it sees the object as `self`. Without it an object
    /// has to be healthy. An Application has to be applied and healthy in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub ready: Option<String>,
}

/// How the health of some objects is judged. The expressions are CEL and see the object as `self`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.healthy) || has(self.degraded) || has(self.progressing)").message("name at least one of `healthy`, `degraded` and `progressing`"))]
pub struct HealthRule {
    /// Group of the objects, empty for the core group; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind of the objects.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the object; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// It does its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub healthy: Option<String>,
    /// It failed and will not become healthy by waiting. Asked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub degraded: Option<String>,
    /// It is on its way. Asked second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub progressing: Option<String>,
}

/// How a failed sync is tried again; what is absent is a setting of the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often in a row; without end where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub limit: Option<u32>,
    /// The first delay; it doubles from try to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("a delay is between 1s and 24h"))]
    pub first: Option<Period>,
    /// The longest delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("a delay is between 1s and 24h"))]
    pub most: Option<Period>,
}

/// A time in which newer commits may, or may not, be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Whether it allows or forbids. A window that forbids wins.
    pub kind: WindowKind,
    /// When it begins: a cron expression of five fields, for example `0 8 * * MON-FRI`.
    #[schemars(length(min = 9, max = 128))]
    pub schedule: String,
    /// How long it is.
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('744h')").message("a window is between 1m and 744h long"))]
    pub duration: Period,
    /// IANA time zone of the schedule, for example `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// Whether a window allows or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowKind {
    /// Newer commits are applied in it, and not outside of all that allow.
    Allow,
    /// Newer commits wait while it lasts.
    Deny,
}

/// What happens when a rollout fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// It stays as it is until a newer commit comes or a person asks.
    #[default]
    Hold,
    /// It is tried again; hooks that succeeded do not run again.
    Retry,
    /// The commits since the last good one that change the Application are reverted by a commit,
    /// once. Needs `spec.write` of the Repository.
    Revert,
}

/// A stop of a rollout after a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.__for__) != has(self.until)").message("name either `for` or `until`"))]
pub struct Pause {
    /// The wave after which the rollout stops, once it is healthy.
    pub after_wave: i32,
    /// How long.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('744h')").message("a pause is between 1s and 744h"))]
    pub for_: Option<Period>,
    /// Until this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<PauseUntil>,
}

/// What a pause waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseUntil {
    /// `apiVersion` of the object.
    #[schemars(length(min = 1, max = 253))]
    pub api_version: String,
    /// Kind of the object.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the object; the destination's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// A CEL expression that has to be true; it sees the object as `self`.
    #[schemars(length(min = 1, max = 4096))]
    pub condition: String,
    /// How long it may take before the rollout fails; `spec.sync.timeout` where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('744h')").message("a timeout is between 1s and 744h"))]
    pub timeout: Option<Period>,
}

/// Where a rollout is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Which rollout it is: hash of the desired objects and hooks.
    pub identity: String,
    /// The commit with which it began.
    pub commit: String,
    /// Whether it is the first one of the application.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// `Before`, `Waves`, `Prune`, `Settle`, `After`, `Failing`, `Done` or `Failed`.
    pub phase: String,
    /// The wave that is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<i32>,
    /// How many waves there are.
    pub waves: i64,
    /// Since when the phase, and the wave in it, is what it is.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// Hooks that were started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub hooks: Vec<HookStatus>,
    /// When each pause began, by its place in `spec.sync.pauses`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub pauses: Vec<PauseStatus>,
    /// Why it failed: a reason of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
}

/// One run of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookStatus {
    /// `before`, `during`, `after`, `failure`, `before-delete` or `after-delete`.
    pub moment: String,
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object as Git has it.
    pub name: String,
    /// What tells this run from others; on the object as `syncline.dev/hook-run`.
    pub run: String,
    /// `Running`, `Succeeded` or `Failed`.
    pub state: String,
    /// When it was started.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub finished_at: Option<Timestamp>,
    /// What it says of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// `metadata.uid` of its object, once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
}

/// A pause that began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseStatus {
    /// Its place in `spec.sync.pauses`, from 0.
    pub index: i64,
    /// When it began.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
}

/// The last rollback that was asked for, or made after a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// What was asked for; `failure:` and the commit where a rollout failed.
    #[schemars(length(max = 160))]
    pub request: String,
    /// `RollbackPlanned`, `RolledBack`, or why there is no commit.
    pub reason: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// When it was answered.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub time: Timestamp,
    /// Hash of the plan, by which a person confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The commit whose files come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The commits that are reverted, newest first: the beginning of the id, and the subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 320)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub commits: Vec<String>,
    /// The files that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 1024)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub files: Vec<String>,
    /// Other Applications that read one of these files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub others: Vec<String>,
    /// The commit that reverts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}
