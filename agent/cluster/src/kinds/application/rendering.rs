//! The fields of an `Application` that say how its path becomes objects.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kinds::period::Period;
use crate::kinds::reference::SecretReference;

/// What a path holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Renderer {
    /// `Chart.yaml` means Helm, `kustomization.yaml` Kustomize, anything else plain YAML.
    #[default]
    Auto,
    /// All YAML files of the path and the directories below it.
    Plain,
    /// A Kustomize root.
    Kustomize,
    /// A Helm chart.
    Helm,
}

/// Another Repository of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// What its files are called by: `$NAME/path`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Name of the Repository.
    #[schemars(length(min = 1, max = 253))]
    pub repository: String,
}

/// Which files of plain YAML are manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlainSource {
    /// Globs relative to the path; every file ending in `.yaml`, `.yml` and `.json` where it is
    /// empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    pub include: Vec<String>,
    /// Globs of files that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 512)))]
    pub exclude: Vec<String>,
}

/// How a Helm chart is rendered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Helm {
    /// Name of the release; the Application's name where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 53),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub release_name: Option<String>,
    /// Files with values, relative to the path, or `$NAME/...` for those of another source; later
    /// ones win. Globs (`*`, `?`, `[...]`, `**`) are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 1024)))]
    pub values_files: Vec<String>,
    /// Pass over values files that do not exist.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_values_files: bool,
    /// Values, which win over the files.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub values: Map<String, Value>,
    /// Values from ConfigMaps and Secrets, which win over those above; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values_from: Vec<ValuesFrom>,
    /// A chart from a chart repository. `spec.path` is then the directory that values files are
    /// relative to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// Leave out what stands in `crds/`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_crds: bool,
    /// Do not hold the values against the chart's schemas.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_schema_validation: bool,
    /// Answer the template function `lookup` from the cluster, as the service account. Without it a
    /// chart that calls `lookup` is refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lookup: bool,
    /// Version of Kubernetes that the chart sees; that of the cluster where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        regex(pattern = r"^v?[0-9]+\.[0-9]+(\.[0-9]+)?([-+].*)?$")
    )]
    pub kube_version: Option<String>,
}

/// A chart in a chart repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// `https://charts.example.com` or `oci://registry.example.com/charts`.
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^(https?|oci)://[^\s@]+$")
    )]
    pub repository: String,
    /// Name of the chart.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub name: String,
    /// A version or a range such as `>=1.2 <2`; the newest stable one where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub version: Option<String>,
    /// Secret with the credentials: `username` and `password`, `ca.crt`, `tls.crt` and `tls.key`,
    /// or `.dockerconfigjson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// How often the newest version of the range is looked for.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('24h')").message("an interval is between 10s and 24h"))]
    pub interval: Period,
}

/// A ConfigMap or a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Referent {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// Values from a key of a ConfigMap or Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValuesFrom {
    /// `ConfigMap` or `Secret`.
    pub kind: Referent,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key; `values.yaml` where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
    /// Where in the values the text is set, as in `helm --set-string`; without it the text is YAML
    /// of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub target_path: Option<String>,
    /// Whether it may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// What is laid over a kustomization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kustomize {
    /// Images, as `kustomize edit set image` takes them: `name=new:tag`, `name:tag`,
    /// `name@digest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 1024)))]
    pub images: Vec<String>,
    /// Strategic merge or JSON 6902 patches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub patches: Vec<Patch>,
    /// Directories of components, relative to the path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    pub components: Vec<String>,
    /// Put before every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub name_prefix: Option<String>,
    /// Put behind every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub name_suffix: Option<String>,
    /// Labels of every object; selectors are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Replicas by the name of the workload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, i64>,
    /// Namespace of every namespaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A patch in the words of Kustomize.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// A strategic merge patch or a list of JSON 6902 operations, as YAML.
    #[schemars(length(min = 1, max = 65536))]
    pub patch: String,
    /// The objects that it is for. Without it the patch itself names its object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PatchTarget>,
}

/// Which objects a patch is for; what is absent fits every object. Names are regular expressions
/// that fit the whole name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchTarget {
    /// API group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// API version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
    /// Selector of annotations, in the syntax of a label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation_selector: Option<String>,
}

/// Variables that stand as `${NAME}` in the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Substitute {
    /// Values, which win over those of ConfigMaps and Secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// ConfigMaps and Secrets of the same namespace, each key a variable; later ones win.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub from: Vec<VariablesFrom>,
    /// What is done about a name that nobody declares; `Keep` in the data of ConfigMaps and Secrets
    /// and `Error` elsewhere where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undeclared: Option<Undeclared>,
}

/// A ConfigMap or Secret of the same namespace, each key a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VariablesFrom {
    /// `ConfigMap` or `Secret`.
    pub kind: Referent,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether it may be missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// What is done about a variable that nobody declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Undeclared {
    /// It is an error.
    Error,
    /// It stays as it is written.
    Keep,
}

/// How encrypted files are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decrypt {
    /// Files that SOPS encrypted.
    pub sops: Sops,
}

/// The keys of files that SOPS encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sops {
    /// Secret with age keys (`*.agekey`) and PGP keys (`*.asc`).
    pub secret_ref: SecretReference,
}

/// What is laid over all objects, whatever rendered them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostRender {
    /// Labels of every object; pod templates and selectors are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Strategic merge or JSON 6902 patches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub patches: Vec<Patch>,
}

/// What is done about a field that the server's schema does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Validate {
    /// It is an error, before anything is sent.
    #[default]
    Strict,
    /// It is a warning.
    Warn,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a field over by reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

fn default_interval() -> Period {
    Period::seconds(300)
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true
    })
}
