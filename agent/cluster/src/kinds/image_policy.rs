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
#[x_kube(validation = Rule::new("!has(self.select.digestOf) || !has(self.tags) || !(has(self.tags.match) || has(self.tags.extract) || has(self.tags.exclude) || has(self.tags.suffix))").message("`digestOf` names its tag itself: leave `match`, `extract`, `exclude` and `suffix` away").field_path(".tags"))]
#[x_kube(validation = Rule::new("!has(self.select.digestOf) || !has(self.pin) || self.pin.digest").message("`digestOf` writes a digest: `pin.digest` cannot be false").field_path(".pin"))]
#[x_kube(validation = Rule::new("!has(self.select.digestOf) || !self.allowDowngrade").message("`digestOf` goes wherever its tag goes: leave `allowDowngrade` away").field_path(".allowDowngrade"))]
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
    /// Which tags are considered; all of them where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagFilter>,
    /// Which of them is the newest.
    pub select: Select,
    /// Whether a tag may be chosen that is older than the one that Git names.
    #[serde(default)]
    pub allow_downgrade: bool,
    /// Whether the digest is written behind the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<ImagePin>,
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

/// Which tags are considered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.extract) || has(self.match)").message("`extract` takes a part of what `match` found: name `match` too").field_path(".extract"))]
pub struct TagFilter {
    /// A regular expression in the syntax of Go that is found in the tag, for example
    /// `^v(?P<version>.*)$`.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub match_: Option<String>,
    /// What is compared in place of the tag: text with the groups of `match`, for example
    /// `$version` or `${1}.${2}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub extract: Option<String>,
    /// Regular expressions; a tag in which one is found is left out. Signatures and attestations
    /// always are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub exclude: Vec<String>,
    /// How a tag has to end, for example `-alpine`; what stands before it is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub suffix: Option<String>,
    /// How long ago the image has to be built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('8760h')").message("an age is between 1s and 8760h"))]
    pub min_age: Option<Period>,
    /// What the image has to run on, for example `linux/amd64`; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(max = 64),
            regex(pattern = r"^[a-zA-Z0-9._-]+/[a-zA-Z0-9._-]+(/[a-zA-Z0-9._-]+)?$")
        )
    )]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub platforms: Vec<String>,
}

/// Which tag is the newest: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.semver), has(self.numerical), has(self.alphabetical), has(self.newest), has(self.digestOf), has(self.commits)].filter(it, it).size() == 1").message("name exactly one of `semver`, `numerical`, `alphabetical`, `newest`, `digestOf` and `commits`"))]
pub struct Select {
    /// The newest version of a range of semantic versions, for example `>=1.0 <2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub semver: Option<String>,
    /// The highest number, of any length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numerical: Option<Numerical>,
    /// The last in the order of the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<Alphabetical>,
    /// The one whose image was built last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
    /// One tag, such as `stable`, by the digest that it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[a-zA-Z0-9_][a-zA-Z0-9._-]*$")
    )]
    pub digest_of: Option<String>,
    /// Tags are ids of commits: the newest commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<Commits>,
}

/// Tags are numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Numerical {
    /// Which number is taken.
    #[serde(default)]
    pub take: TakeNumber,
}

/// Which number is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TakeNumber {
    /// The highest; `order: asc` of Flux.
    #[default]
    Highest,
    /// The lowest; `order: desc` of Flux.
    Lowest,
}

/// Tags are compared by their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alphabetical {
    /// Which one is taken.
    #[serde(default)]
    pub take: TakeName,
}

/// Which end of the alphabet is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TakeName {
    /// The last; `order: asc` of Flux.
    #[default]
    Last,
    /// The first; `order: desc` of Flux.
    First,
}

/// The image that was built last is the newest; written as `{}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Newest {}

/// Tags are ids of commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Commits {
    /// Name of a Repository of the same namespace, the history of whose branch orders the commits;
    /// without it the one is taken whose image was built last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub repository: Option<String>,
}

/// What is written beside the tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePin {
    /// Whether the digest that the tag stands for is written behind it.
    pub digest: bool,
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
