//! What a policy wants changed in the files of a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use syncline_core::application::TreePath;
use syncline_core::image::edit::{By, Index, Kind};
use syncline_core::image::hold::{self, Hold, Said, Suspect, Values};
use syncline_core::image::prove::Expected;
use syncline_core::image::update::{self, History, UpdateNote};
use syncline_core::image::{
    Choice, Digest, FileEdit, Found, Held, ImageName, Order, Pin, Pinned, Reach, Refusal, Site,
    Tag, Version, Wanted, edit_files, find, limits,
};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_source::{Error, Mirror, SourceFile};

use super::explain::{self, Basis, Place};
use super::{Attempt, Settled, fail, left};
use crate::agent::Agent;
use crate::conversion::ImageUpdate;

/// How many places a message names; a condition holds 32 KiB.
const MOST_NAMED: usize = 50;

/// Files by their path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What is to be done for a policy.
pub(super) enum Decision {
    /// Nothing.
    Settled(Box<Settled>),
    /// These places get a version.
    Edit(Edit),
    /// No place names the image.
    Unnamed(Unnamed),
}

/// That no place names an image.
pub(super) struct Unnamed {
    /// What the policy chooses for it.
    pub(super) version: Version,
    /// What names it and cannot be edited.
    pub(super) notes: Vec<Refusal>,
}

/// Places that get a version. There is one at least.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    changes: Vec<Change>,
}

/// A place that gets a version.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) site: Site,
    pub(super) version: Version,
    /// Whether a person said that this place is meant: by a marker, or by `update.paths`.
    pub(super) is_meant: bool,
}

impl Change {
    /// What a commit says of it.
    pub(super) fn note(&self, policy: &Name) -> UpdateNote {
        let digest = self.version.digest.as_ref();
        let new = match (self.site.kind, digest) {
            (Kind::Tag, _) => self.version.tag.to_string(),
            (Kind::Digest, Some(digest)) => format!("@{digest}"),
            _ => self.version.to_string(),
        };
        UpdateNote {
            policy: policy.clone(),
            place: place(&self.site),
            old: self.site.value(),
            new,
        }
    }

    /// What the objects that come from it are expected to do.
    pub(super) fn expected(&self) -> Expected {
        Expected {
            image: self.site.current.name.clone(),
            old: self.site.current.clone(),
            new: self.version.clone(),
        }
    }
}

impl Edit {
    /// The places.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What the first place names.
    pub(super) fn old_version(&self) -> String {
        self.changes
            .first()
            .map(|change| change.site.value())
            .unwrap_or_default()
    }

    /// What the first place is to name.
    pub(super) fn new_version(&self) -> String {
        self.changes
            .first()
            .map(|change| change.version.to_string())
            .unwrap_or_default()
    }

    /// File and line of each place.
    pub(super) fn places(&self) -> Vec<String> {
        let sites = self.changes.iter().map(|change| &change.site);
        sites
            .map(|site| format!("{}:{}", site.file, site.line))
            .collect()
    }

    /// The files that it changes.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().map(|change| change.site.file.as_str())
    }

    /// Leaves a file as it is; answers with whether anything is left.
    pub(super) fn leave(&mut self, file: &str) -> bool {
        self.changes.retain(|change| change.site.file != file);
        !self.changes.is_empty()
    }
}

/// All policies, with their images.
pub(super) fn policies(agent: &Agent) -> BTreeMap<Name, ImageName> {
    let state = agent.state.lock();
    let policies = state.policies.iter().filter_map(|(name, entry)| {
        let spec = entry.spec.as_ref().ok()?;
        Some((name.clone(), spec.image.clone()))
    });
    policies.collect()
}

/// What all policies of a branch are decided on. The files are searched through [`Searches`].
pub(super) struct Ground {
    /// The tip, whose files these are.
    pub(super) mirror: Mirror,
    pub(super) files: Files,
    /// What the commits up to the tip say to us.
    pub(super) history: Arc<History>,
    /// All policies.
    pub(super) policies: BTreeMap<Name, ImageName>,
}

/// The files of a tip, prepared once for all policies that look below the same paths, and not once
/// per policy.
///
/// To prepare them costs one look at every byte and one parse of each file with a marker; a search
/// parses only the files that have the last part of the image's name or a marker of the policy. So
/// 1,000 policies with a file each among 1,000 files cost 1,000 look-ups and about 1,000 parses, not
/// 1,000,000 searches. It keeps a number for each different word of a file until all is decided.
pub(super) struct Searches<'a> {
    ground: &'a Ground,
    indexes: BTreeMap<Vec<TreePath>, Index<'a>>,
}

