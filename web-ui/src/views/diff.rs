//! What differs between two states of an application, each object as two texts.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::masking::Masked;
use syncline_core::ownership::{FieldOwners, Holder, IgnoredFields};
use utoipa::ToSchema;

use super::{Action, Commit, ObjectName, Origin, Why};

/// What differs between two states of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffView {
    /// The state before.
    pub from: DiffSide,
    /// The state after.
    pub to: DiffSide,
    /// The objects that differ or are left alone, in the order in which a sync would deal with them.
    pub objects: Vec<ObjectDiff>,
    /// How many objects are the same in both.
    pub unchanged: u32,
    /// The rules of the application that leave fields to others, in words.
    pub ignored: Vec<String>,
    /// What could not be read: about that nothing is known.
    pub unread: Vec<Why>,
    /// What people should know of the comparison.
    pub warnings: Vec<String>,
}

/// One of the two states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffSide {
    /// What it is, in a few words: `live`, `main`.
    pub title: String,
    /// Its commit; absent for what is live.
    pub commit: Option<Commit>,
    /// Id of the sync that left it; absent where none did.
    pub sync: Option<String>,
}

/// What differs in one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectName,
    /// What leads from the one state to the other.
    pub action: Action,
    /// Where Git names it; absent for an object that left Git, and in history.
    pub origin: Option<Origin>,
    /// Why it is left alone, or why the API server refuses it.
    pub why: Option<Why>,
    /// The state before as YAML, masked; absent where it was not there or is not known.
    #[schema(value_type = Option<String>)]
    pub before: Option<Masked<Arc<str>>>,
    /// The state after as YAML, masked; absent where it is gone or is not known.
    #[schema(value_type = Option<String>)]
    pub after: Option<Masked<Arc<str>>>,
    /// Who holds the fields that differ, in the order of their paths; empty in history.
    pub owners: Vec<FieldOwnersView>,
    /// Fields that are left to others, and by which rule.
    pub ignored: Vec<IgnoredFieldsView>,
    /// What happens to the ownership of fields, a sentence each.
    pub notes: Vec<String>,
}

/// A field, with the clients that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldOwnersView {
    /// Where it is.
    #[schema(example = "spec.template.spec.containers[web].image")]
    pub path: String,
    /// The field managers, newest first.
    pub managers: Vec<ManagerView>,
}

/// A client of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerView {
    /// Its field manager.
    #[schema(example = "kubectl-edit")]
    pub name: String,
    /// When it wrote last, where the API server knows.
    pub time: Option<Timestamp>,
}

/// Fields that are left to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredFieldsView {
    /// Where they are.
    pub fields: Vec<String>,
    /// The rule that says so, in words.
    #[schema(example = "`spec.ignore` names it")]
    pub because: String,
}

impl From<&FieldOwners> for FieldOwnersView {
    fn from(field: &FieldOwners) -> Self {
        Self {
            path: field.path.clone(),
            managers: field.holders.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Holder> for ManagerView {
    fn from(holder: &Holder) -> Self {
        Self {
            name: holder.manager.clone(),
            time: holder.time,
        }
    }
}

impl From<&IgnoredFields> for IgnoredFieldsView {
    fn from(ignored: &IgnoredFields) -> Self {
        let because = match (&ignored.manager, ignored.fields.len()) {
            (Some(manager), 1) => {
                format!("`{manager}` holds it, and `spec.ignore` names that manager")
            }
            (Some(manager), _) => {
                format!("`{manager}` holds them, and `spec.ignore` names that manager")
            }
            (None, 1) => "`spec.ignore` names it".to_owned(),
            (None, _) => "`spec.ignore` names them".to_owned(),
        };
        Self {
            fields: ignored.fields.clone(),
            because,
        }
    }
}
