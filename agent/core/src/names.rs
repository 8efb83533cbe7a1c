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
/// Annotation on an object of the user: its wave, a whole number; lower ones are applied first. See
/// [`crate::directives`].
pub const ANNOTATION_WAVE: &str = "syncline.dev/wave";
/// Annotation on an object of the user that makes a hook of it (`before`, `after`, `failure`,
/// `before-delete`, `after-delete`), see [`crate::hooks`].
pub const ANNOTATION_HOOK: &str = "syncline.dev/hook";
/// Annotation on a hook: when its object is deleted (`before-creation`, `succeeded`, `failed`).
pub const ANNOTATION_HOOK_DELETE: &str = "syncline.dev/hook-delete";
/// Annotation on a hook: how long it may take, for example `10m`; `spec.sync.timeout` without it.
pub const ANNOTATION_HOOK_TIMEOUT: &str = "syncline.dev/hook-timeout";
/// Annotation that we put on the object of a hook: which run of it this is.
pub const ANNOTATION_HOOK_RUN: &str = "syncline.dev/hook-run";
/// Annotation on an Application: `true` where hooks run when it is deleted.
pub const ANNOTATION_DELETION_HOOKS: &str = "syncline.dev/deletion-hooks";
/// Annotation on an Application that is being deleted and has such hooks: how far it is (`objects`,
/// `after`), and since when.
pub const ANNOTATION_DELETION: &str = "syncline.dev/deletion";
/// Annotation on our kinds: a new value asks for a sync now.
pub const ANNOTATION_REQUESTED_AT: &str = "syncline.dev/requested-at";
/// Annotation on an Application: the hash of the plan that a person approved.
pub const ANNOTATION_APPROVE: &str = "syncline.dev/approve";
/// Annotation on an Application: a person stopped what ran, see [`crate::decision::Stop`].
pub const ANNOTATION_ABORT: &str = "syncline.dev/abort";
/// Annotation on an Application by which `syncline rollback` asks for a plan, or for the commit.
pub const ANNOTATION_ROLLBACK: &str = "syncline.dev/rollback";
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
/// Argo CD: the wave of an object.
pub const ARGO_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Argo CD: the phases of a hook, divided by commas.
pub const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
/// Argo CD: when the object of a hook is deleted.
pub const ARGO_HOOK_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";
/// Helm: the events of a hook, divided by commas.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Helm: the order of a hook among those of its event.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// Helm: when the object of a hook is deleted.
pub const HELM_HOOK_DELETE: &str = "helm.sh/hook-delete-policy";
/// Helm: of which runs of a hook the log is shown.
pub const HELM_HOOK_OUTPUT: &str = "helm.sh/hook-output-log-policy";
/// Helm: `keep` leaves an object when the release loses it.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Trailer of a commit by the image flow: the id of the update.
pub const TRAILER_UPDATE: &str = "Syncline-Update";
/// Trailer of a commit that approves a prune of an application.
pub const TRAILER_PRUNE: &str = "Syncline-Prune";

/// Trailer of a commit that approves the plans of an application whose syncs are not automatic.
pub const TRAILER_APPROVE: &str = "Syncline-Approve";
/// Trailer of a commit by the image flow, one for each changed place: policy, place, old and new
/// value, see [`crate::image::update::UpdateNote`].
pub const TRAILER_IMAGE: &str = "Syncline-Image";
/// Trailer of a commit that takes a commit back: its id.
pub const TRAILER_REVERTS: &str = "Syncline-Reverts";
/// Trailer that says why a commit was made.
pub const TRAILER_REASON: &str = "Syncline-Reason";
/// Trailer that lets a held tag go: namespace and name of the policy, and the tag.
pub const TRAILER_RELEASE: &str = "Syncline-Release";
/// Annotation on an ImagePolicy that lets held tags go, with commas between.
pub const ANNOTATION_RELEASE: &str = "syncline.dev/release";
/// Annotation on an ImagePolicy: tags that a person skips, a line each, see
/// [`crate::image::hold::Said`].
pub const ANNOTATION_SKIP: &str = "syncline.dev/skip";
/// Annotation on an ImagePolicy: the tag that a person pinned, as one such line.
pub const ANNOTATION_PIN_TAG: &str = "syncline.dev/pin-tag";
/// ConfigMap in the agent's namespace that stops all syncs while it is there; its keys are `reason`,
/// `by` and `until`.
pub const FREEZE: &str = "syncline-freeze";

/// The field manager of one installation (server-side apply, KEP-555).
pub fn field_manager(instance: &str) -> String {
    format!("syncline-{instance}")
}
