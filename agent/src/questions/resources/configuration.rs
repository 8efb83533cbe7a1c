//! The spec of an Application as the agent understands it, in words.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use syncline_core::application::{
    Application, Conflicts, DeletionPolicy, Dependency, ForeignFields, HealthRule, Ignore,
    OnFailure, PruneApproval, Renderer, SyncPolicy, Until, Validate,
};
use syncline_core::logs;
use syncline_core::object::ObjectKey;
use syncline_core::record::Name;
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::window::Rule;
use syncline_web_ui::Unanswered;
use syncline_web_ui::views::{
    ConfigurationView, HealthRuleView, IgnoreRuleView, SettingGroup, SettingView,
};

use crate::agent::Agent;
use crate::questions::actions::failed;

/// The configuration; `None` where there is no such application.
pub(super) fn of(agent: &Agent, name: &Name) -> Result<Option<ConfigurationView>, Unanswered> {
    let state = agent.state.lock();
    let Some(entry) = state.applications.get(name) else {
        return Ok(None);
    };
    let spec = entry.spec.as_ref().map_err(failed)?;
    let keys: Vec<&ObjectKey> = entry.objects.keys().collect();
    let count = |selects: &dyn Fn(&ObjectKey) -> bool| {
        keys.iter().filter(|key| selects(key)).count() as u32
    };
    let health = |rule: &HealthRule| HealthRuleView {
        group: rule.group.clone(),
        kind: rule.kind.clone(),
        name: rule.name.clone(),
        healthy: rule.healthy.as_ref().map(|rule| rule.as_str().to_owned()),
        degraded: rule.degraded.as_ref().map(|rule| rule.as_str().to_owned()),
        progressing: rule
            .progressing
            .as_ref()
            .map(|rule| rule.as_str().to_owned()),
        objects: count(&|key| rule.selects(key)),
    };
    let ignore = |rule: &Ignore| IgnoreRuleView {
        group: rule.group.clone(),
        kind: rule.kind.clone(),
        name: rule.name.clone(),
        fields: rule.fields.iter().map(ToString::to_string).collect(),
        manager: rule.manager.clone(),
        objects: count(&|key| rule.selects(key)),
    };
    Ok(Some(ConfigurationView {
        groups: groups(spec),
        ignore: spec.ignore.iter().map(ignore).collect(),
        health: spec.health.iter().map(health).collect(),
        agent_health: agent.health_rules.iter().map(health).collect(),
        generation: entry.generation,
    }))
}

/// Settings that are gathered one by one.
#[derive(Default)]
struct Group {
    settings: Vec<SettingView>,
}

impl Group {
    fn one(&mut self, field: &str, value: impl Display) {
        self.some(field, [value.to_string()]);
    }

    /// Left out where there is none.
    fn some(&mut self, field: &str, values: impl IntoIterator<Item = String>) {
        let none = SecretInputs::default();
        let values = values.into_iter().map(|value| logs::masked(&value, &none));
        let values: Vec<String> = values.collect();
        if !values.is_empty() {
            self.settings.push(SettingView {
                field: field.to_owned(),
                values,
            });
        }
    }

    fn titled(self, title: &str) -> Option<SettingGroup> {
        (!self.settings.is_empty()).then(|| SettingGroup {
            title: title.to_owned(),
            settings: self.settings,
        })
    }
}

fn groups(spec: &Application) -> Vec<SettingGroup> {
    let all = [
        source(spec).titled("Source"),
        rendering(spec).titled("Rendering"),
        destination(spec).titled("Destination"),
        sync(&spec.sync).titled("Sync"),
        order(spec).titled("Order and holds"),
    ];
    all.into_iter().flatten().collect()
}

fn source(spec: &Application) -> Group {
    let mut group = Group::default();
    group.one("spec.repository", &spec.repository);
    group.one("spec.path", &spec.path);
    let rendering = &spec.rendering;
    let sources = rendering.sources.iter();
    group.some(
        "spec.sources",
        sources.map(|(name, of)| format!("${name}: {of}")),
    );
    group.some("spec.source.include", rendering.include.iter().cloned());
    group.some("spec.source.exclude", rendering.exclude.iter().cloned());
    group
}

