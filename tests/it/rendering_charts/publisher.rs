//! Somebody who packages charts with Helm's own program and serves them over HTTP.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syncline_tests::process::state_folder;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Access, Registry, programs, registry, wait_for};
use tempfile::TempDir;

/// A chart repository and its owner.
pub(crate) struct Publisher {
    folder: TempDir,
    site: Arc<Site>,
    url: String,
}

struct Site {
    folder: PathBuf,
    access: Access,
    is_away: AtomicBool,
    turned_away: AtomicUsize,
}

impl Publisher {
    /// An empty chart repository on a free loopback port.
    pub(crate) async fn start(access: Access) -> Result<Self> {
        let folder = state_folder("publisher")?;
        let site = Arc::new(Site {
            folder: folder.path().join("packed"),
            access,
            is_away: AtomicBool::new(false),
            turned_away: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/stable", listener.local_addr()?);
        let router = Router::new()
            .route("/stable/{file}", get(file))
            .with_state(Arc::clone(&site));
        // The tests of this process share what is served; a runtime ends with its test.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { folder, site, url })
    }

    /// The URL of the chart repository.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Packages a version of a chart and names it in the index.
    pub(crate) fn publish(&self, name: &str, version: &str, files: &[(&str, &str)]) -> Result<()> {
        self.package(name, version, files)?;
        self.helm(&["repo", "index", "packed"]).map(drop)
    }

    /// Packages a version of a chart; the index stays as it is.
    pub(super) fn package(
        &self,
        name: &str,
        version: &str,
        files: &[(&str, &str)],
    ) -> Result<PathBuf> {
        let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        let folder = self.write(name, files)?;
        std::fs::write(folder.join("Chart.yaml"), chart)?;
        self.helm(&["package", name, "--destination", "packed"])?;
        std::fs::remove_dir_all(folder)?;
        Ok(self.site.folder.join(format!("{name}-{version}.tgz")))
    }

    /// The lock that Helm writes for a `Chart.yaml`.
    pub(super) fn lock(&self, chart: &str) -> Result<String> {
        let folder = self.write("locked", &[("Chart.yaml", chart)])?;
        self.helm(&["dependency", "update", "locked"])?;
        let lock = std::fs::read_to_string(folder.join("Chart.lock"))?;
        std::fs::remove_dir_all(folder)?;
        Ok(lock)
    }

    /// Pushes an archive to a registry with [`Registry::with_password`].
    pub(super) fn push(&self, archive: &Path, place: &str) -> Result<()> {
        let archive = archive.to_string_lossy();
        let (user, password) = (registry::USER, registry::PASSWORD);
        let as_user = ["--username", user, "--password", password];
        let mut arguments = vec!["push", &archive, place, "--plain-http"];
        arguments.extend(as_user);
        self.helm(&arguments).map(drop)
    }

    /// Every request is answered with 503 from now on.
    pub(super) fn go_away(&self) {
        self.site.is_away.store(true, Ordering::SeqCst);
    }

    /// Every request is answered again.
    pub(super) fn come_back(&self) {
        self.site.is_away.store(false, Ordering::SeqCst);
    }

    /// Waits until somebody has asked in vain.
    pub(super) async fn wait_until_missed(&self) -> Result<()> {
        let before = self.site.turned_away.load(Ordering::SeqCst);
        wait_for("a request that is turned away", DEADLINE, async || {
            ensure!(self.site.turned_away.load(Ordering::SeqCst) > before);
            Ok(())
        })
        .await
    }

    fn write(&self, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        for (path, content) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().context("no folder")?)?;
            std::fs::write(path, content)?;
        }
        Ok(folder)
    }

    fn helm(&self, arguments: &[&str]) -> Result<String> {
        let out = Command::new(programs::helm()?)
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .context("run helm")?;
        let errors = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "helm {arguments:?}: {errors}");
        Ok(String::from_utf8(out.stdout)?)
    }
}

async fn file(
    State(site): State<Arc<Site>>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
) -> Result<Vec<u8>, StatusCode> {
    if site.is_away.load(Ordering::SeqCst) {
        site.turned_away.fetch_add(1, Ordering::SeqCst);
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    if let Access::Basic { user, password } = &site.access {
        let proof = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        if headers
            .get("authorization")
            .is_none_or(|sent| *sent != *proof)
        {
            return Err(StatusCode::UNAUTHORIZED);
        }
    }
    std::fs::read(site.folder.join(name)).map_err(|_| StatusCode::NOT_FOUND)
}

/// A registry that asks for a password.
pub(super) async fn registry() -> Result<Registry> {
    Registry::start(Registry::with_password()).await
}
