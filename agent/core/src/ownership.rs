//! Who set which field of a live object: reasoning about `managedFields` (KEP-555).
//!
//! Kubernetes keeps for each manager the set of fields that it owns. A field of ours that somebody
//! else changed leaves our set; so what the desired object names and our set does not, is *lost*.
//! What another manager's set names and the desired object does not, is *foreign*; an apply does
//! not remove it, unless it is *taken over* into our set before. A field of our set is *released*
//! by taking it out of the set before an apply that does not name it, and keeps its value.
//!
//! Nothing here sees a value of a live object: names of fields and of their managers are all.

mod digests;
mod examine;
mod ignored;
mod left_alone;
mod lost;
mod named;
mod owners;
pub mod set;

use serde_json::Value;

pub use digests::digests;
pub use examine::{Autoscaled, Examination, Foreign, Rules, Verdict, examine};
pub use ignored::{IgnoredFields, ignored_fields, without_held, without_ignored};
pub use lost::{Holder, holders, lost};
pub use owners::{FieldOwners, owners};

/// Patterns of the field managers of tools with which people change objects; the default of a
/// setting. A `*` at the end stands for any end.
///
/// A client that names no manager is called as its `User-Agent` begins: `Mozilla` is a page in
/// a browser that speaks to the API server (Headlamp, Rancher, the OpenShift console), `node-fetch`
/// is Lens. `before-first-apply` holds what nobody was known for at our first apply.
pub const MANUAL_TOOLS: &[&str] = &[
    "kubectl*",
    "oc",
    "k9s",
    "Lens*",
    "lens*",
    "OpenLens*",
    "Freelens*",
    "freelens*",
    "node-fetch",
    "Mozilla",
    "headlamp*",
    "Headlamp*",
    "dashboard*",
    "kubernetes-dashboard*",
    "kubenav",
    "Aptakube*",
    "octant",
    "curl",
    "before-first-apply",
];

/// Patterns of the field managers whose whole entries are taken over when an object that they
/// applied is adopted; the default of a setting. A `*` at the end stands for any end.
pub const ADOPTED_MANAGERS: &[&str] = &[
    "kubectl*",
    "before-first-apply",
    "helm",
    "Helm",
    "helm-controller",
    "kustomize-controller",
    "argocd-controller",
    "argocd-application-controller",
    "gitops-engine*",
    "kluctl",
    "kapp",
    "Terraform",
    "HashiCorp",
    "pulumi*",
];

/// Whether a pattern fits a manager: the name itself, or its begin before a `*`.
pub fn matches(pattern: &str, manager: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => manager.starts_with(begin),
        None => pattern == manager,
    }
}

/// The set of fields of one manager that applies: its entry without a subresource.
pub fn applied_entry<'a>(managed_fields: &'a [Value], manager: &str) -> Option<&'a Value> {
    managed_fields
        .iter()
        .find(|entry| is_applied(entry, manager))
        .map(|entry| &entry["fieldsV1"])
}

fn is_applied(entry: &Value, manager: &str) -> bool {
    entry["manager"] == manager && entry["operation"] == "Apply" && no_subresource(entry)
}

fn no_subresource(entry: &Value) -> bool {
    entry
        .get("subresource")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
