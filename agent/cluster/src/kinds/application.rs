//! `Application`: a path of a Repository and where its objects go.

pub mod order;
pub mod rendering;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::period::Period;
use super::reference::Suspend;
use order::{
    Dependency, HealthRule, OnFailure, Pause, Pin, Retry, RollbackStatus, RolloutStatus, Window,
};
use rendering::{
    Decrypt, Helm, Kustomize, PlainSource, PostRender, Renderer, Source, Substitute, Validate,
};

/// How many kinds `status.checkedSlowly` names at most.
pub const MAX_CHECKED_SLOWLY: usize = 20;

/// A path of a Repository whose objects are kept in the cluster.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "syncline.dev",
    version = "v1alpha1",
    kind = "Application",
    plural = "applications",
    shortname = "slapp",
    category = "syncline",
    category = "gitops",
    namespaced,
    status = "ApplicationStatus",
    derive = "PartialEq",
    validation = Rule::new("!has(self.spec.adoptFrom) || self.spec.adoptFrom != self.metadata.name").message("an Application cannot adopt from itself").field_path(".spec.adoptFrom"),
    doc = "A path of a Repository whose objects are kept in the cluster.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Sync", type_ = "string", json_path = ".status.sync"),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.lastAppliedRevision"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Objects",
        type_ = "integer",
        json_path = ".status.objects",
        priority = "1"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.kustomize) || self.renderer in ['Auto', 'Kustomize']").message("`kustomize` is only for the renderer `Kustomize`").field_path(".kustomize"))]
#[x_kube(validation = Rule::new("!has(self.source) || self.renderer in ['Auto', 'Plain']").message("`source` is only for the renderer `Plain`").field_path(".source"))]
#[x_kube(validation = Rule::new("!has(self.helm) || self.renderer in ['Auto', 'Helm']").message("`helm` is only for the renderer `Helm`").field_path(".helm"))]
pub struct ApplicationSpec {
    /// Name of a Repository of the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// Directory in the repository, without a leading slash; `.` is its root.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
    )]
    #[x_kube(validation = Rule::new("!self.split('/').exists(part, part == '..')").message("a path stays inside the repository: `..` is not allowed"))]
    pub path: String,
    /// What the path holds; `Auto` looks for `Chart.yaml`, then `kustomization.yaml`.
    #[serde(default)]
    pub renderer: Renderer,
    /// Only for a Helm chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
    /// More Repositories, whose files values files name as `$NAME/...`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sources: Vec<Source>,
    /// Only for a Kustomize root: what is laid over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
    /// Only for plain YAML: which files are manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PlainSource>,
    /// Variables that stand as `${NAME}` in the objects. Nothing is substituted without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<Substitute>,
    /// How encrypted files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decrypt: Option<Decrypt>,
    /// What is laid over all objects, whatever rendered them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_render: Option<PostRender>,
    /// What is done about a field that the server's schema does not have.
    #[serde(default)]
    pub validate: Validate,
    /// Where objects without a namespace of their own go.
    #[serde(default)]
    pub destination: Destination,
    /// Service account of the Application's own namespace that reads and writes the objects; the
    /// agent's setting where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account: Option<String>,
    /// When and how objects are brought in line with Git.
    #[serde(default)]
    pub sync: SyncSpec,
    /// Fields that are left to others: neither written nor repaired. An object is meant by all of
    /// `group`, `kind` and `name` that are present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub ignore: Vec<Ignore>,
    /// Another Application of the same namespace whose objects this one may take over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub adopt_from: Option<String>,
    /// What happens to the objects when the Application is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What has to be ready before a newer commit is applied: Applications of the same namespace, or
    /// any object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub depends_on: Vec<Dependency>,
    /// How the health of objects is judged, instead of the rules that are built in; the first one
    /// that fits an object holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub health: Vec<HealthRule>,
    /// The one commit that is applied, whatever is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// While it is present no sync runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
}

/// Where objects go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Namespace of objects that name none; the Application's own where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub namespace: Option<String>,
    /// Create that namespace, as the service account, where it does not exist. It is never pruned.
    #[serde(default)]
    pub create_namespace: bool,
}

