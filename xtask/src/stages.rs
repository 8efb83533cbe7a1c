//! The checks of `cargo xtask test`: in order, timed, all of them also after a failure.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cache::Cache;
use crate::cargo;
use crate::disk;
use crate::generated::{self, Mode};
use crate::links;
use crate::packages::{CHROMIUM, POSTGRES};
use crate::run::{Count, Step, time};
use crate::tools::{Tools, cargo_deny, check_machine, front_end, go, node_modules, npm};

/// A check, what it needs, and its work.
struct Stage {
    name: &'static str,
    what: &'static str,
    work: fn(&Cache, &mut Count) -> Result<()>,
}

const STAGES: [Stage; 11] = [
    Stage {
        name: "fmt",
        what: "format of the code",
        work: format,
    },
    Stage {
        name: "tools",
        what: "programs that the tests need",
        work: tools,
    },
    Stage {
        name: "ui",
        what: "types, tests and build of the front end",
        work: ui,
    },
    Stage {
        name: "clippy",
        what: "lints of the whole workspace",
        work: clippy,
    },
    Stage {
        name: "deny",
        what: "licences, sources and owners of dependencies",
        work: deny,
    },
    Stage {
        name: "gen",
        what: "generated files are what the code generates",
        work: generate,
    },
    Stage {
        name: "doc",
        what: "documentation builds, links lead somewhere",
        work: document,
    },
    Stage {
        name: "renderer",
        what: "vet and tests of the renderer",
        work: renderer,
    },
    Stage {
        name: "tests",
        what: "unit tests, and integration tests on a real control plane",
        work: tests,
    },
    Stage {
        name: "pages",
        what: "every page of the web UI in every state, in a browser",
        work: pages,
    },
    Stage {
        name: "demo",
        what: "the demo's story, and the web UI in a browser",
        work: story,
    },
];

/// How a stage ended.
struct Ended {
    name: &'static str,
    took: Duration,
    count: Count,
    error: Option<anyhow::Error>,
}

/// Prints the names of the stages.
pub(crate) fn list() {
    for Stage { name, what, .. } in STAGES {
        println!("{name:9} {what}");
    }
}

/// Runs the stages that are named, or all. The last line is like one of cargo's test runner.
pub(crate) fn run(only: &[&str]) -> Result<ExitCode> {
    for name in only {
        let known = STAGES.iter().any(|stage| stage.name == *name);
        ensure!(
            known,
            "`{name}` is not a stage; see `cargo xtask test --list`"
        );
    }
    let cache = Cache::open()?;
    if only.is_empty() {
        disk::ensure_room(&cache)?;
    }
    let begin = Instant::now();
    let mut ended = Vec::new();
    for stage in STAGES
        .iter()
        .filter(|stage| only.is_empty() || only.contains(&stage.name))
    {
        println!("\n=== {}: {}", stage.name, stage.what);
        let start = Instant::now();
        let mut count = Count::default();
        let error = (stage.work)(&cache, &mut count).err();
        if let Some(error) = &error {
            eprintln!("error: {}: {error:#}", stage.name);
        }
        ended.push(Ended {
            name: stage.name,
            took: start.elapsed(),
            count,
            error,
        });
    }
    Ok(report(&ended, begin.elapsed()))
}

