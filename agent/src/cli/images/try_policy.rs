//! `syncline images try`: what an ImagePolicy chooses among the tags of a file, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;
use syncline_core::image::policy::{By, Order};
use syncline_core::image::{Choice, CommitPlace, Context, Limits, Needs, Policy, Tag, Version};
use syncline_core::image::{Digest, choose};

use super::policy_file;
use super::tag_file::TagFile;
use crate::cli::connection::plain;
use crate::cli::{print, report};

/// How many verdicts are printed where not all of them are asked for.
const SHOWN: usize = 20;

/// Arguments of `syncline images try`.
#[derive(Args, Clone, Debug)]
pub(super) struct TryArguments {
    /// File with the ImagePolicy.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Name of the ImagePolicy, where the file has several.
    #[arg(long)]
    name: Option<String>,
    /// File with the tags, `-` for the standard input: a tag per line, or a JSON object per line
    /// with `tag` and what is known of its image: `created`, `digest`, `platforms`, `annotations`.
    #[arg(long, value_name = "FILE")]
    tags: PathBuf,
    /// What Git names now: `TAG` or `TAG@DIGEST`.
    #[arg(long, value_name = "TAG", value_parser = version)]
    current: Option<Version>,
    /// File with the commits of the branch, the newest first, as `git rev-list --topo-order BRANCH`
    /// prints them; for `commits` with a `repository`.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Print what became of every tag.
    #[arg(long)]
    all: bool,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The answer for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    policy: String,
    warnings: &'a [String],
    #[serde(flatten)]
    choice: &'a Choice,
}

/// Reads the files, chooses and prints.
pub(super) fn run(arguments: &TryArguments) -> anyhow::Result<ExitCode> {
    let policy = policy_file::read(&arguments.policy, arguments.name.as_deref())?;
    let shown = match arguments.tags.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => arguments.tags.display().to_string(),
    };
    let tags = TagFile::parse(&shown, &text_of(&arguments.tags)?)?;
    let mut warnings = policy.warnings;
    warnings.extend(tags.warnings.iter().cloned());
    let choice = decide(arguments, &policy.policy, &tags, Timestamp::now())?;
    for warning in &warnings {
        report(&format!("warning: {}", plain(warning)));
    }
    match arguments.output {
        Format::Json => {
            let answer = Answer {
                policy: policy.policy.to_string(),
                warnings: &warnings,
                choice: &choice,
            };
            print(&format!("{}\n", serde_json::to_string_pretty(&answer)?))?;
        }
        Format::Text => {
            print(&text(&choice))?;
        }
    }
    Ok(match choice.chosen {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(1),
    })
}

/// Chooses with what the files say; what they do not say is an error.
fn decide(
    arguments: &TryArguments,
    policy: &Policy,
    tags: &TagFile,
    now: Timestamp,
) -> anyhow::Result<Choice> {
    let everything = arguments.all || arguments.output == Format::Json;
    let mut commits = BTreeMap::new();
    let facts = tags.facts_for(policy.pin);
    let ask = |commits: &BTreeMap<String, CommitPlace>| {
        let context = Context {
            current: arguments.current.as_ref(),
            facts: &facts,
            commits,
            limits: Limits {
                verdicts: if everything { usize::MAX } else { SHOWN },
                facts: usize::MAX,
                round: usize::MAX,
            },
            ..Context::at(now)
        };
        choose(&tags.tags, policy, &context)
    };
    let mut choice = ask(&commits);
    if let (false, Some(file)) = (choice.needs.commits.is_empty(), &arguments.history) {
        commits = places(&choice.needs.commits, file)?;
        choice = ask(&commits);
    }
    if !choice.needs.is_empty() {
        bail!(missing(&choice.needs, policy, tags));
    }
    Ok(choice)
}