/// When and how objects are brought in line with Git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncSpec {
    /// Sync when Git changes; otherwise only when somebody asks.
    #[serde(default = "yes")]
    pub automatic: bool,
    /// Delete objects that left Git.
    #[serde(default = "yes")]
    pub prune: bool,
    /// Put back what others change in the fields that Git names.
    #[serde(default = "yes")]
    pub self_heal: bool,
    /// What is done about fields that Git does not name and somebody else set.
    #[serde(default)]
    pub foreign: ForeignFields,
    /// What is done about fields that Git names and somebody else holds.
    #[serde(default)]
    pub conflicts: Conflicts,
    /// Try everything without effect first, and write nothing if one object fails.
    #[serde(default)]
    pub atomic: bool,
    /// When the deletion of objects that left Git waits for a person.
    #[serde(default)]
    pub prune_approval: PruneApproval,
    /// How long workloads may take to become healthy.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("a timeout is between 1s and 24h"))]
    pub timeout: Period,
    /// How a failed sync is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// When newer commits may be applied; at any time where there is none. What already runs is
    /// repaired at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<Window>,
    /// What happens when a rollout fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Where a rollout stops until a time has passed or a condition holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub pauses: Vec<Pause>,
}

/// What is done about fields that Git does not name and somebody else set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForeignFields {
    /// What people set with their tools is removed; what controllers set stays and is shown.
    #[default]
    RemoveManual,
    /// They stay and are shown.
    Keep,
    /// They are removed, except what `ignore` names.
    RemoveAll,
}

/// What is done about fields that Git names and somebody else holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Conflicts {
    /// Git wins, and the sync says what was taken from whom.
    #[default]
    Take,
    /// The object fails, with the field and who holds it, and is not written.
    Fail,
}

/// When the deletion of objects that left Git waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PruneApproval {
    /// When much is deleted at once, or something that holds data.
    #[default]
    WhenRisky,
    /// Each time.
    Always,
    /// Not at all, as for a preview.
    Never,
}

/// Fields of some objects that are left to others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.fields) && size(self.fields) > 0) || has(self.manager)").message("name `fields`, a `manager`, or both"))]
pub struct Ignore {
    /// Group of the objects, empty for the core group; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub group: Option<String>,
    /// Kind of the objects; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Name of the object; any where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// JSON pointers, for example `/spec/replicas`; `~1` stands for a slash inside a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 2, max = 512), regex(pattern = r"^(/[^/]+)+$"))
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub fields: Vec<String>,
    /// A field manager that keeps what it set, whatever the fields; `*` at its end stands for any
    /// end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[^*\x00-\x1f\x7f]+\*?$")
    )]
    pub manager: Option<String>,
}

/// What happens to the objects of a deleted Application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They are deleted; claims, volumes, namespaces and CRDs stay.
    #[default]
    Prune,
    /// They stay.
    Orphan,
}

/// What the agent found out about an Application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// `Ready`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The `metadata.generation` that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word on the last sync, for example `Synced`, `Syncing`, `Failed` or `Held`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    /// Health of the objects: `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing`,
    /// `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// What is the case and what to do about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Branch and commit that was last applied completely, `branch@commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Branch and commit of the last sync, whatever came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// Id of the last sync in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync_id: Option<String>,
    /// Hash of the plan that waits for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// The rollout of the last change, while it runs and after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// The last rollback that was asked for, or made after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
    /// What is waited for: objects, applications, hooks, a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub waiting_for: Vec<String>,
    /// When it is tried again, or looked at again, by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub next_try: Option<Timestamp>,
    /// Since when the health is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub health_since: Option<Timestamp>,
    /// How many objects Git names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
    /// Kinds that are not watched, because all watches are in use: what is changed by hand is
    /// found by the slow check only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 320)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub checked_slowly: Vec<String>,
}

impl Default for SyncSpec {
    fn default() -> Self {
        Self {
            automatic: true,
            prune: true,
            self_heal: true,
            foreign: ForeignFields::default(),
            conflicts: Conflicts::default(),
            atomic: false,
            prune_approval: PruneApproval::default(),
            timeout: default_timeout(),
            retry: Retry::default(),
            windows: Vec::new(),
            on_failure: OnFailure::default(),
            pauses: Vec::new(),
        }
    }
}

fn yes() -> bool {
    true
}

fn default_timeout() -> Period {
    Period::seconds(300)
}
