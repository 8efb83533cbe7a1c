//! What the tests and the demo need: found on the machine, or built once into the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::cache::{Cache, Key, copy_files, same_files};
use crate::cargo;
use crate::packages::{CHROMIUM, POSTGRES, SSHD};
use crate::run::{Step, repository_root};

/// Where the built and found programs are.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// Folder of the programs of the control plane.
    pub(crate) control_plane: PathBuf,
    /// The renderer.
    pub(crate) renderer: PathBuf,
    /// Helm's program, whose releases the tests adopt.
    pub(crate) helm: PathBuf,
    /// Kustomize's program, whose output the tests compare with.
    pub(crate) kustomize: PathBuf,
    /// Folder of Gitea's program and of the files that it reads, where tests are run.
    pub(crate) gitea: Option<PathBuf>,
    /// The SSH server, where tests are run.
    pub(crate) sshd: Option<PathBuf>,
    /// The PostgreSQL server, where tests are run.
    pub(crate) postgres: Option<PathBuf>,
}

/// The version of cargo-deny that checks the dependencies.
const CARGO_DENY: &str = "0.20.2";

/// The version that the API server reports; the one in `kubernetes/go.mod`.
const KUBERNETES: [&str; 3] = ["v1.36.3", "1", "36"];

/// The files of kwok, below its `kustomize/stage`, that make a node and its pods ready.
const STAGES: [&str; 5] = [
    "node/fast/node-initialize",
    "node/heartbeat-with-lease/node-heartbeat-with-lease",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
];

/// A program that must be on the machine, how to see that it works, and how to get it.
const NEEDED: [(&str, &[&str], &str); 7] = [
    ("git", &["--version"], "apt-get install -y git"),
    ("git http-backend", &[], "apt-get install -y git"),
    (
        "C compiler `cc`",
        &["--version"],
        "apt-get install -y build-essential",
    ),
    (
        "go",
        &["version"],
        "install Go 1.26 or later from https://go.dev/dl/",
    ),
    (
        "node",
        &["--version"],
        "apt-get install -y nodejs npm (version 20 or later)",
    ),
    ("npm", &["--version"], "apt-get install -y npm"),
    ("setpriv", &["--version"], "apt-get install -y util-linux"),
];

impl Tools {
    /// Everything that any command needs.
    pub(crate) fn all(cache: &Cache) -> Result<Self> {
        let tools = Self::for_tests(cache)?;
        CHROMIUM.program()?;
        cargo_deny(cache)?;
        Ok(tools)
    }

    /// What the integration tests need.
    pub(crate) fn for_tests(cache: &Cache) -> Result<Self> {
        Ok(Self {
            gitea: Some(gitea(cache)?),
            sshd: Some(SSHD.program()?),
            postgres: Some(POSTGRES.program()?),
            ..Self::for_demo(cache)?
        })
    }

    /// What the demo and the benches of the agent need.
    pub(crate) fn for_demo(cache: &Cache) -> Result<Self> {
        check_machine()?;
        let control_plane = control_plane(cache)?;
        let renderer = renderer(cache)?;
        let helm = helm(cache)?;
        let kustomize = kustomize(cache)?;
        front_end(cache)?;
        Ok(Self {
            control_plane,
            renderer,
            helm,
            kustomize,
            gitea: None,
            sshd: None,
            postgres: None,
        })
    }

    /// What the bench of the renders needs: the renderer, Helm and Kustomize.
    pub(crate) fn for_renders(cache: &Cache) -> Result<(PathBuf, PathBuf, PathBuf)> {
        check_machine()?;
        Ok((renderer(cache)?, helm(cache)?, kustomize(cache)?))
    }
}

/// Names every program that is missing, each with the line that installs it.
pub(crate) fn check_machine() -> Result<()> {
    let missing: Vec<String> = NEEDED
        .into_iter()
        .filter(|(name, arguments, _)| !works(name, arguments))
        .map(|(name, _, remedy)| format!("  {name}: {remedy}"))
        .collect();
    ensure!(
        missing.is_empty(),
        "these programs are missing:\n{}",
        missing.join("\n")
    );
    Ok(())
}

