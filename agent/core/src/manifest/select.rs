//! Which files below the path of an application are manifests.
//!
//! Those whose names end in `.yaml`, `.yml` or `.json`, as `kubectl` takes them, unless
//! `exclude` or a file `.synclineignore` leaves them out, or `include` is set and does not name
//! them. A name that begins with a dot is as good as any other.

use std::collections::HashMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::outcome::Failure;
use crate::reason::Reason;

/// The file that leaves files out, in the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".synclineignore";

/// The paths of the files [`IGNORE_FILE`] that stand above a path and so speak for what is below
/// it: of the root, and of each directory down to the path itself.
pub fn ignore_files_above(path: &str) -> impl Iterator<Item = String> + '_ {
    let ends = path.match_indices('/').map(|(end, _)| end);
    let ends = ends.chain((!path.is_empty()).then_some(path.len()));
    std::iter::once(IGNORE_FILE.to_owned())
        .chain(ends.map(|end| format!("{}/{IGNORE_FILE}", &path[..end])))
}

/// What is selected below one path.
#[derive(Debug)]
pub struct Filter {
    /// The path of the application; empty for the root.
    path: String,
    include: Option<GlobSet>,
    exclude: GlobSet,
    /// By directory; empty for the root.
    ignored: HashMap<String, Gitignore>,
}

impl Filter {
    /// Prepares the selection below a path of the repository, which has no slash at its ends.
    ///
    /// `include` and `exclude` are globs relative to that path: `*` stops at a slash, `**` does
    /// not, `{a,b}` is one of the two. No `include` means all. Of each file [`IGNORE_FILE`] the
    /// directory is given, from the root of the repository, and the text.
    ///
    /// # Errors
    /// [`Reason::InvalidPattern`], with the pattern and where it stands.
    pub fn new(
        path: &str,
        include: &[String],
        exclude: &[String],
        ignore_files: &[(String, String)],
    ) -> Result<Self, Failure> {
        let mut ignored = HashMap::new();
        for (directory, text) in ignore_files {
            ignored.insert(directory.clone(), ignore_file(directory, text)?);
        }
        Ok(Self {
            path: path.to_owned(),
            include: if include.is_empty() {
                None
            } else {
                Some(globs("include", include)?)
            },
            exclude: globs("exclude", exclude)?,
            ignored,
        })
    }

    /// Whether the file is a manifest. Its path is that from the root of the repository.
    pub fn takes(&self, path: &str) -> bool {
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        if !matches!(extension, Some("yaml" | "yml" | "json")) {
            return false;
        }
        let below = match path.strip_prefix(&self.path) {
            Some(below) if self.path.is_empty() => below,
            // The path may name the file itself.
            Some("") => name,
            Some(below) => match below.strip_prefix('/') {
                Some(below) => below,
                None => return false,
            },
            None => return false,
        };
        let included = self.include.as_ref().is_none_or(|set| set.is_match(below));
        included && !self.exclude.is_match(below) && !self.ignores(path)
    }

    /// Whether a file [`IGNORE_FILE`] leaves the path out: itself, or a directory on the way to
    /// it, for then nothing below can be taken in again.
    fn ignores(&self, path: &str) -> bool {
        if self.ignored.is_empty() {
            return false;
        }
        let directories = path.match_indices('/').map(|(end, _)| (&path[..end], true));
        directories
            .chain([(path, false)])
            .any(|(path, is_directory)| self.verdict(path, is_directory))
    }

