//! Finds out what an image that no file names comes from: the Applications that run it, and the
//! values of their charts.

use std::sync::Arc;

use syncline_core::application::{Application, Renderer};
use syncline_core::image::edit::{Chart, Requirement, lines_to_add, requirements};
use syncline_core::image::unnamed::{Origin, Runner, Target, nothing_to_edit};
use syncline_core::image::{Reference, Wanted};
use syncline_core::outcome::Failure;
use syncline_core::record::Name;
use syncline_registry::chart::{Access, values};
use syncline_render::{Answer, ChartRef};
use syncline_source::Error;

use super::decide::Unnamed;
use super::writer::tip::Tip;
use crate::agent::{Agent, blocking};
use crate::charts;
use crate::conversion::ImageUpdate;

/// Of how many applications it is found out, and how many charts of each are looked into.
const MOST_APPLICATIONS: usize = 3;
const MOST_CHARTS: usize = 20;

/// What is asked.
struct Question<'a> {
    agent: &'a Arc<Agent>,
    /// The Repository of the policy.
    repository: &'a Name,
    tip: &'a Tip,
    policy: &'a ImageUpdate,
    unnamed: &'a Unnamed,
}

/// Why there is nothing to edit, with who runs the image and the lines to add as far as that can be
/// found out. Archives of charts mostly are at hand, as the last sync fetched them.
pub(super) async fn failure(
    agent: &Arc<Agent>,
    repository: &Name,
    tip: &Tip,
    policy: &ImageUpdate,
    unnamed: &Unnamed,
) -> Failure {
    let question = Question {
        agent,
        repository,
        tip,
        policy,
        unnamed,
    };
    let mut runners = Vec::new();
    for (application, written) in question.running() {
        let origin = if runners.len() < MOST_APPLICATIONS {
            question.origin(&application, written).await
        } else {
            Origin::Unknown
        };
        runners.push(Runner {
            application: application.name,
            origin,
        });
    }
    let (version, notes) = (&unnamed.version, &unnamed.notes);
    nothing_to_edit(&policy.image, &policy.name, version, notes, &runners)
}

/// What the path of an Application holds.
enum Folder {
    /// A chart: its `Chart.yaml`, and the archives in its `charts` with their names.
    Chart(Vec<u8>, Vec<(String, Vec<u8>)>),
    /// A kustomization, by its file.
    Kustomization(String),
    /// Something else.
    Other,
}

