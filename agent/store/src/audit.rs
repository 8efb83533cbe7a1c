//! The calls through the API that change something: how they are kept and asked for.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::FromRow;
use syncline_core::record::{AuditRecord, Name};

use crate::database::Session;
use crate::error::Error;
use crate::history::History;
use crate::list::{List, readable};
use crate::queue::Item;
use crate::rows::{failure, reason_text, time, time_text};
use crate::statement::Statement;

/// Which calls are asked for. What is `None` is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this one.
    pub actor: Option<String>,
    /// Of this kind: `sync`, `suspend`, ...
    pub action: Option<String>,
    /// About an object of this kind.
    pub kind: Option<String>,
    /// About the object of this namespace and name.
    pub target: Option<Name>,
    /// That came at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// That came before this time.
    pub until: Option<Timestamp>,
}

impl History {
    /// Keeps a call. One that is kept already stays as it is. Never waits and never fails, like
    /// [`History::record_sync`].
    pub fn record_audit(&self, record: &AuditRecord) {
        self.queue().push(Item::Audit(Arc::new(record.clone())));
    }

    /// Calls that fit a filter, newest first; those older than the id `before`, if one is given. At
    /// most `limit` and at most `Settings::page`.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, Error> {
        let mut list = List::new(
            "select id, called_at, actor, address, action, kind, namespace, name, detail,
                    failure_reason, failure_detail
             from audit",
        );
        if let Some(target) = &filter.target {
            list.require("namespace = ", target.namespace.as_str());
            list.require("name = ", target.name.as_str());
        }
        for (condition, value) in [
            ("actor = ", &filter.actor),
            ("action = ", &filter.action),
            ("kind = ", &filter.kind),
        ] {
            if let Some(value) = value {
                list.require(condition, value);
            }
        }
        list.require_time(filter.since, filter.until);
        let rows: Vec<AuditRow> = self.page("calls", list, before, limit).await?;
        Ok(readable(rows))
    }
}

/// Writes a call, in the transaction of the caller.
pub(crate) async fn write(session: &mut Session, record: &AuditRecord) -> Result<(), sqlx::Error> {
    let failure = record.failure.as_ref();
    let statement = Statement::new(
        "insert into audit (
             id, called_at, actor, address, action, kind, namespace, name, detail, failure_reason,
             failure_detail
         ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (id) do nothing",
    )
    .bind(&record.id)
    .bind(time_text(record.time))
    .bind(&record.actor)
    .bind(record.address.as_deref())
    .bind(&record.action)
    .bind(&record.kind)
    .bind(&record.target.namespace)
    .bind(&record.target.name)
    .bind(&record.detail)
    .bind(failure.map(|failure| reason_text(failure.reason)))
    .bind(failure.map(|failure| failure.detail.as_str()));
    session.execute(&statement).await?;
    Ok(())
}

/// A row of `audit`.
#[derive(Debug, FromRow)]
struct AuditRow {
    id: String,
    called_at: String,
    actor: String,
    address: Option<String>,
    action: String,
    kind: String,
    namespace: String,
    name: String,
    detail: String,
    failure_reason: Option<String>,
    failure_detail: Option<String>,
}

impl TryFrom<AuditRow> for AuditRecord {
    type Error = Error;

    fn try_from(row: AuditRow) -> Result<Self, Error> {
        Ok(Self {
            time: time(&row.id, "called_at", &row.called_at)?,
            actor: row.actor,
            address: row.address,
            action: row.action,
            kind: row.kind,
            target: Name::new(row.namespace, row.name),
            detail: row.detail,
            failure: failure(row.failure_reason, row.failure_detail),
            id: row.id,
        })
    }
}