impl<'a> Searches<'a> {
    /// Searches of these files.
    pub(super) fn of(ground: &'a Ground) -> Self {
        let indexes = BTreeMap::new();
        Self { ground, indexes }
    }

    /// The places that name the image of a policy.
    fn find(&mut self, policy: &ImageUpdate) -> Found {
        let Ground {
            files, policies, ..
        } = self.ground;
        if !self.indexes.contains_key(&policy.paths) {
            let paths = &policy.paths;
            let below = |path: &str| paths.is_empty() || paths.iter().any(|it| it.contains(path));
            let files = files.iter().filter(|(path, _)| below(path));
            let files = files.map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
            let index = Index::over(files, Some(policies));
            self.indexes.insert(policy.paths.clone(), index);
        }
        let index = self.indexes.get(&policy.paths);
        let found = index.map(|index| index.find(&policy.image, Some(&policy.name)));
        found.unwrap_or_default()
    }
}

/// Finds the places that name the image, chooses for what they name, and says what is to be edited.
/// Remembers it for people. Reads the mirror.
pub(super) fn decide(
    agent: &Agent,
    policy: &ImageUpdate,
    searches: &mut Searches<'_>,
) -> Attempt<Decision> {
    let ground = searches.ground;
    let history = &ground.history;
    let (knowledge, release, skips, pin) = {
        let mut state = agent.state.lock();
        let Some(entry) = state.policies.get_mut(&policy.name) else {
            return fail(Reason::Internal, "the policy is gone");
        };
        entry.memory.basis = None;
        let (skip, pin) = (entry.skip.as_deref(), entry.pin.as_deref());
        let (skips, pin) = (hold::skips(skip), hold::pin(pin));
        let knowledge = entry.memory.knowledge.clone();
        (knowledge, entry.release.clone(), skips, pin)
    };
    let Some(mut knowledge) = knowledge else {
        return fail(Reason::NoCandidate, "the registry was not asked yet");
    };
    let found = searches.find(policy);
    let refused = found.blocking().next().map(Refusal::failure);
    let places = found.blocking().map(|refusal| Place {
        file: refusal.file.clone(),
        line: refusal.line,
        current: None,
        by_marker: false,
        refused: Some(refusal.failure()),
    });
    let places = places.chain(found.sites.iter().map(|site| Place {
        file: site.file.clone(),
        line: site.line,
        current: current(site),
        by_marker: matches!(site.by, By::Marker(_)),
        refused: None,
    }));
    let places: Vec<Place> = places.collect();
    let values = found.sites.iter();
    let values: Values = values.map(|site| (place(site), site.value())).collect();
    let holds = holds(policy, ground, &values).map_err(|failure| (failure, None))?;
    let holds = hold::unreleased(holds, release.as_deref());
    let holds = hold::counting(holds, &policy.policy);
    knowledge.pinned = pin.as_ref().and_then(pinned);
    // A person who pins a tag means it, whatever was said of it before.
    let is_pinned = |held: &Held| {
        let pinned = knowledge.pinned.as_ref();
        pinned.is_some_and(|pinned| pinned.tag == held.version.tag)
    };
    let skipped = skips.iter().filter_map(skipped);
    let held = holds.iter().filter_map(held).chain(skipped);
    let held: Vec<Held> = held.filter(|held| !is_pinned(held)).collect();
    knowledge.held = held.into();
    knowledge.ours = ours(history);
    let fingerprint = knowledge.fingerprint;
    let alternation = match &knowledge.pinned {
        // A person decided which of the two it is.
        Some(_) => None,
        None => hold::alternation(&values, history, release.as_deref()),
    };
    let (most, now) = (explain::limits(agent), agent.clock.now());
    let currents: BTreeSet<Option<Version>> = found.sites.iter().map(current).collect();
    // Each place is decided for what it names.
    let mut choices: BTreeMap<Option<Version>, Choice> = BTreeMap::new();
    for current in currents.iter().cloned().chain([None]) {
        if current.is_some() || currents.is_empty() || currents.contains(&None) {
            let choice = knowledge.choose(&policy.policy, current.as_ref(), most, now);
            choices.insert(current, choice);
        }
    }
    let first = choices.values().next();
    {
        let mut state = agent.state.lock();
        if let Some(entry) = state.policies.get_mut(&policy.name) {
            if let Some(first) = first {
                entry.memory.chose(first, most.verdicts);
            }
            entry.memory.places = places;
            entry.memory.holds = holds;
            entry.memory.alternation.clone_from(&alternation);
            entry.memory.knowledge = Some(knowledge);
            entry.current = currents.iter().flatten().next().map(ToString::to_string);
        }
    }
    if let Some(alternation) = alternation {
        return Err((alternation.failure(), None));
    }
    // The facts of the images are read before the writer's turn.
    if choices.values().any(|choice| !choice.needs.is_empty()) {
        let mut refusals = choices.values().filter_map(|choice| choice.refusal.clone());
        let examining = |failure: &Failure| failure.reason == Reason::ExaminingTags;
        let failure = refusals.find(examining).unwrap_or_else(|| Failure {
            reason: Reason::ExaminingTags,
            detail: String::new(),
        });
        return Err((failure, Some(agent.settings.retry_first)));
    }
    if found.sites.is_empty() {
        let refusal = first.and_then(|choice| choice.refusal.clone());
        let chosen = first.and_then(|choice| choice.chosen.clone());
        return match (refusal.or(refused), chosen) {
            (Some(failure), _) => Err((failure, None)),
            (None, Some(version)) => Ok(Decision::Unnamed(Unnamed {
                version,
                notes: found.refusals,
            })),
            (None, None) => fail(Reason::NothingToEdit, ""),
        };
    }
    let mut changes = Vec::new();
    let mut against = None;
    let mut withheld = None;
    let mut again: Option<Timestamp> = None;
    for site in found.sites {
        let Some(choice) = choices.get(&current(&site)) else {
            continue;
        };
        again = again.into_iter().chain(choice.again).min();
        match &choice.chosen {
            Some(chosen) if !stands(&site, chosen) => changes.push(Change {
                is_meant: matches!(site.by, By::Marker(_)) || !policy.paths.is_empty(),
                version: chosen.clone(),
                site,
            }),
            Some(_) => withheld = withheld.or_else(|| choice.withheld.clone()),
            None => {
                let at = format!("{}:{}", site.file, site.line);
                let failure = choice.refusal.clone();
                against = against.or_else(|| failure.map(|failure| (at, failure)));
            }
        }
    }
    if !changes.is_empty() {
        let per_hour = agent.settings.image_updates_per_hour;
        let limited = limits::check(&policy.name, history, now, per_hour).err();
        if let Some(entry) = agent.state.lock().policies.get_mut(&policy.name) {
            entry.memory.limited.clone_from(&limited);
        }
        return match limited {
            Some(limited) => Err((limited.failure(), left(Some(limited.until), now))),
            None => Ok(Decision::Edit(Edit { changes })),
        };
    }
    let after = left(again, now);
    match (against, refused, withheld) {
        (Some((at, mut failure)), ..) => {
            failure.detail = format!("{at}: {}", failure.detail);
            Err((failure, after))
        }
        (None, Some(failure), _) => Err((failure, None)),
        (None, None, Some(failure)) => Err((failure, after)),
        (None, None, None) => {
            let order = &policy.policy.order;
            let only_tags = matches!(
                order,
                Order::Semver(_) | Order::Numerical(_) | Order::Alphabetical(_)
            );
            if let Some(entry) = agent.state.lock().policies.get_mut(&policy.name) {
                let pins = policy.policy.pin == Pin::Digest;
                entry.memory.basis = (only_tags && !pins).then(|| Basis {
                    fingerprint,
                    tip: history.tip.clone(),
                    generation: entry.generation,
                });
            }
            let named = currents.iter().flatten().map(ToString::to_string);
            let named: Vec<String> = named.collect();
            Ok(Decision::Settled(Box::new(Settled {
                reason: Reason::UpToDate,
                detail: named.join(", "),
                update: None,
            })))
        }
    }
}

