//! The host keys that are vouched for, in the format of `known_hosts` (sshd(8)).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use syncline_core::url::SshAddress;

/// What a `known_hosts` file says. Lines that cannot be read are left out, as `ssh` does.
#[derive(Debug)]
pub(crate) struct KnownHosts {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    marker: Marker,
    hosts: Vec<Pattern>,
    algorithm: String,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Marker {
    None,
    Revoked,
}

#[derive(Debug)]
enum Pattern {
    /// With `*` and `?`, lower case; negated by `!`.
    Plain { text: String, negated: bool },
    /// HMAC-SHA1 of the name, `|1|salt|hash`.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// What is known of a key that a host shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the host's.
    Known,
    /// The host has others: their fingerprints.
    Other(Vec<String>),
    /// The host has none.
    Unknown,
    /// It must not be used.
    Revoked,
}

impl KnownHosts {
    /// Reads the text of a file; none where no line of it can be used.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
        (!lines.is_empty()).then_some(Self { lines })
    }

    /// Whether a host has this key (in the encoding of RFC 4253, 6.6).
    pub(crate) fn check(&self, address: &SshAddress, key: &[u8]) -> Verdict {
        let name = address.known_as();
        // As `ssh` does: a key that is known for the host without a port counts for every port.
        let lines = || self.of(&name).chain(self.of(&address.host));
        let is = |marker, line: &Line| line.marker == marker && line.key == key;
        if lines().any(|line| is(Marker::Revoked, line)) {
            return Verdict::Revoked;
        }
        if lines().any(|line| is(Marker::None, line)) {
            return Verdict::Known;
        }
        let known = self.of(&name).filter(|line| line.marker == Marker::None);
        let mut others: Vec<String> = known.map(|line| fingerprint(&line.key)).collect();
        others.sort();
        others.dedup();
        if others.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::Other(others)
        }
    }

    /// The algorithms of the keys that are known of a host, so that it is asked for one of them.
    pub(crate) fn algorithms(&self, address: &SshAddress) -> Vec<&str> {
        let name = address.known_as();
        let lines = self.of(&name).chain(self.of(&address.host));
        let trusted = lines.filter(|line| line.marker == Marker::None);
        let mut algorithms = Vec::new();
        for line in trusted {
            if !algorithms.contains(&line.algorithm.as_str()) {
                algorithms.push(&line.algorithm);
            }
        }
        algorithms
    }

    fn of<'known>(&'known self, name: &str) -> impl Iterator<Item = &'known Line> {
        self.lines.iter().filter(move |line| line.is_of(name))
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_ascii_whitespace();
        let mut word = words.next()?;
        let marker = match word {
            "@revoked" => Marker::Revoked,
            // A key of a certificate authority is no key of a host.
            marker if marker.starts_with('@') => return None,
            _ => Marker::None,
        };
        if marker == Marker::Revoked {
            word = words.next()?;
        }
        let hosts: Option<Vec<_>> = word.split(',').map(Pattern::parse).collect();
        let algorithm = words.next()?.to_owned();
        let key = STANDARD.decode(words.next()?).ok()?;
        // The key begins with the name of its algorithm: a number (a line of protocol 1) does not.
        let (length, rest) = key.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        (rest.get(..length)? == algorithm.as_bytes()).then_some(())?;
        Some(Self {
            marker,
            hosts: hosts?,
            algorithm,
            key,
        })
    }

    fn is_of(&self, name: &str) -> bool {
        let mut found = false;
        for pattern in &self.hosts {
            match pattern {
                Pattern::Plain { text, negated } if matches(text.as_bytes(), name.as_bytes()) => {
                    if *negated {
                        return false;
                    }
                    found = true;
                }
                Pattern::Plain { .. } => {}
                Pattern::Hashed { salt, hash } => {
                    let mac = Hmac::<Sha1>::new_from_slice(salt);
                    let mut mac = mac.expect("HMAC takes a key of any length");
                    mac.update(name.as_bytes());
                    found |= mac.verify_slice(hash).is_ok();
                }
            }
        }
        found
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        if let Some(hashed) = text.strip_prefix("|1|") {
            let (salt, hash) = hashed.split_once('|')?;
            return Some(Self::Hashed {
                salt: STANDARD.decode(salt).ok()?,
                hash: STANDARD.decode(hash).ok()?,
            });
        }
        let negated = text.starts_with('!');
        let text = text.trim_start_matches('!').to_ascii_lowercase();
        (!text.is_empty()).then_some(Self::Plain { text, negated })
    }
}

