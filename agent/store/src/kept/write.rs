//! Writes what changed in what is kept.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use syncline_core::kept::{KeptChange, KeptObject};
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;

use crate::writer::{integer, json};

/// Objects in one statement; 15 values each stay far below the limit of every database.
const OBJECTS_PER_STATEMENT: usize = 200;

/// Writes a change, in the transaction of the caller. Costs what the change holds, whatever else
/// is kept of the application.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    change: &KeptChange,
) -> Result<(), sqlx::Error> {
    let kept = &change.kept;
    // A row of which only the first columns change is written in its first page only.
    sqlx::query(
        "insert into kept_applications (namespace, name, commit_id, inputs, images, reads, others)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (namespace, name) do update set
             commit_id = excluded.commit_id,
             inputs = excluded.inputs,
             images = excluded.images,
             reads = excluded.reads,
             others = excluded.others",
    )
    .bind(&kept.application.namespace)
    .bind(&kept.application.name)
    .bind(kept.commit.as_str())
    .bind(kept.inputs.as_bytes())
    .bind(json(&kept.images)?)
    .bind(json(&kept.reads)?)
    .bind(json(&kept.others)?)
    .execute(&mut *connection)
    .await?;
    for keys in change.removed.chunks(OBJECTS_PER_STATEMENT) {
        let statement = removal(&kept.application, keys);
        execute(connection, statement, keys.len()).await?;
    }
    for objects in change.changed.chunks(OBJECTS_PER_STATEMENT) {
        let statement = upsert(&kept.application, objects);
        execute(connection, statement, objects.len()).await?;
    }
    Ok(())
}

/// Deletes all that is kept of an application, its objects with it.
pub(crate) async fn delete(
    connection: &mut SqliteConnection,
    application: &Name,
) -> Result<(), sqlx::Error> {
    for statement in [
        "delete from kept_applications where namespace = $1 and name = $2",
        // Most are gone with their application; this finds those that had none.
        "delete from kept_objects where namespace = $1 and name = $2",
    ] {
        sqlx::query(statement)
            .bind(&application.namespace)
            .bind(&application.name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Deletes all that is kept.
pub(super) async fn delete_all(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for statement in ["delete from kept_applications", "delete from kept_objects"] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

fn removal(application: &Name, keys: &[ObjectKey]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::<Sqlite>::new("delete from kept_objects where namespace = ");
    statement
        .push_bind(&application.namespace)
        .push(" and name = ")
        .push_bind(&application.name)
        // Selected out of the values, so that each is looked up; compared with a plain list of
        // values, every object of the application would be read.
        .push(
            " and (api_group, kind, object_namespace, object_name) in (
                  select column1, column2, column3, column4 from (",
        );
    statement.push_values(keys, |mut row, key| {
        row.push_bind(&key.group)
            .push_bind(&key.kind)
            .push_bind(key.namespace.as_deref().unwrap_or_default())
            .push_bind(&key.name);
    });
    statement.push("))");
    statement
}

fn upsert(application: &Name, objects: &[(ObjectKey, KeptObject)]) -> QueryBuilder<Sqlite> {
    let mut statement = QueryBuilder::<Sqlite>::new(
        "insert into kept_objects (
             namespace, name, api_group, kind, object_namespace, object_name, api_version,
             origin_file, origin_document, origin_line, applied, uid, resource_version, ours, others
         ) ",
    );
    statement.push_values(objects, |mut row, (key, object)| {
        let written = object.written.as_ref();
        row.push_bind(&application.namespace)
            .push_bind(&application.name)
            .push_bind(&key.group)
            .push_bind(&key.kind)
            .push_bind(key.namespace.as_deref().unwrap_or_default())
            .push_bind(&key.name)
            .push_bind(&key.version)
            .push_bind(&object.origin.file)
            .push_bind(integer(object.origin.document))
            .push_bind(object.origin.line.map(integer))
            .push_bind(object.applied.as_bytes())
            .push_bind(written.map(|written| written.uid.as_str()))
            .push_bind(written.map(|written| written.resource_version.as_str()))
            .push_bind(written.map(|written| written.fields.ours.as_bytes()))
            .push_bind(written.map(|written| written.fields.others.as_bytes()));
    });
    statement.push(
        " on conflict (namespace, name, api_group, kind, object_namespace, object_name)
         do update set
             api_version = excluded.api_version,
             origin_file = excluded.origin_file,
             origin_document = excluded.origin_document,
             origin_line = excluded.origin_line,
             applied = excluded.applied,
             uid = excluded.uid,
             resource_version = excluded.resource_version,
             ours = excluded.ours,
             others = excluded.others",
    );
    statement
}

async fn execute(
    connection: &mut SqliteConnection,
    mut statement: QueryBuilder<Sqlite>,
    rows: usize,
) -> Result<(), sqlx::Error> {
    // A statement of a full chunk, or of one object, is worth preparing once; others are not.
    let persistent = rows == OBJECTS_PER_STATEMENT || rows == 1;
    statement
        .build()
        .persistent(persistent)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Location, Settings, Store};

    #[tokio::test]
    async fn removed_objects_are_looked_up_one_by_one() {
        let store = Store::open(&Settings {
            location: Location::Memory,
            ..Settings::default()
        })
        .await
        .unwrap();
        let key = ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let keys = vec![key; OBJECTS_PER_STATEMENT];
        let statement = removal(&Name::new("shop", "web"), &keys);
        let explain = format!("explain query plan {}", statement.sql().as_str());
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
            .fetch_all(store.history().writer())
            .await
            .unwrap();
        assert!(
            plan.iter()
                .any(|(.., step)| step.contains("kept_objects") && step.contains("object_name=?")),
            "{plan:?}"
        );
    }
}