/// The commits that we made.
pub(super) fn ours(history: &History) -> Arc<BTreeSet<CommitId>> {
    let entries = history.entries.iter();
    let ours = entries.filter(|entry| entry.update().is_some());
    Arc::new(ours.map(|entry| entry.commit.clone()).collect())
}

/// The name of a place in the history.
fn place(site: &Site) -> update::Place {
    update::Place {
        file: site.file.clone(),
        document: site.document,
        path: site.path.clone(),
    }
}

/// What was taken back at the places of a policy.
fn holds(policy: &ImageUpdate, ground: &Ground, values: &Values) -> Result<Vec<Hold>, Failure> {
    let wanted = Wanted {
        image: &policy.image,
        policy: Some(&policy.name),
        policies: None,
    };
    let read = |at: &update::Place, bytes: &[u8]| {
        let sites = find(&at.file, bytes, &wanted).sites.into_iter();
        let mut here = sites.filter(|site| (site.document, &site.path) == (at.document, &at.path));
        here.next().map(|site| site.value())
    };
    let changes = |suspect: &Suspect| {
        let (after, until, file) = (&suspect.after, &suspect.until, &suspect.place.file);
        ground.mirror.file_changes(after, until, file)
    };
    hold::holds(&policy.name, values, &ground.history, changes, &read).map_err(|error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    })
}

