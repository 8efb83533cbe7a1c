//! The deliveries of webhooks: how they are kept and asked for.

use std::sync::Arc;

use sqlx::FromRow;
use syncline_core::record::{DeliveryRecord, DeliveryVerdict};

use crate::database::Session;
use crate::error::Error;
use crate::history::History;
use crate::list::{List, readable};
use crate::queue::Item;
use crate::rows::{json, time, time_text, word};
use crate::statement::Statement;

impl History {
    /// Keeps a delivery. One that is kept already stays as it is. Never waits and never fails, like
    /// [`History::record_sync`]; while half of the queue waits, deliveries are dropped first.
    pub fn record_delivery(&self, record: &DeliveryRecord) {
        self.queue().push(Item::Delivery(Arc::new(record.clone())));
    }

    /// Deliveries, newest first; those older than the id `before`, if one is given. At most `limit`
    /// and at most `Settings::page`.
    pub async fn deliveries(
        &self,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        self.deliveries_of(None, before, limit).await
    }

    /// As [`History::deliveries`], those alone that this became of.
    pub async fn deliveries_of(
        &self,
        verdict: Option<DeliveryVerdict>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        let mut list = List::new(
            "select id, received_at, provider, delivery, event, branch, verdict, reason,
                    repositories
             from deliveries",
        );
        if let Some(verdict) = verdict {
            list.require("verdict = ", verdict_word(verdict));
        }
        let rows: Vec<DeliveryRow> = self.page("deliveries", list, before, limit).await?;
        Ok(readable(rows))
    }
}

/// Writes a delivery, in the transaction of the caller.
pub(crate) async fn write(
    session: &mut Session,
    record: &DeliveryRecord,
) -> Result<(), sqlx::Error> {
    let statement = Statement::new(
        "insert into deliveries (
             id, received_at, provider, delivery, event, branch, verdict, reason, repositories
         ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (id) do nothing",
    )
    .bind(&record.id)
    .bind(time_text(record.time))
    .bind(&record.provider)
    .bind(&record.delivery)
    .bind(&record.event)
    .bind(record.branch.as_deref())
    .bind(verdict_word(record.verdict))
    .bind(&record.reason)
    .bind(crate::writer::json(&record.repositories)?);
    session.execute(&statement).await?;
    Ok(())
}

/// The word of the core's own serialisation.
fn verdict_word(verdict: DeliveryVerdict) -> &'static str {
    match verdict {
        DeliveryVerdict::Accepted => "accepted",
        DeliveryVerdict::Ignored => "ignored",
        DeliveryVerdict::Duplicate => "duplicate",
        DeliveryVerdict::Rejected => "rejected",
        DeliveryVerdict::Refused => "refused",
    }
}

/// A row of `deliveries`.
#[derive(Debug, FromRow)]
struct DeliveryRow {
    id: String,
    received_at: String,
    provider: String,
    delivery: String,
    event: String,
    branch: Option<String>,
    verdict: String,
    reason: String,
    repositories: String,
}

impl TryFrom<DeliveryRow> for DeliveryRecord {
    type Error = Error;

    fn try_from(row: DeliveryRow) -> Result<Self, Error> {
        Ok(Self {
            time: time(&row.id, "received_at", &row.received_at)?,
            provider: row.provider,
            delivery: row.delivery,
            event: row.event,
            branch: row.branch,
            verdict: word(&row.id, "verdict", &row.verdict)?,
            reason: row.reason,
            repositories: json(&row.id, "repositories", &row.repositories)?,
            id: row.id,
        })
    }
}
