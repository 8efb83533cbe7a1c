//! `syncline images set`: writes versions of images into the files of a folder, exactly as the agent
//! would, and shows what it did as a unified diff.

mod unified;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use syncline_core::image::edit::By;
use syncline_core::image::filter::Filter;
use syncline_core::image::{
    Digest, FileEdit, ImageName, Reference, Refusal, Site, Tag, Version, Wanted, edit, edit_files,
    find_in,
};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_source::EntryKind;

use crate::cli::connection::plain;
use crate::cli::{failures, print, report};
use crate::rendering::{Folder, Limits};

/// Arguments of `syncline images set`.
#[derive(Args, Clone, Debug)]
pub(super) struct SetArguments {
    /// Folder or file to edit; the files of charts around it are read as well.
    #[arg(long, value_name = "DIR")]
    path: PathBuf,
    /// What to write: the image and its version, as `IMAGE=TAG`, `IMAGE=TAG@DIGEST` or
    /// `IMAGE=IMAGE:TAG`.
    #[arg(required = true, value_name = "IMAGE=REFERENCE", value_parser = assignment)]
    images: Vec<Assignment>,
    /// Edit the values whose marker names this policy, and no others.
    #[arg(long, value_name = "NAMESPACE:NAME", value_parser = policy)]
    policy: Option<Name>,
    /// Write the files; without it the difference is printed only.
    #[arg(long)]
    write: bool,
}

/// A version for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    image: ImageName,
    version: Version,
}

/// Reads `IMAGE=REFERENCE`.
fn assignment(text: &str) -> Result<Assignment, String> {
    let Some((image, reference)) = text.split_once('=') else {
        return Err("it is written as `IMAGE=REFERENCE`".to_owned());
    };
    let image = ImageName::parse(image).map_err(|error| error.to_string())?;
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let version = if name.contains([':', '/']) {
        let read = Reference::parse(reference).map_err(|error| error.to_string())?;
        if read.name != image {
            return Err(format!("`{}` is another image than `{image}`", read.name));
        }
        let tag = read.tag.ok_or("the reference has no tag")?;
        Version {
            tag,
            digest: read.digest,
        }
    } else {
        let digest = digest.map(Digest::parse).transpose();
        Version {
            tag: Tag::parse(name).map_err(|error| error.to_string())?,
            digest: digest.map_err(|error| error.to_string())?,
        }
    };
    if version.digest.is_none() && Filter::default().moves(&version.tag) {
        let tag = version.tag;
        return Err(format!(
            "`{tag}` is a tag that moves; write it with its digest, as `{tag}@sha256:...`"
        ));
    }
    Ok(Assignment { image, version })
}

/// Reads `NAMESPACE:NAME`, as markers have it, or `NAMESPACE/NAME`.
fn policy(text: &str) -> Result<Name, String> {
    match text.split_once([':', '/']) {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Name::new(namespace, name))
        }
        _ => Err("it is written as `NAMESPACE:NAME`".to_owned()),
    }
}

/// What is to be done.
#[derive(Debug, Default)]
struct Plan {
    edits: Vec<FileEdit>,
    /// Places that say the version already.
    unchanged: usize,
    /// What a person has to do; ends the command with 1.
    failures: Vec<Failure>,
    /// What may well be meant.
    notes: Vec<String>,
}

