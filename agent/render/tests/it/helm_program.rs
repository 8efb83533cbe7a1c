//! Helm's own program, and a chart as it and the renderer are asked for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use syncline_render::{ChartRef, ClusterFacts, Helm, Job};

/// Helm's program: `SYNCLINE_HELM`, or else built once into the cache.
pub(crate) fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| std::env::var_os("SYNCLINE_HELM").map_or_else(build, PathBuf::from))
        .clone()
}

fn build() -> PathBuf {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let program = Path::new(&home).join(".cache/syncline/helm/dev/helm");
    if !program.exists() {
        let status = Command::new("go")
            .args(["build", "-trimpath", "-ldflags", "-s -w", "-o"])
            .arg(&program)
            .arg("helm.sh/helm/v4/cmd/helm")
            .current_dir(manifest_dir().join("../../tests/control-plane/helm"))
            .status()
            .expect("go is installed");
        assert!(status.success(), "Helm builds");
    }
    program
}

pub(crate) fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the sources of the Helm library are: its tests have many charts.
pub(crate) fn module() -> PathBuf {
    let listed = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "helm.sh/helm/v4"])
        .current_dir(manifest_dir().join("renderer"))
        .output()
        .expect("go is installed");
    assert!(listed.status.success(), "the module is there");
    PathBuf::from(
        String::from_utf8(listed.stdout)
            .expect("a path is text")
            .trim(),
    )
}

/// A chart and how it is rendered.
#[derive(Clone, Default)]
pub(crate) struct Case {
    /// From the root: a directory, or an archive.
    pub(crate) chart: String,
    /// From the directory of the chart; for Helm from the root.
    pub(crate) values_files: Vec<&'static str>,
    pub(crate) values: Value,
    /// Where `--set-file` puts a text.
    pub(crate) targets: Vec<(&'static str, &'static str)>,
    pub(crate) api_versions: Vec<&'static str>,
    pub(crate) upgrade: bool,
    pub(crate) skip_crds: bool,
    pub(crate) skip_schema: bool,
}

impl Case {
    pub(crate) fn is_archive(&self) -> bool {
        Path::new(&self.chart)
            .extension()
            .is_some_and(|it| it == "tgz")
    }

    pub(crate) fn job(&self) -> Job {
        let archive = ChartRef {
            repository: "https://charts.example.com".into(),
            name: "packed".into(),
            version: String::new(),
            digest: String::new(),
        };
        let overlay = |(path, text): &(&str, &str)| syncline_render::Overlay {
            name: "Secret roar, key text".into(),
            text: (*text).into(),
            target_path: (*path).into(),
            ..syncline_render::Overlay::default()
        };
        Job::Helm(Helm {
            path: if self.is_archive() {
                String::new()
            } else {
                self.chart.clone()
            },
            chart: self.is_archive().then_some(archive),
            release_name: "roar".into(),
            namespace: "zoo".into(),
            values_files: self.values_files.iter().map(|it| (*it).into()).collect(),
            values: self.values.clone(),
            overlays: self.targets.iter().map(overlay).collect(),
            cluster: ClusterFacts {
                kube_version: "v1.36.3".into(),
                api_versions: self.api_versions.iter().map(|it| (*it).into()).collect(),
                ..ClusterFacts::default()
            },
            upgrade: self.upgrade,
            skip_crds: self.skip_crds,
            skip_schema: self.skip_schema,
            lookup: true,
            ..Helm::default()
        })
    }

    /// What Helm prints; an error is its own words.
    pub(crate) fn print(&self, root: &Path, home: &Path) -> Result<Vec<u8>, String> {
        let mut helm = Command::new(program());
        helm.args(["template", "roar"])
            .arg(root.join(&self.chart))
            .args(["--namespace", "zoo", "--kube-version", "v1.36.3"])
            .env_clear()
            .env("HOME", home)
            .current_dir(home);
        if !self.skip_crds {
            helm.arg("--include-crds");
        }
        if self.upgrade {
            helm.arg("--is-upgrade");
        }
        if self.skip_schema {
            helm.arg("--skip-schema-validation");
        }
        for version in &self.api_versions {
            helm.args(["--api-versions", version]);
        }
        for file in &self.values_files {
            helm.arg("--values").arg(root.join(&self.chart).join(file));
        }
        if !self.values.is_null() {
            helm.args(["--set-json", &self.values.to_string()]);
        }
        for (number, (path, text)) in self.targets.iter().enumerate() {
            let file = home.join(format!("text-{number}"));
            std::fs::write(&file, text).expect("the folder is there");
            helm.args(["--set-file", &format!("{path}={}", file.display())]);
        }
        let output = helm.output().expect("helm runs");
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

pub(crate) fn tempdir() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = format!("syncline-helm-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    std::fs::create_dir_all(&folder).expect("the disk and the threads work");
    folder
}
