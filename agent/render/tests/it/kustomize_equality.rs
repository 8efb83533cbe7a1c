//! What comes out of a kustomization, beside what the program `kustomize` prints for it.
//!
//! The overlays of `fixtures/overlays` were written for this; those below `refused` are refused by
//! both. The kustomizations that lie in the modules of Kustomize and kwok are compared as well.
#![expect(clippy::panic, reason = "a test that finds something else ends there")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use syncline_core::manifest::yaml;
use syncline_render::{
    Answer, Ask, AskError, ClusterFacts, Entry, Error, Job, Kustomize, Location, Pool, Rendered,
};

use crate::support::settings;

/// The release of the program that has the library of the renderer.
const RELEASE: &str = "v5.8.2";

/// Where the overlays have the chart that the fixtures hold once.
const CHARTS: [&str; 8] = [
    "charted/base/helm/zoo-1.2.3/zoo",
    "charted/default-name/charts/zoo",
    "charted/file/charts/zoo",
    "charted/merge/charts/zoo",
    "charted/old/charts/zoo",
    "charted/override/charts/zoo",
    "charted/plain/charts/zoo",
    "charted/replace/charts/zoo",
];

/// What both refuse.
const REFUSED: [&str; 4] = [
    "refused/",
    "components/two",
    "charted/bad-merge",
    "charted/no-name",
];

/// Kustomize's program: `SYNCLINE_KUSTOMIZE`, or else built once into the cache.
fn kustomize() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = cache().join(format!("kustomize/{RELEASE}"));
        let program = folder.join("kustomize");
        if !program.exists() {
            let package = format!("sigs.k8s.io/kustomize/kustomize/v5@{RELEASE}");
            let status = Command::new("go")
                .args(["install", "-trimpath", "-ldflags", "-s -w", &package])
                .env("GOBIN", &folder)
                .env("GOFLAGS", "")
                .status()
                .expect("go is installed");
            assert!(status.success(), "Kustomize builds");
        }
        program
    };
    PROGRAM
        .get_or_init(|| std::env::var_os("SYNCLINE_KUSTOMIZE").map_or_else(build, PathBuf::from))
        .clone()
}

fn cache() -> PathBuf {
    Path::new(&std::env::var_os("HOME").expect("HOME is set")).join(".cache/syncline")
}

fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of the overlays with the chart in its places; removed when dropped.
struct Overlays(PathBuf);

impl Overlays {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("syncline-{name}-{}", std::process::id()));
        let fixtures = manifest_dir().join("tests/it/fixtures");
        copy(&fixtures.join("overlays"), &folder);
        for place in CHARTS {
            copy(&fixtures.join("chart-zoo"), &folder.join(place));
        }
        Self(folder)
    }
}

impl Drop for Overlays {
    fn drop(&mut self) {
        // What is left in the temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the overlays are there");
    for entry in std::fs::read_dir(from).expect("the overlays are there") {
        let entry = entry.expect("the overlays are there");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the overlays are there").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("the overlays are there");
        }
    }
}