    /// What the nearest file says that says anything of the path.
    fn verdict(&self, path: &str, is_directory: bool) -> bool {
        let mut directory = path;
        while !directory.is_empty() {
            directory = directory.rsplit_once('/').map_or("", |(above, _)| above);
            let Some(rules) = self.ignored.get(directory) else {
                continue;
            };
            let below = path[directory.len()..].trim_start_matches('/');
            match rules.matched(below, is_directory) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }
}

/// Refuses names that some machine could not hold or would misread: control characters, `-` at the
/// beginning, and names of one directory that differ only in upper and lower case. The paths are
/// those of the files that are read, from the root of the repository.
///
/// # Errors
/// [`Reason::InvalidFileName`] and [`Reason::NameClash`], each path once.
pub fn check_names<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<(), Vec<Failure>> {
    let mut failures = Vec::new();
    let mut known: HashMap<String, &str> = HashMap::new();
    for path in paths {
        if let Some(name) = path.split('/').find(|name| is_misleading(name)) {
            failures.push(Failure {
                reason: Reason::InvalidFileName,
                detail: format!(
                    "{}: the name `{}` has a control character or begins with `-`",
                    path.escape_debug(),
                    name.escape_debug()
                ),
            });
        }
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain([path.len()]) {
            let path = &path[..end];
            let other = *known.entry(path.to_lowercase()).or_insert(path);
            if other != path {
                failures.push(Failure {
                    reason: Reason::NameClash,
                    detail: format!(
                        "{} and {} differ only in upper and lower case",
                        other.escape_debug(),
                        path.escape_debug()
                    ),
                });
                break;
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// Whether a terminal or a command would take the name for something else.
pub fn is_misleading(name: &str) -> bool {
    name.starts_with('-') || name.chars().any(char::is_control)
}

fn ignore_file(directory: &str, text: &str) -> Result<Gitignore, Failure> {
    let place = if directory.is_empty() {
        IGNORE_FILE.to_owned()
    } else {
        format!("{directory}/{IGNORE_FILE}")
    };
    let mut builder = GitignoreBuilder::new("");
    builder.allow_unclosed_class(false);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{place}:{}", index + 1);
        builder
            .add_line(None, &as_glob(line))
            .map_err(|error| invalid(&place(), line, &why(&error)))?;
    }
    builder
        .build()
        .map_err(|error| invalid(&place, "", &why(&error)))
}

/// The classes of letters that a pattern may name, as `[[:digit:]]`.
const LETTERS: [(&str, &str); 8] = [
    ("[:alnum:]", "a-zA-Z0-9"),
    ("[:alpha:]", "a-zA-Z"),
    ("[:digit:]", "0-9"),
    ("[:lower:]", "a-z"),
    ("[:upper:]", "A-Z"),
    ("[:space:]", " \t"),
    ("[:xdigit:]", "0-9a-fA-F"),
    ("[:blank:]", " \t"),
];

/// A line of `.gitignore` as a glob: braces mean themselves in it, no class takes a slash, and
/// classes have names.
fn as_glob(line: &str) -> String {
    let mut glob = String::with_capacity(line.len() + 8);
    let mut rest = line;
    let mut in_class = false;
    // The slashes that are added below must not tie a name to its directory.
    let name = line.trim_end().strip_prefix('!').unwrap_or(line.trim_end());
    if name.contains('[') && !name.strip_suffix('/').unwrap_or(name).contains('/') {
        rest = move_letter(rest, &mut glob, |letter| letter == '!');
        glob.push_str("**/");
    }
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' if !in_class => {
                glob.push('\\');
                rest = move_letter(rest, &mut glob, |_| true);
            }
            '[' if !in_class => {
                in_class = true;
                glob.push('[');
                let after = move_letter(rest, &mut glob, |letter| matches!(letter, '!' | '^'));
                let negated = after.len() < rest.len();
                // It does not end the class where it stands first.
                rest = move_letter(after, &mut glob, |letter| letter == ']');
                glob.push_str(if negated { "/" } else { "" });
            }
            '[' => match LETTERS
                .iter()
                .find(|(name, _)| rest.starts_with(&name[1..]))
            {
                Some((name, letters)) => {
                    glob.push_str(letters);
                    rest = &rest[name.len() - 1..];
                }
                None => glob.push('['),
            },
            ']' => {
                in_class = false;
                glob.push(']');
            }
            '{' | '}' if !in_class => glob.extend(['\\', letter]),
            _ => glob.push(letter),
        }
    }
    glob
}

/// Moves the first letter over if it is wanted; the answer is what is left.
fn move_letter<'a>(text: &'a str, to: &mut String, wanted: impl Fn(char) -> bool) -> &'a str {
    match text.chars().next().filter(|letter| wanted(*letter)) {
        Some(letter) => {
            to.push(letter);
            &text[letter.len_utf8()..]
        }
        None => text,
    }
}

fn globs(field: &str, patterns: &[String]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| invalid(field, pattern, &error.kind().to_string()))?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| invalid(field, "", &error.kind().to_string()))
}

fn why(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        other => other.to_string(),
    }
}

fn invalid(place: &str, pattern: &str, why: &str) -> Failure {
    let pattern: String = pattern.chars().take(200).collect();
    Failure {
        reason: Reason::InvalidPattern,
        detail: format!(
            "{place}: the pattern `{}` is not valid: {why}",
            pattern.escape_debug()
        ),
    }
}

#[cfg(test)]
mod tests;
