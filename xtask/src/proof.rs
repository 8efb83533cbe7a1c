//! The page that says which test proves which invariant, fault and bad input.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// The three kinds of rows: prefix of a test's name, letter of the row, heading, what a row is.
const KINDS: [(&str, char, &str, &str); 3] = [
    ("inv_", 'i', "Invariants", "what holds whatever happens"),
    (
        "fault_",
        'f',
        "Faults",
        "what breaks around the agent, and what it does then",
    ),
    (
        "bad_",
        'b',
        "Bad input",
        "what people and programs write, and the clear error that they get",
    ),
];

/// Folders without tests of ours.
const SKIPPED: [&str; 5] = ["target", "node_modules", ".git", "dist", "test-output"];

/// A test and where it is.
struct Test {
    name: String,
    file: String,
}

/// The page, from the names of all tests below `root`.
pub(crate) fn page(root: &Path) -> Result<String> {
    let mut tests = Vec::new();
    collect(root, root, &mut tests)?;
    ensure!(
        !tests.is_empty(),
        "no test names an invariant, a fault or a bad input"
    );
    let mut out = String::from(
        "# What is proved, and by which test\n\nEvery row is one incident class, fault or bad input \
         that tools of this kind have met. A test carries the numbers of its rows in its name; \
         `cargo xtask test` runs all of them. Rows that are not here have no test yet.\n",
    );
    for (prefix, letter, heading, what) in KINDS {
        let mut rows: BTreeMap<u32, Vec<&Test>> = BTreeMap::new();
        for test in &tests {
            for number in numbers(&test.name, prefix, letter) {
                rows.entry(number).or_default().push(test);
            }
        }
        let count = rows.len();
        write!(
            out,
            "\n## {heading}: {what}\n\n{count} rows.\n\n| Row | Test | In |\n|---|---|---|\n"
        )?;
        for (number, mut proofs) in rows {
            proofs.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
            for test in proofs {
                let row = format!("{}{number}", letter.to_ascii_uppercase());
                writeln!(out, "| {row} | `{}` | `{}` |", test.name, test.file)?;
            }
        }
    }
    Ok(out)
}

fn collect(root: &Path, folder: &Path, tests: &mut Vec<Test>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
            collect(root, &path, tests)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let file = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            for name in text.lines().filter_map(test_name) {
                tests.push(Test {
                    name,
                    file: file.clone(),
                });
            }
        }
    }
    Ok(())
}

/// The name of a function that says which row it proves.
fn test_name(line: &str) -> Option<String> {
    let rest = line
        .trim()
        .trim_start_matches("async ")
        .strip_prefix("fn ")?;
    let name = rest.split('(').next()?.trim();
    KINDS
        .iter()
        .any(|(prefix, letter, ..)| !numbers(name, prefix, *letter).is_empty())
        .then(|| name.to_owned())
}

/// The numbers of the rows in a name: `bad_b49_b50_urls` has 49 and 50.
fn numbers(name: &str, prefix: &str, letter: char) -> Vec<u32> {
    let Some(rest) = name.strip_prefix(prefix) else {
        return Vec::new();
    };
    rest.split('_')
        .map_while(|part| part.strip_prefix(letter)?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_name_are_read() {
        assert_eq!(numbers("bad_b49_b50_urls", "bad_", 'b'), [49, 50]);
        assert_eq!(numbers("inv_i04_a_record", "inv_", 'i'), [4]);
        assert!(numbers("bad_input", "bad_", 'b').is_empty());
        assert_eq!(
            test_name("    async fn fault_f02_x() {"),
            Some("fault_f02_x".to_owned())
        );
        assert_eq!(test_name("fn invalid() {"), None);
    }
}
