//! Which applications wait for which: circles, who blocks whom, and who still needs what.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Name;

/// For each application the applications that it names in `spec.dependsOn`.
pub type Graph = BTreeMap<Name, BTreeSet<Name>>;
