//! Running one program of a step: its output is shown, the tests that it counts are added up.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// A program with its arguments, folder and environment, not yet run.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    program: String,
    arguments: Vec<String>,
    folder: PathBuf,
    environment: Vec<(String, OsString)>,
}

/// The tests that a program has counted on its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were left out.
    pub(crate) ignored: u64,
}

impl Step {
    /// A step in the root of the repository.
    pub(crate) fn new(program: &str, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            folder: repository_root().to_owned(),
            environment: Vec::new(),
        }
    }

    /// The same step in another folder, relative to the root of the repository.
    pub(crate) fn inside(mut self, folder: &str) -> Self {
        self.folder = repository_root().join(folder);
        self
    }

    /// Adds a variable to the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds arguments.
    pub(crate) fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments
            .extend(more.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Runs it with the terminal as its input and output.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self
            .command()
            .status()
            .with_context(|| format!("run {self}"))?;
        ensure!(status.success(), "{self} ended with {status}");
        Ok(())
    }

    /// Runs it without input, shows its output and counts the tests that it reports.
    pub(crate) fn count(&self) -> (Count, Result<()>) {
        let mut count = Count::default();
        let result = self.watch(&mut count);
        (count, result)
    }

    /// Runs it and answers with what it printed; its errors are shown.
    pub(crate) fn read(&self) -> Result<String> {
        let mut command = self.command();
        let out = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("run {self}"))?;
        ensure!(out.status.success(), "{self} ended with {}", out.status);
        String::from_utf8(out.stdout).with_context(|| format!("the output of {self}"))
    }

    /// Runs a long build: one line now and then says how far it is. What it prints is shown only
    /// when it fails.
    pub(crate) fn build(&self, what: &str) -> Result<()> {
        let begin = Instant::now();
        println!("building {what} ...");
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {self}"))?;
        let errors = child.stderr.take().context("the program has no output")?;
        let (mut lines, mut said) = (Vec::new(), begin);
        for line in BufReader::new(errors).lines() {
            lines.push(line.unwrap_or_default());
            if said.elapsed() > Duration::from_secs(10) {
                said = Instant::now();
                println!("  {what}: {} steps, {}", lines.len(), time(begin.elapsed()));
            }
        }
        let status = child.wait()?;
        if !status.success() {
            let end = &lines[lines.len().saturating_sub(40)..];
            bail!("{self} ended with {status}:\n{}", end.join("\n"));
        }
        println!("  {what}: built in {}", time(begin.elapsed()));
        Ok(())
    }

    fn watch(&self, count: &mut Count) -> Result<()> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {self}"))?;
        let output = child.stdout.take().context("the program has no output")?;
        show(output, count)?;
        let status = child.wait()?;
        ensure!(status.success(), "{self} ended with {status}");
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        // Cargo describes this package to it in the environment; a cargo below would take that for
        // a change of its own and build the crates anew that look at it.
        for (name, _) in std::env::vars_os().filter(|(name, _)| describes_a_package(name)) {
            command.env_remove(name);
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        command
    }
}

fn describes_a_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
        "CARGO_PRIMARY_",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = Path::new(&self.program)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        write!(f, "`{program} {}`", self.arguments.join(" "))
    }
}

fn show(output: impl Read, count: &mut Count) -> Result<()> {
    let mut shown = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        count.add_line(&line);
        writeln!(shown, "{line}")?;
    }
    Ok(())
}

impl Count {
    /// Adds another count.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Reads one line of cargo's test runner (`test result: ok. 3 passed; 0 failed; ...`), of
    /// node's (`# pass 3`), or of `go test -v` (`--- PASS: ...`).
    fn add_line(&mut self, line: &str) {
        if let Some((_, numbers)) = line.split_once("test result: ") {
            let number_of = |word: &str| {
                numbers
                    .split([';', '.'])
                    .find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
                    .unwrap_or_default()
            };
            self.passed += number_of("passed");
            self.failed += number_of("failed");
            self.ignored += number_of("ignored");
        }
        let number_after = |start: &str| {
            let rest = ["# ", "\u{2139} "]
                .iter()
                .find_map(|mark| line.strip_prefix(mark))?;
            rest.strip_prefix(start)?.trim().parse::<u64>().ok()
        };
        self.passed += number_after("pass ").unwrap_or_default();
        self.failed += number_after("fail ").unwrap_or_default();
        self.ignored += number_after("skipped ").unwrap_or_default();
        self.passed += u64::from(line.trim_start().starts_with("--- PASS: "));
        self.failed += u64::from(line.trim_start().starts_with("--- FAIL: "));
    }
}

/// `4m 05s` or `12.3s`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

/// The root of the repository.
pub(crate) fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package has a parent folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Count {
        let mut count = Count::default();
        text.lines().for_each(|line| count.add_line(line));
        count
    }

    #[test]
    fn the_tests_of_all_three_runners_are_counted() {
        let cargo =
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            count(cargo),
            Count {
                passed: 12,
                failed: 1,
                ignored: 2
            }
        );
        let node = "# tests 5\n# pass 4\n# fail 1\n# skipped 0\n";
        assert_eq!(
            count(node),
            Count {
                passed: 4,
                failed: 1,
                ignored: 0
            }
        );
        let go = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- FAIL: TestB/x (0.00s)\nok  x\n";
        assert_eq!(
            count(go),
            Count {
                passed: 1,
                failed: 1,
                ignored: 0
            }
        );
    }

    #[test]
    fn a_failing_program_is_an_error_that_names_it() {
        let (_, result) = Step::new("sh", &["-c", "exit 3"]).count();
        let error = result.unwrap_err().to_string();
        assert!(error.contains("`sh -c") && error.contains('3'), "{error}");
    }
}
