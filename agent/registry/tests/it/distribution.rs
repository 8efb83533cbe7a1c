//! A real distribution registry on a free port of the loopback, ended when it is dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// User name of a registry with authentication.
pub(crate) const USERNAME: &str = "puller";
/// Its password.
pub(crate) const PASSWORD: &str = "correct horse";
/// The same as a line of an htpasswd file, made for these tests with bcrypt at its lowest cost.
const HTPASSWD: &str = "puller:$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Whether the registry asks for a user name and password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Basic,
}

/// A running registry.
pub(crate) struct Distribution {
    pub(crate) host: String,
    access: Access,
    child: Child,
    folder: TempDir,
    http: reqwest::Client,
}

impl Drop for Distribution {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Distribution {
    pub(crate) async fn start(access: Access) -> Self {
        // Another process may take the port between the look and the start.
        for _ in 0..5 {
            if let Some(registry) = Self::try_start(access).await {
                return registry;
            }
        }
        panic!("the registry did not start on any of five free ports");
    }

    async fn try_start(access: Access) -> Option<Self> {
        // Only needed by our own requests below: the client under test installs its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let host = format!("127.0.0.1:{port}");
        let data = folder.path().join("data");
        let passwords = folder.path().join("htpasswd");
        fs::write(&passwords, HTPASSWD).unwrap();
        let auth = match access {
            Access::Open => String::new(),
            Access::Basic => {
                format!(
                    "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                    passwords.display()
                )
            }
        };
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
             http:\n  addr: {host}\n{auth}",
            data.display()
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new(binary())
            .arg("serve")
            .arg(&config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = http.get(format!("http://{host}/v2/")).send().await;
            let ended = child.try_wait().unwrap().is_some();
            if ended {
                return None;
            }
            if answer.is_ok() {
                return Some(Self {
                    host,
                    access,
                    child,
                    folder,
                    http,
                });
            }
            let log = folder.path().join("log");
            assert!(
                Instant::now() < deadline,
                "{}",
                fs::read_to_string(log).unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Pushes an image that differs by its label, and returns the digest of its manifest.
    pub(crate) async fn push(&self, repository: &str, tag: &str, label: &str) -> String {
        let config = format!(r#"{{"config":{{"Labels":{{"label":"{label}"}}}}}}"#);
        let config_digest = self.push_blob(repository, config.as_bytes()).await;
        let layer_digest = self.push_blob(repository, b"layer").await;
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer_digest}","size":5}}]}}"#,
            config.len()
        );
        self.push_manifest(repository, tag, manifest).await
    }

    async fn push_manifest(&self, repository: &str, tag: &str, manifest: String) -> String {
        let digest = digest_of(manifest.as_bytes());
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.host);
        let request = self
            .http
            .put(url)
            .header("content-type", MANIFEST)
            .body(manifest);
        let answer = self.identified(request).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        digest
    }

    /// Pushes a chart as `helm push` does, and returns the digests of its manifest and archive.
    pub(crate) async fn push_chart(
        &self,
        repository: &str,
        version: &str,
        archive: &[u8],
    ) -> (String, String) {
        let name = repository.rsplit('/').next().unwrap();
        let config = format!(r#"{{"name":"{name}","version":"{version}","apiVersion":"v2"}}"#);
        let config_digest = self.push_blob(repository, config.as_bytes()).await;
        let archive_digest = self.push_blob(repository, archive).await;
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"{archive_digest}","size":{}}}],"annotations":{{"org.opencontainers.image.title":"{name}"}}}}"#,
            config.len(),
            archive.len()
        );
        let tag = version.replace('+', "_");
        let digest = self.push_manifest(repository, &tag, manifest).await;
        (digest, archive_digest)
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest_of(content);
        let url = format!("http://{}/v2/{repository}/blobs/uploads/", self.host);
        let answer = self.identified(self.http.post(url)).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", self.log());
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let separator = if location.contains('?') { '&' } else { '?' };
        let request = self
            .http
            .put(format!("{location}{separator}digest={digest}"));
        let answer = self
            .identified(request.body(content.to_vec()))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201, "{}", self.log());
        digest
    }

    fn identified(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.access {
            Access::Open => request,
            Access::Basic => request.basic_auth(USERNAME, Some(PASSWORD)),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

pub(crate) fn digest_of(content: &[u8]) -> String {
    let bytes: Vec<String> = Sha256::digest(content)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("sha256:{}", bytes.concat())
}

/// The program, from `SYNCLINE_REGISTRY_BIN` or from the cache that `cargo xtask tools` fills.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SYNCLINE_REGISTRY_BIN") {
        return path.into();
    }
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let cache = home.join(".cache/syncline");
    let mut found = Vec::new();
    search(&cache, 4, &mut found);
    // The newest build, where there are several.
    found.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
    found.pop().unwrap_or_else(|| {
        panic!(
            "no `registry` program below {}: run `cargo xtask tools` to build it, or set \
             SYNCLINE_REGISTRY_BIN",
            cache.display()
        )
    })
}

fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = fs::metadata(&path) else {
            continue;
        };
        if meta.is_file() && entry.file_name() == "registry" && meta.mode() & 0o111 != 0 {
            found.push(path);
        } else if meta.is_dir() && depth > 0 && entry.file_name() != "target" {
            search(&path, depth - 1, found);
        }
    }
}