/// `*` is any text, `?` one character. Linear: only the last `*` is ever taken back.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match &mut star {
                Some((back, from)) => {
                    *from += 1;
                    (at, seen) = (*back + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The fingerprint of a key as `ssh-keygen -l` prints it.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

/// The line that vouches for a key of a host.
pub(crate) fn line(address: &SshAddress, algorithm: &str, key: &[u8]) -> String {
    format!(
        "{} {algorithm} {}",
        address.known_as(),
        STANDARD.encode(key)
    )
}

#[cfg(test)]
mod tests {
    use syncline_core::url::RepoUrl;

    use super::*;

    fn key(byte: u8) -> Vec<u8> {
        let mut key = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        key.extend([byte; 32]);
        key
    }

    fn encoded(byte: u8) -> String {
        STANDARD.encode(key(byte))
    }

    fn address(url: &str) -> SshAddress {
        RepoUrl::parse(url).unwrap().ssh().unwrap().clone()
    }

    #[test]
    fn a_key_counts_for_the_hosts_that_its_line_names() {
        let (one, two) = (encoded(1), encoded(2));
        let text = format!(
            "# of the team\n\
             git.example.com,192.0.2.1 ssh-ed25519 {one} comment\r\n\
             [git.example.com]:2222 ssh-ed25519 {two}\n\
             *.example.org,!old.example.org ssh-ed25519 {one}\n\
             @revoked * ssh-ed25519 {}\n\
             @cert-authority * ssh-ed25519 {two}\n\
             broken.example.com ssh-ed25519 !!!\n\
             short\n",
            encoded(9)
        );
        let known = KnownHosts::parse(&text).unwrap();
        let other = |byte| Verdict::Other(vec![fingerprint(&key(byte))]);
        for (url, byte, verdict) in [
            ("git@git.example.com:x", 1, Verdict::Known),
            ("git@GIT.example.com:x", 1, Verdict::Known),
            ("git@192.0.2.1:x", 1, Verdict::Known),
            ("git@git.example.com:x", 2, other(1)),
            ("ssh://git.example.com:2222/x", 2, Verdict::Known),
            ("ssh://git.example.com:2222/x", 1, Verdict::Known),
            ("ssh://git.example.com:2222/x", 3, other(2)),
            ("ssh://git.example.com:2223/x", 2, Verdict::Unknown),
            ("git@a.example.org:x", 1, Verdict::Known),
            ("git@old.example.org:x", 1, Verdict::Unknown),
            ("git@broken.example.com:x", 1, Verdict::Unknown),
            ("git@nowhere.example.net:x", 2, Verdict::Unknown),
            ("git@git.example.com:x", 9, Verdict::Revoked),
        ] {
            assert_eq!(
                known.check(&address(url), &key(byte)),
                verdict,
                "{url} {byte}"
            );
        }
        assert_eq!(
            known.algorithms(&address("git@192.0.2.1:x")),
            ["ssh-ed25519"]
        );
    }

    #[test]
    fn a_hashed_name_is_found() {
        // `ssh-keygen -H` of `git.example.com`.
        let mut mac = Hmac::<Sha1>::new_from_slice(b"twenty bytes of salt").unwrap();
        mac.update(b"git.example.com");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let salt = STANDARD.encode(b"twenty bytes of salt");
        let text = format!("|1|{salt}|{hash} ssh-ed25519 {}\n", encoded(1));
        let known = KnownHosts::parse(&text).unwrap();
        let here = address("git@git.example.com:x");
        assert_eq!(known.check(&here, &key(1)), Verdict::Known);
        let elsewhere = address("git@git.example.org:x");
        assert_eq!(known.check(&elsewhere, &key(1)), Verdict::Unknown);
    }

    #[test]
    fn the_line_to_add_is_one_that_is_read() {
        let address = address("ssh://git.example.com:2222/x");
        let line = line(&address, "ssh-ed25519", &key(7));
        let known = KnownHosts::parse(&line).unwrap();
        assert_eq!(known.check(&address, &key(7)), Verdict::Known);
    }

    #[test]
    fn a_text_without_a_usable_line_is_no_file() {
        for text in [
            "",
            "# nothing\n",
            "host",
            "host 1024 35 12345",
            "@x host ssh-ed25519 AAAA",
        ] {
            assert!(KnownHosts::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn patterns_match_as_ssh_matches_them() {
        for (pattern, text, found) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.example", "a.example", true),
            ("?.example", ".example", false),
            ("[a]:22*", "[a]:2222", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                found,
                "{pattern} {text}"
            );
        }
    }
}
