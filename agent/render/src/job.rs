//! What is rendered, what the renderer may ask meanwhile, and what comes out.

use std::collections::BTreeSet;

use serde_json::Value;
use syncline_core::object::Origin;
use syncline_core::reason::Reason;

/// One directory of a repository to be rendered. Paths are relative to the root of the repository.
#[derive(Clone, PartialEq)]
pub enum Job {
    /// What `kustomize build` makes of the directory.
    Kustomize {
        /// The directory of the kustomization.
        path: String,
    },
    /// What `helm template --include-crds` makes of the chart in the directory.
    Helm {
        /// The directory of the chart.
        path: String,
        /// `.Release.Name`.
        release_name: String,
        /// `.Release.Namespace`.
        namespace: String,
        /// Files of values relative to the chart, inside the repository; later ones win.
        values_files: Vec<String>,
        /// Inline values, which win over the files; a map, or null for none.
        values: Value,
        /// The version of the cluster; empty for the one that the Helm library was made for.
        kube_version: String,
        /// All API versions of the cluster (`apps/v1`, `apps/v1/Deployment`); empty for the ones
        /// that the Helm library was made for.
        api_versions: Vec<String>,
        /// Whether the application is there already.
        upgrade: Release,
    },
}

impl Job {
    /// The directory that is rendered.
    pub fn path(&self) -> &str {
        match self {
            Self::Kustomize { path } | Self::Helm { path, .. } => path,
        }
    }
}

/// Which of `.Release.IsInstall` and `.Release.IsUpgrade` is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The first sync.
    #[default]
    Install,
    /// Any later one.
    Upgrade,
}

/// A question about the tree of the commit that is rendered. The root is the empty path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// The content of a file.
    Read(String),
    /// The entries of a directory.
    List(String),
}

impl Ask {
    /// The path that is asked about.
    pub fn path(&self) -> &str {
        match self {
            Self::Read(path) | Self::List(path) => path,
        }
    }
}

/// What stands at a path, after links are followed.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// A file. Its content is only looked at in the answer to [`Ask::Read`].
    File(Vec<u8>),
    /// A directory. Its entries are only looked at in the answer to [`Ask::List`].
    Directory(Vec<Entry>),
    /// Nothing.
    Missing,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without `/`.
    pub name: String,
    /// Whether it is a directory, after links are followed.
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
    /// The objects in a fixed order, each with the file it came from.
    pub objects: Vec<(Value, Origin)>,
    /// Objects that a chart declares as hooks. They are not part of the release.
    pub hooks: Vec<Hook>,
    /// Every path that was asked for, found or not. Those of directories end with `/`.
    pub read_set: BTreeSet<String>,
    /// What the libraries warn of.
    pub warnings: Vec<String>,
}

/// An object with the annotation `helm.sh/hook`.
pub struct Hook {
    /// The value of the annotation without blanks, for example `pre-install,pre-upgrade`.
    pub events: String,
    /// The object.
    pub object: Value,
    /// The template it came from.
    pub origin: Origin,
}