fn report(ended: &[Ended], took: Duration) -> ExitCode {
    println!("\n{:9} {:>9} {:>8}  result", "stage", "time", "tests");
    let mut total = Count::default();
    for stage in ended {
        let result = if stage.error.is_none() {
            "ok"
        } else {
            "FAILED"
        };
        let tests = stage.count.passed + stage.count.failed;
        println!(
            "{:9} {:>9} {tests:>8}  {result}",
            stage.name,
            time(stage.took)
        );
        // A stage that fails without a failed test is a failed check of its own, and one without
        // any test is a check that passed.
        let mut count = stage.count;
        match &stage.error {
            Some(_) if count.failed == 0 => count.failed = 1,
            None if tests == 0 => count.passed = 1,
            _ => {}
        }
        total.add(count);
    }
    for stage in ended {
        if let Some(error) = &stage.error {
            println!("\n{} failed: {error:#}", stage.name);
        }
    }
    let failed = ended.iter().any(|stage| stage.error.is_some());
    println!(
        "\ntest result: {}. {} passed; {} failed; {} ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s",
        if failed { "FAILED" } else { "ok" },
        total.passed,
        total.failed,
        total.ignored,
        took.as_secs_f64()
    );
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The integration tests, as a step that is still to be run.
pub(crate) fn integration_tests(cache: &Cache, tools: &Tools, filters: &[&str]) -> Result<Step> {
    build(cache)?;
    let test = [
        "test",
        "--locked",
        "--workspace",
        FAILPOINTS,
        "--test",
        "it",
        "--",
    ];
    Ok(with_programs(
        cargo(cache, &test).arguments(filters),
        cache,
        tools,
    ))
}

/// The demo, as a step that is still to be run.
pub(crate) fn demo(cache: &Cache, tools: &Tools, arguments: &[&str]) -> Result<Step> {
    build(cache)?;
    let program = built(cache, "demo");
    Ok(with_programs(Step::new(&program, arguments), cache, tools))
}

/// The bench of the sync, of health, of a chain, of images or of the UI, as a step to be run: the
/// agent as it is released, and the client that measures it built in the same way.
pub(crate) fn bench_sync(cache: &Cache, tools: &Tools, flags: &[&str]) -> Result<Step> {
    let build = ["build", "--locked", "--release"];
    cargo(cache, &build)
        .arguments(&["--package", "syncline", "--package", "syncline-tests"])
        .arguments(&["--bin", "syncline", "--bin", "bench"])
        .run()?;
    let built = |name: &str| cache.cargo_target().join("release").join(name);
    let out = cache.cargo_target().join("bench").display().to_string();
    let step = Step::new(&built("bench").display().to_string(), flags);
    let step = if flags.contains(&"--out") {
        step
    } else {
        step.arguments(&["--out", &out])
    };
    Ok(with_programs(step, cache, tools).env("SYNCLINE_AGENT", built("syncline")))
}

/// The bench of the renders, as a step that is still to be run. It needs no control plane.
pub(crate) fn bench_render(cache: &Cache, flags: &[&str]) -> Result<Step> {
    let (renderer, helm, kustomize) = Tools::for_renders(cache)?;
    Ok(bench_alone(cache, "render", flags)?
        .env("SYNCLINE_RENDERER", renderer)
        .env("SYNCLINE_HELM", helm)
        .env("SYNCLINE_KUSTOMIZE", kustomize))
}

/// The bench of Git, as a step that is still to be run. It needs no control plane.
pub(crate) fn bench_git(cache: &Cache, flags: &[&str]) -> Result<Step> {
    check_machine()?;
    bench_alone(cache, "git", flags)
}

/// The bench of the history, as a step that is still to be run. It needs PostgreSQL alone.
pub(crate) fn bench_store(cache: &Cache, flags: &[&str]) -> Result<Step> {
    check_machine()?;
    let step = bench_alone(cache, "store", flags)?;
    Ok(step.env("SYNCLINE_POSTGRES", POSTGRES.program()?))
}

/// A kind of bench that runs without the agent's program.
fn bench_alone(cache: &Cache, kind: &str, flags: &[&str]) -> Result<Step> {
    let build = ["build", "--locked", "--release"];
    cargo(cache, &build)
        .arguments(&["--package", "syncline-tests", "--bin", "bench"])
        .run()?;
    let program = cache.cargo_target().join("release").join("bench");
    let out = cache.cargo_target().join("bench").display().to_string();
    let step = Step::new(&program.display().to_string(), &[kind, "--out", &out]);
    Ok(step.arguments(flags))
}

/// Every page in every state, with invented applications, as a step that is still to be run.
pub(crate) fn screenshots(cache: &Cache, pages: &[&str]) -> Result<Step> {
    let browser = browser()?;
    node_modules()?;
    front_end(cache)?;
    build(cache)?;
    let sheets = cache.cargo_target().join("screenshots");
    Ok(npm(&["run", "screenshots", "--"])
        .arguments(pages)
        .env("SYNCLINE_FIXTURE", built(cache, "examples/fixture"))
        .env("SYNCLINE_SCREENSHOTS", sheets)
        .env("SYNCLINE_CHROMIUM", browser))
}

/// The agent of the tests has failpoints; a released one has not.
const FAILPOINTS: &str = "--features=syncline/failpoints";

/// Builds everything at once. Every step selects the whole workspace, because cargo builds a
/// dependency anew for each set of features that a smaller selection asks for.
pub(crate) fn build(cache: &Cache) -> Result<()> {
    cargo(
        cache,
        &[
            "build",
            "--locked",
            "--workspace",
            "--all-targets",
            FAILPOINTS,
        ],
    )
    .run()
}

/// The path of a program of the workspace, after [`build`].
pub(crate) fn built(cache: &Cache, name: &str) -> String {
    cache
        .cargo_target()
        .join("debug")
        .join(name)
        .display()
        .to_string()
}

/// Names the programs to the harness.
fn with_programs(step: Step, cache: &Cache, tools: &Tools) -> Step {
    let step = step
        .env("SYNCLINE_BIN_DIR", &tools.control_plane)
        .env(
            "SYNCLINE_REGISTRY_BIN",
            tools.control_plane.join("registry"),
        )
        .env("SYNCLINE_RENDERER", &tools.renderer)
        .env("SYNCLINE_HELM", &tools.helm)
        .env("SYNCLINE_KUSTOMIZE", &tools.kustomize)
        .env("SYNCLINE_AGENT", built(cache, "syncline"));
    let of_tests = [
        ("SYNCLINE_GITEA_DIR", &tools.gitea),
        ("SYNCLINE_SSHD", &tools.sshd),
        ("SYNCLINE_POSTGRES", &tools.postgres),
    ];
    let step = of_tests
        .into_iter()
        .filter_map(|(name, path)| Some((name, path.as_ref()?)))
        .fold(step, |step, (name, path)| step.env(name, path));
    match CHROMIUM.program() {
        Ok(program) => step.env("SYNCLINE_CHROMIUM", program),
        // Only the browser tests need it, and they say so.
        Err(_) => step,
    }
}

fn count(step: &Step, count: &mut Count) -> Result<()> {
    let (counted, result) = step.count();
    count.add(counted);
    result
}

fn format(cache: &Cache, _: &mut Count) -> Result<()> {
    cargo(cache, &["fmt", "--all", "--check"]).run()?;
    let renderer = "agent/render/renderer";
    let unformatted = Step::new("gofmt", &["-l", "."]).inside(renderer).read()?;
    ensure!(
        unformatted.is_empty(),
        "gofmt would change in {renderer}:\n{unformatted}"
    );
    Ok(())
}

fn tools(cache: &Cache, _: &mut Count) -> Result<()> {
    Tools::all(cache)?;
    Ok(())
}

fn ui(cache: &Cache, counted: &mut Count) -> Result<()> {
    node_modules()?;
    npm(&["run", "check"]).run()?;
    count(&npm(&["test"]), counted)?;
    front_end(cache)
}

fn clippy(cache: &Cache, _: &mut Count) -> Result<()> {
    let all = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        FAILPOINTS,
        "--",
        "-D",
        "warnings",
    ];
    cargo(cache, &all).run()
}

