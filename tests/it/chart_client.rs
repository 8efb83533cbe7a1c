//! The chart client beside Helm's own program: what Helm packages, indexes and pushes is resolved
//! to the same version and fetched in full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use syncline_registry::chart::{Access, ArchiveDigest, ChartRef, Charts, Settings};
use syncline_tests::process::state_folder;
use syncline_tests::{Access as RegistryAccess, Registry, programs};
use tempfile::TempDir;

/// The versions that are published; Helm's own order of them is part of what is compared.
const VERSIONS: [&str; 9] = [
    "0.1.0",
    "0.2.0",
    "1.2.3",
    "1.9.0",
    "1.10.0",
    "1.10.1-rc.1",
    "2.0.0-alpha",
    "2.0.0",
    "2.1.0+build.7",
];

/// What users ask for, and whether Helm understands it for a registry: there it takes `1.2` and
/// `v1.9.0` for tags, so it does not find them.
const ASKED: [(&str, bool); 16] = [
    ("", true),
    ("1.2.3", true),
    ("2.1.0+build.7", true),
    ("^1", true),
    ("^0.1", true),
    ("~1.9", true),
    ("1.x", true),
    (">=1 <2", true),
    ("1.2 - 1.9", true),
    ("0.1.0 || ^9", true),
    (">1.10.0-0 <2", true),
    ("*-0", true),
    ("1.2", false),
    ("v1.9.0", false),
    ("^9", true),
    ("1.2.4", true),
];

/// Helm with folders of its own.
struct Helm {
    folder: TempDir,
}

impl Helm {
    fn new() -> Result<Self> {
        Ok(Self {
            folder: state_folder("helm")?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Result<Option<String>> {
        let out = Command::new(programs::helm()?)
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .context("run helm")?;
        Ok(out
            .status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).into_owned()))
    }

    fn must(&self, arguments: &[&str]) -> Result<()> {
        let done = self.run(arguments)?;
        ensure!(done.is_some(), "helm {arguments:?} failed");
        Ok(())
    }

    /// Packages every version of the chart `app`; answers with the archives.
    fn package(&self) -> Result<Vec<PathBuf>> {
        self.must(&["create", "app"])?;
        let file = self.path("app/Chart.yaml");
        let chart = std::fs::read_to_string(&file)?;
        for version in VERSIONS {
            std::fs::write(
                &file,
                chart.replace("version: 0.1.0", &format!("version: {version}")),
            )?;
            self.must(&["package", "app", "--destination", "packed"])?;
        }
        let archives: Vec<PathBuf> = VERSIONS
            .iter()
            .map(|version| self.path("packed").join(format!("app-{version}.tgz")))
            .collect();
        ensure!(archives.iter().all(|archive| archive.is_file()));
        Ok(archives)
    }

    /// Which version Helm takes for what is asked.
    fn chooses(&self, place: &[&str], asked: &str) -> Result<Option<String>> {
        let mut arguments = vec!["show", "chart"];
        arguments.extend(place);
        if !asked.is_empty() {
            arguments.extend(["--version", asked]);
        }
        let shown = self.run(&arguments)?;
        Ok(shown.and_then(|shown| {
            let version = shown
                .lines()
                .find_map(|line| line.strip_prefix("version: "));
            version.map(|version| version.trim_matches('"').to_owned())
        }))
    }
}

/// A server for the files of a folder, below `/stable`.
async fn serve(folder: &Path) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/stable", listener.local_addr()?);
    let router = Router::new()
        .route("/stable/{file}", get(file))
        .with_state(Arc::new(folder.to_owned()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn file(
    State(folder): State<Arc<PathBuf>>,
    UrlPath(name): UrlPath<String>,
) -> Result<Vec<u8>, StatusCode> {
    std::fs::read(folder.join(name)).map_err(|_| StatusCode::NOT_FOUND)
}

/// Resolves and fetches; answers with the version, and checks the archive against Helm's.
async fn ours(charts: &Charts, helm: &Helm, chart: &ChartRef) -> Result<Option<String>> {
    let access = Access::default();
    let resolved = match charts.resolve(chart, &access).await {
        Ok(resolved) => resolved,
        Err(error) => {
            ensure!(error.reason().name() == "ChartNotFound", "{error}");
            return Ok(None);
        }
    };
    let archive = charts.fetch(&resolved, &access).await?;
    let packed = std::fs::read(
        helm.path("packed")
            .join(format!("app-{}.tgz", resolved.version)),
    )?;
    ensure!(
        *archive.bytes == *packed,
        "{} is another archive",
        resolved.version
    );
    ensure!(resolved.digest == Some(ArchiveDigest::of(&packed)));
    Ok(Some(resolved.version))
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_of_a_repository_that_helm_indexed_are_chosen_as_helm_chooses_them() -> Result<()> {
    let helm = Helm::new()?;
    helm.package()?;
    helm.must(&["repo", "index", "packed"])?;
    let repository = serve(&helm.path("packed")).await?;
    let charts = Charts::new(Settings::new(helm.path("cache")))?;
    for (asked, _) in ASKED {
        let chart = ChartRef {
            repository: repository.clone(),
            name: "app".to_owned(),
            version: asked.to_owned(),
        };
        let expected = helm.chooses(&["app", "--repo", &repository], asked)?;
        let found = ours(&charts, &helm, &chart).await?;
        ensure!(
            found == expected,
            "{asked:?}: {found:?}, and Helm takes {expected:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_that_helm_pushed_to_a_registry_are_chosen_as_helm_chooses_them() -> Result<()> {
    let helm = Helm::new()?;
    let archives = helm.package()?;
    let registry = Registry::start(RegistryAccess::Open).await?;
    let repository = format!("oci://{}/team/charts", registry.host());
    for archive in archives {
        let archive = archive.to_string_lossy().into_owned();
        helm.must(&["push", &archive, &repository, "--plain-http"])?;
    }
    let charts = Charts::new(Settings::new(helm.path("cache")))?;
    let reference = format!("{repository}/app");
    for (asked, understood) in ASKED {
        let chart = ChartRef {
            repository: repository.clone(),
            name: "app".to_owned(),
            version: asked.to_owned(),
        };
        let expected = helm.chooses(&[&reference, "--plain-http"], asked)?;
        let found = ours(&charts, &helm, &chart).await?;
        if understood {
            ensure!(
                found == expected,
                "{asked:?}: {found:?}, and Helm takes {expected:?}"
            );
        } else {
            ensure!(
                expected.is_none() && found.is_some(),
                "{asked:?}: {found:?}, {expected:?}"
            );
        }
    }
    Ok(())
}