/// Edits and prints.
pub(super) fn run(arguments: &SetArguments) -> anyhow::Result<ExitCode> {
    let Opened {
        folder,
        below,
        files,
    } = open(arguments)?;
    let plan = plan(arguments, &files, &below)?;
    if arguments.write {
        for edit in &plan.edits {
            let before = files.get(&edit.file).map(Vec::as_slice).unwrap_or_default();
            write::replace(folder.root(), &edit.file, before, &edit.bytes)
                .with_context(|| format!("write `{}`", plain(&edit.file)))?;
        }
    }
    print(&difference(&plan, &files))?;
    for note in &plan.notes {
        report(&format!("note: {}", plain(note)));
    }
    if !plan.failures.is_empty() {
        report(failures::table(&plan.failures).trim_end());
    }
    report(&summary(arguments, &plan));
    Ok(if plan.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// A folder with its YAML files.
struct Opened {
    folder: Folder,
    /// The path that was asked for, relative to the folder.
    below: String,
    files: BTreeMap<String, Vec<u8>>,
}

fn open(arguments: &SetArguments) -> anyhow::Result<Opened> {
    let path = &arguments.path;
    let root = Folder::around(path).with_context(|| format!("open `{}`", path.display()))?;
    let limits = Limits::default();
    let folder =
        Folder::open(&root, limits).with_context(|| format!("open `{}`", root.display()))?;
    let below = folder
        .relative(path)
        .with_context(|| format!("`{}` has a name that is not UTF-8", path.display()))?;
    let mut files = BTreeMap::new();
    read_below(&folder, "", &limits, &mut files)?;
    Ok(Opened {
        folder,
        below,
        files,
    })
}

/// Reads the YAML files of a directory and those below it; what is reached by a link only is left
/// out, for it is edited where it is.
fn read_below(
    folder: &Folder,
    directory: &str,
    limits: &Limits,
    into: &mut BTreeMap<String, Vec<u8>>,
) -> anyhow::Result<()> {
    for entry in folder.list(directory)?.unwrap_or_default() {
        let path = match directory {
            "" => entry.name.clone(),
            directory => format!("{directory}/{}", entry.name),
        };
        let on_disk = folder.root().join(&path);
        if on_disk.symlink_metadata().is_ok_and(|it| it.is_symlink()) {
            continue;
        }
        match entry.kind {
            EntryKind::Directory if on_disk.join(".git").exists() => {}
            EntryKind::Directory => read_below(folder, &path, limits, into)?,
            EntryKind::File if is_yaml(&entry.name) => {
                if let Some(bytes) = folder.read_file(&path)? {
                    into.insert(path, bytes);
                }
                ensure!(
                    into.len() <= limits.max_files,
                    "the folder has more than {} YAML files",
                    limits.max_files
                );
            }
            EntryKind::File => {}
        }
    }
    Ok(())
}

/// The files that an agent edits.
fn is_yaml(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("yaml" | "yml")) || name == "Kustomization"
}

/// Whether a file is the one that was asked for, or below that directory.
fn is_below(file: &str, below: &str) -> bool {
    let rest = file.strip_prefix(below);
    below.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Finds the places and edits them in memory.
fn plan(
    arguments: &SetArguments,
    files: &BTreeMap<String, Vec<u8>>,
    below: &str,
) -> anyhow::Result<Plan> {
    let mut images = BTreeSet::new();
    for assignment in &arguments.images {
        if !images.insert(&assignment.image) {
            bail!("`{}` is given twice", assignment.image);
        }
    }
    ensure!(
        arguments.policy.is_none() || images.len() == 1,
        "a policy is for one image"
    );
    let mut plan = Plan::default();
    let mut chosen: Vec<(Site, &Version)> = Vec::new();
    for Assignment { image, version } in &arguments.images {
        let wanted = Wanted {
            image,
            policy: arguments.policy.as_ref(),
            policies: None,
        };
        let mut found = find_in(files, &wanted);
        found.sites.retain(|site| is_below(&site.file, below));
        found.refusals.retain(|it| is_below(&it.file, below));
        if arguments.policy.is_some() {
            found.sites.retain(|site| matches!(site.by, By::Marker(_)));
        }
        let count = chosen.len() + plan.unchanged;
        for site in found.sites {
            let bytes = files.get(&site.file).map(Vec::as_slice).unwrap_or_default();
            match edit(bytes, &site, version) {
                Ok(_) if site.names(version) => plan.unchanged += 1,
                Ok(_) => chosen.push((site, version)),
                Err(refusal) => plan.refuse(&refusal, version),
            }
        }
        let is_found = chosen.len() + plan.unchanged > count;
        let said = plan.failures.len();
        for refusal in &found.refusals {
            plan.refuse(refusal, version);
        }
        if !is_found && plan.failures.len() == said {
            plan.failures.push(nothing(arguments, image));
        }
    }
    let edits: Vec<(&Site, &Version)> = chosen.iter().map(|(site, it)| (site, *it)).collect();
    match edit_files(files, &edits) {
        Ok(edits) => plan.edits = edits,
        Err(refused) => {
            let refused = refused.iter().map(|one| one.refusal.to_string());
            bail!("{}", plain(&refused.collect::<Vec<_>>().join("; ")))
        }
    }
    Ok(plan)
}

impl Plan {
    fn refuse(&mut self, refusal: &Refusal, version: &Version) {
        let detail = refusal.advice(version);
        if refusal.is_note() {
            self.notes.push(detail);
        } else {
            let reason = refusal.reason();
            self.failures.push(Failure { reason, detail });
        }
    }
}

fn nothing(arguments: &SetArguments, image: &ImageName) -> Failure {
    let detail = match &arguments.policy {
        Some(policy) => format!(
            "no marker names policy `{}:{}` at {image}",
            policy.namespace, policy.name
        ),
        None => format!("no file names a version of {image}"),
    };
    Failure {
        reason: Reason::NothingToEdit,
        detail,
    }
}

fn difference(plan: &Plan, files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::new();
    for edit in &plan.edits {
        let before = files.get(&edit.file).map(Vec::as_slice).unwrap_or_default();
        // An edited file has parsed, so it is UTF-8.
        let before = String::from_utf8_lossy(before);
        let after = String::from_utf8_lossy(&edit.bytes);
        unified::append(&mut text, &edit.file, &before, &after);
    }
    text
}

/// One line that says what happened.
fn summary(arguments: &SetArguments, plan: &Plan) -> String {
    let count = |number: usize, one: &str, more: &str| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {more}"),
    };
    let places = plan.edits.iter().map(|edit| edit.changes.len()).sum();
    let places = count(places, "place", "places");
    let files = count(plan.edits.len(), "file", "files");
    let mut text = match (plan.edits.is_empty(), arguments.write) {
        (true, _) => "nothing to edit".to_owned(),
        (false, true) => format!("edited {places} in {files}"),
        (false, false) => format!("{places} in {files}; `--write` edits them"),
    };
    if plan.unchanged > 0 {
        let unchanged = count(plan.unchanged, "place says", "places say");
        text.extend(["; ", &unchanged, " it already"]);
    }
    if !plan.failures.is_empty() {
        let refused = count(plan.failures.len(), "refusal", "refusals");
        text.extend(["; ", &refused]);
    }
    text
}
