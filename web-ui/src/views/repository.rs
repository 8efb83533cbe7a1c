//! A repository, and the agent itself.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Commit, FreezeView, Why};

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
    /// Its state in words.
    pub why: Why,
    /// Whether image updates may be committed to it.
    pub writable: bool,
    /// How many applications read it.
    pub applications: u32,
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
    /// Why nothing is synced; absent while the agent works.
    pub freeze: Option<FreezeView>,
}
