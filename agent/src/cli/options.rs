//! What a path is rendered with, as `syncline render` and `syncline diff` take it: the options of
//! an Application, of `helm template`, or both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use futures::FutureExt as _;
use serde_json::{Value, json};
use syncline_cluster::{SecretData, kinds};
use syncline_core::application::{Application, Referent, Substitute};
use syncline_core::manifest::yaml;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_registry::chart::{self, Charts};
use syncline_render::{Form, Overlay, Pool, sops};

use crate::conversion;
use crate::rendering::{Find, Folder, Limits, Material, Sources, Tree};

/// Name of a values file or key when it stands on the command line.
const AGE_KEY: &str = "command-line.agekey";

/// How a path is rendered.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct RenderOptions {
    /// File with values of Helm; later ones win, and win over those of the Application.
    #[arg(short = 'f', long, value_name = "FILE", help_heading = "Helm")]
    values: Vec<PathBuf>,
    /// Value of Helm as in `helm --set`: `a.b=1,list[0]=x,c={1,2}`.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Helm")]
    set: Vec<String>,
    /// Value of Helm that stays text, as in `helm --set-string`.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Helm")]
    set_string: Vec<String>,
    /// Version of Kubernetes that a chart sees.
    #[arg(long, value_name = "VERSION", help_heading = "Helm")]
    kube_version: Option<String>,
    /// API versions that a chart sees beside those of Kubernetes itself, as `group/version` or
    /// `group/version/Kind`.
    #[arg(
        long,
        value_name = "VERSION",
        value_delimiter = ',',
        help_heading = "Helm"
    )]
    api_versions: Vec<String>,
    /// Render as for an upgrade: `.Release.IsUpgrade` is true.
    #[arg(long, help_heading = "Helm")]
    release_upgrade: bool,

    /// Namespace of objects that name none, and of a Helm release; `default` where neither this nor
    /// the Application says it.
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Name of the Application, also that of a Helm release: picks one where the file of
    /// `--application` has several. Without a file the name of the folder.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder outside of which nothing is read; the Git work tree around the path, or else the path
    /// itself.
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// Another source of the Application, whose files are `$NAME/...`, as a folder.
    #[arg(long, value_name = "NAME=FOLDER", value_parser = pair)]
    source: Vec<(String, String)>,
    /// File with a ConfigMap or Secret that stands in for one that the Application names.
    #[arg(long, value_name = "KIND/NAME=FILE", value_parser = pair)]
    from: Vec<(String, String)>,
    /// Variable for `${NAME}`; wins over those of the Application.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// File with age keys for files that SOPS encrypted.
    #[arg(long, value_name = "FILE")]
    age_key_file: Option<PathBuf>,
    /// Fetch charts that stand in chart repositories, without credentials; nothing is fetched
    /// otherwise.
    #[arg(long, help_heading = "Helm")]
    fetch_charts: bool,
    /// The renderer program; beside this program by default.
    #[arg(long, env = "SYNCLINE_RENDERER", value_name = "PROGRAM")]
    renderer: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has no `=` with a name before it".to_owned()),
    }
}

/// Where the command line keeps what it fetched: it costs a fetch to lose it.
pub(super) fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or_else(home).unwrap_or_else(std::env::temp_dir);
    cache.join("syncline")
}

/// The files, and what is made of them.
pub(super) struct Prepared {
    pub(super) application: Application,
    tree: Tree,
    others: Vec<(String, Folder)>,
    objects: BTreeMap<(Referent, String), SecretData>,
}

impl RenderOptions {
    /// The renderer, with the limits that the agent has by default.
    pub(super) fn pool(&self) -> Pool {
        let program = self.renderer.clone().unwrap_or_else(|| {
            let own = std::env::current_exe().unwrap_or_default();
            own.with_file_name("syncline-renderer")
        });
        Pool::new(syncline_render::Settings {
            program,
            workers: 1,
            ..Default::default()
        })
    }

