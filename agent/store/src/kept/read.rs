//! Reads all that is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use syncline_core::digest::Digest;
use syncline_core::kept::{FieldDigests, Kept, KeptObject, Written};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use tracing::warn;

use super::KeptApplication;
use crate::database::{Pool, Row};
use crate::error::Error;
use crate::statement::Statement;

/// One value for each object instead of one for each column: most of the time goes into values. The
/// casts keep a value of a wrong type, which SQLite allows, from failing the whole question.
const OBJECTS_OF_SQLITE: &str = "select namespace, name, json_array(
         cast(api_group as text), cast(api_version as text), cast(kind as text),
         cast(object_namespace as text), cast(object_name as text), cast(origin_file as text),
         cast(origin_document as integer), cast(origin_line as integer), hex(applied),
         cast(uid as text), cast(resource_version as text), hex(ours), hex(others)
     ) as object
     from kept_objects order by namespace, name";

const OBJECTS_OF_POSTGRES: &str = "select namespace, name, json_build_array(
         api_group, api_version, kind, object_namespace, object_name, origin_file,
         origin_document, origin_line, encode(applied, 'hex'), uid, resource_version,
         coalesce(encode(ours, 'hex'), ''), coalesce(encode(others, 'hex'), '')
     )::text as object
     from kept_objects order by namespace, name";

/// All applications that can be read, by name, and the names of those that cannot.
pub(super) async fn all(
    pool: &Pool,
) -> Result<(Vec<KeptApplication>, BTreeSet<Name>), sqlx::Error> {
    let mut kept: BTreeMap<Name, KeptApplication> = BTreeMap::new();
    let mut unreadable = BTreeSet::new();
    // One transaction is one moment: the objects must belong to the application that was read.
    let mut moment = pool.moment().await?;
    let statement = Statement::new(
        "select namespace, name, commit_id, inputs, images, reads, others from kept_applications",
    );
    moment
        .each(&statement, |row| match named(&row, application) {
            Ok((name, read)) => {
                kept.insert(name, (read, BTreeMap::new()));
            }
            Err(failed) => failed.note(&mut unreadable),
        })
        .await?;
    let objects = pool.kind().pick(OBJECTS_OF_SQLITE, OBJECTS_OF_POSTGRES);
    moment
        .each(&Statement::new(objects), |row| {
            match named(&row, |row, _| object(row)) {
                Ok((name, (key, read))) => match kept.get_mut(&name) {
                    Some((_, objects)) => {
                        objects.insert(key, read);
                    }
                    None => Unreadable::without_application(name).note(&mut unreadable),
                },
                Err(failed) => failed.note(&mut unreadable),
            }
        })
        .await?;
    moment.commit().await?;
    kept.retain(|name, _| !unreadable.contains(name));
    Ok((kept.into_values().collect(), unreadable))
}

/// A row that cannot be read, and its application, where at least that can be.
struct Unreadable {
    application: Option<Name>,
    column: &'static str,
}

impl Unreadable {
    /// Of an object whose application has no row of its own.
    fn without_application(name: Name) -> Self {
        Self {
            application: Some(name),
            column: "its application",
        }
    }

    /// Says it once for each application.
    fn note(self, unreadable: &mut BTreeSet<Name>) {
        let name = self.application;
        if name.as_ref().is_some_and(|name| unreadable.contains(name)) {
            return;
        }
        let error = Error::Row {
            id: name.as_ref().map(ToString::to_string).unwrap_or_default(),
            column: self.column,
        };
        warn!(%error, "what is kept of an application is left out; it is rendered anew");
        unreadable.extend(name);
    }
}

/// Reads a row, and the application that it belongs to.
fn named<T>(
    row: &Row<'_>,
    read: impl FnOnce(&Row<'_>, &Name) -> Result<T, &'static str>,
) -> Result<(Name, T), Unreadable> {
    let name = || {
        Ok(Name::new(
            row.value::<&str>("namespace")?,
            row.value::<&str>("name")?,
        ))
    };
    let application = name().map_err(|column| Unreadable {
        application: None,
        column,
    })?;
    match read(row, &application) {
        Ok(read) => Ok((application, read)),
        Err(column) => Err(Unreadable {
            application: Some(application),
            column,
        }),
    }
}

fn application(row: &Row<'_>, name: &Name) -> Result<Kept, &'static str> {
    Ok(Kept {
        application: name.clone(),
        commit: CommitId::parse(row.value::<&str>("commit_id")?).map_err(|_| "commit_id")?,
        inputs: digest(row, "inputs")?,
        reads: json(row, "reads")?,
        others: json(row, "others")?,
        images: json(row, "images")?,
    })
}

/// A row of `kept_objects`, in the order of its columns in the question.
#[derive(Deserialize)]
struct ObjectRow {
    group: String,
    version: String,
    kind: String,
    namespace: String,
    name: String,
    file: String,
    document: usize,
    line: Option<usize>,
    applied: Digest,
    uid: Option<String>,
    resource_version: Option<String>,
    ours: String,
    others: String,
}

fn object(row: &Row<'_>) -> Result<(ObjectKey, KeptObject), &'static str> {
    let row: ObjectRow = json(row, "object")?;
    let written = match (row.uid, row.resource_version) {
        (None, None) => None,
        (Some(uid), Some(resource_version)) => Some(Written {
            uid,
            resource_version,
            fields: FieldDigests {
                ours: row.ours.parse().map_err(|_| "ours")?,
                others: row.others.parse().map_err(|_| "others")?,
            },
        }),
        (Some(_), None) => return Err("resource_version"),
        (None, Some(_)) => return Err("uid"),
    };
    let key = ObjectKey {
        group: row.group,
        version: row.version,
        kind: row.kind,
        namespace: (!row.namespace.is_empty()).then_some(row.namespace),
        name: row.name,
    };
    let object = KeptObject {
        origin: Origin {
            file: row.file,
            document: row.document,
            line: row.line,
        },
        applied: row.applied,
        written,
    };
    Ok((key, object))
}

fn digest(row: &Row<'_>, column: &'static str) -> Result<Digest, &'static str> {
    let bytes: &[u8] = row.value(column)?;
    <[u8; 16]>::try_from(bytes)
        .map(Digest::from)
        .map_err(|_| column)
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: &'static str) -> Result<T, &'static str> {
    serde_json::from_str(row.value::<&str>(column)?).map_err(|_| column)
}
