//! What is kept of an application between two syncs and across a restart: enough to know that
//! nothing has to be done, and nothing of the content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::object::{ObjectKey, Origin};
use crate::read_set::ReadSet;
use crate::record::Name;
use crate::revision::CommitId;

/// The render that an application's objects were applied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The application.
    pub application: Name,
    /// A commit for which the render is known to hold.
    pub commit: CommitId,
    /// Hash of everything beside the repository that went into the render and into the way in which
    /// it is applied: the spec, the version of the agent.
    pub inputs: Digest,
    /// What was read of the repository.
    pub reads: ReadSet,
    /// What was read of the Application's other sources, by name.
    pub others: BTreeMap<String, OtherReads>,
    /// Images that the workloads run, sorted.
    pub images: Vec<String>,
}

/// What was read of another source of an Application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherReads {
    /// The Repository, in the Application's namespace.
    pub repository: String,
    /// A commit of it for which the render is known to hold.
    pub commit: CommitId,
    /// What was read of it.
    pub reads: ReadSet,
}

/// One object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptObject {
    /// Where Git names it.
    pub origin: Origin,
    /// Keyed hash of the desired object, as in the annotation `syncline.dev/applied`.
    pub applied: Digest,
    /// What the cluster answered to the last write; `None` while none has succeeded.
    pub written: Option<Written>,
}

/// A live object as it stood after our last write, or as it was found good since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Who holds which field.
    pub fields: FieldDigests,
}

/// Hashes of `metadata.managedFields`: equal ones mean that nobody changed what is ours, and that
/// nobody took hold of anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldDigests {
    /// Of our own entry, with its time.
    pub ours: Digest,
    /// Of the fields outside of status and metadata that all other managers hold.
    pub others: Digest,
}

/// What changed in what is kept of one application; the rest stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptChange {
    /// The render.
    pub kept: Kept,
    /// Objects that are new or different.
    pub changed: Vec<(ObjectKey, KeptObject)>,
    /// Objects that are kept no more.
    pub removed: Vec<ObjectKey>,
}
