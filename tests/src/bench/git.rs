//! What Git costs the agent, beside the program `git` against the same server in the same run.
//!
//! Both speak HTTP with `git http-backend`, whose time is part of both. Our side is a mirror as the
//! agent keeps it; the program works in a bare clone, and for pushes in one with files. Rounds
//! alternate between the two, so that both see the same machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Mirror, NewCommit, Push, Settings};

use super::report::Spread;
use super::{Effort, Say};
use crate::git_server::git;
use crate::{GitServer, Repo};

/// How many files the repository has.
const FILES: usize = 1_000;
/// How many references the second repository has.
const REFERENCES: usize = 20_000;

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// The version of the program.
    pub program: String,
    /// What was measured, in order.
    pub rows: Vec<Row>,
}

/// One thing that both did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What.
    pub what: String,
    /// How the program did it.
    pub command: String,
    /// Milliseconds of ours.
    pub ours: Spread,
    /// Milliseconds of the program.
    pub program: Spread,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!("{} processors; {}\n", self.processors, self.program);
        let heads = ["ours p50", "p99", "git p50", "p99", "git / ours"];
        let _ = write!(text, "{:34}", "milliseconds");
        for head in heads {
            // Writing to a string does not fail.
            let _ = write!(text, " {head:>10}");
        }
        text += "  command\n";
        for row in &self.rows {
            let (ours, program) = (&row.ours, &row.program);
            let _ = writeln!(
                text,
                "{:34} {:>10.2} {:>10.2} {:>10.2} {:>10.2} {:>10.2}  {}",
                row.what,
                ours.p50,
                ours.p99,
                program.p50,
                program.p99,
                program.p50 / ours.p50,
                row.command,
            );
        }
        text
    }
}

/// Times of both, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    ours: Vec<f64>,
    program: Vec<f64>,
}

impl Times {
    /// Lets both do it, one after the other; in every other round the program begins.
    fn round(
        &mut self,
        number: usize,
        mut ours: impl FnMut() -> Result<()>,
        mut program: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let timed = |work: &mut dyn FnMut() -> Result<()>| -> Result<f64> {
            let began = Instant::now();
            work()?;
            Ok(began.elapsed().as_secs_f64() * 1_000.0)
        };
        if number.is_multiple_of(2) {
            self.ours.push(timed(&mut ours)?);
            self.program.push(timed(&mut program)?);
        } else {
            self.program.push(timed(&mut program)?);
            self.ours.push(timed(&mut ours)?);
        }
        Ok(())
    }

    fn row(self, what: &str, command: &str) -> Row {
        Row {
            what: what.to_owned(),
            command: command.to_owned(),
            ours: Spread::of(self.ours),
            program: Spread::of(self.program),
        }
    }
}

/// Measures everything.
pub async fn run(effort: Effort, say: Say) -> Result<Report> {
    let server = GitServer::start().await?;
    // All of it blocks; the server has a runtime of its own.
    tokio::task::spawn_blocking(move || measure(&server, effort, say))
        .await
        .context("the bench ended early")?
}

fn measure(server: &GitServer, effort: Effort, say: Say) -> Result<Report> {
    let rounds = effort.rounds() * 4;
    let folder = tempfile::tempdir()?;
    let version = git(folder.path(), &["--version"])?;
    let mut report = Report {
        began: jiff::Timestamp::now().to_string(),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        program: version.trim().to_owned(),
        rows: Vec::new(),
    };
    say(&format!("a repository of {FILES} files"));
    let both = Both::prepare(server, "config", folder.path())?;
    let what = "first clone";
    report.rows.push(both.clones(effort.rounds(), what)?);
    say("looks at a branch that did not move");
    report.rows.extend(both.looks(rounds, "look, nothing new")?);
    say("fetches of one commit");
    report.rows.push(both.fetches(rounds)?);
    say("pushes of one commit");
    report.rows.push(both.pushes(rounds)?);
    say(&format!("a repository of {REFERENCES} references"));
    let many = Both::prepare(server, "many", folder.path())?;
    many.add_references()?;
    let what = format!("look, {REFERENCES} references");
    report.rows.extend(many.looks(effort.rounds(), &what)?);
    Ok(report)
}

/// A repository, our mirror of it and a clone by the program.
struct Both {
    repo: Repo,
    url: RepoUrl,
    access: Access,
    mirror: Mirror,
    clone: PathBuf,
    folder: PathBuf,
}

