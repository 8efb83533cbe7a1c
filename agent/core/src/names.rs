//! Names that other programs see: labels, annotations, field manager, commit trailers.

/// API group of our kinds.
pub const GROUP: &str = "syncline.dev";
/// API version of our kinds.
pub const VERSION: &str = "v1alpha1";

/// Label on every object that we apply; its value is the instance id. Watches select on it.
pub const LABEL_MANAGED: &str = "syncline.dev/managed";
/// Annotation with the owner record of an object, see [`crate::owner::Owner`].
pub const ANNOTATION_OWNER: &str = "syncline.dev/owner";
/// Annotation with the keyed hash of the desired object as it was last applied.
pub const ANNOTATION_APPLIED: &str = "syncline.dev/applied";
/// Annotation on an object of the user: `never` keeps it when it leaves Git.
pub const ANNOTATION_PRUNE: &str = "syncline.dev/prune";
/// Annotation on our kinds: a new value asks for a sync now.
pub const ANNOTATION_REQUESTED_AT: &str = "syncline.dev/requested-at";
/// Annotation on an Application: the hash of the plan that a person approved.
pub const ANNOTATION_APPROVE: &str = "syncline.dev/approve";
/// Annotation on an Application: the kinds and namespaces that its inventory may live in
/// (the ApplySet format of KEP-3659: `Kind.group` items).
pub const ANNOTATION_CONTAINS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation on an Application: the namespaces, beside its own, that its inventory may live in.
pub const ANNOTATION_NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// Finalizer on an Application.
pub const FINALIZER: &str = "syncline.dev/application";
/// `kubectl rollout restart` writes this annotation; it is never touched.
pub const ANNOTATION_RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Trailer of a commit by the image flow: the id of the update.
pub const TRAILER_UPDATE: &str = "Syncline-Update";
/// Trailer of a commit that approves a prune of an application.
pub const TRAILER_PRUNE: &str = "Syncline-Prune";

/// The field manager of one installation (server-side apply, KEP-555).
pub fn field_manager(instance: &str) -> String {
    format!("syncline-{instance}")
}
