//! The one table of reasons: what every state of a Repository, Application, ImagePolicy and object
//! is called, the sentence that a person reads, and what to do about it.
//!
//! Status conditions, events, the web UI, the command line and `docs/reasons.md` print from it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident, $code:expr, $class:ident, $sentence:expr, $remedy:expr;)*) => {
        /// A reason code. Its name is the PascalCase reason of Kubernetes conditions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)*
        }

        /// All rows of the table, in order.
        pub const TABLE: &[Row] = &[
            $(Row {
                reason: Reason::$name,
                name: stringify!($name),
                code: $code,
                class: Class::$class,
                sentence: $sentence,
                remedy: $remedy,
            },)*
        ];
    };
}

/// What kind of state a reason is; decides when a failed sync is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// All is as it should be.
    Good,
    /// Something is on its way; nothing to do.
    Progress,
    /// A person decided or must decide.
    Hold,
    /// Likely to pass by itself: tried again soon, with back-off.
    Transient,
    /// Git or an object of ours is wrong: tried again when it changes, and slowly.
    Input,
    /// A right or a credential is missing: tried again slowly.
    Denied,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The reason.
    pub reason: Reason,
    /// PascalCase name.
    pub name: &'static str,
    /// Dotted code of a finding in one file or object; empty for states.
    pub code: &'static str,
    /// What kind of state it is.
    pub class: Class,
    /// What is the case, one sentence without a full stop.
    pub sentence: &'static str,
    /// What to do, one sentence without a full stop; empty where there is nothing to do.
    pub remedy: &'static str,
}

