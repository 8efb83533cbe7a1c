//! What the files of a Helm chart say together: registries in `global`, repositories in another
//! file of values, subcharts under their names and aliases.
//!
//! Everything found here is a guess that a render has to prove.

use std::collections::{BTreeMap, BTreeSet};

use super::forms::names_beside;
use super::index::Index;
use super::sites::{Step, entry, text_in, written};
use super::{Files, MAX_NODES, contains};
use crate::image::reference::ImageName;
use crate::manifest::yaml::tree::{self, Document, Node};

/// How many charts may stand inside each other.
const DEEPEST: usize = 5;

/// What other files say about one file.
#[derive(Clone, Debug, Default)]
pub(super) struct OfFile {
    /// Registries that `global` names there.
    pub(super) registries: Vec<String>,
    /// Maps of this file, by their paths, whose image is named there.
    pub(super) maps: BTreeSet<String>,
}

impl OfFile {
    pub(super) fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }
}

/// The same for all files of values that have something to do with an image.
#[derive(Debug, Default)]
pub(super) struct Surroundings(BTreeMap<String, OfFile>);

/// The files of values by their directories.
type Groups<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a [u8])>>;

impl Surroundings {
    pub(super) fn of(index: &Index<'_>, files: &Files<'_>, image: &ImageName) -> Self {
        let starts: BTreeSet<&str> = index
            .naming(image)
            .map(|path| path.rsplit_once('/').unwrap_or(("", path)))
            .filter(|(_, name)| is_values(name))
            .map(|(directory, _)| directory)
            .collect();
        let mut surroundings = Self::default();
        for start in starts {
            surroundings.add(start, &index.values, files, &index.local, image);
        }
        surroundings
    }

    /// The files of which something is said.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What is said about a file.
    pub(super) fn of_file(&self, file: &str) -> OfFile {
        self.0.get(file).cloned().unwrap_or_default()
    }

    /// Takes in the maps of a directory that name the image: they are known in the files of the same
    /// directory, and below its name in those of the charts that it is a part of.
    fn add(
        &mut self,
        start: &str,
        groups: &Groups<'_>,
        files: &Files<'_>,
        local: &[Dependency],
        image: &ImageName,
    ) {
        let charts = charts_around(start, files, local);
        let mut registries = Vec::new();
        let mut documents = Vec::new();
        for (directory, _) in &charts {
            for (_, bytes) in groups.get(directory.as_str()).into_iter().flatten() {
                let parsed = parse(bytes);
                let roots = parsed.iter().filter_map(|document| document.root.as_ref());
                registries.extend(roots.flat_map(self::registries));
                if directory == start {
                    documents.extend(parsed);
                }
            }
        }
        let mut maps = BTreeSet::new();
        for root in documents
            .iter()
            .filter_map(|document| document.root.as_ref())
        {
            named(root, &registries, image, &mut Vec::new(), &mut maps);
        }
        if maps.is_empty() {
            return;
        }
        for (directory, below) in &charts {
            for (file, _) in groups.get(directory.as_str()).into_iter().flatten() {
                let entry = self.0.entry((*file).to_owned()).or_default();
                entry.registries.extend(registries.iter().cloned());
                entry
                    .maps
                    .extend(maps.iter().map(|map| match below.as_str() {
                        "" => map.clone(),
                        below if map.is_empty() => below.to_owned(),
                        below if map.starts_with('[') => format!("{below}{map}"),
                        below => format!("{below}.{map}"),
                    }));
            }
        }
    }
}

/// Registries that `global` of a file of values names, as common charts have it.
pub(super) fn registries(root: &Node) -> Vec<String> {
    let Some(global) = child(root, "global") else {
        return Vec::new();
    };
    let nested = child(global, "image").and_then(|image| child(image, "registry"));
    [
        child(global, "imageRegistry"),
        child(global, "registry"),
        nested,
    ]
    .into_iter()
    .flatten()
    .filter_map(|node| node.scalar())
    .map(text_in)
    .filter(|text| !text.is_empty())
    .map(str::to_owned)
    .collect()
}

/// The paths of the maps that name the image.
fn named<'a>(
    node: &'a Node,
    registries: &[String],
    image: &ImageName,
    path: &mut Vec<Step<'a>>,
    into: &mut BTreeSet<String>,
) {
    let Node::Mapping { entries, .. } = node else {
        return;
    };
    let names = names_beside(entries, registries, |node| node.scalar());
    if names
        .iter()
        .any(|name| ImageName::parse(name).is_ok_and(|name| name == *image))
    {
        into.insert(written(path));
    }
    for (key, value) in entries {
        if let Some(key) = key.scalar() {
            path.push(Step::Key(&key.value));
            named(value, registries, image, path, into);
            path.pop();
        }
    }
}