fn rendering(spec: &Application) -> Group {
    let mut group = Group::default();
    let rendering = &spec.rendering;
    group.one(
        "spec.renderer",
        match rendering.renderer {
            Renderer::Auto => "by the files of the path",
            Renderer::Plain => "plain YAML",
            Renderer::Kustomize => "Kustomize",
            Renderer::Helm => "Helm",
        },
    );
    helm(&mut group, spec);
    let kustomize = &rendering.kustomize;
    group.some("spec.kustomize.images", kustomize.images.iter().cloned());
    let patches = kustomize.patches.len();
    group.some(
        "spec.kustomize.patches",
        counted(patches, "patch", "patches"),
    );
    group.some(
        "spec.kustomize.components",
        kustomize.components.iter().cloned(),
    );
    group.some("spec.kustomize.namePrefix", said(&kustomize.name_prefix));
    group.some("spec.kustomize.nameSuffix", said(&kustomize.name_suffix));
    group.some("spec.kustomize.labels", pairs(&kustomize.labels));
    group.some("spec.kustomize.annotations", pairs(&kustomize.annotations));
    group.some("spec.kustomize.replicas", pairs(&kustomize.replicas));
    if let Some(substitute) = &rendering.substitute {
        // A value may be anything: its name is enough.
        group.some("spec.substitute.values", substitute.values.keys().cloned());
        let from = substitute.from.iter();
        let from = from.map(|from| format!("{} {}", from.referent.kind(), from.name));
        group.some("spec.substitute.from", from);
    }
    let decrypt = rendering.decrypt.iter();
    group.some(
        "spec.decrypt.sops",
        decrypt.map(|name| format!("Secret {name}")),
    );
    let after = &rendering.post_render;
    group.some("spec.postRender.labels", pairs(after.marks.labels()));
    group.some(
        "spec.postRender.annotations",
        pairs(after.marks.annotations()),
    );
    let patches = after.patches.len();
    group.some(
        "spec.postRender.patches",
        counted(patches, "patch", "patches"),
    );
    group.one(
        "spec.validate",
        match rendering.validate {
            Validate::Strict => "Strict: an unknown field is an error",
            Validate::Warn => "Warn: an unknown field is a warning",
        },
    );
    group
}

fn helm(group: &mut Group, spec: &Application) {
    let helm = &spec.rendering.helm;
    group.some("spec.helm.releaseName", said(&helm.release_name));
    if let Some(chart) = &helm.chart {
        let version = match chart.version.as_str() {
            "" => "the newest that is stable",
            version => version,
        };
        let said = format!("{} {version} from {}", chart.name, chart.repository);
        let said = syncline_core::url::without_credentials(&said).into_owned();
        group.one("spec.helm.chart", said);
    }
    group.some("spec.helm.valuesFiles", helm.values_files.iter().cloned());
    let values = helm.values.as_object().map_or(0, serde_json::Map::len);
    group.some(
        "spec.helm.values",
        counted(values, "value of its own", "values of its own"),
    );
    let from = helm.values_from.iter().map(|from| {
        let target = match from.target_path.as_str() {
            "" => String::new(),
            path => format!(" as {path}"),
        };
        format!(
            "{} {}, key {}{target}",
            from.referent.kind(),
            from.name,
            from.key
        )
    });
    group.some("spec.helm.valuesFrom", from);
    group.some("spec.helm.kubeVersion", said(&helm.kube_version));
    for (field, is_on) in [
        (
            "spec.helm.ignoreMissingValuesFiles",
            helm.ignore_missing_values_files,
        ),
        ("spec.helm.skipCrds", helm.skip_crds),
        ("spec.helm.skipSchema", helm.skip_schema),
        ("spec.helm.lookup", helm.lookup),
    ] {
        group.some(field, is_on.then(|| "yes".to_owned()));
    }
}

fn destination(spec: &Application) -> Group {
    let mut group = Group::default();
    group.one("spec.destination.namespace", &spec.namespace);
    group.one(
        "spec.destination.createNamespace",
        yes_no(spec.create_namespace),
    );
    group.one("spec.serviceAccount", &spec.account);
    group.some("spec.adoptFrom", spec.adopt_from.clone());
    group.one(
        "spec.deletionPolicy",
        match spec.deletion {
            DeletionPolicy::Prune => "Prune: its objects go with it, but for those that hold data",
            DeletionPolicy::Orphan => "Orphan: its objects stay",
        },
    );
    group
}

