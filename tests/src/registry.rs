//! A real OCI registry, and images that are as small as an image can be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::control_plane::install_crypto;
use crate::process::{Process, command, free_port, state_folder};
use crate::{Access, programs, wait_for};

/// The user that a registry with [`Access::Basic`] knows.
pub const USER: &str = "syncline";
/// The password of that user.
pub const PASSWORD: &str = "registry-password";
/// The line for that user in the registry's own password file; it takes bcrypt only.
const PASSWORD_LINE: &str =
    "syncline:$2a$05$kNTO83eqsC34GhzoYlL0ZOBA7e9IYap/HtGF5U.Eeqca1CE/0JuBi\n";

/// A running registry. Ends when it is dropped.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    address: SocketAddr,
    access: Access,
    client: Client,
    folder: TempDir,
}

impl Registry {
    /// The access of a registry that asks for [`USER`] and [`PASSWORD`].
    pub fn with_password() -> Access {
        Access::Basic {
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// Starts an empty registry on a free loopback port. Of the kinds of access with a password it
    /// knows only [`Registry::with_password`].
    pub async fn start(access: Access) -> Result<Self> {
        install_crypto();
        ensure!(
            access == Access::Open || access == Self::with_password(),
            "the registry knows one user only, see `Registry::with_password`"
        );
        let folder = state_folder("registry")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let process = serve(&folder, address, &access)?;
        let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
        let mut registry = Self {
            process,
            address,
            access,
            client,
            folder,
        };
        registry.wait_until_ready().await?;
        Ok(registry)
    }

    /// Host and port, the first part of an image's name.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The full name of an image of this registry, without a tag.
    pub fn image(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Pushes a small image that differs for each tag. Answers with the digest of its manifest.
    pub async fn push_image(&self, repository: &str, tag: &str) -> Result<String> {
        self.push_build(repository, tag, &[]).await
    }

    /// The same with labels of its configuration: another image for the same tag.
    pub async fn push_build(
        &self,
        repository: &str,
        tag: &str,
        labels: &[(&str, &str)],
    ) -> Result<String> {
        // An empty tar archive: two blocks of zeros.
        let layer = vec![0; 1024];
        let mut all = BTreeMap::from([("org.opencontainers.image.version", tag)]);
        all.extend(labels.iter().copied());
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": all },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = serde_json::to_vec(&config)?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&layer),
                "size": layer.len(),
            }],
        }))?;
        self.push_blob(repository, layer).await?;
        self.push_blob(repository, config).await?;
        let name = digest(&manifest);
        let put = self
            .client
            .put(self.url(&format!("{repository}/manifests/{tag}")));
        let put = put.header(CONTENT_TYPE, MANIFEST).body(manifest);
        let answer = self.prove(put).send().await?;
        ensure!(
            answer.status().is_success(),
            "push {repository}:{tag}: {}",
            answer.status()
        );
        Ok(name)
    }

    /// The tags of a repository, as the registry lists them.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct List {
            tags: Option<Vec<String>>,
        }
        let get = self
            .client
            .get(self.url(&format!("{repository}/tags/list")));
        let answer = self.prove(get).send().await?.error_for_status()?;
        let list: List = serde_json::from_slice(&answer.bytes().await?)?;
        Ok(list.tags.unwrap_or_default())
    }

    /// Ends the registry: connections are refused until [`Registry::come_back`].
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again, on the same port and with the same images.
    pub async fn come_back(&mut self) -> Result<()> {
        self.process = serve(&self.folder, self.address, &self.access)?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let url = self.url("");
        let client = self.client.clone();
        let process = &mut self.process;
        wait_for(
            "the registry to listen",
            Duration::from_mins(1),
            async || {
                process.ensure_running()?;
                // 401 is an answer as well.
                Ok(client.get(&url).send().await?)
            },
        )
        .await?;
        Ok(())
    }

    async fn push_blob(&self, repository: &str, blob: Vec<u8>) -> Result<()> {
        let begin = self
            .client
            .post(self.url(&format!("{repository}/blobs/uploads/")));
        let begun = self.prove(begin).send().await?.error_for_status()?;
        let place = begun
            .headers()
            .get(LOCATION)
            .context("the registry named no place")?;
        let place = place.to_str()?;
        let mark = if place.contains('?') { '&' } else { '?' };
        let url = format!("{place}{mark}digest={}", digest(&blob));
        let url = if url.starts_with('/') {
            format!("http://{}{url}", self.address)
        } else {
            url
        };
        self.prove(self.client.put(url).body(blob))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v2/{path}", self.address)
    }

    fn prove(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.access {
            Access::Open => request,
            Access::Basic { user, password } => request.basic_auth(user, Some(password)),
        }
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn serve(folder: &TempDir, address: SocketAddr, access: &Access) -> Result<Process> {
    let passwords = folder.path().join("passwords");
    let mut settings = json!({
        "version": "0.1",
        "log": { "level": "warn", "accesslog": { "disabled": true } },
        "storage": {
            "filesystem": { "rootdirectory": folder.path().join("images") },
            "delete": { "enabled": true },
        },
        "http": { "addr": address.to_string() },
    });
    if *access != Access::Open {
        std::fs::write(&passwords, PASSWORD_LINE)?;
        settings["auth"] = json!({ "htpasswd": { "realm": "registry", "path": passwords } });
    }
    // JSON is YAML.
    let file = folder.path().join("settings.yaml");
    std::fs::write(&file, settings.to_string())?;
    let mut registry = command(programs::registry()?);
    registry
        .arg("serve")
        .arg(&file)
        .env("OTEL_TRACES_EXPORTER", "none");
    Process::start("registry", registry, &folder.path().join("log"))
}

/// The digest of some bytes, as registries write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
