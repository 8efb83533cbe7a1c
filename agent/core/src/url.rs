//! The URL of a Git repository, checked, and printed without credentials.

use std::borrow::Cow;
use std::fmt;

/// A checked URL of a Git repository: `https`, `http` or `ssh`, a host, no credentials, no query.
/// SSH is written `ssh://user@host:port/path` or `user@host:path`.
///
/// Credentials in a URL are refused (B50): they belong in a Secret, and a URL is printed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoUrl {
    text: String,
    host: String,
    ssh: Option<Box<SshAddress>>,
}

/// Where a repository is that is reached over SSH.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshAddress {
    /// The user to sign in as; `git` where the URL names none.
    pub user: String,
    /// Host name or address, lower case, without the brackets of IPv6.
    pub host: String,
    /// The port, 22 where the URL names none.
    pub port: u16,
    /// The path as the server is given it. It has no character that a shell would read.
    pub path: String,
}

impl SshAddress {
    /// The port where a URL names none.
    pub const PORT: u16 = 22;

    /// What `known_hosts` calls the host: its name alone, or `[host]:port`.
    pub fn known_as(&self) -> String {
        match self.port {
            Self::PORT => self.host.clone(),
            port => format!("[{}]:{port}", self.host),
        }
    }
}

/// Why a URL is refused. Carries no part of the URL that could be a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another transport than HTTP and SSH; `ext::`, `file://` and friends would reach the machine
    /// (B49).
    #[error(
        "git.url: the scheme of a repository URL is `https`, `http` or `ssh` (or it is written \
         `user@host:path`)"
    )]
    Scheme,
    /// User name or password inside the URL.
    #[error(
        "git.url_creds: the URL carries credentials; put them in a Secret and name it in `secretRef`"
    )]
    Credentials,
    /// No host, or one that starts with a dash.
    #[error("git.url: the URL has no valid host")]
    Host,
    /// A user for SSH that is empty, starts with a dash or has odd characters.
    #[error("git.url: the URL has no valid user")]
    User,
    /// A port that is no number from 1 to 65535.
    #[error("git.url: the URL has no valid port")]
    Port,
    /// No path of a repository, or one that starts with a dash.
    #[error("git.url: the URL names no repository on the host")]
    Path,
    /// White space, control characters, `?` or `#`; over SSH also what a shell would read.
    #[error("git.url: the URL has a character that a repository URL cannot have")]
    Character,
}

/// A text without the credentials of the URLs in it: `https://user:password@host` becomes
/// `https://***@host`. It may mask more than credentials, never less.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let masked = replaced(text, &|_, _| Some("***".to_owned()));
    masked.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// A text with other words in place of the credentials of the URLs in it; `None` where it has none. The
/// user of an SSH URL, who has no password in it, is no credential.
pub fn replace_credentials(text: &str, with: &dyn Fn(&str) -> String) -> Option<String> {
    replaced(text, &|scheme, who| {
        let is_user = scheme.ends_with("ssh") && !who.contains(':');
        (!is_user).then(|| with(who))
    })
}

/// Replaces user and password of each URL as `with` says of the text before the URL's `://` and of
/// them; `None` where nothing is replaced.
fn replaced(text: &str, with: &dyn Fn(&str, &str) -> Option<String>) -> Option<String> {
    if !text.contains("://") {
        return None;
    }
    let mut masked = String::with_capacity(text.len());
    let mut found = false;
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
        let scheme = before.strip_suffix("://").unwrap_or_default();
        let told = after[..end].rsplit_once('@');
        match told.and_then(|(who, host)| Some((with(scheme, who)?, host))) {
            Some((mask, host)) => {
                found = true;
                masked.push_str(&mask);
                masked.push('@');
                masked.push_str(host);
            }
            None => masked.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    masked.push_str(rest);
    found.then_some(masked)
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
            .or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else {
            return Self::over_ssh(text);
        };
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
            ssh: None,
        })
    }

    /// `ssh://user@host:port/path` or `user@host:path`.
    fn over_ssh(text: &str) -> Result<Self, UrlError> {
        let (user, host, port, path) = if let Some(rest) = text.strip_prefix("ssh://") {
            let (authority, path) = rest.split_at(rest.find('/').ok_or(UrlError::Path)?);
            let (user, host) = authority.rsplit_once('@').unwrap_or(("git", authority));
            let (host, port) = host_and_port(host)?;
            // `/~ann/x` is the home of a user, as Git reads it.
            let path = if path.starts_with("/~") {
                &path[1..]
            } else {
                path
            };
            (user, host, port, path)
        } else {
            if text.contains("://") || text.contains("::") {
                return Err(UrlError::Scheme);
            }
            let (user, rest) = text.split_once('@').ok_or(UrlError::Scheme)?;
            let (host, path) = rest.split_once(':').ok_or(UrlError::Scheme)?;
            (user, host, SshAddress::PORT, path)
        };
        if user.contains(':') {
            return Err(UrlError::Credentials);
        }
        let plain = |text: &str, others: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed)
        };
        if !plain(user, "._-@+") {
            return Err(UrlError::User);
        }
        if !plain(host, ".-:_") {
            return Err(UrlError::Host);
        }
        let path = path.trim_end_matches('/');
        if path.trim_matches(['/', '~']).is_empty() || path.starts_with('-') {
            return Err(UrlError::Path);
        }
        if path.contains([
            '\'', '"', '`', '\\', '!', '$', ';', '&', '|', '<', '>', '(', ')',
        ]) {
            return Err(UrlError::Character);
        }
        let ssh = SshAddress {
            user: user.to_owned(),
            host: host.to_ascii_lowercase(),
            port,
            path: path.to_owned(),
        };
        Ok(Self {
            text: text.trim_end_matches('/').to_owned(),
            host: ssh.known_as(),
            ssh: Some(Box::new(ssh)),
        })
    }

    /// Where it is, if it is reached over SSH.
    pub fn ssh(&self) -> Option<&SshAddress> {
        self.ssh.as_deref()
    }

    /// The URL as given, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, lower case; over SSH as `known_hosts` writes it.
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

