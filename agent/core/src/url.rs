//! The URL of a Git repository, checked, and printed without credentials.

use std::borrow::Cow;
use std::fmt;

/// A checked URL of a Git repository: `https` or `http`, a host, no credentials, no query.
///
/// Credentials in a URL are refused (B50): they belong in a Secret, and a URL is printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoUrl {
    text: String,
    host: String,
}

/// Why a URL is refused. Carries no part of the URL that could be a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another transport than HTTP; `ext::`, `file://` and friends would reach the machine (B49).
    #[error("git.url: the scheme of a repository URL is `https` or `http`")]
    Scheme,
    /// User name or password inside the URL.
    #[error(
        "git.url_creds: the URL carries credentials; put them in a Secret and name it in `secretRef`"
    )]
    Credentials,
    /// No host, or one that starts with a dash.
    #[error("git.url: the URL has no valid host")]
    Host,
    /// White space, control characters, `?` or `#`.
    #[error("git.url: the URL has a character that a repository URL cannot have")]
    Character,
}

/// A text without the credentials of the URLs in it: `https://user:password@host` becomes
/// `https://***@host`. It may mask more than credentials, never less.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end = |ends: fn(char) -> bool| after.find(ends).unwrap_or(after.len());
        let word = end(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '`'));
        let host = end(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '/' | '?' | '#'));
        // A password may hold an unescaped slash: then what follows the colon is no port.
        let port = after[..host].rsplit_once(':').map(|(_, port)| port);
        let cut =
            port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()));
        let end = if cut { word } else { host };
        match after[..end].rsplit_once('@') {
            Some((_, host)) => {
                masked.push_str("***@");
                masked.push_str(host);
            }
            None => masked.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

impl RepoUrl {
    /// Checks a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '?' || c == '#')
        {
            return Err(UrlError::Character);
        }
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or(UrlError::Scheme)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(UrlError::Credentials);
        }
        if host.is_empty() || host.starts_with('-') || path.starts_with('-') {
            return Err(UrlError::Host);
        }
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            host: host.to_ascii_lowercase(),
        })
    }

    /// The URL as given, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What two spellings of one repository share: host and path without scheme, `.git` and case
    /// of the host. Webhooks are matched with it.
    pub fn identity(&self) -> String {
        identity(&self.text)
    }
}

/// Host and path of any spelling of a repository URL (`https://`, `ssh://`, `git@host:path`),
/// without scheme, user, port, `.git` and trailing slash; the host in lower case.
pub fn identity(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let (host, path) = match rest.find(['/', ':']) {
        Some(at) if rest[at..].starts_with(':') => {
            let after = &rest[at + 1..];
            match after.split_once('/') {
                Some((port, path)) if port.chars().all(|c| c.is_ascii_digit()) => {
                    (&rest[..at], path)
                }
                _ => (&rest[..at], after),
            }
        }
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    format!("{}/{path}", host.to_ascii_lowercase())
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_urls_in_a_text_are_masked() {
        for (text, masked) in [
            (
                "no URL, but an @ and a: colon",
                "no URL, but an @ and a: colon",
            ),
            (
                "failed to pull \"https://mia:hunter2@registry.example.com:5000/web:1\": 404",
                "failed to pull \"https://***@registry.example.com:5000/web:1\": 404",
            ),
            (
                "Get https://a.example.com/v2/web@sha256:00 and https://t0ken@b.example.com: EOF",
                "Get https://a.example.com/v2/web@sha256:00 and https://***@b.example.com: EOF",
            ),
            ("oci://mia:hun/ter:2@host/x", "oci://***@host/x"),
            ("https://mia:1@2@host/x", "https://***@host/x"),
            ("https://", "https://"),
        ] {
            assert_eq!(without_credentials(text), masked);
        }
    }

    #[test]
    fn bad_b49_b50_only_plain_http_urls_are_taken() {
        for (url, error) in [
            ("ext::sh -c id", UrlError::Character),
            ("ext::sh", UrlError::Scheme),
            ("file:///etc", UrlError::Scheme),
            ("-oProxyCommand=x", UrlError::Scheme),
            ("https://-oProxy/x", UrlError::Host),
            ("https:///x", UrlError::Host),
            ("https://user:hunter2@host/x", UrlError::Credentials),
            ("https://host/x?token=1", UrlError::Character),
        ] {
            assert_eq!(RepoUrl::parse(url), Err(error), "{url}");
        }
        assert!(!UrlError::Credentials.to_string().contains("hunter2"));
    }

    #[test]
    fn spellings_of_one_repository_share_an_identity() {
        for url in [
            "https://Git.example.com/acme/config.git",
            "https://git.example.com/acme/config/",
            "https://git.example.com:8443/acme/config",
            "ssh://git@git.example.com:22/acme/config.git",
            "git@git.example.com:acme/config.git",
        ] {
            assert_eq!(identity(url), "git.example.com/acme/config", "{url}");
        }
    }
}