    /// The client of chart repositories, where charts are fetched at all.
    pub(super) fn charts(&self) -> Result<Option<Charts>, Failure> {
        if !self.fetch_charts {
            return Ok(None);
        }
        // Installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = chart::Settings::new(cache().join("charts"));
        let charts = Charts::new(settings).map_err(|error| error.failure())?;
        Ok(Some(charts))
    }

    /// The namespace of the option.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The same without the namespace.
    pub(super) fn without_namespace(self) -> Self {
        Self {
            namespace: None,
            ..self
        }
    }

    /// Whether the release was there before.
    pub(super) fn upgrade(&self) -> bool {
        self.release_upgrade
    }

    /// What a chart sees beside what is served.
    pub(super) fn api_versions(&self) -> &[String] {
        &self.api_versions
    }

    /// Reads the Application of a file: the first one, or the one of `--name`.
    pub(super) fn application_of(&self, file: &Path) -> anyhow::Result<kinds::Application> {
        let shown = file.display();
        let bytes = std::fs::read(file).with_context(|| format!("read `{shown}`"))?;
        let objects = yaml::parse(&shown.to_string(), &bytes, &yaml::Limits::default())
            .map_err(|failures| anyhow::anyhow!(details(&failures)))?;
        let is_application = |value: &Value| {
            let group = value["apiVersion"].as_str().unwrap_or_default();
            let name = self.name.as_deref();
            group.starts_with("syncline.dev/")
                && value["kind"] == "Application"
                && name.is_none_or(|name| value["metadata"]["name"] == name)
        };
        let found = objects.into_iter().find(|raw| is_application(&raw.value));
        let Some(found) = found else {
            match &self.name {
                Some(name) => bail!("`{shown}` has no Application `{name}`"),
                None => bail!("`{shown}` has no Application"),
            }
        };
        let at = format!("{}: the Application", found.origin);
        serde_json::from_value(found.value).with_context(|| at)
    }

    /// Opens the folder, and completes the Application with the options. `path` is what is rendered
    /// in place of the Application's own path.
    pub(super) fn prepare(
        &self,
        path: Option<&Path>,
        wire: Option<kinds::Application>,
    ) -> anyhow::Result<Prepared> {
        ensure!(
            path.is_some() || wire.is_some(),
            "name a path, or an Application with `--application`"
        );
        let start = path.unwrap_or(Path::new("."));
        let shown = start.display();
        let root = match &self.root {
            Some(root) => root.clone(),
            None => Folder::around(start).with_context(|| format!("`{shown}`"))?,
        };
        let folder = Folder::open(&root, Limits::default())
            .with_context(|| format!("`{}`", root.display()))?;
        let relative =
            match path {
                Some(path) => {
                    let relative = folder.relative(path);
                    let root = folder.root().display();
                    Some(relative.with_context(|| {
                        format!("`{shown}` does not exist below the root `{root}`")
                    })?)
                }
                None => None,
            };
        let application = self.application(relative, wire, folder.root())?;
        self.prepared(application, Tree::Folder(folder))
    }

    /// Takes the files of an Application from elsewhere, and completes it with the options.
    pub(super) fn prepare_from(
        &self,
        tree: Tree,
        wire: kinds::Application,
    ) -> anyhow::Result<Prepared> {
        let application = self.application(None, Some(wire), Path::new("."))?;
        self.prepared(application, tree)
    }

    fn prepared(&self, application: Application, tree: Tree) -> anyhow::Result<Prepared> {
        let mut others = Vec::new();
        for (name, place) in &self.source {
            let folder = Folder::open(Path::new(place), Limits::default());
            let folder = folder.with_context(|| format!("--source {name}=`{place}`"))?;
            others.push((format!("${name}"), folder));
        }
        Ok(Prepared {
            application,
            tree,
            others,
            objects: self.objects()?,
        })
    }

