//! Writes what changed in what is kept.

use syncline_core::kept::{KeptChange, KeptObject};
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;

use crate::database::Session;
use crate::statement::{Statement, Value};
use crate::writer::{integer, json};

/// Objects in one statement; 15 values each stay far below the limit of every database.
const OBJECTS_PER_STATEMENT: usize = 200;

/// Writes a change, in the transaction of the caller. Costs what the change holds, whatever else
/// is kept of the application.
pub(crate) async fn write(session: &mut Session, change: &KeptChange) -> Result<(), sqlx::Error> {
    let kept = &change.kept;
    // A row of which only the first columns change is written in its first page only.
    let statement = Statement::new(
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
    .bind(json(&kept.others)?);
    session.execute(&statement).await?;
    for keys in change.removed.chunks(OBJECTS_PER_STATEMENT) {
        let statement = removal(&kept.application, keys);
        let statement = statement.for_rows(keys.len(), OBJECTS_PER_STATEMENT);
        session.execute(&statement).await?;
    }
    for objects in change.changed.chunks(OBJECTS_PER_STATEMENT) {
        let statement = upsert(&kept.application, objects);
        let statement = statement.for_rows(objects.len(), OBJECTS_PER_STATEMENT);
        session.execute(&statement).await?;
    }
    Ok(())
}

/// Deletes all that is kept of an application, its objects with it.
pub(crate) async fn delete(session: &mut Session, application: &Name) -> Result<(), sqlx::Error> {
    for statement in [
        "delete from kept_applications where namespace = $1 and name = $2",
        // Most are gone with their application; this finds those that had none.
        "delete from kept_objects where namespace = $1 and name = $2",
    ] {
        let statement = Statement::new(statement)
            .bind(&application.namespace)
            .bind(&application.name);
        session.execute(&statement).await?;
    }
    Ok(())
}

/// Deletes all that is kept.
pub(crate) async fn delete_all(session: &mut Session) -> Result<(), sqlx::Error> {
    for statement in ["delete from kept_applications", "delete from kept_objects"] {
        session.execute(&Statement::new(statement)).await?;
    }
    Ok(())
}

fn removal<'a>(application: &'a Name, keys: &'a [ObjectKey]) -> Statement<'a> {
    let mut statement = Statement::new(
        "delete from kept_objects where namespace = $1 and name = $2
         and (api_group, kind, object_namespace, object_name) in (
             select column1, column2, column3, column4 from (values ",
    )
    .bind(&application.namespace)
    .bind(&application.name);
    // Selected out of the values, so that each is looked up; compared with a plain list of values,
    // every object of the application would be read.
    statement.push_rows(keys.iter().map(|key| {
        [
            Value::from(&key.group),
            (&key.kind).into(),
            key.namespace.as_deref().unwrap_or_default().into(),
            (&key.name).into(),
        ]
    }));
    statement.push(") as removed)");
    statement
}

fn upsert<'a>(application: &'a Name, objects: &'a [(ObjectKey, KeptObject)]) -> Statement<'a> {
    let mut statement = Statement::new(
        "insert into kept_objects (
             namespace, name, api_group, kind, object_namespace, object_name, api_version,
             origin_file, origin_document, origin_line, applied, uid, resource_version, ours, others
         ) values ",
    );
    statement.push_rows(objects.iter().map(|(key, object)| {
        let written = object.written.as_ref();
        [
            Value::from(&application.namespace),
            (&application.name).into(),
            (&key.group).into(),
            (&key.kind).into(),
            key.namespace.as_deref().unwrap_or_default().into(),
            (&key.name).into(),
            (&key.version).into(),
            (&object.origin.file).into(),
            integer(object.origin.document).into(),
            object.origin.line.map(integer).into(),
            object.applied.as_bytes().into(),
            written.map(|written| written.uid.as_str()).into(),
            written
                .map(|written| written.resource_version.as_str())
                .into(),
            written.map(|written| written.fields.ours.as_bytes()).into(),
            written
                .map(|written| written.fields.others.as_bytes())
                .into(),
        ]
    }));
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
        let application = Name::new("shop", "web");
        let statement = removal(&application, &keys);
        let explain = format!("explain query plan {}", statement.text());
        let explain = Statement::new(explain);
        let writer = store.database().writer().unwrap();
        let plan: Vec<(i64, i64, i64, String)> = writer.all(&explain).await.unwrap();
        assert!(
            plan.iter()
                .any(|(.., step)| step.contains("kept_objects") && step.contains("object_name=?")),
            "{plan:?}"
        );
    }
}
