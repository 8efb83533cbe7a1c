//! Paths inside a repository: checked before they are followed.

use syncline_core::manifest::select::is_misleading;

use crate::error::Error;

/// The plain form of a path of the repository: no `.`, no doubled or trailing slash. Empty for the
/// root.
///
/// # Errors
/// [`Error::InvalidPath`] for `..`, an absolute path and names under which Git keeps its own files;
/// [`Error::InvalidName`] for control characters and a `-` at the beginning of a name.
pub fn checked(path: &str) -> Result<String, Error> {
    let refuse = |problem| {
        let path = printed(path);
        Err(Error::InvalidPath { path, problem })
    };
    if path.starts_with('/') {
        return refuse("a path is relative to the root of the repository");
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
    if let Some(name) = names.iter().find(|name| is_misleading(name)) {
        return Err(Error::InvalidName {
            path: printed(path),
            name: printed(name),
        });
    }
    Ok(names.join("/"))
}

/// A path as it may be shown.
pub(super) fn printed(path: &str) -> String {
    let letters = path.chars().take(256);
    letters.flat_map(char::escape_debug).collect()
}

/// Whether an entry of a tree must not have the name.
pub fn forbidden(name: &str) -> bool {
    matches!(name, "" | "." | "..")
        || name.contains('/')
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
            ".git/config",
            "a/.GIT/x",
            "a/git~1/x",
            "a/.GIT~1",
        ] {
            let error = checked(path).unwrap_err();
            assert!(matches!(error, Error::InvalidPath { .. }), "{path:?}");
        }
    }

    #[test]
    fn bad_b30_paths_with_names_that_mislead_are_refused() {
        for path in [
            "a\0b",
            "a/b\nc.yaml",
            "a\u{1b}[2J",
            "-x",
            "a/-rf/b.yaml",
            "a\u{7f}",
        ] {
            let error = checked(path).unwrap_err();
            assert_eq!(error.reason().row().code, "path.name", "{path:?}");
            assert!(!error.to_string().chars().any(char::is_control), "{path:?}");
        }
        assert_eq!(checked("a-b/c-.yaml").unwrap(), "a-b/c-.yaml");
    }
}