/// A chart in a directory that another one has as a part of it.
#[derive(Debug)]
pub(super) struct Dependency {
    parent: String,
    child: String,
    key: String,
}

/// The dependencies with a `file://` repository.
pub(super) fn local_dependencies(files: &Files<'_>) -> Vec<Dependency> {
    let mut found = Vec::new();
    for (path, bytes) in files {
        let directory = match path.rsplit_once('/') {
            Some((directory, "Chart.yaml")) => directory,
            None if *path == "Chart.yaml" => "",
            _ => continue,
        };
        if !contains(bytes, "file://") {
            continue;
        }
        for requirement in requirements(bytes) {
            let folder = requirement.repository.strip_prefix("file://");
            if let Some(child) = folder.and_then(|folder| join(directory, folder)) {
                found.push(Dependency {
                    parent: directory.to_owned(),
                    child,
                    key: requirement.key().to_owned(),
                });
            }
        }
    }
    found
}

/// A directory and those of the charts that it is a part of, each with the path of the key below
/// which its values stand there.
pub(super) fn charts_around(
    start: &str,
    files: &Files<'_>,
    local: &[Dependency],
) -> Vec<(String, String)> {
    let mut found = vec![(start.to_owned(), String::new())];
    let mut from = 0;
    for _ in 0..DEEPEST {
        let until = found.len();
        for index in from..until {
            let (directory, below) = found[index].clone();
            for (parent, key) in parents(&directory, files, local) {
                let key = written(&[Step::Key(&key)]);
                let path = match below.as_str() {
                    "" => key,
                    below if below.starts_with('[') => format!("{key}{below}"),
                    below => format!("{key}.{below}"),
                };
                if !found.contains(&(parent.clone(), path.clone())) {
                    found.push((parent, path));
                }
            }
        }
        from = until;
    }
    found
}

fn parents(directory: &str, files: &Files<'_>, local: &[Dependency]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let inside = match directory.rsplit_once("/charts/") {
        Some((parent, name)) => Some((parent, name)),
        None => directory.strip_prefix("charts/").map(|name| ("", name)),
    };
    if let Some((parent, name)) = inside.filter(|(_, name)| !name.contains('/')) {
        let chart = join(parent, "Chart.yaml").and_then(|chart| files.get(chart.as_str()));
        if let Some(chart) = chart {
            let mut keys: Vec<String> = requirements(chart)
                .iter()
                .filter(|requirement| requirement.name == name)
                .map(|requirement| requirement.key().to_owned())
                .collect();
            if keys.is_empty() {
                keys.push(name.to_owned());
            }
            found.extend(keys.into_iter().map(|key| (parent.to_owned(), key)));
        }
    }
    let local = local
        .iter()
        .filter(|dependency| dependency.child == directory);
    found.extend(local.map(|dependency| (dependency.parent.clone(), dependency.key.clone())));
    found
}

/// A chart that another one depends on, as its `Chart.yaml` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The name of the chart.
    pub name: String,
    /// What it is called there; empty for its name.
    pub alias: String,
    /// A version or a range.
    pub version: String,
    /// Where it comes from; empty for `charts`.
    pub repository: String,
}

impl Requirement {
    /// The key below which its values stand.
    pub fn key(&self) -> &str {
        match self.alias.as_str() {
            "" => &self.name,
            alias => alias,
        }
    }
}

/// The dependencies that a `Chart.yaml` names.
pub fn requirements(chart: &[u8]) -> Vec<Requirement> {
    let documents = parse(chart);
    let root = documents.iter().find_map(|document| document.root.as_ref());
    let Some(Node::Sequence { items, .. }) = root.and_then(|root| child(root, "dependencies"))
    else {
        return Vec::new();
    };
    let text = |item, key| {
        let text = child(item, key).and_then(Node::scalar).map(text_in);
        text.unwrap_or_default().to_owned()
    };
    let named = items.iter().map(|item| Requirement {
        name: text(item, "name"),
        alias: text(item, "alias"),
        version: text(item, "version"),
        repository: text(item, "repository"),
    });
    named.filter(|one| !one.name.is_empty()).collect()
}

fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match node {
        Node::Mapping { entries, .. } => entry(entries, key),
        Node::Scalar(_) | Node::Sequence { .. } | Node::Alias { .. } => None,
    }
}

/// A file that cannot be read says nothing here; the search reports it.
fn parse(bytes: &[u8]) -> Vec<Document> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    tree::parse(text, MAX_NODES).unwrap_or_default()
}

/// `values.yaml`, `values-production.yml`, `production.values.yaml`.
pub(super) fn is_values(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or(name.strip_suffix(".yml"));
    stem.is_some_and(|stem| stem.to_ascii_lowercase().contains("values"))
}

/// A path below a directory; `None` where it leads out of the repository.
fn join(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
