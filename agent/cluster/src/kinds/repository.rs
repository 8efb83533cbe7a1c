//! `Repository`: where desired state lives.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::period::Period;
use super::reference::{SecretReference, Suspend};

/// A branch of a Git repository that Applications read from and image updates are committed to.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "syncline.dev",
    version = "v1alpha1",
    kind = "Repository",
    plural = "repositories",
    shortname = "slrepo",
    category = "syncline",
    category = "gitops",
    namespaced,
    status = "RepositoryStatus",
    derive = "PartialEq",
    doc = "A branch of a Git repository: where desired state lives.",
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
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        json_path = ".spec.url",
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
#[x_kube(validation = Rule::new("!has(self.write) || !has(self.verify) || self.verify.mode == 'Commit'").message("a commit of the agent carries no signed tag, so it would never be used: take the mode `Commit` and `write.signing`, or leave `write` away").field_path(".verify.mode"))]
pub struct RepositorySpec {
    /// URL of the repository without credentials: `https`, `http`, or SSH as
    /// `ssh://user@host:port/path` or `user@host:path`.
    #[schemars(
        length(min = 8, max = 1024),
        regex(
            pattern = r"^(https?://[^/?#@\s-][^/?#@\s]*(/[^?#\s]*)?|ssh://([A-Za-z0-9_][A-Za-z0-9._@+-]*@)?[A-Za-z0-9_\[][A-Za-z0-9._:\[\]-]*/[^?#\s]+|[A-Za-z0-9_][A-Za-z0-9._+-]*@[A-Za-z0-9_][A-Za-z0-9._-]*:[^?#\s-][^?#\s]*)$"
        )
    )]
    pub url: String,
    /// What is followed.
    #[serde(default, rename = "ref")]
    pub reference: GitReference,
    /// How often the Git server is asked for a new commit; webhooks come in between.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("an interval is between 1s and 24h"))]
    pub interval: Period,
    /// How long one exchange with the Git server may take.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("a timeout is between 1s and 1h"))]
    pub timeout: Period,
    /// While it is present nothing is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Suspend>,
    /// Service account of the same namespace that reads the Secrets named here; the agent's setting
    /// where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account: Option<String>,
    /// Secret with the credentials to read: `username` and `password`, `bearerToken`, or `tls.crt` and
    /// `tls.key`; `ca.crt`. Over SSH: `identity`, `known_hosts`, and `password` for its passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Which commits are used. Without it, whatever the branch points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// How deliveries of the Git server are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How commits are made. Without it nothing is ever written to the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
}

/// What is followed in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitReference {
    /// Name of a branch.
    #[serde(default = "default_branch")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_./+#@-]*$")
    )]
    #[x_kube(validation = Rule::new("!self.contains('..') && !self.contains('//') && !self.contains('@{') && !self.endsWith('/') && !self.endsWith('.') && !self.endsWith('.lock')").message("not a valid branch name"))]
    pub branch: String,
}

/// Which commits are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// What has to be signed.
    #[serde(default)]
    pub mode: VerifyMode,
    /// Secret with the public keys of those who may sign, one or more in each entry: GPG keys
    /// (armoured or binary), SSH keys, or the lines of an `allowed_signers` file.
    pub secret_ref: SecretReference,
}

/// What has to be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VerifyMode {
    /// The commit that is used. With it, all that its history says is vouched for.
    #[default]
    Commit,
    /// An annotated tag that points to the commit that is used. Not together with `write`.
    Tag,
    /// Both: the commit that is used, and an annotated tag that points to it. Not together with
    /// `write`.
    CommitAndTag,
}

/// How deliveries of the Git server are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Secret with the shared secret of the webhook under `secret`.
    pub secret_ref: SecretReference,
}

/// How commits are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// Secret with the credentials to push, apart from those that read.
    pub secret_ref: SecretReference,
    /// How a change reaches the branch.
    #[serde(default)]
    pub mode: WriteMode,
    /// Author of the commits.
    #[serde(default)]
    pub author: Author,
    /// Template of the commit messages in the language of Jinja, with `repository`, `branch` and
    /// `updates`, each with `policy`, `image`, `old`, `new`, `files`, `applications`, `source`,
    /// `revision` and `labels`. The trailers are added to what it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub message: Option<String>,
    /// What stands at the end of the first line of each message, so that CI leaves the commit alone,
    /// such as `[skip ci]`. Nothing where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]([ -~]*[!-~])?$"))]
    pub skip_ci: Option<String>,
    /// How commits are signed; they are not where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Updates that are ready within it become one commit.
    #[serde(default = "default_window")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('1h')").message("a window is at most 1h"))]
    pub window: Period,
}

/// How commits are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// Secret with an SSH private key in the format of OpenSSH under `identity`, or an armoured GPG
    /// secret key under `git.asc`; and its `passphrase`, if it has one.
    pub secret_ref: SecretReference,
}

/// How a change reaches the branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WriteMode {
    /// A commit on the branch itself.
    #[default]
    Direct,
}

/// Author of commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Author {
    /// Name.
    #[serde(default = "default_author_name")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^<>\n\r]+$"))]
    pub name: String,
    /// E-mail address.
    #[serde(default = "default_author_email")]
    #[schemars(length(min = 3, max = 254), regex(pattern = r"^[^<>@\s]+@[^<>@\s]+$"))]
    pub email: String,
}

/// What the agent found out about a Repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// `Ready`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The `metadata.generation` that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Branch and newest commit, `branch@commit`: the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// When a new commit was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_fetch_time: Option<jiff::Timestamp>,
}

impl Default for GitReference {
    fn default() -> Self {
        Self {
            branch: default_branch(),
        }
    }
}

impl Default for Author {
    fn default() -> Self {
        Self {
            name: default_author_name(),
            email: default_author_email(),
        }
    }
}

fn default_interval() -> Period {
    Period::seconds(60)
}

fn default_timeout() -> Period {
    Period::seconds(60)
}

fn default_window() -> Period {
    Period::seconds(1)
}

fn default_branch() -> String {
    "main".into()
}

fn default_author_name() -> String {
    "Syncline".into()
}

fn default_author_email() -> String {
    "syncline@localhost.localdomain".into()
}