fn deny(cache: &Cache, _: &mut Count) -> Result<()> {
    let program = cargo_deny(cache)?.display().to_string();
    Step::new(
        &program,
        &["--locked", "check", "bans", "licenses", "sources"],
    )
    .run()
}

fn generate(cache: &Cache, _: &mut Count) -> Result<()> {
    generated::all(cache, Mode::Compare)
}

fn document(cache: &Cache, counted: &mut Count) -> Result<()> {
    let all = ["doc", "--locked", "--workspace", "--no-deps"];
    cargo(cache, &all)
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    counted.passed += links::check()?;
    Ok(())
}

fn renderer(_: &Cache, counted: &mut Count) -> Result<()> {
    go("agent/render/renderer", &["vet", "./..."]).run()?;
    count(
        &go("agent/render/renderer", &["test", "-v", "./..."]),
        counted,
    )
}

fn tests(cache: &Cache, counted: &mut Count) -> Result<()> {
    let tools = Tools::for_tests(cache)?;
    build(cache)?;
    // All failures at once, whatever crate they are in.
    let all = [
        "test",
        "--locked",
        "--workspace",
        "--no-fail-fast",
        FAILPOINTS,
    ];
    let step = cargo(cache, &all);
    count(&with_programs(step, cache, &tools), counted)
}

fn pages(cache: &Cache, _: &mut Count) -> Result<()> {
    screenshots(cache, &[])?.run()?;
    let fixture = built(cache, "examples/fixture");
    for what in ["list", "resources", "tabs"] {
        npm(&["run", what])
            .env("SYNCLINE_FIXTURE", &fixture)
            .env("SYNCLINE_CHROMIUM", browser()?)
            .run()?;
    }
    Ok(())
}

fn browser() -> Result<PathBuf> {
    let browser = CHROMIUM
        .program()
        .context("the browser tests need Chromium")?;
    if !browser.exists() {
        bail!("{} does not exist", browser.display());
    }
    Ok(browser)
}

fn story(cache: &Cache, counted: &mut Count) -> Result<()> {
    let tools = Tools::for_demo(cache)?;
    browser()?;
    count(&demo(cache, &tools, &["--check", "--browser"])?, counted)
}
