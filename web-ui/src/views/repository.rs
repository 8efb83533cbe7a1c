//! A repository, and the agent itself.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApplicationName, Commit, DeliveryView, FreezeView, Severity, Why};

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryView {
    /// Namespace of the Repository object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its URL, without credentials.
    pub url: String,
    /// The branch that is followed.
    pub branch: String,
    /// The newest commit of the branch.
    pub head: Option<Commit>,
    /// When the Git server was last asked.
    pub checked_at: Option<Timestamp>,
    /// When it is asked next; absent while it is asked, or where it is not.
    pub next_look: Option<Timestamp>,
    /// Failed looks in a row.
    pub failures: u32,
    /// Whether deliveries of its webhook are taken.
    pub webhook: WebhookState,
    /// The newest delivery that named it.
    pub last_delivery: Option<DeliveryView>,
    /// Its state in words.
    pub why: Why,
    /// Whether image updates may be committed to it.
    pub writable: bool,
    /// How many applications read it.
    pub applications: u32,
}

/// Whether deliveries of a webhook are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookState {
    /// It has none.
    None,
    /// They are.
    Ready,
    /// Its Secret cannot be read, or has no key `secret`: none is believed.
    Unreadable,
}

/// The page of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryDetail {
    /// The line of the list.
    pub summary: RepositoryView,
    /// How often the Git server is asked; absent where the object is invalid.
    pub interval_seconds: Option<u64>,
    /// The service account that reads its Secrets.
    pub service_account: String,
    /// Whether only commits with a known signature are used.
    pub signed: bool,
    /// The applications that read it, by name.
    pub readers: Vec<RepositoryReader>,
    /// The image policies that write to it.
    pub policies: Vec<ApplicationName>,
}

/// An application that reads a repository of its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryReader {
    /// Its name.
    pub name: String,
    /// The folder that it reads first.
    pub path: String,
    /// How bad its state is.
    pub severity: Severity,
    /// Its state in words.
    pub why: Why,
    /// The commit that it applied last.
    pub commit: Option<Commit>,
    /// Whether it takes only files of it, and its commits from another repository.
    pub only_source: bool,
}

/// All repositories.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryList {
    /// By namespace and name.
    pub items: Vec<RepositoryView>,
}

/// What runs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// Version of the agent.
    pub version: String,
    /// Id of the installation.
    pub instance: String,
    /// Time of the oldest sync that history still has.
    pub history_since: Option<Timestamp>,
    /// Where history is, and how.
    pub history: HistoryView,
    /// Why nothing is synced; absent while the agent works.
    pub freeze: Option<FreezeView>,
}

/// The database of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// `SQLite` or `PostgreSQL`.
    pub database: String,
    /// What is wrong with it, in sentences; absent where nothing is.
    pub notice: Option<String>,
}