    fn application(
        &self,
        path: Option<String>,
        wire: Option<kinds::Application>,
        root: &Path,
    ) -> anyhow::Result<Application> {
        let mut wire = match wire {
            Some(wire) => wire,
            None => serde_json::from_value(json!({
                "apiVersion": "syncline.dev/v1alpha1",
                "kind": "Application",
                "metadata": {"name": self.own_name(path.as_deref(), root)},
                "spec": {"repository": "folder", "path": "."},
            }))?,
        };
        let own = &mut wire.metadata.namespace;
        let namespace = self.namespace.clone();
        let destination = &mut wire.spec.destination.namespace;
        if namespace.is_some() {
            destination.clone_from(&namespace);
        }
        *own = own.take().or(namespace).or(Some("default".to_owned()));
        if let Some(path) = path {
            // An empty one is the root.
            wire.spec.path = if path.is_empty() {
                ".".to_owned()
            } else {
                path
            };
        }
        let account = crate::settings::DEFAULT_ACCOUNT;
        let application = conversion::application(&wire, account);
        let mut application = application.map_err(|failure| anyhow::anyhow!(failure.detail))?;
        if let Some(version) = &self.kube_version {
            application.rendering.helm.kube_version.clone_from(version);
        }
        if !self.variables.is_empty() {
            let substitute = application.rendering.substitute.take();
            let mut substitute: Substitute = substitute.unwrap_or_default();
            substitute.values.extend(self.variables.iter().cloned());
            application.rendering.substitute = Some(substitute);
        }
        Ok(application)
    }

    /// The name of an Application that no file describes: that of the folder, as a name.
    fn own_name(&self, path: Option<&str>, root: &Path) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let folder = root.file_name().unwrap_or_default();
        let last = path.and_then(|path| path.rsplit('/').next());
        let last = last.filter(|last| !last.is_empty());
        let name = last.unwrap_or(folder.to_str().unwrap_or_default());
        let name: String = name
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .take(53)
            .collect();
        match name.trim_matches('-') {
            "" => "release".to_owned(),
            name => name.to_owned(),
        }
    }

    /// The ConfigMaps and Secrets of `--from`.
    fn objects(&self) -> anyhow::Result<BTreeMap<(Referent, String), SecretData>> {
        let mut objects = BTreeMap::new();
        for (named, file) in &self.from {
            let at = || format!("--from {named}=`{file}`");
            let (kind, name) = named.split_once('/').unwrap_or((named, ""));
            let referent = match kind.to_lowercase().as_str() {
                "configmap" | "cm" => Referent::ConfigMap,
                "secret" => Referent::Secret,
                _ => bail!("{}: it is for a ConfigMap or a Secret", at()),
            };
            let bytes = std::fs::read(file).with_context(at)?;
            let objects_of = yaml::parse(file, &bytes, &yaml::Limits::default());
            let found = objects_of.map_err(|failures| anyhow::anyhow!(details(&failures)))?;
            let found = found.iter().map(|raw| &raw.value).find(|value| {
                value["kind"] == referent.kind() && value["metadata"]["name"] == name
            });
            let found = found.with_context(|| format!("{}: it is not in the file", at()))?;
            let data = data_of(referent, found).with_context(at)?;
            objects.insert((referent, name.to_owned()), data);
        }
        Ok(objects)
    }

    /// Values of the command line, which win over all others.
    fn overlays(&self, material: &mut Material) -> Result<(), Vec<Failure>> {
        for file in &self.values {
            let shown = file.display().to_string();
            let failed = |reason, detail| vec![Failure { reason, detail }];
            let bytes = std::fs::read(file).map_err(|error| {
                let reason = Reason::PathNotFound;
                failed(reason, format!("{shown}: {error}"))
            })?;
            let bytes = match (sops::looks_encrypted(&shown, &bytes), &material.keys) {
                (Some(_), Some(keys)) => {
                    let decrypted = sops::decrypt(&shown, &bytes, keys);
                    let decrypted = decrypted.map_err(|e| failed(e.reason(), e.to_string()))?;
                    let secrets = decrypted.secrets.iter();
                    secrets.for_each(|secret| material.secrets.add(secret));
                    decrypted.content
                }
                _ => bytes,
            };
            // Says in which line, which the renderer does not know of an overlay.
            let read = yaml::parse(&shown, &bytes, &yaml::Limits::default());
            let broken = read.err().unwrap_or_default().into_iter();
            let broken: Vec<_> = broken.filter(|f| f.reason == Reason::YamlSyntax).collect();
            if !broken.is_empty() {
                return Err(broken);
            }
            material.overlays.push(Overlay {
                name: shown,
                text: String::from_utf8_lossy(&bytes).into_owned(),
                ..Overlay::default()
            });
        }
        let set = self.set.iter().map(|text| ("--set", text, Form::Set));
        let text = self.set_string.iter();
        let text = text.map(|text| ("--set-string", text, Form::SetString));
        material
            .overlays
            .extend(set.chain(text).map(|(flag, text, form)| Overlay {
                name: flag.to_owned(),
                text: text.clone(),
                form,
                ..Overlay::default()
            }));
        Ok(())
    }

    /// Whether there are values for a chart on the command line.
    pub(super) fn has_values(&self) -> bool {
        !(self.values.is_empty() && self.set.is_empty() && self.set_string.is_empty())
    }
}

