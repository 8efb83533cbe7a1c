//! Charts from repositories and registries.

mod hosts;
mod oci;
mod repository;

use std::sync::Arc;
use std::time::Duration;

use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_registry::Auth;
use syncline_registry::chart::{
    Access, Archive, ArchiveDigest, ChartError, ChartRef, Charts, ResolvedChart, Settings,
};
use tempfile::TempDir;

use crate::player::{Heard, Player, answer};

/// `Authorization` of [`user`], in lower case.
const BASIC: &str = "basic ywxhzgrpbjpvcgvuihnlc2ftzq==";

/// Charts with a folder of their own.
struct Client {
    charts: Charts,
    folder: TempDir,
}

/// A client with changed settings.
fn client(change: impl FnOnce(&mut Settings)) -> Client {
    let folder = TempDir::new().unwrap();
    let mut settings = Settings::new(folder.path().join("charts"));
    change(&mut settings);
    let charts = Charts::new(settings).unwrap();
    Client { charts, folder }
}

fn usual() -> Client {
    client(|_| {})
}

fn user() -> Access {
    Access {
        auth: Auth::Basic {
            username: "aladdin".into(),
            password: Redacted::new("open sesame"),
        },
        ..Access::default()
    }
}

fn chart(repository: &str, name: &str, version: &str) -> ChartRef {
    ChartRef {
        repository: repository.into(),
        name: name.into(),
        version: version.into(),
    }
}

impl Client {
    async fn resolve(&self, chart: &ChartRef) -> Result<ResolvedChart, ChartError> {
        self.charts.resolve(chart, &Access::default()).await
    }

    async fn fetch(&self, chart: &ChartRef, access: &Access) -> Result<Archive, ChartError> {
        let resolved = self.charts.resolve(chart, access).await?;
        self.charts.fetch(&resolved, access).await
    }

    /// The reason of what goes wrong from the reference to the archive.
    async fn failure(&self, chart: &ChartRef, access: &Access) -> (Reason, String) {
        let error = self.fetch(chart, access).await.unwrap_err();
        (error.reason(), error.to_string())
    }
}

/// An index as Helm writes it: chart, version, URL, and the digest where there is one.
fn index(entries: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    let mut last = "";
    for (name, version, url, digest) in entries {
        if *name != last {
            text.extend(["  ", name, ":\n"]);
        }
        last = name;
        text.push_str("  - apiVersion: v2\n");
        if !digest.is_empty() {
            text.extend(["    digest: ", digest, "\n"]);
        }
        text.extend([
            "    name: ",
            name,
            "\n    urls:\n    - ",
            url,
            "\n    version: ",
            version,
            "\n",
        ]);
    }
    text.push_str("generated: \"2026-11-21T08:00:00Z\"\n");
    text
}

/// The SHA-256 of a text, in hexadecimal.
fn sha256(content: &str) -> String {
    ArchiveDigest::of(content.as_bytes()).to_string()[7..].to_owned()
}

/// A repository with the chart `app` in the version 1.0.0, whose archive is `content`.
async fn repository(content: &'static str) -> Player {
    Player::start(move |heard, _| serve(heard, content)).await
}

fn serve(heard: &Heard, content: &str) -> String {
    let index = index(&[("app", "1.0.0", "app-1.0.0.tgz", &sha256(content))]);
    match heard.target.as_str() {
        "/charts/index.yaml" => answer(200, &[], &index),
        "/charts/app-1.0.0.tgz" => answer(200, &[], content),
        _ => answer(404, &[], ""),
    }
}

fn app(host: &str) -> ChartRef {
    chart(&format!("http://{host}/charts"), "app", "1.0.0")
}

fn bytes(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// A deadline that a test does not wait for long.
fn soon(settings: &mut Settings) {
    settings.hosts.timeout = Duration::from_millis(300);
}
