//! What others changed, as the syncs found it.

use jiff::Timestamp;
use sqlx::FromRow;
use syncline_core::record::{Drift, Name, SyncResult};

use crate::error::Error;
use crate::history::History;
use crate::list::{List, readable};
use crate::rows::{json, time, word};

/// A sync that found something changed by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftedSync {
    /// Its id.
    pub id: String,
    /// The Application.
    pub application: Name,
    /// When a worker began.
    pub started_at: Timestamp,
    /// How it ended.
    pub result: SyncResult,
    /// What it found.
    pub drift: Vec<Drift>,
}

impl History {
    /// Syncs of all applications that found something changed by others, newest first; those older
    /// than the id `before`, if one is given. At most `limit` and at most `Settings::page`.
    pub async fn drifted_syncs(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DriftedSync>, Error> {
        // The condition stands where the index `syncs_drifted` has it.
        let list = List::new(
            "select id, namespace, name, started_at, result, drift
             from (select * from syncs where drifted > 0) as drifted_syncs",
        );
        let rows: Vec<DriftedRow> = self.page("drift", list, before, limit).await?;
        Ok(readable(rows))
    }
}

/// A row of `syncs` as this list needs it.
#[derive(Debug, FromRow)]
struct DriftedRow {
    id: String,
    namespace: String,
    name: String,
    started_at: String,
    result: String,
    drift: String,
}

impl TryFrom<DriftedRow> for DriftedSync {
    type Error = Error;

    fn try_from(row: DriftedRow) -> Result<Self, Error> {
        Ok(Self {
            application: Name::new(row.namespace, row.name),
            started_at: time(&row.id, "started_at", &row.started_at)?,
            result: word(&row.id, "result", &row.result)?,
            drift: json(&row.id, "drift", &row.drift)?,
            id: row.id,
        })
    }
}
