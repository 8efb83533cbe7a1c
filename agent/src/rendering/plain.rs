//! Plain YAML and JSON: every manifest below a path, and all errors of all files at once.

use syncline_core::application::Application;
use syncline_core::manifest::select::{Filter, IGNORE_FILE, check_names, ignore_files_above};
use syncline_core::manifest::yaml::{self, Limits};
use syncline_core::outcome::Failure;

use super::{Output, Sources};

/// Reads the manifests of an application.
pub(super) fn read(
    application: &Application,
    sources: &Sources,
    limits: &Limits,
) -> Result<Output, Vec<Failure>> {
    let path = application.path.as_str();
    let one = |failure| vec![failure];
    let files = sources.below(path).map_err(one)?;
    let mut ignores = Vec::new();
    for file in ignore_files_above(path) {
        if let Some(content) = sources.file(&file).map_err(one)? {
            ignores.push((directory(&file), text(&content)));
        }
    }
    let below = files.iter().filter(|file| name(&file.path) == IGNORE_FILE);
    ignores.extend(below.map(|file| (directory(&file.path), text(&file.bytes))));
    let rendering = &application.rendering;
    let filter =
        Filter::new(path, &rendering.include, &rendering.exclude, &ignores).map_err(one)?;
    let files: Vec<_> = files
        .into_iter()
        .filter(|file| file.path == path || filter.takes(&file.path))
        .collect();
    check_names(files.iter().map(|file| file.path.as_str()))?;
    let mut output = Output {
        is_reproducible: true,
        ..Output::default()
    };
    let mut failures = Vec::new();
    for file in files {
        let read = sources
            .decrypted(&file.path, file.bytes)
            .map_err(one)
            .and_then(|bytes| yaml::parse(&file.path, &bytes, limits));
        match read {
            Ok(found) => output.objects.extend(found),
            Err(found) => failures.extend(found),
        }
    }
    if failures.is_empty() {
        Ok(output)
    } else {
        Err(failures)
    }
}

fn directory(path: &str) -> String {
    path.rsplit_once('/')
        .map_or_else(String::new, |(directory, _)| directory.to_owned())
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn text(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}
