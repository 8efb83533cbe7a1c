//! Names that other programs see: labels, annotations, field manager, commit trailers.

/// API group of our kinds.
pub const GROUP: &str = "syncline.dev";
/// What our own labels and annotations begin with.
pub const OUR_PREFIX: &str = "syncline.dev/";
/// API version of our kinds.
pub const VERSION: &str = "v1alpha1";

/// Label on every object that we apply; its value is the instance id. Watches select on it.
pub const LABEL_MANAGED: &str = "syncline.dev/managed";
/// Annotation with the owner record of an object, see [`crate::owner::Owner`].
pub const ANNOTATION_OWNER: &str = "syncline.dev/owner";
/// Annotation with the keyed hash of the desired object as it was last applied.
pub const ANNOTATION_APPLIED: &str = "syncline.dev/applied";
/// Annotation on an object of the user: what is done when it leaves Git (`never`, `confirm`,
/// `always`). This and the next three are read by [`crate::directives`].
pub const ANNOTATION_PRUNE: &str = "syncline.dev/prune";
/// Annotation on an object of the user: when it is written (`always`, `ifNotPresent`, `ignore`).
pub const ANNOTATION_APPLY: &str = "syncline.dev/apply";
/// Annotation on an object of the user: `allowed` lets it be deleted and created anew where a field
/// cannot be changed.
pub const ANNOTATION_REPLACE: &str = "syncline.dev/replace";
/// Annotation on an object of the user: what happens to what it owns when it is pruned
/// (`background`, `foreground`, `orphan`).
pub const ANNOTATION_PRUNE_PROPAGATION: &str = "syncline.dev/prune-propagation";
/// Annotation or label on an object of the user: `disabled` keeps variables from being substituted in
/// it, see [`crate::substitute`].
pub const SUBSTITUTE: &str = "syncline.dev/substitute";
/// Annotation on our kinds: a new value asks for a sync now.
pub const ANNOTATION_REQUESTED_AT: &str = "syncline.dev/requested-at";
/// Annotation on an Application: the hash of the plan that a person approved.
pub const ANNOTATION_APPROVE: &str = "syncline.dev/approve";
/// Annotation on an Application: `allowed` lets the other applications of its namespace take its
/// objects over.
pub const ANNOTATION_ADOPT: &str = "syncline.dev/adopt";
/// Annotation on an Application: the kinds and namespaces that its inventory may live in
/// (the ApplySet format of KEP-3659: `Kind.group` items).
pub const ANNOTATION_CONTAINS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation on an Application: the namespaces, beside its own, that its inventory may live in.
pub const ANNOTATION_NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";
/// Finalizer on an Application.
pub const FINALIZER: &str = "syncline.dev/application";
/// `kubectl rollout restart` writes this annotation; it is never touched.
pub const ANNOTATION_RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What the annotations and labels of Flux that speak to its Kustomizations begin with.
pub const FLUX_PREFIX: &str = "kustomize.toolkit.fluxcd.io/";
/// Flux: `disabled` keeps an object when it leaves Git.
pub const FLUX_PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Flux: when an object is written.
pub const FLUX_SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Flux: `disabled` leaves an object alone.
pub const FLUX_RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Flux: `enabled` lets an object be deleted and created anew.
pub const FLUX_FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Flux: `disabled` keeps variables from being substituted in an object.
pub const FLUX_SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// What the annotations of Argo CD begin with.
pub const ARGO_PREFIX: &str = "argocd.argoproj.io/";
/// Argo CD: options of one object, divided by commas.
pub const ARGO_SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// Helm: `keep` leaves an object when the release loses it.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Trailer of a commit by the image flow: the id of the update.
pub const TRAILER_UPDATE: &str = "Syncline-Update";
/// Trailer of a commit that approves a prune of an application.
pub const TRAILER_PRUNE: &str = "Syncline-Prune";

/// The field manager of one installation (server-side apply, KEP-555).
pub fn field_manager(instance: &str) -> String {
    format!("syncline-{instance}")
}
