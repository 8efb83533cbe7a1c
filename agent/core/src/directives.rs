//! What the annotations of one object ask of a sync: ours, and those of Flux, Argo CD and Helm that
//! mean the same here.
//!
//! Ours win over theirs. Among theirs the most careful one wins. A value that nobody knows is named
//! in a warning; for one of ours the careful reading holds, so that a typing error deletes nothing
//! and overwrites nothing.

use std::collections::BTreeMap;

use crate::names::{
    ANNOTATION_APPLY, ANNOTATION_PRUNE, ANNOTATION_PRUNE_PROPAGATION, ANNOTATION_REPLACE,
    ANNOTATION_WAVE, ARGO_HOOK, ARGO_HOOK_DELETE, ARGO_PREFIX, ARGO_SYNC_OPTIONS, ARGO_WAVE,
    FLUX_FORCE, FLUX_PREFIX, FLUX_PRUNE, FLUX_RECONCILE, FLUX_SSA, HELM_RESOURCE_POLICY,
};

/// What is done when the object leaves Git.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prune {
    /// It is deleted at once.
    Always,
    /// What the application's policy says.
    #[default]
    Default,
    /// It waits for a person, each time.
    Confirm,
    /// It stays.
    Never,
}

/// When the object is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Apply {
    /// Whenever it differs from Git.
    #[default]
    Always,
    /// Only where it does not exist; never changed afterwards.
    IfNotPresent,
    /// Not at all.
    Ignore,
}

/// Whether the object may be deleted and created anew to change a field that cannot be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Replace {
    /// It may not.
    #[default]
    Forbidden,
    /// It may.
    Allowed,
}

/// What happens to what the object owns when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// It goes afterwards.
    #[default]
    Background,
    /// It goes first.
    Foreground,
    /// It stays.
    Orphan,
}

/// What happens to the object when its Application is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnDeletion {
    /// What the Application's `deletionPolicy` says.
    #[default]
    Policy,
    /// It stays. So does what is never pruned, but for Argo CD's `Prune=false`.
    Keep,
}

/// What the annotations of one object ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// What is done when it leaves Git.
    pub prune: Prune,
    /// When it is written.
    pub apply: Apply,
    /// Whether it may be deleted and created anew.
    pub replace: Replace,
    /// What happens to what it owns when it is deleted.
    pub propagation: Propagation,
    /// What happens to it when its Application is deleted.
    pub on_deletion: OnDeletion,
    /// Its wave: lower ones are applied first, and pruned last.
    pub wave: i32,
    /// What was not understood, for people; in the order of the annotations.
    pub warnings: Vec<String>,
}

/// How many characters of a value a warning shows.
const SHOWN: usize = 64;

/// Options of Argo CD that ask for what every sync here does.
const ARGO_AS_EVER: [&str; 11] = [
    "Prune=true",
    "Delete=true",
    "Replace=false",
    "Force=false",
    "ServerSideApply=true",
    "ClientSideApplyMigration=true",
    "SkipDryRunOnMissingResource=true",
    "ApplyOutOfSyncOnly=true",
    "FailOnSharedResource=true",
    "RespectIgnoreDifferences=true",
    "Validate=true",
];

