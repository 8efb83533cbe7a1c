//! A repository in memory, and the renderer program.
#![expect(clippy::panic, reason = "a test that finds something else ends there")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use syncline_render::{
    Answer, Ask, AskError, ClusterFacts, Entry, Error, Helm, Job, Kustomize, Location, Pool,
    Refusal, Rendered, Settings,
};

/// The program named by `SYNCLINE_RENDERER`, or else built from the checkout, once per run.
pub(crate) fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| std::env::var_os("SYNCLINE_RENDERER").map_or_else(build, PathBuf::from))
        .clone()
}

fn build() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let program = Path::new(&home).join(".cache/syncline/renderer/dev/syncline-renderer");
    let status = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
        .arg(&program)
        .arg(".")
        .env("CGO_ENABLED", "0")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("renderer"))
        .status()
        .expect("go is installed");
    assert!(status.success(), "the renderer builds");
    program
}

pub(crate) fn settings() -> Settings {
    Settings {
        program: program(),
        ..Settings::default()
    }
}

/// A script in place of the renderer, in a folder of its own that it may write into.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    name: String,
}

impl Fixture {
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/fixtures")
            .join(name);
        std::os::unix::fs::symlink(script, folder.path().join(name)).expect("the folder is empty");
        Self {
            folder,
            name: name.into(),
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            program: self.folder.path().join(&self.name),
            ..Settings::default()
        }
    }

    /// A file that stands beside the script and begins with its name.
    pub(crate) fn beside(&self, extension: &str) -> PathBuf {
        self.folder
            .path()
            .join(format!("{}.{extension}", self.name))
    }
}

/// Waits until something is so.
pub(crate) async fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: never");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Files of one commit by path.
#[derive(Clone, Default)]
pub(crate) struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    pub(crate) fn with(mut self, path: &str, content: &str) -> Self {
        self.0.insert(path.into(), content.into());
        self
    }

    pub(crate) fn with_bytes(mut self, path: &str, content: &[u8]) -> Self {
        self.0.insert(path.into(), content.into());
        self
    }

    pub(crate) fn answer(&self, ask: &Ask) -> Result<Answer, AskError> {
        let (Ask::Read(Location { path, .. }) | Ask::List(Location { path, .. })) = ask else {
            return Ok(Answer::Missing);
        };
        if let Some(content) = self.0.get(path) {
            return Ok(Answer::File(content.clone()));
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let entries: BTreeSet<Entry> = self
            .0
            .keys()
            .filter_map(|file| file.strip_prefix(&prefix))
            .map(|below| match below.split_once('/') {
                Some((name, _)) => Entry {
                    name: name.into(),
                    is_directory: true,
                },
                None => Entry {
                    name: below.into(),
                    is_directory: false,
                },
            })
            .collect();
        if entries.is_empty() {
            return Ok(Answer::Missing);
        }
        Ok(Answer::Directory(entries.into_iter().collect()))
    }

    pub(crate) async fn render(&self, job: &Job) -> Result<Rendered, Error> {
        self.render_in(&Pool::new(settings()), job).await
    }

    pub(crate) async fn render_in(&self, pool: &Pool, job: &Job) -> Result<Rendered, Error> {
        pool.render(job, &|ask| self.answer(ask)).await
    }

    pub(crate) fn asked(rendered: &Rendered) -> BTreeSet<String> {
        let paths = rendered.asked.iter().filter_map(|ask| match ask {
            Ask::Read(location) => Some(location.path.clone()),
            Ask::List(location) => Some(format!("{}/", location.path)),
            Ask::Chart(_) | Ask::Lookup(_) => None,
        });
        paths.collect()
    }

    pub(crate) async fn refusal(&self, job: &Job) -> Refusal {
        match self.render(job).await {
            Err(Error::Refused(refusal)) => *refusal,
            Err(error) => panic!("another error: {error}"),
            Ok(_) => panic!("rendered"),
        }
    }
}

pub(crate) fn kustomize(path: &str) -> Job {
    Job::Kustomize(Kustomize {
        path: path.into(),
        ..Kustomize::default()
    })
}

pub(crate) fn helm(path: &str, values_files: &[&str], values: Value) -> Job {
    Job::Helm(Helm {
        path: path.into(),
        release_name: "roar".into(),
        namespace: "zoo".into(),
        values_files: values_files.iter().map(|file| (*file).into()).collect(),
        values,
        cluster: ClusterFacts {
            kube_version: "v1.36.3".into(),
            ..ClusterFacts::default()
        },
        ..Helm::default()
    })
}

/// The object of a kind; there must be one.
pub(crate) fn of_kind<'a>(rendered: &'a Rendered, kind: &str) -> (&'a Value, String) {
    let mut found = rendered
        .objects
        .iter()
        .filter(|object| object.value["kind"] == kind);
    let object = found.next().unwrap_or_else(|| panic!("no {kind}"));
    (&object.value, object.origin.to_string())
}
