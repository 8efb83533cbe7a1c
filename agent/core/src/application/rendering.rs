//! What an Application says of how its path becomes objects.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::post_render::Marks;
use crate::substitute::Undeclared;

/// Everything of an Application but its path that decides what is rendered. Values of Secrets are
/// only named in it, so it can be printed and hashed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendering {
    /// How the files of the path become objects.
    pub renderer: Renderer,
    /// More Repositories of the namespace, whose files are read as `$name/...`: name to Repository.
    pub sources: BTreeMap<String, String>,
    /// Which files of a plain path are manifests; none means all that look like it.
    pub include: Vec<String>,
    /// Which of those are not.
    pub exclude: Vec<String>,
    /// Options of Helm.
    pub helm: Helm,
    /// What is laid over a kustomization.
    pub kustomize: Overrides,
    /// Variables; `None` where nothing is substituted.
    pub substitute: Option<Substitute>,
    /// Secret with the keys of encrypted files.
    pub decrypt: Option<String>,
    /// What is laid over all objects.
    pub post_render: PostRender,
    /// What is done about a field that the server's schema does not have.
    pub validate: Validate,
}

/// How the files of a path become manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Renderer {
    /// `Chart.yaml` means Helm, `kustomization.yaml` Kustomize, anything else plain YAML.
    #[default]
    Auto,
    /// Every YAML and JSON file below the path.
    Plain,
    /// `kustomize build`.
    Kustomize,
    /// `helm template`.
    Helm,
}

/// Options of Helm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Helm {
    /// Release name; empty means the Application's name.
    pub release_name: String,
    /// Values files, relative to the path or `$name/...`, in order, with globs.
    pub values_files: Vec<String>,
    /// Whether one that does not exist is passed over.
    pub ignore_missing_values_files: bool,
    /// Inline values, over the files; null or a map.
    pub values: Value,
    /// Values from ConfigMaps and Secrets, over the inline ones, in order.
    pub values_from: Vec<ValuesFrom>,
    /// A chart that is not in the repository.
    pub chart: Option<ChartSource>,
    /// Whether `crds/` is left out.
    pub skip_crds: bool,
    /// Whether the values are not held against the schemas of the chart.
    pub skip_schema: bool,
    /// Whether `lookup` asks the cluster.
    pub lookup: bool,
    /// Version of Kubernetes that the chart sees; empty for that of the cluster.
    pub kube_version: String,
}

/// A chart in a chart repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartSource {
    /// `https://...` or `oci://...`.
    pub repository: String,
    /// Name of the chart.
    pub name: String,
    /// A version or a range; empty for the newest that is stable.
    pub version: String,
    /// Secret with the credentials.
    pub secret: Option<String>,
    /// How often the newest version of the range is looked for.
    pub interval: Duration,
}

/// A ConfigMap or a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referent {
    /// `ConfigMap`.
    ConfigMap,
    /// `Secret`.
    Secret,
}

impl Referent {
    /// Its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// Values from a key of a ConfigMap or Secret of the Application's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuesFrom {
    /// What it is.
    pub referent: Referent,
    /// Its name.
    pub name: String,
    /// The key.
    pub key: String,
    /// Where in the values the text is set; empty for YAML of the whole map.
    pub target_path: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// What is laid over a kustomization.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// As `kustomize edit set image` takes them: `name=new:tag`, `name:tag`, `name@digest`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Strategic merge or JSON 6902 patches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Directories of components, relative to the kustomization.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Put before every name; empty for nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    /// Put behind every name; empty for nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_suffix: String,
    /// Labels of every object; selectors are left alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Replicas by the name of the workload.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, i64>,
    /// Namespace of every namespaced object; empty for what the kustomization says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// A patch in the words of Kustomize.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// A strategic merge patch or a list of JSON 6902 operations, as YAML.
    pub patch: String,
    /// The objects that it is for, by `group`, `version`, `kind`, `name`, `namespace`,
    /// `labelSelector` and `annotationSelector`; what is absent fits every object. Without any the
    /// patch itself names its object.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target: BTreeMap<String, String>,
}

/// Variables that stand as `${NAME}` in the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitute {
    /// Values that win over those of ConfigMaps and Secrets.
    pub values: BTreeMap<String, String>,
    /// ConfigMaps and Secrets of the Application's namespace, each key a variable; later ones win.
    pub from: Vec<VariablesFrom>,
    /// What is done about a name that nobody declares; `None` for the default of each place.
    pub undeclared: Option<Undeclared>,
}

/// A ConfigMap or Secret of the Application's namespace, each key a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariablesFrom {
    /// What it is.
    pub referent: Referent,
    /// Its name.
    pub name: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// What is laid over all objects, whatever rendered them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostRender {
    /// Labels and annotations.
    pub marks: Marks,
    /// Patches in the words of Kustomize.
    pub patches: Vec<Patch>,
}

/// What is done about a field that the server's schema does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validate {
    /// It is an error, before anything is sent.
    #[default]
    Strict,
    /// It is a warning.
    Warn,
}
