//! The list of references that a server answers with (protocol version 0), parsed and reduced.
//!
//! Only one branch is ever of interest, and sometimes the tags of its commit, so libgit2 is shown a
//! list of those alone: its cost does not grow with the number of references, and odd names never
//! reach it.

use std::collections::BTreeMap;

use syncline_core::url::RepoUrl;

use crate::connection::Service;
use crate::error::{Error, printable};
use crate::operation::Operation;

/// Most branches that are named where one is missing.
const MOST_NEARBY: usize = 5;

/// How a list is framed on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The name of the service, then the list.
    Http,
    /// The list alone.
    Ssh,
}

/// Tags by name, without `refs/tags/`: what each points to, and what it leads to in the end.
pub(crate) type ListedTags<'list> = BTreeMap<&'list str, (git2::Oid, git2::Oid)>;

/// A server's list of references.
pub(crate) struct Listing {
    service: Service,
    framing: Framing,
    capabilities: String,
    /// By full name, in the server's order; also what tags of tags lead to (`^{}`).
    references: Vec<(String, git2::Oid)>,
}

impl Listing {
    /// Asks the server of an operation, once.
    pub(crate) fn request(operation: &Operation, service: Service) -> Result<Self, Error> {
        let bytes = operation.connection.listing(operation, service)?;
        Self::parse(operation, service, &bytes)
    }

    fn parse(operation: &Operation, service: Service, bytes: &[u8]) -> Result<Self, Error> {
        let mut listing = Self {
            service,
            framing: operation.connection.framing(),
            capabilities: String::new(),
            references: Vec::new(),
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
            // A name that is not UTF-8 cannot be the one that is asked for.
            let Some(name) = std::str::from_utf8(name).ok() else {
                continue;
            };
            if name.starts_with("capabilities^") {
                continue;
            }
            let id = std::str::from_utf8(&id[..40])
                .ok()
                .and_then(|id| git2::Oid::from_str(id).ok());
            let id = id.ok_or_else(|| not_git(operation))?;
            listing.references.push((name.to_owned(), id));
        }
        Ok(listing)
    }

    /// The commit that a branch points to.
    pub(crate) fn branch(&self, branch: &str) -> Option<git2::Oid> {
        let mut branches = self.branches_by_name();
        let found = branches.find(|(name, _)| *name == branch);
        found.map(|(_, id)| id)
    }

    /// What a reference points to, by its full name.
    pub(crate) fn reference(&self, name: &str) -> Option<git2::Oid> {
        let mut references = self.references.iter();
        let found = references.find(|(known, _)| known == name);
        found.map(|(_, id)| *id)
    }

    /// The commits that references lead to and whose ids begin with these digits, each with the id
    /// that the server gives it by: that of a tag with a message is its own.
    pub(crate) fn commits_beginning_with(&self, digits: &str) -> Vec<(git2::Oid, git2::Oid)> {
        let references = self.references.iter();
        let matching = references.filter(|(_, id)| id.to_string().starts_with(digits));
        let given_by = |(name, id): &(String, git2::Oid)| match name.strip_suffix("^{}") {
            Some(tag) => Some((*id, self.reference(tag)?)),
            None if self.reference(&format!("{name}^{{}}")).is_some() => None,
            None => Some((*id, *id)),
        };
        matching.filter_map(given_by).collect()
    }