impl Both {
    fn prepare(server: &GitServer, name: &str, folder: &Path) -> Result<Self> {
        let repo = server.create(name, crate::Access::Open)?;
        let files: Vec<(String, String)> = (0..FILES)
            .map(|number| (file(number), manifest(number, 0)))
            .collect();
        let borrowed: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        repo.commit(&borrowed, "Begin")?;
        let url = RepoUrl::parse(repo.url()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        let settings = Settings {
            dir: folder.join("mirrors"),
            ..Settings::default()
        };
        let mirror = Mirror::open(&settings, &url)?;
        let access = Access::default();
        mirror.fetch(&access, "main")?;
        let clone = folder.join("clone.git");
        clone_by_program(&folder, repo.url(), &clone)?;
        Ok(Self {
            repo,
            url,
            access,
            mirror,
            clone,
            folder,
        })
    }

    /// Everything, into an empty folder.
    fn clones(&self, rounds: usize, what: &str) -> Result<Row> {
        let mut times = Times::default();
        for round in 0..rounds {
            let folder = self.folder.join(format!("round-{round}"));
            std::fs::create_dir(&folder)?;
            let settings = Settings {
                dir: folder.join("mirrors"),
                ..Settings::default()
            };
            let clone = folder.join("clone.git");
            times.round(
                round,
                || {
                    Mirror::open(&settings, &self.url)?.fetch(&self.access, "main")?;
                    Ok(())
                },
                || clone_by_program(&folder, self.repo.url(), &clone),
            )?;
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(times.row(what, "git clone --bare --single-branch"))
    }

    /// Nothing changed: the agent's look, beside the listing and beside the fetch of the program.
    fn looks(&self, rounds: usize, what: &str) -> Result<Vec<Row>> {
        let listing = ["ls-remote", "--quiet", "origin", "refs/heads/main"];
        let fetch = fetch_by_program();
        let mut rows = Vec::new();
        for (arguments, command) in [
            (&listing, "git ls-remote URL refs/heads/main"),
            (&fetch, "git fetch origin main"),
        ] {
            let mut times = Times::default();
            for round in 0..rounds {
                times.round(
                    round,
                    || {
                        let fetched = self.mirror.fetch(&self.access, "main")?;
                        ensure!(!fetched.changed, "the branch moved");
                        Ok(())
                    },
                    || git(&self.clone, arguments).map(drop),
                )?;
            }
            rows.push(times.row(what, command));
        }
        Ok(rows)
    }

    /// One commit that changes one file.
    fn fetches(&self, rounds: usize) -> Result<Row> {
        let mut times = Times::default();
        for round in 0..rounds {
            let text = manifest(round, round + 1);
            let commit = self.repo.commit(&[(&file(round), &text)], "Change")?;
            times.round(
                round,
                || {
                    let fetched = self.mirror.fetch(&self.access, "main")?;
                    ensure!(fetched.commit.as_str() == commit, "another commit");
                    Ok(())
                },
                || git(&self.clone, &fetch_by_program()).map(drop),
            )?;
            let fetched = git(&self.clone, &["rev-parse", "refs/heads/main"])?;
            ensure!(fetched.trim() == commit, "the program has another commit");
        }
        Ok(times.row("fetch of one commit", "git fetch origin main"))
    }

    /// One commit that changes one file, made before the clock runs; each side has a branch.
    fn pushes(&self, rounds: usize) -> Result<Row> {
        let tip = self.repo.head()?;
        let mut base = CommitId::parse(&tip).context("a commit id")?;
        self.mirror.fetch(&self.access, "main")?;
        for branch in ["ours", "theirs"] {
            let target = format!("{tip}:refs/heads/{branch}");
            self.repo.git(&["push", "--quiet", "origin", &target])?;
        }
        let work = self.folder.join("work");
        let to = work.display().to_string();
        let clone = ["clone", "--quiet", "--branch=theirs", self.repo.url(), &to];
        git(&self.folder, &clone)?;
        let mut times = Times::default();
        for round in 0..rounds {
            let (path, text) = (file(round), manifest(round, round + 2));
            std::fs::write(work.join(&path), &text)?;
            git(&work, &["commit", "--quiet", "--all", "--message=Change"])?;
            let edits = [(path, text.into_bytes())];
            let commit = self.mirror.commit(&base, &edits, &new_commit(round)?)?;
            times.round(
                round,
                || {
                    let push = self.mirror.push(&self.access, "ours", &commit)?;
                    ensure!(matches!(push, Push::Accepted), "{push:?}");
                    Ok(())
                },
                || git(&work, &["push", "--quiet", "origin", "HEAD:theirs"]).map(drop),
            )?;
            base = commit;
        }
        let pushed = self.repo.git(&["ls-remote", "origin", "refs/heads/ours"])?;
        ensure!(pushed.starts_with(base.as_str()), "the server has {pushed}");
        Ok(times.row("push of one commit", "git push origin HEAD:theirs"))
    }

    /// Many branches, all at the tip, as a server has them after it packed its references.
    fn add_references(&self) -> Result<()> {
        let tip = self.repo.head()?;
        let bare = self.repo.git(&["remote", "get-url", "origin"])?;
        let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for number in 0..REFERENCES {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{tip} refs/heads/topic/{number:05}");
        }
        std::fs::write(Path::new(bare.trim()).join("packed-refs"), text)?;
        let listed = self.repo.git(&["ls-remote", "origin"])?;
        let count = listed.lines().count();
        ensure!(count > REFERENCES, "the server lists {count} references");
        Ok(())
    }
}

fn clone_by_program(folder: &Path, url: &str, to: &Path) -> Result<()> {
    let to = to.display().to_string();
    let options = ["clone", "--quiet", "--bare", "--single-branch", url, &to];
    git(folder, &options).map(drop)
}

fn fetch_by_program() -> [&'static str; 4] {
    ["fetch", "--quiet", "origin", "+main:main"]
}

fn file(number: usize) -> String {
    let number = number % FILES;
    format!("apps/team-{}/app-{number}.yaml", number / 20)
}

fn manifest(number: usize, version: usize) -> String {
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n";
    let mut filler = String::new();
    for line in 0..20 {
        // Writing to a string does not fail.
        let _ = writeln!(
            filler,
            "    example.com/{line}: value-{}",
            number * 31 + line
        );
    }
    format!(
        "{head}  name: app-{number}\n  annotations:\n{filler}spec:\n  template:\n    spec:\n      \
         containers:\n      - name: web\n        image: registry.example/app-{number}:1.{version}.0\n"
    )
}

fn new_commit(round: usize) -> Result<NewCommit> {
    let begin = jiff::Timestamp::UNIX_EPOCH;
    Ok(NewCommit {
        message: format!("Change {round}\n"),
        author_name: "Bench".to_owned(),
        author_email: "bench@example.com".to_owned(),
        time: begin.checked_add(Duration::from_secs(1_700_000_000 + round as u64))?,
        signing: None,
    })
}
