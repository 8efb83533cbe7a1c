//! From our kinds on the wire to the checked domain types.
//!
//! What the CRD's schema refuses is refused here again: an object may be older than the schema.

mod image;
mod order;
mod rendering;
mod rollout;

pub(crate) use image::{ImageUpdate, image_policy};
pub(crate) use order::health as health_rules;

use std::time::Duration;

use syncline_cluster::kinds;
use syncline_core::application::{
    Application, Conflicts, DeletionPolicy, ForeignFields, Ignore, OnFailure, PruneApproval,
    Repository, Suspension, SyncPolicy, TreePath, Verify, VerifyMode, Write, check_branch,
    check_period,
};
use syncline_core::field_path::FieldPath;
use syncline_core::image::message::MessageTemplate;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::url::RepoUrl;

pub(crate) use rollout::{ledger, rollout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn invalid(field: &str, why: impl std::fmt::Display) -> Failure {
    Failure {
        reason: Reason::InvalidSpec,
        detail: format!("`{field}`: {why}"),
    }
}

fn suspended(suspend: Option<&kinds::Suspend>) -> Option<Suspension> {
    suspend.map(|suspend| Suspension {
        reason: suspend.reason.clone(),
        until: suspend.until,
    })
}

/// Checks a Repository.
pub(crate) fn repository(
    wire: &kinds::Repository,
    default_account: &str,
) -> Result<Repository, Failure> {
    let spec = &wire.spec;
    check_branch(&spec.reference.branch)?;
    let converted = Repository {
        name: kinds::name_of(wire),
        url: RepoUrl::parse(&spec.url).map_err(|error| Failure {
            reason: Reason::InvalidUrl,
            detail: format!("`spec.url`: {error}"),
        })?,
        branch: spec.reference.branch.clone(),
        interval: check_period("spec.interval", spec.interval.get(), SECOND, DAY)?,
        timeout: check_period("spec.timeout", spec.timeout.get(), SECOND, HOUR)?,
        account: spec
            .service_account
            .clone()
            .unwrap_or_else(|| default_account.to_owned()),
        secret: spec.secret_ref.as_ref().map(|secret| secret.name.clone()),
        verify: spec.verify.as_ref().map(|verify| Verify {
            mode: match verify.mode {
                kinds::VerifyMode::Commit => VerifyMode::Commit,
                kinds::VerifyMode::Tag => VerifyMode::Tag,
                kinds::VerifyMode::CommitAndTag => VerifyMode::CommitAndTag,
            },
            secret: verify.secret_ref.name.clone(),
        }),
        webhook_secret: spec
            .webhook
            .as_ref()
            .map(|webhook| webhook.secret_ref.name.clone()),
        write: spec.write.as_ref().map(write).transpose()?,
        suspend: suspended(spec.suspend.as_ref()),
    };
    if converted.write.is_some() && converted.wants_tags() {
        return Err(invalid(
            "spec.verify.mode",
            "a commit of the agent carries no signed tag, so it would never be used: take the mode \
             `Commit` and `write.signing`, or leave `write` away",
        ));
    }
    Ok(converted)
}

/// Checks how commits are made.
fn write(wire: &kinds::Write) -> Result<Write, Failure> {
    let message = match &wire.message {
        Some(text) => {
            MessageTemplate::parse(text).map_err(|error| invalid("spec.write.message", error))?
        }
        None => MessageTemplate::default(),
    };
    let skip_ci = wire.skip_ci.clone();
    if skip_ci
        .iter()
        .any(|marker| marker.chars().any(char::is_control))
    {
        return Err(invalid("spec.write.skipCi", "has a control character"));
    }
    Ok(Write {
        secret: Some(wire.secret_ref.name.clone()),
        author_name: wire.author.name.clone(),
        author_email: wire.author.email.clone(),
        message,
        skip_ci,
        signing: wire.signing.as_ref().map(|s| s.secret_ref.name.clone()),
        window: check_period("spec.write.window", wire.window.get(), Duration::ZERO, HOUR)?,
    })
}

/// Checks an Application.
pub(crate) fn application(
    wire: &kinds::Application,
    default_account: &str,
) -> Result<Application, Failure> {
    let spec = &wire.spec;
    let name = kinds::name_of(wire);
    let path =
        TreePath::parse(&spec.path).map_err(|failure| invalid("spec.path", failure.detail))?;
    let adopt_from = spec.adopt_from.clone();
    if adopt_from.as_ref() == Some(&name.name) {
        return Err(invalid(
            "spec.adoptFrom",
            "an Application cannot adopt from itself",
        ));
    }
    let namespace = spec.destination.namespace.as_ref();
    let namespace = namespace.unwrap_or(&name.namespace);
    Ok(Application {
        repository: spec.repository.clone(),
        rendering: rendering::rendering(spec, &path)?,
        path,
        namespace: namespace.clone(),
        create_namespace: spec.destination.create_namespace,
        account: spec
            .service_account
            .clone()
            .unwrap_or_else(|| default_account.to_owned()),
        sync: SyncPolicy {
            automatic: spec.sync.automatic,
            prune: spec.sync.prune,
            self_heal: spec.sync.self_heal,
            foreign: match spec.sync.foreign {
                kinds::ForeignFields::RemoveManual => ForeignFields::RemoveManual,
                kinds::ForeignFields::Keep => ForeignFields::Keep,
                kinds::ForeignFields::RemoveAll => ForeignFields::RemoveAll,
            },
            conflicts: match spec.sync.conflicts {
                kinds::Conflicts::Take => Conflicts::Take,
                kinds::Conflicts::Fail => Conflicts::Fail,
            },
            atomic: spec.sync.atomic,
            prune_approval: match spec.sync.prune_approval {
                kinds::PruneApproval::WhenRisky => PruneApproval::WhenRisky,
                kinds::PruneApproval::Always => PruneApproval::Always,
                kinds::PruneApproval::Never => PruneApproval::Never,
            },
            timeout: check_period("spec.sync.timeout", spec.sync.timeout.get(), SECOND, DAY)?,
            retry: order::retry(&spec.sync.retry)?,
            windows: order::windows("spec.sync.windows", &spec.sync.windows)?,
            on_failure: match spec.sync.on_failure {
                kinds::OnFailure::Hold => OnFailure::Hold,
                kinds::OnFailure::Retry => OnFailure::Retry,
                kinds::OnFailure::Revert => OnFailure::Revert,
            },
            pauses: order::pauses(&spec.sync.pauses, namespace)?,
        },
        ignore: spec
            .ignore
            .iter()
            .enumerate()
            .map(|(index, rule)| ignore(&format!("spec.ignore[{index}]"), rule))
            .collect::<Result<_, _>>()?,
        adopt_from,
        deletion: match spec.deletion_policy {
            kinds::DeletionPolicy::Prune => DeletionPolicy::Prune,
            kinds::DeletionPolicy::Orphan => DeletionPolicy::Orphan,
        },
        depends_on: order::depends_on(&spec.depends_on, &name, namespace)?,
        health: order::health("spec.health", &spec.health)?,
        pin: spec.pin.as_ref().map(order::pin).transpose()?,
        suspend: suspended(spec.suspend.as_ref()),
        name,
    })
}

/// Checks a rule on fields that are left to others; `at` is where it stands.
fn ignore(at: &str, rule: &kinds::Ignore) -> Result<Ignore, Failure> {
    if rule.fields.is_empty() && rule.manager.is_none() {
        return Err(invalid(at, "names neither `fields` nor a `manager`"));
    }
    let fields = rule.fields.iter().enumerate().map(|(index, pointer)| {
        FieldPath::parse(pointer)
            .map_err(|failure| invalid(&format!("{at}.fields[{index}]"), failure.detail))
    });
    if let Some(manager) = &rule.manager {
        let stem = manager.strip_suffix('*').unwrap_or(manager);
        if stem.is_empty() || stem.contains('*') {
            let why = format!("`{manager}` is not a name, nor the beginning of one with a `*`");
            return Err(invalid(&format!("{at}.manager"), why));
        }
    }
    Ok(Ignore {
        group: rule.group.clone(),
        kind: rule.kind.clone(),
        name: rule.name.clone(),
        fields: fields.collect::<Result<_, _>>()?,
        manager: rule.manager.clone(),
    })
}

/// A values file beside or above the chart, inside the repository.
fn resolve(path: &TreePath, file: &str) -> Result<TreePath, Failure> {
    let mut parts: Vec<&str> = path
        .as_str()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_some() => {}
            ".." => {
                let detail = format!("`{file}` leaves the repository");
                return Err(Failure {
                    reason: Reason::PathEscape,
                    detail,
                });
            }
            part => parts.push(part),
        }
    }
    TreePath::parse(&parts.join("/"))
}

#[cfg(test)]
mod tests;