/// Words of Flux that ask for what every sync here does.
const FLUX_AS_EVER: [(&str, &str); 6] = [
    (FLUX_PRUNE, "enabled"),
    (FLUX_RECONCILE, "enabled"),
    (FLUX_FORCE, "disabled"),
    (FLUX_SSA, "override"),
    ("kustomize.toolkit.fluxcd.io/substitute", "enabled"),
    ("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
];

/// What Flux and Argo CD write themselves to know their own objects.
const MARKS: [&str; 5] = [
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "kustomize.toolkit.fluxcd.io/checksum",
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/installation-id",
];

/// Reads the annotations and labels of one object, desired or live.
///
/// Flux reads its words from both; everything else is an annotation.
pub fn read(
    annotations: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> Directives {
    let mut found = Directives::default();
    argo(annotations, &mut found);
    flux(annotations, labels, &mut found);
    helm(annotations, &mut found);
    ours(annotations, &mut found);
    found
}

impl Directives {
    /// The object is not pruned, and stays when its Application is deleted.
    fn keep(&mut self) {
        self.prune = Prune::Never;
        self.on_deletion = OnDeletion::Keep;
    }

    /// Names a value that is not understood, and what is done instead.
    fn warn(&mut self, name: &str, value: &str, instead: &str) {
        let value: String = value.chars().take(SHOWN).collect();
        let warning = format!("`{name}: {value}`: {instead}");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Our own words come last and overwrite what the others said.
fn ours(annotations: &BTreeMap<String, String>, found: &mut Directives) {
    let value = |name| annotations.get(name).map(String::as_str);
    match value(ANNOTATION_APPLY) {
        None => {}
        Some("always") => found.apply = Apply::Always,
        Some("ifNotPresent") => found.apply = Apply::IfNotPresent,
        Some("ignore") => found.apply = Apply::Ignore,
        Some(other) => {
            found.apply = Apply::IfNotPresent;
            let instead = "not understood, so it is created and then left alone; the values are \
                           `always`, `ifNotPresent` and `ignore`";
            found.warn(ANNOTATION_APPLY, other, instead);
        }
    }
    match value(ANNOTATION_PRUNE) {
        // What is left to others is not deleted by us either.
        None if found.apply == Apply::Ignore => found.keep(),
        None => {}
        Some("never") => found.keep(),
        Some("confirm") => {
            found.prune = Prune::Confirm;
            found.on_deletion = OnDeletion::Policy;
        }
        Some("always") => {
            found.prune = Prune::Always;
            found.on_deletion = OnDeletion::Policy;
        }
        Some(other) => {
            found.keep();
            let instead = "not understood, so it is never pruned; the values are `never`, \
                           `confirm` and `always`";
            found.warn(ANNOTATION_PRUNE, other, instead);
        }
    }
    if let Some(number) = value(ANNOTATION_WAVE) {
        wave(ANNOTATION_WAVE, number, found);
    }
    match value(ANNOTATION_REPLACE) {
        None => {}
        Some("allowed") => found.replace = Replace::Allowed,
        Some("forbidden") => found.replace = Replace::Forbidden,
        Some(other) => {
            found.replace = Replace::Forbidden;
            let instead = "not understood, so it is not replaced; the values are `allowed` and \
                           `forbidden`";
            found.warn(ANNOTATION_REPLACE, other, instead);
        }
    }
    match value(ANNOTATION_PRUNE_PROPAGATION) {
        None => {}
        Some("background") => found.propagation = Propagation::Background,
        Some("foreground") => found.propagation = Propagation::Foreground,
        Some("orphan") => found.propagation = Propagation::Orphan,
        Some(other) => {
            // What stays can still be deleted; what went does not come back.
            found.propagation = Propagation::Orphan;
            let instead = "not understood, so what it owns stays when it is pruned; the values \
                           are `background`, `foreground` and `orphan`";
            found.warn(ANNOTATION_PRUNE_PROPAGATION, other, instead);
        }
    }
}

/// Flux reads annotations and labels, without regard to case.
fn flux(
    annotations: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
    found: &mut Directives,
) {
    let both = annotations.iter().chain(labels);
    for (name, value) in both.filter(|(name, _)| name.starts_with(FLUX_PREFIX)) {
        let word = value.to_ascii_lowercase();
        match (name.as_str(), word.as_str()) {
            (FLUX_PRUNE, "disabled") => found.keep(),
            (FLUX_SSA, "ifnotpresent") => found.apply = found.apply.max(Apply::IfNotPresent),
            (FLUX_SSA, "ignore") | (FLUX_RECONCILE, "disabled") => found.apply = Apply::Ignore,
            (FLUX_FORCE, "enabled") => found.replace = Replace::Allowed,
            (FLUX_SSA, "merge") => {
                found.warn(
                    name,
                    value,
                    "has no effect; `spec.sync.foreign: Keep` is alike",
                );
            }
            known if FLUX_AS_EVER.contains(&known) || MARKS.contains(&known.0) => {}
            _ => found.warn(name, value, "has no effect"),
        }
    }
}

fn argo(annotations: &BTreeMap<String, String>, found: &mut Directives) {
    for (name, value) in annotations {
        match name.as_str() {
            ARGO_SYNC_OPTIONS => value
                .split(',')
                .map(str::trim)
                .filter(|option| !option.is_empty())
                .for_each(|option| argo_option(option, found)),
            // Other words of it make a hook, which is no object that stays: see `hooks`.
            ARGO_HOOK if value.trim() == "Skip" => found.apply = Apply::Ignore,
            ARGO_HOOK | ARGO_HOOK_DELETE => {}
            ARGO_WAVE => wave(name, value, found),
            other if other.starts_with(ARGO_PREFIX) && !MARKS.contains(&other) => {
                found.warn(name, value, "has no effect");
            }
            _ => {}
        }
    }
}

/// A wave is a whole number, `-5` and `+5` as well. What is none counts as wave 0, where all is that
/// has no annotation: the object neither holds the first wave up nor is left out.
fn wave(name: &str, value: &str, found: &mut Directives) {
    if let Ok(number) = value.trim().parse() {
        found.wave = number;
    } else {
        found.wave = 0;
        let instead = "not understood, so it belongs to wave 0; a wave is a whole number";
        found.warn(name, value, instead);
    }
}

fn argo_option(option: &str, found: &mut Directives) {
    match option {
        "Prune=false" => found.prune = found.prune.max(Prune::Never),
        "Prune=confirm" => found.prune = found.prune.max(Prune::Confirm),
        "Replace=true" | "Force=true" => found.replace = Replace::Allowed,
        "Delete=false" => found.on_deletion = OnDeletion::Keep,
        "Delete=confirm" => {
            found.on_deletion = OnDeletion::Keep;
            let instead = "nobody can be asked then, so it stays when its Application is deleted";
            found.warn(ARGO_SYNC_OPTIONS, option, instead);
        }
        "CreateNamespace=true" => {
            let instead = "has no effect; set `spec.destination.createNamespace`";
            found.warn(ARGO_SYNC_OPTIONS, option, instead);
        }
        known if ARGO_AS_EVER.contains(&known) => {}
        _ => found.warn(ARGO_SYNC_OPTIONS, option, "has no effect"),
    }
}

fn helm(annotations: &BTreeMap<String, String>, found: &mut Directives) {
    match annotations
        .get(HELM_RESOURCE_POLICY)
        .map(|value| value.trim())
    {
        None => {}
        Some(word) if word.eq_ignore_ascii_case("keep") => found.keep(),
        Some(other) => found.warn(HELM_RESOURCE_POLICY, other, "has no effect"),
    }
}

#[cfg(test)]
mod tests;
