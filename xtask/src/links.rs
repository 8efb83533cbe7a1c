//! The relative links of the Markdown files: each must point to a file that is there.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cache::files_of;
use crate::run::repository_root;

/// Fails with all links that point nowhere. Answers with the number of links that it looked at.
pub(crate) fn check() -> Result<u64> {
    let root = repository_root();
    let (mut broken, mut seen) = (Vec::new(), 0);
    for file in files_of(root)?
        .into_iter()
        .filter(|file| is_ours(root, file))
    {
        let text = std::fs::read_to_string(&file)?;
        for (line, target) in links(&text) {
            seen += 1;
            if !resolves(root, &file, &target) {
                let name = file.strip_prefix(root).unwrap_or(&file).display();
                broken.push(format!("{name}:{line}: `{target}` is not there"));
            }
        }
    }
    if !broken.is_empty() {
        bail!("links that point nowhere:\n{}", broken.join("\n"));
    }
    Ok(seen)
}

fn is_ours(root: &Path, file: &Path) -> bool {
    let inside = file.strip_prefix(root).unwrap_or(file);
    file.extension().is_some_and(|extension| extension == "md") && !inside.starts_with("target")
}

/// The targets of `[text](target)` outside code, with their lines, without those of the web.
fn links(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut in_code) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second part between backticks is code.
        for prose in line.split('`').step_by(2) {
            for after in prose.split("](").skip(1) {
                let target = after.split([')', ' ']).next().unwrap_or_default();
                let on_the_web = target.contains("://") || target.starts_with("mailto:");
                if !target.is_empty() && !on_the_web {
                    found.push((number + 1, target.to_owned()));
                }
            }
        }
        // A link whose text is code: [`name`](target).
        for after in line.split("`](").skip(1) {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            let known = found
                .iter()
                .any(|(at, seen)| *at == number + 1 && seen == target);
            if !target.is_empty() && !target.contains("://") && !known {
                found.push((number + 1, target.to_owned()));
            }
        }
    }
    found
}

fn resolves(root: &Path, file: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place: PathBuf = match path.strip_prefix('/') {
        _ if path.is_empty() => file.to_owned(),
        Some(absolute) => root.join(absolute),
        None => file.parent().unwrap_or(root).join(path),
    };
    if !place.exists() {
        return false;
    }
    let is_text = place.extension().is_some_and(|extension| extension == "md");
    if anchor.is_empty() || !is_text {
        return true;
    }
    std::fs::read_to_string(&place).is_ok_and(|text| anchors(&text).any(|known| known == anchor))
}

/// The anchors that Git hosts give to headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_prose_are_found_and_those_in_code_and_on_the_web_are_not() {
        let text =
            "a [b](c.md#d) `[x](y)` [w](https://example.com)\n```\n[n](o)\n```\n[`p`](q.md)\n";
        assert_eq!(
            links(text),
            [(1, "c.md#d".to_owned()), (5, "q.md".to_owned())]
        );
    }

    #[test]
    fn a_heading_has_the_anchor_that_git_hosts_give_it() {
        let found: Vec<String> = anchors("# The *one* table (v2)\ntext\n").collect();
        assert_eq!(found, ["the-one-table-v2"]);
    }
}
