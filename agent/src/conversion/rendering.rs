//! From the fields of an Application that say how it is rendered to the checked domain types.

use std::collections::BTreeMap;

use syncline_cluster::kinds;
use syncline_core::application::{
    ChartSource, Helm, Overrides, Patch, PostRender, Referent, Renderer, Rendering, Substitute,
    TreePath, Validate, ValuesFrom, VariablesFrom, check_period,
};
use syncline_core::outcome::Failure;
use syncline_core::post_render::Marks;
use syncline_core::reason::Reason;
use syncline_core::substitute::Undeclared;

use super::{DAY, SECOND, invalid, resolve};

/// Checks what an Application says of its rendering.
pub(super) fn rendering(
    spec: &kinds::ApplicationSpec,
    path: &TreePath,
) -> Result<Rendering, Failure> {
    let sources = sources(&spec.sources)?;
    let helm = helm(spec.helm.clone().unwrap_or_default())?;
    for file in &helm.values_files {
        values_file(path, file, &sources)?;
    }
    let source = spec.source.clone().unwrap_or_default();
    Ok(Rendering {
        renderer: match spec.renderer {
            // A chart of a repository needs nothing of the path to be one.
            kinds::Renderer::Auto if helm.chart.is_some() => Renderer::Helm,
            kinds::Renderer::Auto => Renderer::Auto,
            kinds::Renderer::Plain => Renderer::Plain,
            kinds::Renderer::Kustomize => Renderer::Kustomize,
            kinds::Renderer::Helm => Renderer::Helm,
        },
        sources,
        include: source.include,
        exclude: source.exclude,
        helm,
        kustomize: kustomize(path, spec.kustomize.clone().unwrap_or_default())?,
        substitute: spec.substitute.clone().map(substitute).transpose()?,
        decrypt: spec
            .decrypt
            .as_ref()
            .map(|decrypt| decrypt.sops.secret_ref.name.clone()),
        post_render: post_render(spec.post_render.clone().unwrap_or_default())?,
        validate: match spec.validate {
            kinds::Validate::Strict => Validate::Strict,
            kinds::Validate::Warn => Validate::Warn,
        },
    })
}

fn sources(wire: &[kinds::Source]) -> Result<BTreeMap<String, String>, Failure> {
    let mut sources = BTreeMap::new();
    for (index, source) in wire.iter().enumerate() {
        let earlier = sources.insert(source.name.clone(), source.repository.clone());
        if earlier.is_some() {
            let at = format!("spec.sources[{index}].name");
            return Err(invalid(&at, format!("`{}` stands twice", source.name)));
        }
    }
    Ok(sources)
}

/// A values file beside or above the chart, or in another source.
fn values_file(
    path: &TreePath,
    file: &str,
    sources: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let at = "spec.helm.valuesFiles";
    let Some(named) = file.strip_prefix('$') else {
        resolve(path, file).map_err(|failure| invalid(at, failure.detail))?;
        return Ok(());
    };
    let (name, below) = named.split_once('/').unwrap_or((named, ""));
    if !sources.contains_key(name) {
        return Err(invalid(
            at,
            format!("`{file}`: no source is called `{name}`"),
        ));
    }
    TreePath::parse(below).map_err(|failure| invalid(at, failure.detail))?;
    Ok(())
}

fn helm(wire: kinds::Helm) -> Result<Helm, Failure> {
    let chart = wire.chart.map(|chart| {
        let interval = chart.interval.get();
        Ok(ChartSource {
            interval: check_period("spec.helm.chart.interval", interval, 10 * SECOND, DAY)?,
            repository: chart.repository.trim_end_matches('/').to_owned(),
            name: chart.name,
            version: chart.version.unwrap_or_default(),
            secret: chart.secret_ref.map(|secret| secret.name),
        })
    });
    let values_from = wire.values_from.into_iter().map(|from| ValuesFrom {
        referent: referent(from.kind),
        name: from.name,
        key: from.key.unwrap_or_else(|| "values.yaml".to_owned()),
        target_path: from.target_path.unwrap_or_default(),
        optional: from.optional,
    });
    Ok(Helm {
        release_name: wire.release_name.unwrap_or_default(),
        values_files: wire.values_files,
        ignore_missing_values_files: wire.ignore_missing_values_files,
        values: serde_json::Value::Object(wire.values),
        values_from: values_from.collect(),
        chart: chart.transpose()?,
        skip_crds: wire.skip_crds,
        skip_schema: wire.skip_schema_validation,
        lookup: wire.lookup,
        kube_version: wire.kube_version.unwrap_or_default(),
    })
}

fn kustomize(path: &TreePath, wire: kinds::Kustomize) -> Result<Overrides, Failure> {
    for component in &wire.components {
        resolve(path, component)
            .map_err(|failure| invalid("spec.kustomize.components", failure.detail))?;
    }
    Ok(Overrides {
        images: wire.images,
        patches: wire.patches.into_iter().map(patch).collect(),
        components: wire.components,
        name_prefix: wire.name_prefix.unwrap_or_default(),
        name_suffix: wire.name_suffix.unwrap_or_default(),
        labels: wire.labels,
        annotations: wire.annotations,
        replicas: wire.replicas,
        namespace: wire.namespace.unwrap_or_default(),
    })
}

fn patch(wire: kinds::Patch) -> Patch {
    let target = wire.target.unwrap_or_default();
    let fields = [
        ("group", target.group),
        ("version", target.version),
        ("kind", target.kind),
        ("name", target.name),
        ("namespace", target.namespace),
        ("labelSelector", target.label_selector),
        ("annotationSelector", target.annotation_selector),
    ];
    let target = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Patch {
        patch: wire.patch,
        target: target.collect(),
    }
}

fn substitute(wire: kinds::Substitute) -> Result<Substitute, Failure> {
    for name in wire.values.keys() {
        let mut letters = name.chars();
        let first = letters.next();
        let fits = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !fits {
            let why = format!("`{name}` is not the name of a variable: letters, digits and `_`");
            return Err(invalid("spec.substitute.values", why));
        }
    }
    let from = wire.from.into_iter().map(|from| VariablesFrom {
        referent: referent(from.kind),
        name: from.name,
        optional: from.optional,
    });
    Ok(Substitute {
        values: wire.values,
        from: from.collect(),
        undeclared: wire.undeclared.map(|undeclared| match undeclared {
            kinds::Undeclared::Error => Undeclared::Error,
            kinds::Undeclared::Keep => Undeclared::Keep,
        }),
    })
}

fn post_render(wire: kinds::PostRender) -> Result<PostRender, Failure> {
    let marks = Marks::new("spec.postRender", wire.labels, wire.annotations);
    Ok(PostRender {
        marks: marks.map_err(joined)?,
        patches: wire.patches.into_iter().map(patch).collect(),
    })
}

/// All that is wrong as one failure.
fn joined(failures: Vec<Failure>) -> Failure {
    let details: Vec<_> = failures.into_iter().map(|failure| failure.detail).collect();
    Failure {
        reason: Reason::InvalidSpec,
        detail: details.join("; "),
    }
}

fn referent(wire: kinds::Referent) -> Referent {
    match wire {
        kinds::Referent::ConfigMap => Referent::ConfigMap,
        kinds::Referent::Secret => Referent::Secret,
    }
}