/// What the files do not say although the policy has to know it.
fn missing(needs: &Needs, policy: &Policy, tags: &TagFile) -> String {
    if let (false, Order::Commits(By::History { repository, .. })) =
        (needs.commits.is_empty(), &policy.order)
    {
        return format!(
            "the policy orders tags by the history of `{repository}`: give it with `--history`, \
             as `git rev-list --topo-order BRANCH` prints it"
        );
    }
    let place = |tag: &Tag| match tags.line(tag) {
        Some(line) => format!("{}:{line}: `{tag}`", tags.name),
        None => format!("{}: `{tag}`, which is not in it", tags.name),
    };
    let named: Vec<String> = needs.facts.iter().take(3).map(place).collect();
    let more = match needs.facts.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "the policy has to know more of {}{more}; write such lines as JSON, for example \
         {{\"tag\": \"1.2.3\", \"created\": \"2026-01-31T12:00:00Z\", \"digest\": \"sha256:...\", \
         \"platforms\": [\"linux/amd64\"]}}",
        named.join(", ")
    )
}

/// Where the commits stand in a list of ids, the newest first.
fn places(asked: &[String], file: &Path) -> anyhow::Result<BTreeMap<String, CommitPlace>> {
    let shown = file.display();
    let text = text_of(file)?;
    let mut ids = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let id = line.trim();
        let is_id = (7..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
        ensure!(
            is_id,
            "{shown}:{}: `{}` is not a commit id",
            index + 1,
            plain(id)
        );
        ids.push(id.to_ascii_lowercase());
    }
    let place = |asked: &String| {
        let found = ids
            .iter()
            .enumerate()
            .filter(|(_, id)| id.starts_with(asked.as_str()));
        let found: Vec<u64> = found.map(|(depth, _)| depth as u64).take(2).collect();
        match found[..] {
            [] => CommitPlace::Elsewhere,
            [depth] => CommitPlace::At(depth),
            _ => CommitPlace::Ambiguous,
        }
    };
    Ok(asked
        .iter()
        .map(|asked| (asked.clone(), place(asked)))
        .collect())
}

/// The content of a file, or of the standard input.
fn text_of(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("read the standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))
}

fn version(text: &str) -> Result<Version, String> {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (text, None),
    };
    let digest = digest.map(Digest::parse).transpose();
    Ok(Version {
        tag: Tag::parse(tag).map_err(|error| error.to_string())?,
        digest: digest.map_err(|error| error.to_string())?,
    })
}

