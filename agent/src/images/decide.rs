//! What a policy wants changed in the files of a commit.

use std::collections::BTreeMap;

use syncline_core::application::TreePath;
use syncline_core::image::{Site, Tag, choose, edit_all, find};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_source::{Error, Mirror, SourceFile};

use super::explain::Place;
use super::{Attempt, Settled, fail};
use crate::agent::Agent;
use crate::conversion::ImageUpdate;
use syncline_core::revision::CommitId;

/// Files by their path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What is to be done for a policy.
pub(super) enum Decision {
    /// Nothing.
    Settled(Settled),
    /// These places get the tag.
    Edit(Edit),
}

/// Places that get a tag.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What the first of them names.
    pub(super) old: Tag,
    /// What they are to name.
    pub(super) new: Tag,
    sites: Vec<Site>,
}

impl Edit {
    /// File and line of each place.
    pub(super) fn places(&self) -> Vec<String> {
        let places = self.sites.iter();
        places
            .map(|site| format!("{}:{}", site.file, site.line))
            .collect()
    }

    /// The files that it changes.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| site.file.as_str())
    }
}

/// Finds the places that name the image, chooses for what they name, and says what is to be edited.
/// Remembers it for people.
pub(super) fn decide(agent: &Agent, policy: &ImageUpdate, files: &Files) -> Attempt<Decision> {
    let tags = {
        let state = agent.state.lock();
        let entry = state.policies.get(&policy.name);
        entry.and_then(|entry| entry.memory.tags.clone())
    };
    let Some(tags) = tags else {
        return fail(Reason::NoCandidate, "the registry was not asked yet");
    };
    let mut sites: Vec<Site> = Vec::new();
    let mut places = Vec::new();
    let mut refused = None;
    for (path, bytes) in files.iter().filter(|(path, _)| is_below(path, policy)) {
        let found = find(path, bytes, &policy.image);
        for refusal in found.blocking() {
            refused = refused.or(Some(refusal.failure()));
            places.push(Place {
                file: path.clone(),
                line: refusal.line,
                current: None,
                refused: Some(refusal.failure()),
            });
        }
        sites.extend(found.sites);
    }
    places.extend(sites.iter().map(|site| Place {
        file: site.file.clone(),
        line: site.line,
        current: Some(site.current.to_string()),
        refused: None,
    }));
    let choice = choose(&tags, &policy.policy, None);
    let current = sites.iter().map(|site| &site.current).min().cloned();
    {
        let mut state = agent.state.lock();
        if let Some(entry) = state.policies.get_mut(&policy.name) {
            entry.memory.chose(&choice);
            entry.memory.places = places;
            entry.current = current.as_ref().map(ToString::to_string);
        }
    }
    if let Some(refusal) = choice.refusal {
        return Err((refusal, None));
    }
    let Some(chosen) = choice.chosen else {
        return fail(Reason::NoCandidate, "the registry lists no tag");
    };
    let Some(current) = current else {
        return match refused {
            Some(failure) => Err((failure, None)),
            None => fail(
                Reason::NothingToEdit,
                format!("no file names a tag of `{}`", policy.image),
            ),
        };
    };
    let mut newer = None;
    // Each place is decided for what it names: none goes back to an older version.
    sites.retain(|site| {
        let choice = choose(&tags, &policy.policy, Some(&site.current));
        if choice.chosen.is_none() {
            let (file, line) = (&site.file, site.line);
            newer = Some(format!("{file}:{line} names {}", site.current));
        }
        choice.chosen.is_some_and(|chosen| chosen != site.current)
    });
    match (sites.first(), newer) {
        (Some(first), _) => Ok(Decision::Edit(Edit {
            old: first.current.clone(),
            new: chosen,
            sites,
        })),
        (None, Some(newer)) => fail(
            Reason::NoDowngrade,
            format!("{newer}; the policy chooses {chosen}"),
        ),
        (None, None) => Ok(Decision::Settled(Settled {
            reason: Reason::UpToDate,
            detail: current.to_string(),
            update: None,
        })),
    }
}

/// Lays the edit of a policy over files in which others may have been edited already.
pub(super) fn lay_over(
    files: &mut Files,
    policy: &ImageUpdate,
    edit: &Edit,
) -> Result<(), Failure> {
    let mut edited = Files::new();
    for path in edit.files() {
        if edited.contains_key(path) {
            continue;
        }
        let bytes = files.get(path).map(Vec::as_slice).unwrap_or_default();
        let wanted = edit.sites.iter().filter(|site| site.file == path);
        let wanted: Vec<&Site> = wanted.collect();
        // Another policy's edit of the same file may have moved it.
        let found = find(path, bytes, &policy.image).sites.into_iter();
        let sites: Vec<Site> = found
            .filter(|site| {
                let same = |w: &&Site| {
                    (w.document, &w.path, &w.current) == (site.document, &site.path, &site.current)
                };
                wanted.iter().any(same)
            })
            .collect();
        let made = edit_all(bytes, &sites, &edit.new).map_err(|refusal| refusal.failure())?;
        edited.insert(path.to_owned(), made.bytes);
    }
    files.extend(edited);
    Ok(())
}

fn is_below(path: &str, policy: &ImageUpdate) -> bool {
    policy.paths.is_empty() || policy.paths.iter().any(|below| below.contains(path))
}

/// The YAML files of a commit below the paths; all of the repository where there are none.
pub(super) fn read(mirror: &Mirror, commit: &CommitId, paths: &[TreePath]) -> Result<Files, Error> {
    let snapshot = mirror.snapshot(commit)?;
    let everywhere = [TreePath::default()];
    let mut files = Files::new();
    for path in if paths.is_empty() {
        &everywhere[..]
    } else {
        paths
    } {
        let path = path.as_str();
        let found: Vec<SourceFile> = match snapshot.files_below(path)? {
            Some(found) => found,
            None => match snapshot.read_file(path)? {
                Some(bytes) => vec![SourceFile {
                    path: path.to_owned(),
                    bytes,
                    links: Vec::new(),
                }],
                None => Vec::new(),
            },
        };
        files.extend(found.into_iter().map(|file| (file.path, file.bytes)));
    }
    files.retain(|path, _| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        matches!(extension, Some("yaml" | "yml")) || name == "Kustomization"
    });
    Ok(files)
}