/// A hold as a choice sees it; `None` for one of a digest without a tag.
fn held(hold: &Hold) -> Option<Held> {
    Some(Held {
        version: version(&hold.value)?,
        because: hold.to_string(),
        since: Some(hold.since),
        reach: Reach::Older,
    })
}

/// A tag that a person skips, as a choice sees it.
fn skipped(said: &Said) -> Option<Held> {
    Some(Held {
        version: version(&said.value)?,
        because: said.skipped(),
        since: said.since,
        reach: Reach::Alone,
    })
}

/// The tag that a person pinned, as a choice sees it.
fn pinned(said: &Said) -> Option<Pinned> {
    Some(Pinned {
        tag: version(&said.value)?.tag,
        because: said.pinned(),
    })
}

fn version(value: &str) -> Option<Version> {
    let (tag, digest) = match value.split_once('@') {
        Some((tag, digest)) => (tag, Some(Digest::parse(digest).ok()?)),
        None => (value, None),
    };
    let tag = Tag::parse(tag).ok()?;
    Some(Version { tag, digest })
}

/// What a place names; `None` where it names no tag.
fn current(site: &Site) -> Option<Version> {
    let tag = site.current.tag.clone()?;
    let digest = site.current.digest.clone();
    Some(Version { tag, digest })
}

/// Whether a place is as it should be. A digest that somebody put beside the tag is left alone where
/// the policy writes none.
fn stands(site: &Site, version: &Version) -> bool {
    let same_tag = site.current.tag.as_ref() == Some(&version.tag);
    site.names(version) || (same_tag && version.digest.is_none())
}

/// Makes all edits at once. Where some cannot be made there are none, and all places that are refused
/// are answered, by the numbers of their edits.
pub(super) fn compose(
    files: &Files,
    edits: &[&Edit],
) -> Result<Vec<FileEdit>, BTreeMap<usize, Vec<Refusal>>> {
    let numbered = edits.iter().enumerate();
    let changes = numbered.flat_map(|(number, edit)| {
        let changes = edit.changes.iter();
        changes.map(move |change| (number, (&change.site, &change.version)))
    });
    let (numbers, sites): (Vec<usize>, Vec<(&Site, &Version)>) = changes.unzip();
    edit_files(files, &sites).map_err(|refused| {
        let mut by_edit: BTreeMap<usize, Vec<Refusal>> = BTreeMap::new();
        for one in refused {
            let refusals = by_edit.entry(numbers[one.edit]).or_default();
            refusals.push(one.refusal);
        }
        by_edit
    })
}

/// The failure of a policy some of whose places are refused: all of them are named.
pub(super) fn refused(refusals: &[Refusal]) -> Failure {
    let named = refusals.iter().take(MOST_NAMED);
    let mut named: Vec<String> = named.map(ToString::to_string).collect();
    if refusals.len() > MOST_NAMED {
        named.push(format!("and {} more", refusals.len() - MOST_NAMED));
    }
    let reason = refusals.first().map(Refusal::reason);
    Failure {
        reason: reason.unwrap_or(Reason::EditRefused),
        detail: named.join("; "),
    }
}

/// The YAML files of a commit below the paths; all of the repository where there are none.
///
/// What is reached through a symbolic link is left out: the file itself is there, and written through
/// the link it would be edited twice, or replace the link.
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
        // The last one is the path itself.
        if snapshot.trail(path)?.len() > 1 {
            continue;
        }
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
        let found = found.into_iter().filter(|file| file.links.is_empty());
        files.extend(found.map(|file| (file.path, file.bytes)));
    }
    files.retain(|path, _| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        matches!(extension, Some("yaml" | "yml")) || name == "Kustomization"
    });
    Ok(files)
}