/// The choice and the verdicts as a table.
fn text(choice: &Choice) -> String {
    let mut out = match (&choice.chosen, &choice.refusal) {
        (Some(version), _) => format!("{version}\n"),
        (None, Some(failure)) => {
            format!(
                "nothing is chosen: {}: {}\n",
                failure.reason,
                plain(&failure.detail)
            )
        }
        (None, None) => "nothing is chosen\n".to_owned(),
    };
    if let (Some(_), Some(failure)) = (&choice.chosen, &choice.withheld) {
        let _ = writeln!(
            out,
            "not yet: {}: {}",
            failure.reason,
            plain(&failure.detail)
        );
    }
    let mut rows = vec![["TAG", "RULE", "WHY"].map(str::to_owned)];
    rows.extend(choice.verdicts.iter().map(|verdict| {
        let rule = verdict.rule.as_str().to_owned();
        [verdict.tag.to_string(), rule, plain(&verdict.sentence)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    out.push('\n');
    for [tag, rule, why] in &rows {
        let _ = writeln!(out, "{tag:first$}  {rule:second$}  {why}");
    }
    let total: usize = choice.counts.values().sum();
    let more = total.saturating_sub(choice.verdicts.len());
    if more > 0 {
        let counts = choice.counts.iter();
        let counts: Vec<_> = counts
            .map(|(rule, count)| format!("{count} {}", rule.as_str()))
            .collect();
        let _ = writeln!(
            out,
            "\n{more} more of {total} ({}); `--all` prints them",
            counts.join(", ")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(order: Order) -> Policy {
        Policy::of(order)
    }

    fn arguments(more: &[&str]) -> TryArguments {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            arguments: TryArguments,
        }
        let words = ["try", "--policy", "p.yaml", "--tags", "-"];
        Line::parse_from(words.iter().chain(more)).arguments
    }

    fn decided(arguments: &TryArguments, policy: &Policy, tags: &str) -> anyhow::Result<Choice> {
        let tags = TagFile::parse("tags.txt", tags)?;
        decide(arguments, policy, &tags, "2026-06-01T00:00:00Z".parse()?)
    }

    #[test]
    fn the_choice_stands_above_the_verdicts() {
        let policy = Policy::parse("^1").unwrap();
        let choice = decided(&arguments(&[]), &policy, "1.0.0\n1.1.0\nlatest\n").unwrap();
        assert_eq!(
            text(&choice),
            "1.1.0\n\n\
             TAG     RULE     WHY\n\
             1.1.0   chosen   the newest version in `^1`\n\
             1.0.0   older    allowed, but older than `1.1.0`\n\
             latest  mutable  such a tag moves: it is chosen only with its digest, by `pin` or `digestOf`\n"
        );
        let down = decided(&arguments(&["--current", "1.2.0"]), &policy, "1.0.0").unwrap();
        assert!(text(&down).starts_with("nothing is chosen: NoDowngrade: Git names `1.2.0`"));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let policy = Policy::parse("*").unwrap();
        let tags: Vec<String> = (0..50).map(|n| format!("1.0.{n}")).collect();
        let tags = tags.join("\n");
        let some = text(&decided(&arguments(&[]), &policy, &tags).unwrap());
        assert!(some.ends_with("30 more of 50 (1 chosen, 49 older); `--all` prints them\n"));
        let all = text(&decided(&arguments(&["--all"]), &policy, &tags).unwrap());
        assert_eq!(all.lines().count(), 53);
    }

    #[test]
    fn what_the_file_does_not_say_is_named_with_its_line() {
        let lines = "{\"tag\": \"a\", \"created\": \"2026-01-01T00:00:00Z\"}\n\nb\n";
        let error = decided(&arguments(&[]), &policy(Order::Newest), lines).unwrap_err();
        assert!(error.to_string().contains("tags.txt:3: `b`;"), "{error}");
        let whole = lines.replace(
            "\nb",
            "{\"tag\": \"b\", \"created\": \"2026-01-02T00:00:00Z\"}",
        );
        let choice = decided(&arguments(&[]), &policy(Order::Newest), &whole).unwrap();
        assert_eq!(choice.chosen.unwrap().to_string(), "b");
    }

    #[test]
    fn commits_are_ordered_by_the_history_that_is_given() {
        let by = By::History {
            repository: "web".into(),
        };
        let policy = policy(Order::Commits(by));
        let tags = "aaaaaaa\nbbbbbbb\nccccccc\n";
        let error = decided(&arguments(&[]), &policy, tags).unwrap_err();
        assert!(error.to_string().contains("--history"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        std::fs::write(&file, format!("{}\n{}\n", "b".repeat(40), "a".repeat(40))).unwrap();
        let shown = file.to_str().unwrap();
        let choice = decided(&arguments(&["--history", shown]), &policy, tags).unwrap();
        assert_eq!(choice.chosen.unwrap().to_string(), "bbbbbbb");
        std::fs::write(&file, "bbbbbbb\nnothing\n").unwrap();
        let error = decided(&arguments(&["--history", shown]), &policy, tags).unwrap_err();
        assert!(error.to_string().contains(":2: `nothing`"), "{error}");
    }

    #[test]
    fn a_pinned_choice_is_printed_with_its_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let tag = Tag::parse("stable").unwrap();
        let policy = policy(Order::DigestOf(tag));
        let lines = format!("{{\"tag\": \"stable\", \"digest\": \"{digest}\"}}\nother\n");
        let choice = decided(&arguments(&[]), &policy, &lines).unwrap();
        assert!(text(&choice).starts_with(&format!("stable@{digest}\n")));
        let without = "{\"tag\": \"stable\", \"created\": \"2026-01-01T00:00:00Z\"}";
        let error = decided(&arguments(&[]), &policy, without).unwrap_err();
        assert!(
            error.to_string().contains("tags.txt:1: `stable`"),
            "{error}"
        );
    }
}
