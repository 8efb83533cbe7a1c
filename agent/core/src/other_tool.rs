//! Other GitOps tools: how their objects are marked, and whether they are still at work on one.
//!
//! Two tools that both think an object is theirs fight for ever, or one prunes what the other has
//! just applied. So an object with such a mark is taken over only when the other is known to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// The object of another tool that an object names as its owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// API group of the tool's object.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace; `None` where the mark does not say.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}.{} {namespace}/{}", self.kind, self.group, self.name),
            None => write!(f, "{}.{} {}", self.kind, self.group, self.name),
        }
    }
}

/// What became of a mark's object when it was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToolState {
    /// It exists and works.
    AtWork,
    /// It exists, and somebody suspended it.
    Suspended,
    /// It does not exist, or cannot be read: then only its writes say whether it works.
    Unknown,
}

/// Field managers of GitOps tools that apply by themselves.
pub const MANAGERS: [&str; 7] = [
    "kustomize-controller",
    "helm-controller",
    "argocd-controller",
    "argocd-application-controller",
    "fleetagent",
    "kluctl-controller",
    "rancher-fleet",
];

/// The marks on an object: labels of Flux, tracking of Argo CD.
pub fn marks(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Vec<Mark> {
    let mut found = Vec::new();
    for (prefix, group, kind) in [
        (
            "kustomize.toolkit.fluxcd.io",
            "kustomize.toolkit.fluxcd.io",
            "Kustomization",
        ),
        (
            "helm.toolkit.fluxcd.io",
            "helm.toolkit.fluxcd.io",
            "HelmRelease",
        ),
    ] {
        if let Some(name) = labels.get(&format!("{prefix}/name")) {
            found.push(Mark {
                group,
                kind,
                namespace: labels.get(&format!("{prefix}/namespace")).cloned(),
                name: name.clone(),
            });
        }
    }
    // `<application>:<group>/<kind>:<namespace>/<name>`; the application may carry its namespace
    // as `<namespace>_<application>`.
    let tracking = annotations.get("argocd.argoproj.io/tracking-id");
    let tracked = tracking.and_then(|id| id.split(':').next());
    let labelled = labels
        .get("argocd.argoproj.io/instance")
        .map(String::as_str);
    if let Some(application) = tracked.or(labelled).filter(|name| !name.is_empty()) {
        let (namespace, name) = match application.split_once('_') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (Some("argocd".to_owned()), application),
        };
        found.push(Mark {
            group: "argoproj.io",
            kind: "Application",
            namespace,
            name: name.to_owned(),
        });
    }
    found
}

/// Reads from the tool's own object whether it works.
pub fn state_of(mark: &Mark, object: &Value) -> ToolState {
    let spec = &object["spec"];
    let rests = if mark.kind == "Application" {
        // Argo CD has no switch of its own: without automated sync it only acts when told to.
        let automated = &spec["syncPolicy"]["automated"];
        automated.is_null() || automated["enabled"] == false
    } else {
        spec["suspend"] == true
    };
    if rests {
        ToolState::Suspended
    } else {
        ToolState::AtWork
    }
}

/// Who is still at work on an object, for people; `None` where it may be taken over.
///
/// A tool is at work when its object exists and is not suspended, or, where no suspended object of
/// it is there, when its field manager wrote within `quiet`.
pub fn at_work(
    marks: &[(Mark, ToolState)],
    managed_fields: &[Value],
    now: Timestamp,
    quiet: Duration,
) -> Option<String> {
    let working = marks.iter().find(|(_, state)| *state == ToolState::AtWork);
    if let Some((mark, _)) = working {
        return Some(mark.to_string());
    }
    if marks
        .iter()
        .any(|(_, state)| *state == ToolState::Suspended)
    {
        return None;
    }
    managed_fields.iter().find_map(|entry| {
        let manager = entry["manager"].as_str()?;
        let time: Timestamp = entry["time"].as_str()?.parse().ok()?;
        let status = entry["subresource"] == "status";
        let recent = now.duration_since(time).unsigned_abs() < quiet;
        (MANAGERS.contains(&manager) && recent && !status)
            .then(|| format!("field manager {manager}, which wrote it at {time}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn marks_of_flux_and_argo_cd_are_read() {
        let flux = map(&[
            ("kustomize.toolkit.fluxcd.io/name", "shop"),
            ("kustomize.toolkit.fluxcd.io/namespace", "flux-system"),
        ]);
        let found = marks(&flux, &map(&[]));
        assert_eq!(
            found[0].to_string(),
            "Kustomization.kustomize.toolkit.fluxcd.io flux-system/shop"
        );
        let id = "argocd.argoproj.io/tracking-id";
        let found = marks(
            &map(&[]),
            &map(&[(id, "team_shop:apps/Deployment:shop/web")]),
        );
        assert_eq!(found[0].to_string(), "Application.argoproj.io team/shop");
        let found = marks(&map(&[]), &map(&[(id, "shop:apps/Deployment:shop/web")]));
        assert_eq!(found[0].to_string(), "Application.argoproj.io argocd/shop");
        assert!(marks(&map(&[("app.kubernetes.io/instance", "x")]), &map(&[])).is_empty());
    }

    #[test]
    fn a_tool_rests_when_it_is_suspended_or_has_been_silent() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let quiet = Duration::from_secs(3600);
        let fields = |time: &str| {
            vec![json!({"manager": "kustomize-controller", "operation": "Apply", "time": time})]
        };
        let (new, old) = (
            fields("2026-11-21T11:30:00Z"),
            fields("2026-11-21T10:30:00Z"),
        );
        let flux = map(&[("kustomize.toolkit.fluxcd.io/name", "shop")]);
        let mark = marks(&flux, &map(&[])).remove(0);
        let with = |state| vec![(mark.clone(), state)];
        assert!(at_work(&with(ToolState::AtWork), &old, now, quiet).is_some());
        assert!(at_work(&with(ToolState::Unknown), &new, now, quiet).is_some());
        assert!(
            at_work(&[], &new, now, quiet)
                .unwrap()
                .contains("kustomize-controller")
        );
        assert_eq!(at_work(&with(ToolState::Unknown), &old, now, quiet), None);
        assert_eq!(at_work(&with(ToolState::Suspended), &new, now, quiet), None);
        let kubectl = vec![json!({"manager": "kubectl", "time": "2026-11-21T11:59:00Z"})];
        assert_eq!(at_work(&[], &kubectl, now, quiet), None);
    }

    #[test]
    fn each_tool_says_in_its_own_way_that_it_rests() {
        let flux = map(&[("helm.toolkit.fluxcd.io/name", "shop")]);
        let release = marks(&flux, &map(&[])).remove(0);
        assert_eq!(
            state_of(&release, &json!({"spec": {"suspend": true}})),
            ToolState::Suspended
        );
        assert_eq!(state_of(&release, &json!({"spec": {}})), ToolState::AtWork);
        let argo = map(&[("argocd.argoproj.io/instance", "shop")]);
        let application = marks(&argo, &map(&[])).remove(0);
        let automated = json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}});
        assert_eq!(state_of(&application, &automated), ToolState::AtWork);
        assert_eq!(
            state_of(&application, &json!({"spec": {}})),
            ToolState::Suspended
        );
    }
}
