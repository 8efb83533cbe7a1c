//! The lines that are missing in Git where nothing but a chart names an image.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::charts::{charts_around, is_values, local_dependencies};
use super::refusal::Spot;
use super::{Files, Found, Holds, Part, Site, Wanted, find_in, scalar};
use crate::image::marker;
use crate::image::reference::Version;
use crate::manifest::yaml::tree::Style;
use crate::record::Name;

/// A chart whose own values may name an image.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// Its `Chart.yaml` and `values.yaml` and those of the charts in its `charts`, by their paths
    /// below the chart.
    pub files: &'a BTreeMap<String, Vec<u8>>,
    /// The keys under which its values stand where the lines belong: none for the chart itself, its
    /// name or alias for one that another depends on.
    pub below: &'a [String],
}

/// The YAML to add to a file of values, so that a policy owns the version of an image that only a
/// chart's own values name: the tag, below its keys, with the marker of the policy where one is
/// given. A chart without a tag of its own gets one.
///
/// `None` where the chart does not name the image, where the place is in a list, which values
/// replace as a whole, and where a digest belongs there and the version has none.
pub fn lines_to_add(chart: &Chart<'_>, wanted: &Wanted<'_>, version: &Version) -> Option<String> {
    let wanted_by_name = Wanted::named(wanted.image);
    let found = find_in(chart.files, &wanted_by_name);
    let files = with_tags(chart.files, &found, version);
    let found = match &files {
        Cow::Borrowed(_) => found,
        Cow::Owned(files) => find_in(files, &wanted_by_name),
    };
    let borrowed: Files<'_> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    let local = local_dependencies(&borrowed);
    let mut lines = Lines::default();
    for site in &found.sites {
        let (directory, name) = site.file.rsplit_once('/').unwrap_or(("", &site.file));
        if !is_values(name) {
            continue;
        }
        let around = charts_around(directory, &borrowed, &local).into_iter();
        for (_, path) in around.filter(|(parent, _)| parent.is_empty()) {
            if let Some(inner) = keys(&path) {
                let below = chart.below.iter().cloned().chain(inner).collect();
                lines.add(below, site, version, wanted.policy);
            }
        }
    }
    (!lines.0.is_empty()).then(|| written(&lines.0))
}

/// The files with a tag wherever the image stands without one.
fn with_tags<'f>(
    files: &'f BTreeMap<String, Vec<u8>>,
    found: &Found,
    version: &Version,
) -> Cow<'f, BTreeMap<String, Vec<u8>>> {
    let mut files = Cow::Borrowed(files);
    // From the end, so that the numbers of lines stay right.
    for refusal in found.refusals.iter().rev() {
        let Some(missing) = &refusal.missing else {
            continue;
        };
        let Some(text) = files
            .get(&refusal.file)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
        else {
            continue;
        };
        let mut lines: Vec<&str> = text.lines().collect();
        let new = missing.text(version);
        let at = missing.line.min(lines.len());
        match missing.spot {
            Spot::Below => lines.insert(at, &new),
            Spot::Instead if at > 0 => lines[at - 1] = &new,
            Spot::Instead => {}
        }
        let text = lines.join("\n") + "\n";
        files
            .to_mut()
            .insert(refusal.file.clone(), text.into_bytes());
    }
    files
}

/// Keys and what stands behind the last of them, each path once.
#[derive(Default)]
struct Lines(Vec<(Vec<String>, String)>);

impl Lines {
    /// Takes in a place whole or not at all.
    fn add(&mut self, below: Vec<String>, site: &Site, version: &Version, policy: Option<&Name>) {
        let whole = site.parts.iter().map(|part| {
            let path = below.iter().cloned().chain(keys(&part.path)?).collect();
            Some((path, value(part, version, policy)?))
        });
        let whole: Option<Vec<(Vec<String>, String)>> = whole.collect();
        for (path, value) in whole.into_iter().flatten() {
            if !self.0.iter().any(|(known, _)| *known == path) {
                self.0.push((path, value));
            }
        }
    }
}

/// The value with its marker.
fn value(part: &Part, version: &Version, policy: Option<&Name>) -> Option<String> {
    let value = part.value_for(version)?;
    let style = match value_style(part) {
        Style::Plain => scalar::style_for(Style::Plain, &value),
        style => style,
    };
    let mut text = scalar::write(style, &value);
    if let Some(policy) = policy {
        let what = match part.holds {
            Holds::Reference(_) => marker::Part::Reference,
            Holds::TagAndDigest | Holds::Tag => marker::Part::Tag,
            Holds::Digest => marker::Part::Digest,
        };
        let _ = write!(text, " {}", marker::comment(policy, what));
    }
    Some(text)
}

/// Tags are quoted where they are added, whatever they look like.
fn value_style(part: &Part) -> Style {
    match part.style {
        Style::SingleQuoted => Style::SingleQuoted,
        Style::DoubleQuoted => Style::DoubleQuoted,
        Style::Plain | Style::Block if part.old.contains('/') => Style::Plain,
        Style::Plain | Style::Block => Style::DoubleQuoted,
    }
}

/// One map of all lines, in the order of the first key of each.
fn written(lines: &[(Vec<String>, String)]) -> String {
    let mut text = String::new();
    let lines: Vec<Line<'_>> = lines
        .iter()
        .map(|(path, value)| (path.as_slice(), value.as_str()))
        .collect();
    write_map(&lines, 0, &mut text);
    text
}

/// The keys that are left, and the value.
type Line<'l> = (&'l [String], &'l str);

fn write_map(lines: &[Line<'_>], depth: usize, into: &mut String) {
    let mut maps: Vec<(&String, Vec<Line<'_>>)> = Vec::new();
    for (path, value) in lines {
        let Some((key, rest)) = path.split_first() else {
            continue;
        };
        match maps.iter_mut().find(|(known, _)| *known == key) {
            Some((_, inner)) => inner.push((rest, value)),
            None => maps.push((key, vec![(rest, value)])),
        }
    }
    for (key, inner) in maps {
        let (indent, key) = ("  ".repeat(depth), as_key(key));
        match inner.iter().find(|(rest, _)| rest.is_empty()) {
            Some((_, value)) => {
                let _ = writeln!(into, "{indent}{key}: {value}");
            }
            None => {
                let _ = writeln!(into, "{indent}{key}:");
                write_map(&inner, depth + 1, into);
            }
        }
    }
}

fn as_key(key: &str) -> String {
    let plain = key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if plain && scalar::is_plain_string(key) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// The keys of a written path; `None` where it leads through a list.
fn keys(path: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some(quoted) = rest.strip_prefix('[') {
            let mut read = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            keys.push(read.next()?.ok()?);
            rest = quoted.get(read.byte_offset()..)?.strip_prefix(']')?;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            keys.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    Some(keys)
}