    /// All branches with their commits, in the server's order.
    pub(crate) fn branches(&self) -> impl Iterator<Item = (String, git2::Oid)> + '_ {
        let branches = self.branches_by_name();
        branches.map(|(name, id)| (name.to_owned(), id))
    }

    /// All tags.
    pub(crate) fn tags(&self) -> ListedTags<'_> {
        let mut tags = ListedTags::new();
        for (name, id) in &self.references {
            let Some(name) = name.strip_prefix("refs/tags/") else {
                continue;
            };
            match name.strip_suffix("^{}") {
                // It follows the tag that it is said of.
                Some(tag) => {
                    if let Some((_, leads_to)) = tags.get_mut(tag) {
                        *leads_to = *id;
                    }
                }
                None => {
                    tags.insert(name, (*id, *id));
                }
            }
        }
        tags
    }

    fn branches_by_name(&self) -> impl Iterator<Item = (&str, git2::Oid)> + '_ {
        let references = self.references.iter();
        references.filter_map(|(name, id)| Some((name.strip_prefix("refs/heads/")?, *id)))
    }

    /// The error that a branch is not there, with what is: where it may have gone, the default branch
    /// and those with a similar name. `last` is the commit that it had.
    pub(crate) fn branch_not_found(
        &self,
        url: &RepoUrl,
        branch: &str,
        last: Option<git2::Oid>,
    ) -> Error {
        Error::BranchNotFound {
            url: url.clone(),
            branch: branch.to_owned(),
            hint: self.hint(branch, last),
        }
    }

    fn hint(&self, branch: &str, last: Option<git2::Oid>) -> String {
        let quoted = |names: Vec<&str>| {
            let names: Vec<_> = names
                .iter()
                .map(|name| format!("`{}`", printable(name)))
                .collect();
            names.join(", ")
        };
        let branches: Vec<(&str, git2::Oid)> = self.branches_by_name().collect();
        if branches.is_empty() {
            return "; the repository has no branch".to_owned();
        }
        let same = branches.iter().filter(|(_, id)| Some(*id) == last);
        let same: Vec<&str> = same.map(|(name, _)| *name).take(MOST_NEARBY).collect();
        if !same.is_empty() {
            return format!("; its last commit is now that of {}", quoted(same));
        }
        let is_default = |name: &&str| {
            let words = self.capabilities.split(' ');
            let head = words.filter_map(|word| word.strip_prefix("symref=HEAD:refs/heads/"));
            head.into_iter().any(|head| head == *name)
        };
        let mut names: Vec<&str> = branches.iter().map(|(name, _)| *name).collect();
        names.sort_by_cached_key(|name| (!is_default(name), distance(name, branch), *name));
        let more = names.len() > MOST_NEARBY;
        names.truncate(MOST_NEARBY);
        let more = if more { " and others" } else { "" };
        format!("; there are {}{more}", quoted(names))
    }

    /// The list that libgit2 is shown: the capabilities and one branch.
    pub(crate) fn reduced_to(&self, branch: &str, id: git2::Oid) -> Vec<u8> {
        self.reduced(&[(format!("refs/heads/{branch}"), id)])
    }

    /// The list that libgit2 is shown: the capabilities and references by full name, at least one.
    pub(crate) fn reduced(&self, references: &[(String, git2::Oid)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        // HTTP names the service first.
        if self.framing == Framing::Http {
            bytes.extend(packet(
                format!("# service={}\n", self.service.name()).as_bytes(),
            ));
            bytes.extend_from_slice(b"0000");
        }
        for (at, (name, id)) in references.iter().enumerate() {
            let line = match at {
                0 => format!("{id} {name}\0{}\n", self.capabilities),
                _ => format!("{id} {name}\n"),
            };
            bytes.extend_from_slice(&packet(line.as_bytes()));
        }
        bytes.extend_from_slice(b"0000");
        bytes
    }
}

/// How many characters two names differ in; of long names only the beginnings are compared.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 64;
    let one: Vec<char> = one.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=one.len()).collect();
    for (above, character) in other.chars().take(LONGEST).enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (at, own) in one.iter().enumerate() {
            let replaced = corner + usize::from(*own != character);
            corner = row[at + 1];
            row[at + 1] = replaced.min(corner + 1).min(row[at] + 1);
        }
    }
    row[one.len()]
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
        assert_eq!(again.branches().count(), 1);
    }

    #[test]
    fn tags_are_listed_with_what_they_lead_to() {
        let (tag, commit) = ("2".repeat(40), "3".repeat(40));
        let mut bytes = packet(format!("{ID} HEAD\0side-band-64k\n").as_bytes());
        for line in [
            format!("{ID} refs/heads/main\n"),
            format!("{ID} refs/tags/light\n"),
            format!("{tag} refs/tags/team/v1\n"),
            format!("{commit} refs/tags/team/v1^{{}}\n"),
            format!("{commit} refs/tags/unheard-of^{{}}\n"),
        ] {
            bytes.extend(packet(line.as_bytes()));
        }
        bytes.extend_from_slice(b"0000");
        let listing = parse(&bytes).unwrap();
        let id = |digits: &str| git2::Oid::from_str(digits).unwrap();
        let wanted = ListedTags::from([
            ("light", (id(ID), id(ID))),
            ("team/v1", (id(&tag), id(&commit))),
        ]);
        assert_eq!(listing.tags(), wanted);
        let names = [("refs/heads/main", ID), ("refs/tags/0", tag.as_str())];
        let names = names.map(|(name, digits)| (name.to_owned(), id(digits)));
        let again = parse(&listing.reduced(&names)).unwrap();
        assert_eq!(again.references, names);
        assert_eq!(again.capabilities, "side-band-64k");
    }

    #[test]
    fn a_missing_branch_is_told_with_those_that_are_there() {
        let other = "2".repeat(40);
        let mut bytes = packet(format!("{ID} HEAD\0symref=HEAD:refs/heads/trunk\n").as_bytes());
        for name in ["a", "b", "c", "d", "mains", "main-2", "trunk"] {
            bytes.extend(packet(format!("{ID} refs/heads/{name}\n").as_bytes()));
        }
        bytes.extend(packet(format!("{other} refs/heads/new-name\n").as_bytes()));
        bytes.extend_from_slice(b"0000");
        let listing = parse(&bytes).unwrap();
        let near = "; there are `trunk`, `mains`, `main-2`, `a`, `b` and others";
        assert_eq!(listing.hint("main", None), near);
        let last = git2::Oid::from_str(&other).ok();
        let renamed = "; its last commit is now that of `new-name`";
        assert_eq!(listing.hint("main", last), renamed);
        assert_eq!(
            parse(b"0000").unwrap().hint("main", None),
            "; the repository has no branch"
        );
    }

    #[test]
    fn names_are_as_far_apart_as_their_edits() {
        for (one, other, edits) in [("main", "main", 0), ("main", "mian", 2), ("", "abc", 3)] {
            assert_eq!(distance(one, other), edits);
            assert_eq!(distance(other, one), edits);
        }
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