reasons! {
    // Applications.
    Synced, "", Good, "What Git says is applied and healthy", "";
    Syncing, "", Progress, "A sync is running", "";
    Pending, "", Progress, "No sync has run yet", "";
    Progressing, "", Progress, "What Git says is applied; workloads are still starting", "";
    Degraded, "", Transient, "What Git says is applied, but a workload is not healthy", "Look at the named object; push a fix, or revert the commit";
    Missing, "", Transient, "An object that Git names is not in the cluster", "It is applied again with the next sync";
    Suspended, "", Hold, "Suspended: no sync runs until `spec.suspend` is removed", "Remove `spec.suspend`";
    Frozen, "", Hold, "The agent is frozen: no sync runs and no image is updated", "Run `syncline unfreeze`, or delete the ConfigMap `syncline-freeze` in the agent's namespace";
    Aborted, "", Hold, "A person stopped the sync, and nothing more of this commit is applied", "Push a fix or roll back; a sync that is asked for goes on";
    Pinned, "", Hold, "Pinned to a commit: newer ones are not applied", "Remove `spec.pin`, or wait for its end";
    Blocked, "", Progress, "A newer commit waits for what the application depends on", "";
    DependencyCycle, "", Input, "Applications depend on each other in a circle", "Remove one `spec.dependsOn` of the circle";
    WindowClosed, "", Hold, "A newer commit waits for a sync window", "Wait, or ask for a sync now with the annotation `syncline.dev/requested-at`";
    WaitsForWave, "", Progress, "Objects wait until those of the waves before them are healthy", "";
    WaitsForHook, "", Progress, "A hook runs, and what comes after it waits", "";
    Paused, "", Progress, "The rollout pauses between two waves", "";
    RolloutFailed, "rollout.failed", Hold, "The rollout stopped: what was applied did not become healthy in time", "Push a fix, or revert the named commits; a sync that is asked for tries it again";
    HookFailed, "hook.failed", Hold, "A hook failed, and what comes after it was not applied", "Push a fix, or revert the named commits; a sync that is asked for runs it again";
    InvalidHook, "hook.invalid", Input, "The annotations of a hook are not understood", "Correct the named annotation";
    RollbackPlanned, "", Progress, "A rollback is planned and waits for a person to confirm it", "Confirm it in `syncline rollback`";
    RolledBack, "", Good, "Commits were reverted in Git", "";
    RollbackRefused, "", Hold, "The commits of the failed rollout are not reverted", "Push a fix, or revert by hand";
    NothingToRevert, "", Input, "There is no commit to revert", "Name the commit to go back to: `syncline rollback APPLICATION --to COMMIT`";
    RollbackChanged, "", Input, "The rollback would revert other commits than those that were confirmed", "Ask for the rollback again and look at what it reverts";
    RetriesExhausted, "", Hold, "The sync failed as often as `spec.sync.retry.limit` allows", "Correct what is named; a new commit or a sync that is asked for tries it again";
    HealthChanged, "", Good, "The health of the application changed", "";
    ManualSync, "", Hold, "A newer commit waits: `spec.sync.automatic` is false", "Approve the plan with the annotation `syncline.dev/approve: <hash>`, or ask for a sync with `syncline.dev/requested-at`";
    ActionRefused, "", Input, "What a person asked for was refused", "See the named cause, and ask again";
    Deleting, "", Progress, "The Application is being deleted", "";
    Orphaned, "", Hold, "The Application is gone and these objects of it stay", "Delete them by hand if that is meant";
    Ignored, "warn.dropped", Good, "Something that Git says is ignored", "";
    InvalidSpec, "app.spec", Input, "The object itself has a field that is wrong", "Correct the named field";
    RepositoryMissing, "", Input, "The Repository that the Application names does not exist in its namespace", "Create it, or correct `spec.repository`";
    RepositoryNotReady, "", Transient, "The Repository cannot be read at the moment", "See the Repository's own condition";
    AccountMissing, "", Denied, "The service account does not exist in the namespace of the object that names it", "Create it with the rights it needs, or correct `spec.serviceAccount`";
    PathNotFound, "path.not_found", Input, "The path does not exist in the repository at this commit", "Correct `spec.path`, or push the missing directory";
    PathEscape, "path.escape", Input, "A path or link points outside the repository", "Keep every file inside the repository";
    LinkRefused, "path.symlink", Input, "A symbolic link leads out of the repository, or round in a circle", "Let it point at a file or directory of the repository, or commit the file itself";
    InvalidFileName, "path.name", Input, "A file or directory has a name that is not read", "Rename it: without control characters, and with no `-` at the beginning";
    NameClash, "path.clash", Input, "Two names of one directory differ only in upper and lower case", "Rename one of the two";
    InvalidPattern, "path.pattern", Input, "A pattern that selects files is not valid", "Correct the named pattern";
    EmptyPath, "", Hold, "The path holds no manifest, so nothing is pruned", "Push a manifest, or delete the Application";
    TooLarge, "source.limit", Input, "The source is over a limit of the agent", "Split the application, or raise the named setting";
    YamlSyntax, "yaml.syntax", Input, "A YAML file cannot be read", "Correct the named line";
    YamlDuplicateKey, "yaml.dup_key", Input, "A YAML map has the same key twice", "Remove one of them";
    YamlLimit, "yaml.limit", Input, "A YAML file is too large, too deep or expands too far", "Simplify the file";
    YamlEncoding, "yaml.encoding", Input, "A YAML file is not UTF-8", "Save it as UTF-8";
    NotAnObject, "k8s.not_object", Input, "A document is not a Kubernetes object", "A manifest is a map with `apiVersion`, `kind` and `metadata`";
    NoIdentity, "k8s.identity", Input, "A manifest lacks `apiVersion`, `kind` or `metadata.name`", "Add it";
    GenerateName, "k8s.generate_name", Input, "`metadata.generateName` cannot be reconciled", "Give the object a name";
    InvalidName, "k8s.name", Input, "A name is not valid in Kubernetes", "Use lower-case letters, digits, `-` and `.`";
    DuplicateObject, "k8s.duplicate", Input, "The same object is declared twice", "Remove one of the two";
    InvalidSecret, "k8s.secret", Input, "A Secret is not valid; its values are not shown", "`data` is base64, `stringData` plain text, and no key stands in both";
    NotText, "k8s.type", Input, "A field that must be text is a number or a boolean", "Quote the value";
    UnknownField, "k8s.unknown_field", Input, "An object has a field that the cluster does not know", "Correct its name, or set `validate: Warn`";
    FieldType, "k8s.field_type", Input, "A field has a value of the wrong type, or one that is not allowed", "Correct the value, or quote it where text is wanted";
    RequiredField, "k8s.required", Input, "A field that the kind requires is missing", "Add it";
    DuplicateListKey, "k8s.duplicate_key", Input, "A list has two items with the same key", "Remove one of the two";
    UnknownKind, "k8s.unknown_kind", Input, "The cluster does not know the kind", "Install its CRD, or correct `apiVersion` and `kind`";
    InvalidObject, "k8s.invalid", Input, "The API server refused the object as invalid", "Correct the named field";
    ImmutableField, "k8s.immutable", Input, "A field of the object cannot be changed after creation", "Revert the change, or delete the object by hand so that it is created anew";
    ObjectTooLarge, "k8s.too_large", Input, "The object is too large for the API server", "Split it";
    NoApply, "k8s.no_apply", Input, "The kind does not support server-side apply", "Remove it from the repository";
    RenderFailed, "render.failed", Input, "The renderer refused the source", "Correct the named file";
    KustomizeFailed, "kz.failed", Input, "Kustomize refused the source", "Correct the named file";
    HelmFailed, "helm.failed", Input, "Helm refused the chart", "Correct the named template or value";
    UndeclaredVariable, "substitute.undeclared", Input, "A variable is used and has no value", "Declare it in `spec.substitute`, give it a default (`${NAME:-default}`), or write `$${NAME}` where the text itself is meant";
    SubstituteFailed, "substitute.failed", Input, "Variables cannot be substituted", "Simplify the named value";
    DecryptFailed, "sops.failed", Input, "A SOPS file cannot be decrypted; its values are not shown", "Encrypt the file for a key of the Secret named in `spec.decrypt`, and change it with `sops` only";
    DecryptNotConfigured, "sops.not_configured", Input, "A file is encrypted by SOPS and the application has no keys", "Name the Secret with the keys in `spec.decrypt.sops.secretRef`";
    RemoteBaseRefused, "kz.remote_disabled", Input, "A kustomization names a base in another repository, which the agent's settings do not allow", "Copy the base into the repository, or allow its URL in the setting `--remote-bases`";
    RenderTimeout, "render.timeout", Input, "Rendering took longer than its deadline", "Simplify the source, or raise the renderer's deadline";
    RendererUnavailable, "render.unavailable", Transient, "The renderer process could not be used", "It is started again with the next attempt";
    ApplyFailed, "", Transient, "Some objects could not be applied; the others are", "See the named objects";
    Denied, "k8s.denied", Denied, "The service account may not do this", "Give the service account the named right";
    AdmissionDenied, "k8s.admission", Input, "An admission policy of the cluster refused the object", "Follow the policy's message";
    Conflict, "k8s.conflict", Transient, "The object changed while it was being written", "It is tried again";
    NamespaceMissing, "k8s.namespace", Input, "The namespace does not exist", "Create it, or set `destination.createNamespace`";
    NamespaceTerminating, "", Transient, "The namespace is being deleted", "Wait, or create it anew";
    OwnedBy, "", Input, "The object belongs to another application", "Remove it from one of the two";
    Shared, "", Good, "Several applications declare the object identically; it belongs to another of them", "Keep it in one of them";
    OtherTool, "k8s.other_tool", Input, "Another GitOps tool is at work on the object, so it is not touched", "Suspend or remove it in that tool first; it is looked at again by itself";
    WaitsForRender, "", Progress, "It waits until other applications of the repository are rendered: they may take the object over", "";
    BeingDeleted, "", Progress, "The object is being deleted; it is made anew when it is gone", "";
    FieldConflict, "k8s.field_conflict", Input, "Another field manager holds a field that Git names, and `spec.sync.conflicts` is Fail", "Remove the field from Git, give it up in the other manager, or set `conflicts: Take`";
    NotAtomic, "", Input, "The application is atomic and an object failed its dry run, so nothing was written", "Correct the named objects";
    Fighting, "", Good, "Somebody changes an object again and again, so it is repaired with growing pauses", "Stop the named manager, or name its fields in `spec.ignore`";
    InventoryUnreadable, "", Denied, "A kind or namespace cannot be read, so nothing of it is pruned", "Give the service account the right to `list` it";
    ReplaceHeld, "", Hold, "More than half of the workloads would be replaced by others", "Approve with a commit trailer `Syncline-Prune: <application>` or the annotation `syncline.dev/approve: <plan hash>`";
    SlowCheck, "", Good, "Some kinds are not watched, so their drift is found by the slow check only", "Raise the budget of watches, or name a reader account";
    AdoptedByController, "", Good, "A controller adopted the object, so it is not pruned", "";
    ClaimedElsewhere, "", Hold, "An object that left Git here is declared by another application, which may not take it over, so it stays", "Set `spec.adoptFrom` on the other Application, or remove the object there";
    Protected, "policy.protected", Input, "The object belongs to the agent or to Kubernetes itself and is never pruned", "Delete it by hand if that is meant";
    PruneHeld, "", Hold, "Objects that left Git wait for approval before they are deleted", "Approve with a commit trailer `Syncline-Prune: <application>` or the annotation `syncline.dev/approve: <plan hash>`";
    PruneFailed, "", Transient, "An object that left Git could not be deleted", "It is tried again";
    ApiUnavailable, "", Transient, "The API server cannot be reached or answered with an error", "It is tried again";
    Internal, "", Transient, "The agent failed in a way that it should not", "See the agent's log; the sync is tried again";
    Interrupted, "", Transient, "The agent stopped while the sync ran", "It runs again by itself";
    Superseded, "", Progress, "A newer commit took over", "";
    DriftRepaired, "", Good, "Fields that Git names had been changed and were put back", "Change them in Git instead";
    DriftFound, "", Hold, "Live objects differ from Git, and `spec.sync.selfHeal` is false", "Ask for a sync, or change Git";

    // Repositories.
    Fetched, "", Good, "The repository was read", "";
    Fetching, "", Progress, "The repository is being read for the first time", "";
    InvalidUrl, "git.url", Input, "The URL of the repository is not valid", "Correct `spec.url`";
    AuthFailed, "git.auth", Denied, "The Git server refused the credentials", "Correct the Secret named in `secretRef`";
    HostKeyUnknown, "git.host_key_unknown", Denied, "Nothing vouches for the SSH host key of the Git server, which is not talked to", "Compare the fingerprint with what its owner publishes, and add the named line to `known_hosts` in the Secret";
    HostKeyMismatch, "git.host_key", Denied, "The Git server shows another SSH host key than `known_hosts` has; it is not talked to", "Ask its owner whether the key was changed; if so, replace the line in `known_hosts`";
    SignatureRefused, "git.signature", Input, "A commit, or the tag of it that `spec.verify` asks for, is not signed by a key that it names; nothing of the commit is used", "Sign it with such a key, or add the key to the Secret";
    SecretMissing, "", Denied, "A Secret that is named does not exist, or the service account may not read it, or a key is missing", "Create it, or give the service account the right to `get` it";
    SourceUnavailable, "git.unavailable", Transient, "The Git server cannot be reached; the last good commit is kept", "It is tried again";
    RevisionNotFound, "git.ref", Input, "The branch does not exist in the repository; nothing is pruned", "Push the branch, or correct `spec.ref`";
    HistoryRewritten, "git.rewritten", Hold, "The branch no longer contains the last applied commit", "Approve with the annotation `syncline.dev/approve: <new commit>` on the Repository, or restore the branch";
    RedirectRefused, "git.redirect", Input, "The Git server redirects to another host, which is not followed", "Use the final URL in `spec.url`";
    RepositoryNotFound, "git.not_found", Input, "The Git server has no such repository, or hides it from these credentials", "Correct `spec.url`, or give the credentials the right to read it";
    InvalidTree, "git.tree", Input, "A directory of the repository holds a name that Git does not allow", "Remove the named entry";
    UnsupportedSource, "git.unsupported", Input, "The source needs a submodule, a Git LFS object or another part of Git that is not read", "Commit the files themselves";

    // Charts.
    ChartUnavailable, "chart.unavailable", Transient, "The chart repository or registry cannot be reached, or gave no whole answer", "It is tried again";
    ChartNotFound, "chart.not_found", Input, "The chart repository or registry has no such chart, or no version of it in the range", "Correct the chart's repository, name or version";
    ChartAuthFailed, "chart.auth", Denied, "The chart repository or registry refused the credentials", "Correct the Secret named for the chart";
    ChartVersion, "helm.version", Input, "The version of the chart is neither a version nor a range of versions", "Write it as `1.2.3`, `^1.2` or `>=1.0 <2`";
    ChartName, "helm.chart_name", Input, "The name of a chart is not valid", "Use letters, digits, `-`, `_` and `.`";
    ChartIndex, "helm.index", Input, "The index of a chart repository cannot be used", "Look at the repository's `index.yaml`, or raise the named setting";
    ChartDigest, "helm.digest", Input, "The archive of a chart is not the one that its digest names; it is not used", "Look at who changed it; publish a changed chart under a new version";
    ChartManifest, "chart.manifest", Input, "What the registry has under this name is not a Helm chart", "Push the chart with `helm push`, or correct its name";

    // Image policies.
    UpToDate, "", Good, "Git already names the newest image that the policy allows", "";
    UpdateCommitted, "", Good, "A newer image was committed to Git", "";
    InvalidImage, "policy.image", Input, "The image name is not valid", "Correct `spec.image`: a repository without tag or digest";
    InvalidRange, "policy.range", Input, "The semver range is not valid", "Correct `spec.select.semver`";
    InvalidRegex, "policy.regex", Input, "A regular expression of the policy is not valid", "Correct `spec.tags`; the syntax is that of Go and RE2";
    TagsSkipped, "policy.skipped", Good, "Some tags have no order under the policy and are left out", "";
    ExaminingTags, "", Progress, "The images behind some tags are still to be read before one is chosen", "";
    TagHeld, "policy.held", Hold, "The newest tag that the policy allows is held", "Wait for a newer tag, or release it with the annotation `syncline.dev/release`";
    TagTooYoung, "policy.too_young", Hold, "The newest tag that the policy allows is younger than `minAge`", "It is chosen when it is old enough, if nothing newer came";
    UpdateLoop, "policy.loop", Hold, "The newest image was built from a commit that Syncline made, so it is not taken", "Keep your CI from building the commits of updates";
    NoOrder, "policy.no_order", Input, "The tags of the image have no order that the policy can use", "Tag images with versions; `latest` is never chosen";
    NoCandidate, "", Input, "No tag of the image is allowed by the policy", "See the verdict of each tag";
    RegistryUnavailable, "registry.unavailable", Transient, "The registry cannot be reached; nothing is changed", "It is tried again";
    RegistryAuthFailed, "registry.auth", Denied, "The registry refused the credentials", "Correct the Secret named in `secretRef`";
    RegistryNotFound, "registry.not_found", Input, "The registry does not have the image", "Push it, or correct `spec.image`";
    RegistryLimit, "registry.limit", Input, "The registry's answer is over a limit of the agent", "Narrow the image, or raise the named setting";
    RegistryThrottled, "registry.throttled", Transient, "The registry asked to slow down", "It is asked again at the time it named";
    RegistryIncomplete, "registry.incomplete", Transient, "The registry's answer is not a complete list of tags; nothing is changed", "It is asked again; if it stays so, look at the registry";
    RegistryRealm, "registry.realm", Denied, "The registry names a token service on another host, which is not given the credentials", "Allow that host in the agent's settings if it belongs to the registry";
    RegistryManifest, "registry.manifest", Input, "What the registry has under a tag is not an image that can be read", "Push the image again, or exclude the tag";
    RegistryDoubtful, "registry.doubtful", Transient, "The registry's list of tags lost what it had before; nothing is changed", "Look at the registry; if the list is right, ask for a look with `syncline.dev/requested-at`";
    NoDowngrade, "", Hold, "Git names a newer image than the policy would choose, so nothing is changed", "Change the tag in Git, or the policy";
    WritersDisagree, "policy.alternating", Hold, "Two writers change the same place to and fro, so both stop", "Make their policies agree, then set the value in Git, or release it with `syncline.dev/release: <tag>`";
    UpdateLimit, "policy.rate", Hold, "The policy has made as many updates within an hour as it may", "Find out what makes so many tags; it goes on by itself";
    NothingToEdit, "", Input, "No file of the repository names the image", "Name the image in a manifest, or correct `spec.update`";
    EditRefused, "edit.refused", Input, "A file names the image in a way that cannot be edited exactly", "See the named file and line";
    EditUnproved, "edit.unproved", Input, "An edit would change something else than the image, or nothing that runs, so it is not made", "See what is named; edit the file by hand, or put a marker at the value that is meant";
    SetterMarker, "setter.marker", Input, "A marker for image updates cannot be understood or obeyed", "Correct the marker in the named line: `# {\"$imagepolicy\": \"namespace:policy\"}` behind the value, on the same line";
    WriteNotConfigured, "", Input, "The Repository has no `spec.write`, so no commit can be made", "Add `spec.write` with a Secret that may push";
    PushFailed, "git.push", Transient, "The commit could not be pushed", "It is made anew on the new tip";
    PushContention, "git.push_contention", Transient, "Others push to the branch all the time, so the commit could not be pushed", "It is tried again; see who pushes so often";
    SigningKeyInvalid, "git.signing_key", Denied, "The key that signs commits cannot be used", "Put an SSH key in the format of OpenSSH as `identity`, or an armoured GPG secret key as `git.asc`, and its `passphrase`, into the Secret of `spec.write.signing`";
    PushDenied, "git.push_denied", Denied, "The Git server refused the push", "Give the write credentials the right to push to the branch";
}

impl Reason {
    /// Its row.
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// PascalCase name.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What kind of state it is.
    pub fn class(self) -> Class {
        self.row().class
    }

    /// The reason of a PascalCase name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_at_its_reason_and_reads_as_one_sentence() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.reason as usize, index);
            assert_eq!(Reason::from_name(row.name), Some(row.reason));
            assert!(
                !row.sentence.is_empty() && !row.sentence.ends_with('.'),
                "{}",
                row.name
            );
            assert!(!row.remedy.ends_with('.'), "{}", row.name);
            let quiet = matches!(row.class, Class::Good | Class::Progress);
            assert!(
                quiet || !row.remedy.is_empty(),
                "{} says what to do",
                row.name
            );
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = TABLE
            .iter()
            .map(|row| row.code)
            .filter(|c| !c.is_empty())
            .collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }
}
