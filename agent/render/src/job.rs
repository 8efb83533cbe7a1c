//! What is rendered, what the renderer may ask meanwhile, and what comes out.
//!
//! [`Job`], [`Ask`] and [`Answer`] are the protocol's own types: `renderer/protocol.go` has the same
//! ones, and a test renders random requests against both.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_core::application::{Overrides, Patch};
use syncline_core::manifest::Raw;
use syncline_core::reason::Reason;

/// What is to be rendered. Paths are relative to the root of the repository. It may hold values of
/// Secrets, so it cannot be printed.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Job {
    /// What `kustomize build` makes of a directory.
    Kustomize(Kustomize),
    /// What `helm template --include-crds` makes of a chart.
    Helm(Helm),
    /// Objects that are there already, with patches laid over them.
    Transform(Transform),
}

/// What `kustomize build` makes of a directory.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kustomize {
    /// The directory of the kustomization.
    pub path: String,
    /// What is laid over it, as if a kustomization named it as its only base.
    pub overrides: Overrides,
    /// What charts of `helmCharts` see of the cluster.
    pub cluster: ClusterFacts,
}

/// What a chart may see of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFacts {
    /// The version of the cluster; empty for the one that the Helm library was made for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// All API versions of the cluster (`apps/v1`, `apps/v1/Deployment`); empty for the ones that
    /// the Helm library was made for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// API versions beside those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_api_versions: Vec<String>,
}

/// What `helm template --include-crds` makes of a chart.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Helm {
    /// The directory of the chart, or with `chart` the directory that values files are relative to.
    pub path: String,
    /// A chart that is not in the repository; asked for by [`Ask::Chart`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartRef>,
    /// `.Release.Name`.
    pub release_name: String,
    /// `.Release.Namespace`.
    pub namespace: String,
    /// Whether `.Release.IsUpgrade` is true, else `.Release.IsInstall` is.
    pub upgrade: bool,
    /// Files of values; later ones win. Relative to `path`, `$name/...` for those of another
    /// source, with the globs `*`, `?`, `[...]` and `**`; what a glob finds is sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whether a values file that does not exist is passed over.
    pub ignore_missing_values_files: bool,
    /// Inline values, which win over the files; a map, or null for none.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub values: Value,
    /// Values of ConfigMaps and Secrets, which win over the inline ones; later ones win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Overlay>,
    /// What the chart sees of the cluster.
    pub cluster: ClusterFacts,
    /// Whether `crds/` is left out.
    pub skip_crds: bool,
    /// Whether the values are not held against the schemas of the chart.
    pub skip_schema: bool,
    /// Whether `lookup` is answered; else a chart that calls it is refused.
    pub lookup: bool,
}

/// Values from a ConfigMap or Secret, or of the command line.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlay {
    /// Where they come from, for messages: `Secret db, key values.yaml`.
    pub name: String,
    /// How the text is read.
    #[serde(skip_serializing_if = "Form::is_values")]
    pub form: Form,
    /// YAML of a map; with `target_path` the one value that is set there, as text.
    pub text: String,
    /// As in `--set`: `auth.password`, `list[0].name`; empty for the whole map.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target_path: String,
}

/// How the text of an overlay is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// As values.
    #[default]
    Values,
    /// As `helm --set` reads it: `a.b=1,c={x,y}`.
    Set,
    /// As `helm --set-string` reads it.
    SetString,
}

impl Form {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands a field over by reference"
    )]
    fn is_values(&self) -> bool {
        *self == Self::Values
    }
}

/// Objects that are there already, with patches laid over them.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transform {
    /// The objects. Each comes out with the number of its place here as the document of its origin,
    /// counted from 1.
    pub objects: Vec<Value>,
    /// Applied in order.
    pub patches: Vec<Patch>,
}

/// A chart in a chart repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartRef {
    /// `https://...` or `oci://...`.
    #[serde(default)]
    pub repository: String,
    /// Name of the chart.
    #[serde(default)]
    pub name: String,
    /// A version, a range of versions, or empty for the newest that is stable.
    #[serde(default)]
    pub version: String,
    /// What the archive must hash to (`sha256:...`); empty where nothing says it.
    #[serde(default)]
    pub digest: String,
}

/// A file or directory of a source. The root is the empty path.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Empty for the repository that is rendered, `$name` for another source of the Application,
    /// `git:<url>@<commit>` for a remote base.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Path in it, without `.` and `..`.
    pub path: String,
}

impl Location {
    /// A path of the repository that is rendered.
    pub fn own(path: impl Into<String>) -> Self {
        Self {
            source: String::new(),
            path: path.into(),
        }
    }
}

/// Objects that a chart looks up in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// `apiVersion` of the objects.
    #[serde(default)]
    pub api_version: String,
    /// Kind of the objects.
    #[serde(default)]
    pub object_kind: String,
    /// Namespace; empty for all, or for a kind of the cluster's own scope.
    #[serde(default)]
    pub namespace: String,
    /// Name; empty for a list of all.
    #[serde(default)]
    pub name: String,
}

/// A question of the renderer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Ask {
    /// The content of a file.
    Read(Location),
    /// The entries of a directory.
    List(Location),
    /// The archive of a chart, answered by [`Answer::File`].
    Chart(ChartRef),
    /// Objects of the cluster, answered by [`Answer::Object`] or [`Answer::Missing`].
    Lookup(Lookup),
}

impl Ask {
    /// What it asks for, in a word.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Read(_) => "a file",
            Self::List(_) => "a directory",
            Self::Chart(_) => "a chart",
            Self::Lookup(_) => "an object of the cluster",
        }
    }
}

/// What is said to a question.
#[cfg_attr(test, derive(Debug))]
#[derive(Clone, PartialEq)]
pub enum Answer {
    /// A file. Its content is only looked at in the answer to [`Ask::Read`] and [`Ask::Chart`].
    File(Vec<u8>),
    /// A directory. Its entries are only looked at in the answer to [`Ask::List`].
    Directory(Vec<Entry>),
    /// An object, or a list of objects.
    Object(Value),
    /// Nothing.
    Missing,
    /// It is not at hand. The render ends with [`Error::Needs`](crate::Error::Needs); it is tried
    /// again when the answer is known.
    Later,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, without `/`.
    pub name: String,
    /// Whether it is a directory, after links are followed.
    #[serde(
        default,
        rename = "directory",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub is_directory: bool,
}

/// Why a question cannot be answered. It fails the render.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct AskError {
    /// The reason that the application shows.
    pub reason: Reason,
    /// What exactly happened, for people.
    pub detail: String,
}

/// What a render made. Values of Secrets stand in the objects in the clear: turn each into a
/// [`Body`](syncline_core::manifest::Body) at once and print none.
#[derive(Default)]
pub struct Rendered {
    /// The objects in the order of the library.
    pub objects: Vec<Raw>,
    /// Objects that a chart declares as hooks. They are not part of the release.
    pub hooks: Vec<Hook>,
    /// Everything that was asked for, found or not.
    pub asked: BTreeSet<Ask>,
    /// What the libraries warn of.
    pub warnings: Vec<String>,
    /// What the chart says to its user (`NOTES.txt`); empty for nothing.
    pub notes: String,
}

/// An object with the annotation `helm.sh/hook`.
#[derive(Clone)]
pub struct Hook {
    /// The value of the annotation without blanks, for example `pre-install,pre-upgrade`.
    pub events: String,
    /// The object.
    pub object: Raw,
}