impl Prepared {
    /// What goes into the render beside the files. `find` reads what no option stands in for.
    pub(super) async fn material(
        &self,
        options: &RenderOptions,
        find: &Find<'_>,
    ) -> Result<Material, Vec<Failure>> {
        let keys = age_keys(options).map_err(|failure| vec![failure])?;
        let rendering = &self.application.rendering;
        let find = |referent: Referent, name: String| {
            let is_key = referent == Referent::Secret && rendering.decrypt.as_ref() == Some(&name);
            let given = self.objects.get(&(referent, name.clone()));
            match given.or(keys.as_ref().filter(|_| is_key)) {
                Some(data) => std::future::ready(Ok(Some(data.clone()))).boxed(),
                None => find(referent, name),
            }
        };
        let namespace = &self.application.name.namespace;
        let gathered = Material::gather(namespace, rendering, &find).await;
        let mut material = gathered.map_err(|failure| vec![failure])?;
        if let (Some(keys), None) = (&keys, &material.keys) {
            material.take_keys(keys).map_err(|failure| vec![failure])?;
        }
        options.overlays(&mut material)?;
        Ok(material)
    }

    /// The trees, for one render.
    pub(super) fn into_sources(self, material: &Material) -> (Application, Sources) {
        let mut sources = Sources::new(self.tree, material.keys.clone());
        for (name, folder) in self.others {
            sources.add(name, Tree::Folder(folder));
        }
        (self.application, sources)
    }
}

fn age_keys(options: &RenderOptions) -> Result<Option<SecretData>, Failure> {
    let Some(file) = &options.age_key_file else {
        return Ok(None);
    };
    let bytes = std::fs::read(file).map_err(|error| Failure {
        reason: Reason::SecretMissing,
        detail: format!("--age-key-file `{}`: {error}", file.display()),
    })?;
    Ok(Some(SecretData::new([(AGE_KEY.to_owned(), bytes)].into())))
}

/// The keys and values of an object of a file.
fn data_of(referent: Referent, object: &Value) -> anyhow::Result<SecretData> {
    use base64::Engine as _;
    let mut data = BTreeMap::new();
    let fields = |name: &str| object[name].as_object().into_iter().flatten();
    let plain = match referent {
        Referent::ConfigMap => "data",
        Referent::Secret => "stringData",
    };
    let encoded = match referent {
        Referent::ConfigMap => "binaryData",
        Referent::Secret => "data",
    };
    for (key, value) in fields(encoded) {
        let text: String = value
            .as_str()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text);
        // The text may be the secret itself.
        let bytes = bytes.map_err(|_| anyhow::anyhow!("`{encoded}.{key}` is not base64"))?;
        data.insert(key.clone(), bytes);
    }
    for (key, value) in fields(plain) {
        let text = value.as_str();
        let text = text.with_context(|| format!("`{plain}.{key}` is not a string"))?;
        data.insert(key.clone(), text.as_bytes().to_vec());
    }
    Ok(SecretData::new(data))
}

fn details(failures: &[Failure]) -> String {
    let details: Vec<_> = failures.iter().map(|f| f.detail.as_str()).collect();
    details.join("; ")
}