impl Question<'_> {
    /// The applications of the Repository that run the image, and how they write it.
    fn running(&self) -> Vec<(Application, String)> {
        let state = self.agent.state.lock();
        let readers = state.readers_of(self.repository).into_iter();
        let found = readers.filter_map(|name| {
            let entry = state.applications.get(&name)?;
            let mut images = entry.kept.as_ref()?.images.iter();
            let image = images.find(|text| {
                let read = Reference::parse(text);
                read.is_ok_and(|read| read.name == self.policy.image)
            })?;
            Some((entry.spec.as_ref().ok()?.clone(), image.clone()))
        });
        found.collect()
    }

    async fn origin(&self, application: &Application, written: String) -> Origin {
        let rendering = &application.rendering;
        if let Some(chart) = &rendering.helm.chart {
            let found = charts::own(self.agent, application, chart).await;
            let (version, lines) = match &found {
                Ok((version, archive)) => (version, self.lines(archive, &[])),
                Err(_) => (&chart.version, None),
            };
            return Origin::Chart {
                chart: format!("chart `{}` {version}", chart.name),
                target: self.values_file(application).unwrap_or(Target::Inline),
                lines,
            };
        }
        // A path of another Repository is read there.
        if application.repository != self.repository.name {
            return Origin::Unknown;
        }
        match self.folder(application).await {
            Folder::Chart(chart, vendored) => {
                let lines = self.lines_of_parts(&chart, &vendored).await;
                let own = below(application.path.as_str(), "values.yaml");
                let target = self.values_file(application);
                Origin::Chart {
                    chart: format!("a chart that the one in `{}` depends on", application.path),
                    target: target.unwrap_or_else(|| self.file(own)),
                    lines,
                }
            }
            Folder::Kustomization(file) => Origin::Kustomization {
                target: self.file(file),
                written: without_version(written),
            },
            Folder::Other => Origin::Unknown,
        }
    }

    async fn folder(&self, application: &Application) -> Folder {
        let (mirror, commit) = (self.tip.mirror.clone(), self.tip.commit.clone());
        let path = application.path.as_str().to_owned();
        let renderer = application.rendering.renderer;
        let read = blocking(move || {
            let snapshot = mirror.snapshot(&commit)?;
            if matches!(renderer, Renderer::Auto | Renderer::Helm)
                && let Some(chart) = snapshot.read_file(&below(&path, "Chart.yaml"))?
            {
                let inside = below(&path, "charts");
                let mut archives = Vec::new();
                for entry in snapshot.list(&inside)?.unwrap_or_default() {
                    if entry.name.strip_suffix(".tgz").is_none() || archives.len() >= MOST_CHARTS {
                        continue;
                    }
                    if let Some(bytes) = snapshot.read_file(&below(&inside, &entry.name))? {
                        archives.push((entry.name, bytes));
                    }
                }
                return Ok(Folder::Chart(chart, archives));
            }
            if matches!(renderer, Renderer::Auto | Renderer::Kustomize) {
                for name in ["kustomization.yaml", "kustomization.yml", "Kustomization"] {
                    let file = below(&path, name);
                    if snapshot.read_file(&file)?.is_some() {
                        return Ok(Folder::Kustomization(file));
                    }
                }
            }
            Ok(Folder::Other)
        });
        let read: Result<Folder, Error> = read.await;
        // It only explains: what cannot be read explains nothing.
        read.unwrap_or(Folder::Other)
    }

    /// The lines for the first of the charts that a chart depends on whose values name the image.
    async fn lines_of_parts(&self, chart: &[u8], vendored: &[(String, Vec<u8>)]) -> Option<String> {
        let required = requirements(chart);
        for (name, archive) in vendored {
            let chart = chart_of(name);
            let mut keys: Vec<&str> = required
                .iter()
                .filter(|requirement| requirement.name == chart)
                .map(Requirement::key)
                .collect();
            if keys.is_empty() {
                keys.push(chart);
            }
            let mut lines = keys
                .iter()
                .map(|key| self.lines(archive, &[(*key).to_owned()]));
            if let Some(lines) = lines.find_map(|lines| lines) {
                return Some(lines);
            }
        }
        let is_there =
            |one: &&Requirement| vendored.iter().any(|(name, _)| chart_of(name) == one.name);
        for required in required
            .iter()
            .filter(|one| !is_there(one))
            .take(MOST_CHARTS)
        {
            let wanted = ChartRef {
                repository: required.repository.clone(),
                name: required.name.clone(),
                version: required.version.clone(),
                digest: String::new(),
            };
            if !["https://", "http://", "oci://"]
                .iter()
                .any(|it| wanted.repository.starts_with(it))
            {
                continue;
            }
            let found = charts::archive(&self.agent.charts, &wanted, &Access::default()).await;
            if let Ok(Answer::File(archive)) = found
                && let Some(lines) = self.lines(&archive, &[required.key().to_owned()])
            {
                return Some(lines);
            }
        }
        None
    }

    fn lines(&self, archive: &[u8], below: &[String]) -> Option<String> {
        let chart = Chart {
            files: &values(archive),
            below,
        };
        let wanted = Wanted {
            image: &self.policy.image,
            policy: Some(&self.policy.name),
            policies: None,
        };
        lines_to_add(&chart, &wanted, &self.unnamed.version)
    }

    /// The file of values in the Repository that the Application lists first.
    fn values_file(&self, application: &Application) -> Option<Target> {
        let rendering = &application.rendering;
        let mut listed = rendering.helm.values_files.iter();
        let path = listed.find_map(|file| {
            let path = match file.strip_prefix('$').and_then(|file| file.split_once('/')) {
                Some((source, rest)) => {
                    let repository = rendering.sources.get(source)?;
                    (*repository == self.repository.name).then(|| rest.to_owned())?
                }
                None if application.repository == self.repository.name => {
                    joined(application.path.as_str(), file)?
                }
                None => return None,
            };
            (!path.contains(['*', '?', '['])).then_some(path)
        });
        path.map(|path| self.file(path))
    }

    fn file(&self, path: String) -> Target {
        let paths = &self.policy.paths;
        let is_searched = paths.is_empty() || paths.iter().any(|below| below.contains(&path));
        Target::File { path, is_searched }
    }
}

fn below(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}

/// A path below a directory, without `.` and `..`; `None` where it leads out of the repository.
fn joined(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The name of the chart in an archive `name-1.2.3.tgz`.
fn chart_of(file: &str) -> &str {
    let stem = file.strip_suffix(".tgz").unwrap_or(file);
    let versions = stem.match_indices('-').map(|(at, _)| at);
    let mut versions =
        versions.filter(|at| stem[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    versions.next().map_or(stem, |at| &stem[..at])
}

/// An image without tag and digest, as it is written.
fn without_version(mut written: String) -> String {
    let end = written.find('@').unwrap_or(written.len());
    written.truncate(end);
    let name = written.rfind('/').map_or(0, |slash| slash + 1);
    if let Some(colon) = written[name..].find(':') {
        written.truncate(name + colon);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_archive_ends_before_its_version() {
        assert_eq!(chart_of("redis-20.1.0.tgz"), "redis");
        assert_eq!(
            chart_of("kube-state-metrics-5.1.0-rc.1.tgz"),
            "kube-state-metrics"
        );
        assert_eq!(chart_of("web.tgz"), "web");
    }

    #[test]
    fn an_image_is_told_without_its_version_and_otherwise_as_it_is_written() {
        for (text, expected) in [
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("localhost:5000/a/web:1@sha256:00", "localhost:5000/a/web"),
            ("localhost:5000/a/web@sha256:00", "localhost:5000/a/web"),
        ] {
            assert_eq!(without_version(text.to_owned()), expected);
        }
    }

    #[test]
    fn a_values_file_is_found_from_the_path_of_the_application_and_never_outside() {
        assert_eq!(
            joined("apps/web", "../values.yaml").unwrap(),
            "apps/values.yaml"
        );
        assert_eq!(joined("", "./a//values.yaml").unwrap(), "a/values.yaml");
        assert_eq!(joined("apps", "../../values.yaml"), None);
    }
}
