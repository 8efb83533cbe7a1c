//! From the fields of an Application that say in which order and when to the checked domain types.

use std::time::Duration;

use syncline_cluster::kinds;
use syncline_core::application::{
    Dependency, HealthRule, ObjectReference, Pause, Pin, Retry, Until, check_period,
};
use syncline_core::expression::Expression;
use syncline_core::object::{ObjectKey, group_version};
use syncline_core::outcome::Failure;
use syncline_core::record::Name;
use syncline_core::window::{Rule, Window};

use super::{DAY, SECOND, invalid};

/// Longest window, pause and patience with a pause.
const MONTH: Duration = Duration::from_secs(31 * 86_400);
/// Shortest window.
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn retry(wire: &kinds::Retry) -> Result<Retry, Failure> {
    let delay = |field: &str, period: Option<kinds::Period>| {
        let checked = period.map(|period| check_period(field, period.get(), SECOND, DAY));
        checked.transpose()
    };
    Ok(Retry {
        limit: wire.limit,
        first: delay("spec.sync.retry.first", wire.first)?,
        most: delay("spec.sync.retry.most", wire.most)?,
    })
}

pub(super) fn windows(field: &str, wire: &[kinds::Window]) -> Result<Vec<Window>, Failure> {
    let windows = wire.iter().enumerate().map(|(index, window)| {
        let at = format!("{field}[{index}]");
        let rule = match window.kind {
            kinds::WindowKind::Allow => Rule::Allow,
            kinds::WindowKind::Deny => Rule::Deny,
        };
        let length = window.duration.get();
        let duration = check_period(&format!("{at}.duration"), length, MINUTE, MONTH)?;
        Window::parse(rule, &window.schedule, duration, &window.time_zone)
            .map_err(|why| invalid(&at, why))
    });
    windows.collect()
}

pub(super) fn pauses(wire: &[kinds::Pause], namespace: &str) -> Result<Vec<Pause>, Failure> {
    let pauses = wire.iter().enumerate().map(|(index, pause)| {
        let at = format!("spec.sync.pauses[{index}]");
        let until = match (&pause.for_, &pause.until) {
            (Some(period), None) => Until::Elapsed(check_period(
                &format!("{at}.for"),
                period.get(),
                SECOND,
                MONTH,
            )?),
            (None, Some(until)) => {
                let patience = until.timeout.map(|timeout| {
                    check_period(&format!("{at}.until.timeout"), timeout.get(), SECOND, MONTH)
                });
                let space = until.namespace.as_deref().unwrap_or(namespace);
                Until::Holds {
                    object: object(&until.api_version, &until.kind, space, &until.name),
                    condition: expression(&format!("{at}.until.condition"), &until.condition)?,
                    timeout: patience.transpose()?,
                }
            }
            _ => return Err(invalid(&at, "name either `for` or `until`")),
        };
        Ok(Pause {
            after: pause.after_wave,
            until,
        })
    });
    pauses.collect()
}

pub(super) fn depends_on(
    wire: &[kinds::Dependency],
    own: &Name,
    namespace: &str,
) -> Result<Vec<Dependency>, Failure> {
    let dependencies = wire.iter().enumerate().map(|(index, dependency)| {
        let at = format!("spec.dependsOn[{index}]");
        let ready = dependency.ready.as_deref();
        let ready = ready.map(|text| expression(&format!("{at}.ready"), text));
        let ready = ready.transpose()?;
        match (&dependency.api_version, &dependency.kind) {
            (None, None) if dependency.name == own.name => {
                Err(invalid(&at, "an Application cannot depend on itself"))
            }
            (None, None) if dependency.namespace.is_some() => Err(invalid(
                &format!("{at}.namespace"),
                "another Application is of the same namespace",
            )),
            (None, None) => Ok(Dependency::Application {
                name: dependency.name.clone(),
                ready,
            }),
            (Some(version), Some(kind)) => {
                let space = dependency.namespace.as_deref().unwrap_or(namespace);
                Ok(Dependency::Object {
                    object: object(version, kind, space, &dependency.name),
                    ready,
                })
            }
            _ => Err(invalid(
                &at,
                "an object is named by `apiVersion` and `kind`, an Application by its `name` alone",
            )),
        }
    });
    dependencies.collect()
}

/// Checks rules on health; `field` is where their list stands.
pub(crate) fn health(field: &str, wire: &[kinds::HealthRule]) -> Result<Vec<HealthRule>, Failure> {
    let rules = wire.iter().enumerate().map(|(index, rule)| {
        let at = format!("{field}[{index}]");
        let read = |field: &str, text: &Option<String>| {
            let text = text.as_deref();
            let read = text.map(|text| expression(&format!("{at}.{field}"), text));
            read.transpose()
        };
        let rule = HealthRule {
            group: rule.group.clone(),
            kind: rule.kind.clone(),
            name: rule.name.clone(),
            healthy: read("healthy", &rule.healthy)?,
            degraded: read("degraded", &rule.degraded)?,
            progressing: read("progressing", &rule.progressing)?,
        };
        if rule.healthy.is_none() && rule.degraded.is_none() && rule.progressing.is_none() {
            let why = "names none of `healthy`, `degraded` and `progressing`";
            return Err(invalid(&at, why));
        }
        Ok(rule)
    });
    rules.collect()
}

pub(super) fn pin(wire: &kinds::Pin) -> Result<Pin, Failure> {
    let digits = wire.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits || !(7..=64).contains(&wire.commit.len()) {
        let why = format!("`{}` is not a commit of 7 to 64 digits", wire.commit);
        return Err(invalid("spec.pin.commit", why));
    }
    Ok(Pin {
        commit: wire.commit.to_ascii_lowercase(),
        reason: wire.reason.clone(),
        until: wire.until,
    })
}

/// An object that a person named. Whether its kind has a namespace is known to the cluster only.
fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectReference {
    let (group, version) = group_version(api_version);
    ObjectReference {
        key: ObjectKey {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        },
    }
}

fn expression(field: &str, text: &str) -> Result<Expression, Failure> {
    Expression::parse(text).map_err(|error| invalid(field, error))
}
