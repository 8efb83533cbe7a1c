//! What the cluster made below the objects of an application: which lists show it, and the tree that
//! they make.
//!
//! ```text
//! Deployment -> ReplicaSet -> Pod     StatefulSet -> Pod, PersistentVolumeClaim
//! CronJob -> Job -> Pod               DaemonSet, Job, ReplicaSet -> Pod
//! ```

mod conditions;
mod event;
mod lists;
mod made;
mod tree;
mod values;

pub use conditions::{Condition, conditions};
pub use event::{Event, newest_first};
pub use lists::{Root, Wanted, lists};
pub use made::{Container, ContainerState, Made, Ready, ready};
pub use tree::{Managed, Node, SyncState, tree};
pub use values::hide_values;

#[cfg(test)]
mod tests;
