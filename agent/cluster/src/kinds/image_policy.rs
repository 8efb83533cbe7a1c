//! `ImagePolicy`: which tag of an image Git shall name.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::order::Window;
use super::conditions::Condition;
use super::period::Period;
use super::reference::{SecretReference, Suspend};

/// How many verdicts a status holds at most.
pub const MAX_VERDICTS: usize = 10;

/// Which tag of an image Git shall name. A newer one becomes a commit.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "syncline.dev",
    version = "v1alpha1",
    kind = "ImagePolicy",
    plural = "imagepolicies",
    shortname = "slimg",
    category = "syncline",
    category = "gitops",
    namespaced,
    status = "ImagePolicyStatus",
    derive = "PartialEq",
    doc = "Which tag of an image Git shall name; a newer one becomes a commit.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Latest", type_ = "string", json_path = ".status.latestTag"),
    printcolumn(name = "Current", type_ = "string", json_path = ".status.currentTag"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".spec.image",
        priority = "1"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicySpec {
    /// The image without tag and digest, for example `registry.example.com/shop/web`.
    #[schemars(
        length(min = 1, max = 512),
        regex(
            pattern = r"^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$"
        )
    )]
    pub image: String,
    /// How often the registry is asked for its tags.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("an interval is between 1s and 24h"))]
    pub interval: Period,
    /// Service account of the same namespace that reads the Secret named here; the agent's setting
    /// where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account: Option<String>,
    /// Secret with the registry's credentials: `.dockerconfigjson`, or `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Which tags are allowed and which of them is the newest.
    pub select: Select,
    /// Where the tag is written.
    pub update: Update,
    /// When updates may be committed; at any time where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub windows: Vec<Window>,
    /// While it is present nothing is scanned and nothing committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
}

/// Which tags are allowed and which of them is the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Select {
    /// A range of semantic versions, for example `>=1.0 <2`.
    #[schemars(length(min = 1, max = 128))]
    pub semver: String,
}

/// Where the tag is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// Name of a Repository of the same namespace, with `spec.write`.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
    /// Directories or files in which the image may be edited; all of them where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(validation = Rule::new("self.all(path, !path.startsWith('/') && !path.split('/').exists(part, part == '..'))").message("a path stays inside the repository: no leading `/` and no `..`"))]
    pub paths: Vec<String>,
}

/// What the agent found out about an ImagePolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePolicyStatus {
    /// `Ready`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The `metadata.generation` that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The newest tag that the policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_tag: Option<String>,
    /// The tag that Git names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_tag: Option<String>,
    /// When the registry last answered with something new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_scan_time: Option<jiff::Timestamp>,
    /// The commit of the last update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_commit: Option<String>,
    /// What somebody took back in Git and is not written again: the version and who took it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 1024)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub held: Vec<String>,
    /// What was thought of the newest tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub verdicts: Vec<Verdict>,
}

/// What was thought of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The tag.
    #[schemars(length(max = 128))]
    pub tag: String,
    /// `chosen`, or why it was not.
    #[schemars(length(max = 256))]
    pub verdict: String,
}

fn default_interval() -> Period {
    Period::seconds(300)
}