/// Host and port of the authority of an `ssh://` URL.
fn host_and_port(authority: &str) -> Result<(&str, u16), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(UrlError::Host)?;
            match after {
                "" => (host, None),
                after => (host, Some(after.strip_prefix(':').ok_or(UrlError::Host)?)),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let Some(port) = port else {
        return Ok((host, SshAddress::PORT));
    };
    match port.parse() {
        Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((host, number))
        }
        _ => Err(UrlError::Port),
    }
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
    fn bad_b49_b50_only_plain_urls_of_http_and_ssh_are_taken() {
        for (url, error) in [
            ("ext::sh -c id", UrlError::Character),
            ("ext::sh", UrlError::Scheme),
            ("file:///etc", UrlError::Scheme),
            ("-oProxyCommand=x", UrlError::Scheme),
            ("https://-oProxy/x", UrlError::Host),
            ("https:///x", UrlError::Host),
            ("https://user:hunter2@host/x", UrlError::Credentials),
            ("https://host/x?token=1", UrlError::Character),
            ("ssh://-oProxyCommand=id/x", UrlError::Host),
            ("ssh://git@-oProxyCommand=id/x", UrlError::Host),
            ("ssh://-l@host/x", UrlError::User),
            ("-oProxyCommand=id@host:x", UrlError::User),
            ("ssh://git:hunter2@host/x", UrlError::Credentials),
            ("git:hunter2@host:x", UrlError::Credentials),
            ("ssh://git@host:port/x", UrlError::Port),
            ("ssh://git@host:0/x", UrlError::Port),
            ("ssh://git@host:+22/x", UrlError::Port),
            ("ssh://git@host", UrlError::Path),
            ("ssh://git@host/", UrlError::Path),
            ("git@host:-x", UrlError::Path),
            ("git@host:x';id", UrlError::Character),
            ("git@host:$(id)", UrlError::Character),
            ("ext::git@host:x", UrlError::Scheme),
            ("git@host", UrlError::Scheme),
            ("host:path", UrlError::Scheme),
            ("git://host/x", UrlError::Scheme),
        ] {
            assert_eq!(RepoUrl::parse(url), Err(error), "{url}");
        }
        assert!(!UrlError::Credentials.to_string().contains("hunter2"));
    }

    #[test]
    fn an_address_over_ssh_is_taken_apart() {
        let address = |url: &str| {
            let ssh = RepoUrl::parse(url).unwrap().ssh().unwrap().clone();
            (format!("{}@{}", ssh.user, ssh.known_as()), ssh.path)
        };
        let is = |whom: &str, path: &str| (whom.to_owned(), path.to_owned());
        for (url, found) in [
            (
                "git@Host:acme/config.git",
                is("git@host", "acme/config.git"),
            ),
            ("git@host:/srv/x/", is("git@host", "/srv/x")),
            ("ssh://git@host/acme/config", is("git@host", "/acme/config")),
            ("ssh://host/x", is("git@host", "/x")),
            ("ssh://ann@host:22/~ann/x", is("ann@host", "~ann/x")),
            ("ssh://ann@host:2222/x", is("ann@[host]:2222", "/x")),
            ("ssh://ann@[::1]:2222/x", is("ann@[::1]:2222", "/x")),
            (
                "git@ssh.dev.azure.com:v3/o/p/r",
                is("git@ssh.dev.azure.com", "v3/o/p/r"),
            ),
        ] {
            assert_eq!(address(url), found, "{url}");
        }
        assert_eq!(RepoUrl::parse("https://host/x").unwrap().ssh(), None);
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