fn sync(sync: &SyncPolicy) -> Group {
    let mut group = Group::default();
    group.one("spec.sync.automatic", yes_no(sync.automatic));
    group.one("spec.sync.prune", yes_no(sync.prune));
    group.one(
        "spec.sync.pruneApproval",
        match sync.prune_approval {
            PruneApproval::WhenRisky => {
                "WhenRisky: a large prune, or one of what holds data, waits"
            }
            PruneApproval::Always => "Always: each prune waits",
            PruneApproval::Never => "Never: no prune waits",
        },
    );
    group.one("spec.sync.selfHeal", yes_no(sync.self_heal));
    group.one(
        "spec.sync.foreign",
        match sync.foreign {
            ForeignFields::RemoveManual => "RemoveManual: what tools of people set is removed",
            ForeignFields::Keep => "Keep: what others set stays",
            ForeignFields::RemoveAll => "RemoveAll: what others set is removed",
        },
    );
    group.one(
        "spec.sync.conflicts",
        match sync.conflicts {
            Conflicts::Take => "Take: Git wins",
            Conflicts::Fail => "Fail: the object fails",
        },
    );
    group.one("spec.sync.atomic", yes_no(sync.atomic));
    group.one("spec.sync.timeout", time(sync.timeout));
    let retry = &sync.retry;
    group.some(
        "spec.sync.retry.limit",
        retry.limit.map(|limit| limit.to_string()),
    );
    group.some("spec.sync.retry.first", retry.first.map(time));
    group.some("spec.sync.retry.most", retry.most.map(time));
    group.one(
        "spec.sync.onFailure",
        match sync.on_failure {
            OnFailure::Hold => "Hold: it stays as it is",
            OnFailure::Retry => "Retry: it is tried again",
            OnFailure::Revert => "Revert: its commits are reverted in Git, once",
        },
    );
    let windows = sync.windows.iter().map(|window| {
        let rule = match window.rule {
            Rule::Allow => "allow",
            Rule::Deny => "deny",
        };
        let zone = window.zone.iana_name().unwrap_or("UTC");
        let length = time(window.duration);
        format!("{rule} {} for {length} ({zone})", window.schedule.as_str())
    });
    group.some("spec.sync.windows", windows);
    let pauses = sync.pauses.iter().map(|pause| match &pause.until {
        Until::Elapsed(length) => format!("after wave {} for {}", pause.after, time(*length)),
        Until::Holds {
            object, condition, ..
        } => {
            format!(
                "after wave {} until {}: {}",
                pause.after,
                object.key,
                condition.as_str()
            )
        }
    });
    group.some("spec.sync.pauses", pauses);
    group
}

fn order(spec: &Application) -> Group {
    let mut group = Group::default();
    let dependencies = spec.depends_on.iter().map(|dependency| {
        let (what, ready) = match dependency {
            Dependency::Application { name, ready } => (format!("Application {name}"), ready),
            Dependency::Object { object, ready } => (object.key.to_string(), ready),
        };
        match ready {
            Some(ready) => format!("{what}, ready when {}", ready.as_str()),
            None => what,
        }
    });
    group.some("spec.dependsOn", dependencies);
    let until = |until: Option<jiff::Timestamp>| {
        until.map_or_else(String::new, |until| format!(", until {until}"))
    };
    let pin = spec.pin.as_ref();
    let pin = pin.map(|pin| format!("{}: {}{}", pin.commit, pin.reason, until(pin.until)));
    group.some("spec.pin", pin);
    let suspend = spec.suspend.as_ref();
    let suspend = suspend.map(|one| format!("{}{}", one.reason, until(one.until)));
    group.some("spec.suspend", suspend);
    group
}

fn yes_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

fn pairs(map: &BTreeMap<String, impl Display>) -> impl Iterator<Item = String> {
    map.iter().map(|(name, value)| format!("{name}: {value}"))
}

fn counted(count: usize, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    }
}