pub(crate) fn works(name: &str, arguments: &[&str]) -> bool {
    if name == "git http-backend" {
        // It is a CGI program: without its environment it says so and fails.
        let folder = Command::new("git").arg("--exec-path").output();
        return folder.is_ok_and(|out| {
            let folder = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            Path::new(&folder).join("git-http-backend").exists()
        });
    }
    let program = name.split('`').nth(1).unwrap_or(name);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// etcd, the parts of Kubernetes, kwok and the registry, from the pinned Go modules.
fn control_plane(cache: &Cache) -> Result<PathBuf> {
    let version = ["gitVersion", "gitMajor", "gitMinor"]
        .iter()
        .zip(KUBERNETES)
        .map(|(name, value)| format!("-X k8s.io/component-base/version.{name}={value}"));
    let kubernetes_flags = format!("-s -w {}", version.collect::<Vec<_>>().join(" "));
    let tools_flags = "-s -w";
    let root = repository_root().join("tests/control-plane");
    let key = Key::default()
        .text(&kubernetes_flags)
        .text(tools_flags)
        .text(&STAGES.join(" "))
        .folder(&root, |name| {
            let apart = ["helm/", "kustomize/", "gitea/"];
            let here = !apart.iter().any(|folder| name.starts_with(folder));
            here && (name.ends_with("go.mod") || name.ends_with("go.sum"))
        })?;
    let folder = cache.get_or_build("control-plane", key, |folder| {
        let bin = folder.join("bin");
        std::fs::create_dir_all(&bin)?;
        let kubernetes = "tests/control-plane/kubernetes";
        let tools = "tests/control-plane/tools";
        let build = |inside: &str, what: &str, flags: &str, out: &str, packages: &[&str]| {
            go(
                inside,
                &["build", "-v", "-trimpath", "-ldflags", flags, "-o", out],
            )
            .arguments(packages)
            .build(what)
        };
        let all = format!("{}/", bin.display());
        let etcd = bin.join("etcd").display().to_string();
        build(
            tools,
            "etcd (1 of 3)",
            tools_flags,
            &etcd,
            &["go.etcd.io/etcd/server/v3"],
        )?;
        build(
            tools,
            "kwok and the registry (2 of 3)",
            tools_flags,
            &all,
            &[
                "sigs.k8s.io/kwok/cmd/kwok",
                "github.com/distribution/distribution/v3/cmd/registry",
            ],
        )?;
        build(
            kubernetes,
            "kube-apiserver, kube-controller-manager, kube-scheduler, kubectl (3 of 3)",
            &kubernetes_flags,
            &all,
            &[
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                "k8s.io/kubernetes/cmd/kubectl",
            ],
        )?;
        let kwok = go(tools, &["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]).read()?;
        let mut stages = String::new();
        for name in STAGES {
            let file = Path::new(kwok.trim()).join(format!("kustomize/stage/{name}.yaml"));
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("read {}", file.display()))?;
            stages.extend(["---\n", &text, "\n"]);
        }
        Ok(std::fs::write(bin.join("kwok-stages.yaml"), stages)?)
    })?;
    Ok(folder.join("bin"))
}

/// The renderer, from the Go module beside the crate that talks to it.
fn renderer(cache: &Cache) -> Result<PathBuf> {
    const FOLDER: &str = "agent/render/renderer";
    let flags = "-s -w";
    let root = repository_root().join(FOLDER);
    let wanted = |name: &str| {
        let is_go = Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "go");
        let source = is_go && !name.ends_with("_test.go");
        source || name == "go.mod" || name == "go.sum"
    };
    let key = Key::default().text(flags).folder(&root, wanted)?;
    let folder = cache.get_or_build("renderer", key, |folder| {
        let out = folder.join("syncline-renderer").display().to_string();
        go(
            FOLDER,
            &[
                "build",
                "-v",
                "-trimpath",
                "-ldflags",
                flags,
                "-o",
                &out,
                ".",
            ],
        )
        .env("CGO_ENABLED", "0")
        .build("the renderer")
    })?;
    Ok(folder.join("syncline-renderer"))
}

/// Helm's program, of the version that the renderer embeds.
fn helm(cache: &Cache) -> Result<PathBuf> {
    go_program(cache, "helm", "helm.sh/helm/v4/cmd/helm")
}

/// Kustomize's program, of the version that the renderer embeds.
fn kustomize(cache: &Cache) -> Result<PathBuf> {
    go_program(cache, "kustomize", "sigs.k8s.io/kustomize/kustomize/v5")
}

/// Gitea, a Git host, and the folders of its module that it reads when it runs. Its web pages lack
/// their built scripts and styles, which nobody looks at.
fn gitea(cache: &Cache) -> Result<PathBuf> {
    const INSIDE: &str = "tests/control-plane/gitea";
    const READ: [&str; 3] = ["options", "public", "templates"];
    let (tags, flags) = ("sqlite sqlite_unlock_notify", "-s -w");
    let root = repository_root().join(INSIDE);
    let key = Key::default()
        .text(tags)
        .text(flags)
        .text(&READ.join(" "))
        .folder(&root, |file| matches!(file, "go.mod" | "go.sum"))?;
    cache.get_or_build("gitea", key, |folder| {
        let out = folder.join("gitea").display().to_string();
        let arguments = ["build", "-v", "-trimpath", "-tags", tags, "-ldflags", flags];
        go(INSIDE, &arguments)
            .arguments(&["-o", &out, "code.gitea.io/gitea"])
            // Its database is a C library.
            .env("CGO_ENABLED", "1")
            .build("Gitea")?;
        let module = ["list", "-m", "-f", "{{.Dir}}", "code.gitea.io/gitea"];
        let module = go(INSIDE, &module).read()?;
        READ.iter().try_for_each(|name| {
            copy_files(&Path::new(module.trim()).join(name), &folder.join(name))
        })
    })
}

/// A program of the Go module of its name in `tests/control-plane`.
fn go_program(cache: &Cache, name: &str, package: &str) -> Result<PathBuf> {
    let inside = format!("tests/control-plane/{name}");
    let flags = "-s -w";
    let root = repository_root().join(&inside);
    let key = Key::default()
        .text(flags)
        .folder(&root, |file| matches!(file, "go.mod" | "go.sum"))?;
    let folder = cache.get_or_build(name, key, |folder| {
        let out = folder.join(name).display().to_string();
        let arguments = ["build", "-v", "-trimpath", "-ldflags", flags, "-o", &out];
        go(&inside, &arguments)
            .arguments(&[package])
            .env("CGO_ENABLED", "0")
            .build(name)
    })?;
    Ok(folder.join(name))
}

/// A Go command inside a module of this repository.
pub(crate) fn go(inside: &str, arguments: &[&str]) -> Step {
    // A `go.work` or vendoring of the person who builds is not ours.
    Step::new("go", arguments)
        .inside(inside)
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly")
}

/// The folder of the front end.
pub(crate) const FRONT_END: &str = "web-ui/app";

/// Builds the front end into `web-ui/app/dist`, from the cache where its sources are unchanged.
pub(crate) fn front_end(cache: &Cache) -> Result<()> {
    let app = repository_root().join(FRONT_END);
    let made = |name: &str| name.starts_with("dist/") || name.starts_with("test-output/");
    let key = Key::default().folder(&app, |name| !made(name))?;
    let built = cache.get_or_build("front-end", key, |folder| {
        node_modules()?;
        npm(&["run", "build"]).build("the front end")?;
        copy_files(&app.join("dist"), folder)
    })?;
    if !same_files(&built, &app.join("dist"))? {
        copy_files(&built, &app.join("dist"))?;
    }
    Ok(())
}

/// Installs the packages of the front end, where they are not those of the lock file.
pub(crate) fn node_modules() -> Result<()> {
    let app = repository_root().join(FRONT_END);
    let lock = std::fs::read(app.join("package-lock.json")).context("read package-lock.json")?;
    let stamp = app.join("node_modules/.package-lock.of-last-install");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"]).build("the packages of the front end")?;
    Ok(std::fs::write(stamp, lock)?)
}

/// An npm command in the folder of the front end.
pub(crate) fn npm(arguments: &[&str]) -> Step {
    Step::new("npm", arguments)
        .inside(FRONT_END)
        .env("CI", "true")
}

/// cargo-deny of the pinned version.
pub(crate) fn cargo_deny(cache: &Cache) -> Result<PathBuf> {
    let key = Key::default().text(CARGO_DENY);
    let folder = cache.get_or_build("cargo-tools", key, |folder| {
        let root = folder.display().to_string();
        let install = [
            "install",
            "--locked",
            "--root",
            &root,
            "--version",
            CARGO_DENY,
            "cargo-deny",
        ];
        cargo(cache, &install).build("cargo-deny")
    })?;
    Ok(folder.join("bin/cargo-deny"))
}
