//! The list of references that a server answers with (protocol version 0), parsed and reduced.
//!
//! Only one branch is ever of interest, so libgit2 is shown a list of that branch alone: its cost
//! does not grow with the number of references, and odd names never reach it.

use crate::error::{Error, printable};
use crate::http::Service;
use crate::operation::Operation;

/// A server's list of references.
pub(crate) struct Listing {
    service: Service,
    capabilities: String,
    branches: Vec<(String, git2::Oid)>,
}

impl Listing {
    /// Asks the server of an operation, once.
    pub(crate) fn request(operation: &Operation, service: Service) -> Result<Self, Error> {
        let bytes = operation.http.listing(operation, service)?;
        Self::parse(operation, service, &bytes)
    }

    fn parse(operation: &Operation, service: Service, bytes: &[u8]) -> Result<Self, Error> {
        let mut listing = Self {
            service,
            capabilities: String::new(),
            branches: Vec::new(),
        };
        let mut rest = bytes;
        let mut first = true;
        while !rest.is_empty() {
            let (line, after) = split_packet(rest).ok_or_else(|| not_git(operation))?;
            rest = after;
            let Some(line) = line else { continue };
            if line.starts_with(b"# service=") {
                continue;
            }
            if let Some(message) = line.strip_prefix(b"ERR ") {
                let detail = printable(&String::from_utf8_lossy(message));
                return Err(Error::Unavailable {
                    url: operation.url.clone(),
                    detail,
                });
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let mut halves = line.splitn(2, |byte| *byte == 0);
            let reference = halves.next().unwrap_or_default();
            if first {
                let capabilities = halves.next().unwrap_or_default();
                listing.capabilities = String::from_utf8_lossy(capabilities).into_owned();
                if listing.capabilities.contains("object-format=sha256") {
                    return Err(Error::Unsupported {
                        subject: format!("`{}`", operation.url),
                        what: "repositories with SHA-256 ids",
                    });
                }
                first = false;
            }
            let Some((id, name)) = reference.split_at_checked(41) else {
                return Err(not_git(operation));
            };
            // A name that is not UTF-8 cannot be the one that a Repository asks for.
            let Some(branch) = std::str::from_utf8(name)
                .ok()
                .and_then(|name| name.strip_prefix("refs/heads/"))
            else {
                continue;
            };
            let id = std::str::from_utf8(&id[..40])
                .ok()
                .and_then(|id| git2::Oid::from_str(id).ok());
            let id = id.ok_or_else(|| not_git(operation))?;
            listing.branches.push((branch.to_owned(), id));
        }
        Ok(listing)
    }

    /// The commit that a branch points to.
    pub(crate) fn branch(&self, branch: &str) -> Option<git2::Oid> {
        self.branches
            .iter()
            .find(|(name, _)| name == branch)
            .map(|(_, id)| *id)
    }

    /// All branches with their commits, in the server's order.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (String, git2::Oid)> + '_ {
        self.branches.iter().cloned()
    }

    /// The list that libgit2 is shown: the capabilities and one branch.
    pub(crate) fn reduced_to(&self, branch: &str, id: git2::Oid) -> Vec<u8> {
        let mut bytes = packet(format!("# service={}\n", self.service.name()).as_bytes());
        bytes.extend_from_slice(b"0000");
        let line = format!("{id} refs/heads/{branch}\0{}\n", self.capabilities);
        bytes.extend_from_slice(&packet(line.as_bytes()));
        bytes.extend_from_slice(b"0000");
        bytes
    }
}

fn not_git(operation: &Operation) -> Error {
    let detail = "the list of references is malformed".to_owned();
    Error::NotGit {
        url: operation.url.clone(),
        detail,
    }
}

fn packet(line: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:04x}", line.len() + 4).into_bytes();
    bytes.extend_from_slice(line);
    bytes
}

/// The first packet (none for a flush) and what follows it.
fn split_packet(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = usize::from_str_radix(std::str::from_utf8(length).ok()?, 16).ok()?;
    if length == 0 {
        return Some((None, rest));
    }
    let (line, rest) = rest.split_at_checked(length.checked_sub(4)?)?;
    Some((Some(line), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Access, Settings};
    use syncline_core::url::RepoUrl;

    /// Bytes that look a little like a list, other ones for each seed.
    fn bytes_of(seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..seed % 97)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                b"0123456789abcdef refs/heads/\0\n"[(state % 30) as usize]
            })
            .collect()
    }

    const ID: &str = "1111111111111111111111111111111111111111";

    fn parse(bytes: &[u8]) -> Result<Listing, Error> {
        let url = RepoUrl::parse("https://git.example.com/acme/config").unwrap();
        let settings = Settings::default();
        let operation = Operation::begin(&settings, &url, &Access::default()).unwrap();
        Listing::parse(&operation, Service::UploadPack, bytes)
    }

    #[test]
    fn a_reduced_list_says_the_same_of_its_branch() {
        let mut bytes = packet(b"# service=git-upload-pack\n");
        bytes.extend_from_slice(b"0000");
        bytes.extend(packet(format!("{ID} HEAD\0side-band-64k\n").as_bytes()));
        bytes.extend(packet(format!("{ID} refs/heads/main\n").as_bytes()));
        let mut odd = format!("{ID} refs/heads/").into_bytes();
        odd.extend_from_slice(b"\xff\xfe\n");
        bytes.extend(packet(&odd));
        bytes.extend_from_slice(b"0000");
        let listing = parse(&bytes).unwrap();
        let id = listing.branch("main").unwrap();
        assert_eq!(id.to_string(), ID);
        let again = parse(&listing.reduced_to("main", id)).unwrap();
        assert_eq!(again.branch("main"), Some(id));
        assert_eq!(again.capabilities, "side-band-64k");
        assert_eq!(again.branches.len(), 1);
    }

    #[test]
    fn an_empty_repository_has_no_branches() {
        let line = format!("{} capabilities^{{}}\0report-status\n", "0".repeat(40));
        let mut bytes = packet(line.as_bytes());
        bytes.extend_from_slice(b"0000");
        assert_eq!(parse(&bytes).unwrap().branch("main"), None);
        assert_eq!(parse(b"0000").unwrap().branch("main"), None);
    }

    #[test]
    fn malformed_lists_are_refused_and_never_panic() {
        for bad in [
            &b"00"[..],
            b"zzzz",
            b"0003",
            b"ffffx",
            b"0008abcd",
            b"<!doctype html>",
        ] {
            assert!(matches!(parse(bad), Err(Error::NotGit { .. })), "{bad:?}");
        }
        for seed in 0..2_000 {
            drop(parse(&bytes_of(seed)));
        }
    }

    #[test]
    fn sha256_repositories_are_named_as_unsupported() {
        let line = format!(
            "{} capabilities^{{}}\0object-format=sha256\n",
            "0".repeat(64)
        );
        assert!(matches!(
            parse(&packet(line.as_bytes())),
            Err(Error::Unsupported { .. })
        ));
    }
}
