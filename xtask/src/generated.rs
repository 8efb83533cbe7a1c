//! The files that are generated from the code and kept in the repository.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cache::Cache;
use crate::proof;
use crate::run::{Step, repository_root};
use crate::stages::{build, built};
use crate::tools::{node_modules, npm};

/// What to do with a generated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write it.
    Write,
    /// Fail if it differs from the one in the repository.
    Compare,
}

/// Generates all files.
pub(crate) fn all(cache: &Cache, mode: Mode) -> Result<()> {
    build(cache)?;
    let syncline = |arguments: &[&str]| Step::new(&built(cache, "syncline"), arguments).read();
    let mut files = definitions(&syncline(&["crds"])?)?;
    files.push(("docs/reasons.md".to_owned(), syncline(&["reasons"])?));
    files.push(("docs/settings.md".to_owned(), syncline(&["settings"])?));
    files.push(("docs/proof.md".to_owned(), proof::page(repository_root())?));
    let document = Step::new(&built(cache, "examples/openapi"), &[]).read()?;
    files.push(("web-ui/openapi.json".to_owned(), document));

    let root = repository_root();
    let stale: Vec<&str> = files
        .iter()
        .filter(|(name, text)| !is_same(&root.join(name), text))
        .map(|(name, _)| name.as_str())
        .collect();
    match mode {
        Mode::Compare if !stale.is_empty() => bail!(
            "these files are not what the code generates; run `cargo xtask gen`:\n  {}",
            stale.join("\n  ")
        ),
        Mode::Compare => {}
        Mode::Write => {
            for (name, text) in files
                .iter()
                .filter(|(name, _)| stale.contains(&name.as_str()))
            {
                println!("writing {name}");
                std::fs::write(root.join(name), text).with_context(|| format!("write {name}"))?;
            }
        }
    }
    // The types of the front end come from the OpenAPI document.
    node_modules()?;
    match mode {
        Mode::Write => npm(&["run", "gen"]).run(),
        Mode::Compare => npm(&["run", "gen:check"]).run(),
    }
}

/// One file for each custom resource definition, named as their list beside them says.
fn definitions(text: &str) -> Result<Vec<(String, String)>> {
    let files: Result<Vec<_>> = text
        .split("\n---\n")
        .map(|document| {
            let name = document
                .lines()
                .find_map(|line| {
                    line.trim()
                        .strip_prefix("name: ")?
                        .split_once(".syncline.dev")
                })
                .context("a definition has no name")?
                .0;
            let file = format!("config/crd/syncline.dev_{name}.yaml");
            Ok((file, format!("{}\n", document.trim_end())))
        })
        .collect();
    let files = files?;
    ensure!(
        files.len() >= 3,
        "only {} custom resource definitions",
        files.len()
    );
    Ok(files)
}

fn is_same(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|old| old == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_definition_is_a_file_of_its_own() {
        let one =
            |name: &str| format!("metadata:\n  name: {name}.syncline.dev\nspec:\n  name: x\n");
        let text = [one("a"), one("b"), one("c")].join("---\n");
        let files = definitions(&text).unwrap();
        assert_eq!(
            files[1],
            ("config/crd/syncline.dev_b.yaml".to_owned(), one("b"))
        );
    }

    #[test]
    fn an_empty_output_is_refused() {
        assert!(definitions("").is_err());
    }
}