/// Every directory with a kustomization, from a root.
fn kustomizations(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).expect("the overlays are there") {
            let entry = entry.expect("the overlays are there");
            let name = entry
                .file_name()
                .into_string()
                .expect("the overlays are there");
            if entry.file_type().expect("the overlays are there").is_dir() {
                folders.push(folder.join(name));
            } else if ["kustomization.yaml", "kustomization.yml", "Kustomization"]
                .contains(&name.as_str())
            {
                found.push(folder.to_str().expect("the overlays are there").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Answers from the files below a root.
fn answer(root: &Path, ask: &Ask) -> Result<Answer, AskError> {
    let (Ask::Read(Location { path, .. }) | Ask::List(Location { path, .. })) = ask else {
        return Ok(Answer::Missing);
    };
    let path = root.join(path);
    if path.is_dir() {
        let entries = std::fs::read_dir(path)
            .expect("the overlays are there")
            .map(|entry| {
                let entry = entry.expect("the overlays are there");
                Entry {
                    name: entry
                        .file_name()
                        .into_string()
                        .expect("the overlays are there"),
                    is_directory: entry.file_type().expect("the overlays are there").is_dir(),
                }
            });
        let mut entries: Vec<Entry> = entries.collect();
        entries.sort();
        return Ok(Answer::Directory(entries));
    }
    Ok(std::fs::read(path).map_or(Answer::Missing, Answer::File))
}

pub(crate) fn job(path: &str) -> Job {
    Job::Kustomize(Kustomize {
        path: path.into(),
        cluster: ClusterFacts::default(),
        ..Kustomize::default()
    })
}

async fn ours(pool: &Pool, root: &Path, job: &Job) -> Result<Rendered, Error> {
    pool.render(job, &|ask| answer(root, ask)).await
}

/// What the program prints; `Err` has its own words.
fn theirs(root: &Path, path: &str) -> Result<Vec<Value>, String> {
    let mut command = Command::new(kustomize());
    command.arg("build").arg(root.join(path)).env_clear();
    if path.starts_with("charted") {
        command
            .args(["--enable-helm", "--helm-command"])
            .arg(crate::helm_program::program());
    }
    let printed = command.output().expect("kustomize starts");
    if !printed.status.success() {
        return Err(String::from_utf8_lossy(&printed.stderr).into_owned());
    }
    let limits = yaml::Limits {
        max_file_bytes: 16 << 20,
        ..yaml::Limits::default()
    };
    let objects = yaml::parse("printed.yaml", &printed.stdout, &limits).expect("it prints YAML");
    Ok(objects.into_iter().map(|object| object.value).collect())
}

/// Both make the same objects in the same order, or both refuse. Hooks stand apart with us.
async fn compare(pool: &Pool, root: &Path, path: &str) -> usize {
    let expected = theirs(root, path);
    let rendered = ours(pool, root, &job(path)).await;
    match (expected, rendered) {
        (Err(_), Err(Error::Refused(refusal))) => {
            assert!(
                refusal.code.starts_with("kz.") || refusal.code == "path.escape",
                "{refusal}"
            );
            assert!(refusal.file.is_some(), "{path}: {refusal}");
            0
        }
        (Err(words), Ok(_)) => panic!("{path}: only Kustomize refuses: {words}"),
        (_, Err(error)) => panic!("{path}: {error}"),
        (Ok(expected), Ok(rendered)) => {
            let (hooks, objects): (Vec<Value>, Vec<Value>) = expected
                .into_iter()
                .partition(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_string());
            let made: Vec<Value> = rendered.objects.iter().map(|it| it.value.clone()).collect();
            same(path, &objects, &made);
            let made: Vec<Value> = rendered
                .hooks
                .iter()
                .map(|it| it.object.value.clone())
                .collect();
            same(path, &hooks, &made);
            for object in &rendered.objects {
                assert!(
                    root.join(&object.origin.file).is_file(),
                    "{path}: {}",
                    object.origin
                );
            }
            objects.len() + hooks.len()
        }
    }
}

fn same(path: &str, expected: &[Value], made: &[Value]) {
    for (expected, made) in expected.iter().zip(made) {
        assert_eq!(expected, made, "{path}");
    }
    assert_eq!(expected.len(), made.len(), "{path}");
}

#[tokio::test]
async fn every_overlay_comes_out_as_kustomize_build_prints_it() {
    let overlays = Overlays::new("overlays");
    let pool = Pool::new(settings());
    let found = kustomizations(&overlays.0);
    assert!(found.len() >= 50, "{}", found.len());
    let mut objects = 0;
    for path in found {
        let count = compare(&pool, &overlays.0, &path).await;
        assert_eq!(
            count == 0,
            REFUSED.iter().any(|it| path.starts_with(it)),
            "{path}"
        );
        objects += count;
    }
    assert!(objects > 150, "{objects}");
}

/// Where the files of a module of Go are.
fn module(folder: &str, name: &str) -> PathBuf {
    let listed = Command::new("go")
        .args(["mod", "download", "-json", name])
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .current_dir(manifest_dir().join(folder))
        .output()
        .expect("go is installed");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("it prints JSON");
    PathBuf::from(listed["Dir"].as_str().expect("the module is there"))
}

#[tokio::test]
async fn the_kustomizations_of_go_modules_come_out_as_kustomize_build_prints_them() {
    let pool = Pool::new(settings());
    let mut compared = 0;
    for (folder, name) in [
        ("renderer", "sigs.k8s.io/kustomize/api"),
        ("../../tests/control-plane/tools", "sigs.k8s.io/kwok"),
    ] {
        let root = module(folder, name);
        for path in kustomizations(&root) {
            let folder = std::fs::read_dir(root.join(&path)).unwrap();
            let remote = folder.map(|entry| entry.unwrap().path()).any(|file| {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                text.contains("- https://") || text.contains("ref=")
            });
            if !remote {
                compare(&pool, &root, &path).await;
                compared += 1;
            }
        }
    }
    assert!(compared >= 10, "{compared}");
}

#[tokio::test]
async fn overrides_come_out_as_an_overlay_with_the_same_content() {
    let overlays = Overlays::new("overrides");
    let overlay = overlays.0.join("written");
    std::fs::create_dir_all(&overlay).unwrap();
    let content = "resources: [../stack/prod]\n\
        components: [../stack/components/metrics/more]\n\
        namePrefix: a-\nnameSuffix: -z\nnamespace: over\n\
        labels:\n- pairs: {l: '1', m: two}\n  includeTemplates: false\n\
        commonAnnotations: {owner: '2'}\n\
        replicas:\n- {name: prod-web-blue, count: 7}\n\
        images:\n\
        - {name: registry.example.com/web, newTag: v3}\n\
        - {name: registry.example.com/postgres, newName: mirror.example.com:5000/postgres, newTag: '17'}\n\
        - {name: mirror.example.com/migrate, digest: 'sha256:abc'}\n\
        patches:\n\
        - target: {kind: Service, name: prod-web-blue}\n  patch: '- {op: add, path: /spec/type, value: NodePort}'\n\
        - patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: prod-web-blue, namespace: zoo}\n    spec: {paused: true}\n";
    std::fs::write(overlay.join("kustomization.yaml"), content).unwrap();
    let component = overlays.0.join("stack/components/metrics/more");
    std::fs::create_dir_all(&component).unwrap();
    std::fs::write(
        component.join("kustomization.yaml"),
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
         commonAnnotations: {component: 'yes'}\n",
    )
    .unwrap();
    let job = Job::Kustomize(Kustomize {
        path: "stack/prod".into(),
        overrides: crate::kustomize_overrides::all(),
        cluster: ClusterFacts::default(),
    });
    let pool = Pool::new(settings());
    let rendered = ours(&pool, &overlays.0, &job).await.unwrap();
    let made: Vec<Value> = rendered.objects.iter().map(|it| it.value.clone()).collect();
    let expected = theirs(&overlays.0, "written").unwrap();
    same("written", &expected, &made);
    assert!(made[0]["metadata"]["annotations"]["component"] == "yes");
    for object in &rendered.objects {
        assert!(
            object.origin.file.starts_with("stack/"),
            "{}",
            object.origin
        );
    }
}

#[tokio::test]
async fn a_schema_of_one_render_is_not_seen_by_the_next() {
    let overlays = Overlays::new("schema");
    let pool = Pool::new(syncline_render::Settings {
        workers: 1,
        ..settings()
    });
    for path in [
        "without-openapi",
        "openapi",
        "without-openapi",
        "openapi",
        "local",
        "stack/prod",
    ] {
        let count = compare(&pool, &overlays.0, path).await;
        assert!(count > 0, "{path}");
    }
    assert_eq!(pool.idle(), 1, "one process rendered all");
}
