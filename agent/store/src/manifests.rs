//! Masked manifests: each is kept once, and syncs name it by its digest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::FromRow;
use syncline_core::digest::Digest;
use syncline_core::object::ObjectKey;
use syncline_core::record::{MaskedManifest, Name};

use crate::database::Session;
use crate::error::Error;
use crate::history::History;
use crate::list::readable;
use crate::rows::{manifest, time_text};
use crate::statement::{Statement, Value};

/// Manifests in one statement.
const MANIFESTS_PER_STATEMENT: usize = 100;

/// What an object was applied as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// The object.
    pub key: ObjectKey,
    /// The sync that applied it so.
    pub sync: String,
    /// What it was applied as, masked.
    pub manifest: MaskedManifest,
}

/// The newest outcome of each object of an application up to a sync. Of a prune nothing is left.
/// Reads and sorts the outcomes of all its syncs until then: no index leads to those of one object.
const STATES: &str = "select sync_id, api_group, api_version, kind, namespace, name, digest, body
     from (
         select sync_id, api_group, api_version, kind, sync_outcomes.namespace,
                sync_outcomes.name, action, manifest,
                row_number() over (
                    partition by api_group, kind, sync_outcomes.namespace, sync_outcomes.name
                    order by sync_id desc, position desc
                ) as newest
         from syncs join sync_outcomes on sync_id = syncs.id
         where syncs.namespace = $1 and syncs.name = $2 and syncs.id <= $3
               and reason is null and (manifest is not null or action = 'prune')
     ) as numbered join manifests on digest = manifest
     where newest = 1 and action <> 'prune'
     order by api_group, kind, namespace, name";

impl History {
    /// A manifest by its digest; `None` where history does not have it any more.
    pub async fn manifest(&self, digest: &Digest) -> Result<Option<MaskedManifest>, Error> {
        let statement = Statement::new("select digest, body from manifests where digest = $1");
        let statement = statement.bind(digest.as_bytes());
        let rows: Vec<(Vec<u8>, String)> = self.all("a manifest", &statement).await?;
        let row = rows.into_iter().next();
        row.map(|(found, body)| manifest(&digest.to_string(), &found, body))
            .transpose()
    }

    /// The objects of an application as they were applied when a sync had ended, by group, kind,
    /// namespace and name: of each the newest manifest that this sync or an earlier one applied
    /// without failure. An object whose last write is older than what history keeps is missing, as
    /// is one that was pruned.
    pub async fn object_states(
        &self,
        application: &Name,
        sync: &str,
    ) -> Result<Vec<ObjectState>, Error> {
        let statement = Statement::new(STATES)
            .bind(&application.namespace)
            .bind(&application.name)
            .bind(sync);
        let rows: Vec<StateRow> = self.all("objects as of a sync", &statement).await?;
        Ok(readable(rows))
    }
}

/// Writes manifests that are not there, in the transaction of the caller.
pub(crate) async fn write<'a>(
    session: &mut Session,
    manifests: impl Iterator<Item = &'a MaskedManifest>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // Each once, and in one order: two writers that met in different orders would block each other.
    let manifests: BTreeMap<Digest, &str> = manifests
        .map(|manifest| (manifest.digest, &*manifest.text))
        .collect();
    let manifests: Vec<(Digest, &str)> = manifests.into_iter().collect();
    for manifests in manifests.chunks(MANIFESTS_PER_STATEMENT) {
        let mut statement = Statement::new("insert into manifests (digest, seen_at, body) values ");
        statement.push_rows(manifests.iter().map(|(digest, text)| {
            [
                Value::from(digest.as_bytes()),
                time_text(now).into(),
                (*text).into(),
            ]
        }));
        statement.push(" on conflict (digest) do update set seen_at = excluded.seen_at");
        let statement = statement.for_rows(manifests.len(), MANIFESTS_PER_STATEMENT);
        session.execute(&statement).await?;
    }
    Ok(())
}

/// An object with its manifest.
#[derive(Debug, FromRow)]
struct StateRow {
    sync_id: String,
    api_group: String,
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    digest: Vec<u8>,
    body: String,
}

impl TryFrom<StateRow> for ObjectState {
    type Error = Error;

    fn try_from(row: StateRow) -> Result<Self, Error> {
        Ok(Self {
            key: ObjectKey {
                group: row.api_group,
                version: row.api_version,
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
            },
            manifest: manifest(&row.sync_id, &row.digest, row.body)?,
            sync: row.sync_id,
        })
    }
}
