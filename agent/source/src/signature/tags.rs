//! Decides whether one of the tags that point at a commit vouches for it.

use std::fmt;

use jiff::Timestamp;
use syncline_core::revision::CommitId;

use super::{SignatureProblem, Signer, Signers, verify_tag};
use crate::error::printable;

/// Most tags of one commit that are fetched and looked at, in the order of their names.
pub const MOST_TAGS: usize = 32;

/// Most tags that a message names.
const MOST_NAMED: usize = 5;

/// A tag of the server that leads to a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTag {
    /// Its name without `refs/tags/`.
    pub name: String,
    /// What it consists of.
    pub content: TagContent,
}

/// What a tag consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagContent {
    /// Its name alone.
    Lightweight,
    /// An object of its own, as `git cat-file tag` prints it.
    Annotated(Vec<u8>),
    /// An object of so many bytes, which is not read.
    TooLarge(usize),
}

/// Why a tag does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagProblem {
    /// Nothing of it can be signed.
    #[error("it is a lightweight tag, which carries no signature")]
    Lightweight,
    /// The tag was made for another object, such as another tag.
    #[error("it was made for {what}, not for the commit itself")]
    Elsewhere {
        /// Kind and id of the object.
        what: String,
    },
    /// The tag was signed under another name, perhaps one that was taken away since.
    #[error("it was made under the name `{made}`")]
    Renamed {
        /// The name that it says itself.
        made: String,
    },
    /// It is too large to be read.
    #[error("it has {bytes} bytes, which is too much")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// Its signature is missing or does not count.
    #[error(transparent)]
    Signature(#[from] SignatureProblem),
}

/// Why no tag vouches for a commit: each that was seen, with what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagsProblem(pub Vec<(String, TagProblem)>);

impl fmt::Display for TagsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tags) = self;
        if tags.is_empty() {
            return f.write_str("no tag points to it");
        }
        f.write_str("no tag that points to it counts: ")?;
        for (at, (name, problem)) in tags.iter().take(MOST_NAMED).enumerate() {
            let joint = if at == 0 { "" } else { "; " };
            write!(f, "{joint}`{}`: {problem}", printable(name))?;
        }
        if tags.len() > MOST_NAMED {
            write!(f, "; and {} more", tags.len() - MOST_NAMED)?;
        }
        if tags.len() >= MOST_TAGS {
            write!(f, "; no more than {MOST_TAGS} are looked at")?;
        }
        Ok(())
    }
}

impl std::error::Error for TagsProblem {}

/// Who signed one of the tags that point at a commit: annotated, made for that commit and under that
/// name. `now` is the time at which keys must be valid.
///
/// # Errors
/// [`TagsProblem`] where none of them counts.
pub fn verify_tags(
    commit: &CommitId,
    tags: &[SeenTag],
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, TagsProblem> {
    let mut refused = Vec::new();
    for tag in tags {
        match judged(commit, tag, signers, now) {
            Ok(signer) => return Ok(signer),
            Err(problem) => refused.push((tag.name.clone(), problem)),
        }
    }
    Err(TagsProblem(refused))
}

fn judged(
    commit: &CommitId,
    tag: &SeenTag,
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, TagProblem> {
    let object = match &tag.content {
        TagContent::Lightweight => return Err(TagProblem::Lightweight),
        TagContent::TooLarge(bytes) => return Err(TagProblem::TooLarge { bytes: *bytes }),
        TagContent::Annotated(object) => object,
    };
    let (kind, id, made) = head(object).ok_or_else(|| TagProblem::Elsewhere {
        what: "what cannot be read".to_owned(),
    })?;
    if kind != "commit" || id != commit.as_str() {
        let what = printable(&format!("the {kind} {id}"));
        return Err(TagProblem::Elsewhere { what });
    }
    if made != tag.name {
        let made = printable(made);
        return Err(TagProblem::Renamed { made });
    }
    Ok(verify_tag(object, signers, now)?)
}

/// Kind and id of what a tag was made for, and its name: its first three lines.
fn head(object: &[u8]) -> Option<(&str, &str, &str)> {
    let mut lines = object.split(|byte| *byte == b'\n');
    let mut value = |header: &[u8]| std::str::from_utf8(lines.next()?.strip_prefix(header)?).ok();
    let id = value(b"object ")?;
    let kind = value(b"type ")?;
    let name = value(b"tag ")?;
    Some((kind, id, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "1111111111111111111111111111111111111111";
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn judge(tags: &[SeenTag]) -> TagsProblem {
        let signers = Signers::parse([("ann.pub", KEY.as_bytes())]).unwrap();
        let commit = CommitId::parse(COMMIT).unwrap();
        verify_tags(&commit, tags, &signers, Timestamp::UNIX_EPOCH).unwrap_err()
    }

    fn annotated(name: &str, object: &str) -> SeenTag {
        SeenTag {
            name: name.to_owned(),
            content: TagContent::Annotated(object.as_bytes().to_vec()),
        }
    }

    fn light(name: &str) -> SeenTag {
        SeenTag {
            name: name.to_owned(),
            content: TagContent::Lightweight,
        }
    }

    #[test]
    fn bad_b54_each_tag_is_refused_with_its_own_reason() {
        let tagger = "tagger Ann <ann@example.com> 0 +0000\n\nnew\n";
        let of = |kind, id, name| format!("object {id}\ntype {kind}\ntag {name}\n{tagger}");
        let other = "2".repeat(40);
        for (object, wanted) in [
            (of("commit", COMMIT, "v1"), "it is not signed".to_owned()),
            (
                of("commit", COMMIT, "v0"),
                "it was made under the name `v0`".to_owned(),
            ),
            (of("commit", &other, "v1"), format!("the commit {other}")),
            (of("tag", COMMIT, "v1"), format!("the tag {COMMIT}")),
            (
                format!("tag v1\nobject {COMMIT}\n"),
                "cannot be read".to_owned(),
            ),
            (String::new(), "cannot be read".to_owned()),
        ] {
            let said = judge(&[annotated("v1", &object)]).to_string();
            assert!(said.contains(&wanted), "{said}");
        }
        let said = judge(&[light("next")]).to_string();
        assert!(said.contains("`next`: it is a lightweight tag"), "{said}");
    }

    #[test]
    fn bad_b54_a_commit_without_a_tag_or_with_too_many_says_so_in_a_few_words() {
        assert_eq!(judge(&[]).to_string(), "no tag points to it");
        let many: Vec<SeenTag> = (0..MOST_TAGS).map(|n| light(&format!("n{n}"))).collect();
        let said = judge(&many).to_string();
        assert!(
            said.ends_with("; and 27 more; no more than 32 are looked at"),
            "{said}"
        );
        assert!(!said.contains("`n5`"), "{said}");
        let odd = judge(&[light("a\u{1b}[31m\nb")]).to_string();
        assert!(!odd.contains(char::is_control), "{odd}");
    }
}
