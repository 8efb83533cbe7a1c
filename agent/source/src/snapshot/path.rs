//! Paths inside a repository: checked before they are followed.

use crate::error::Error;

/// The plain form of a path of the repository: no `.`, no doubled or trailing slash. Empty for the
/// root.
///
/// # Errors
/// [`Error::InvalidPath`] for `..`, an absolute path, control characters and names under which Git
/// keeps its own files.
pub(crate) fn checked(path: &str) -> Result<String, Error> {
    let refuse = |problem| {
        let path = path
            .chars()
            .take(256)
            .flat_map(char::escape_debug)
            .collect();
        Err(Error::InvalidPath { path, problem })
    };
    if path.starts_with('/') {
        return refuse("a path is relative to the root of the repository");
    }
    if path.chars().any(char::is_control) {
        return refuse("a path has no control characters");
    }
    let names: Vec<&str> = path
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    if names.contains(&"..") {
        return refuse("a path does not go up with `..`");
    }
    if names.iter().any(|name| forbidden(name)) {
        return refuse("a path does not lead into `.git`");
    }
    Ok(names.join("/"))
}

/// Whether an entry of a tree must not have the name.
pub(super) fn forbidden(name: &str) -> bool {
    matches!(name, "" | "." | "..")
        || name.contains('/')
        || name.chars().any(char::is_control)
        || [".git", "git~1", ".git~1"]
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// A name in a directory; the root is the empty path.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_taken_in_one_form() {
        for (given, plain) in [
            ("", ""),
            (".", ""),
            ("./a//b/", "a/b"),
            ("a/..b/c...", "a/..b/c..."),
            ("a b/ä", "a b/ä"),
        ] {
            assert_eq!(checked(given).unwrap(), plain);
        }
    }

    #[test]
    fn bad_b52_paths_that_lead_elsewhere_are_refused() {
        for path in [
            "../a",
            "a/../b",
            "/etc/passwd",
            "a\0b",
            "a\nb",
            ".git/config",
            "a/.GIT/x",
            "a/git~1/x",
            "a/.GIT~1",
        ] {
            let error = checked(path).unwrap_err();
            assert!(matches!(error, Error::InvalidPath { .. }), "{path:?}");
            assert!(!error.to_string().chars().any(char::is_control), "{path:?}");
        }
    }
}
