//! Which texts follow from a new version: those that differ from the old ones in the tag or digest
//! alone.

use super::Expected;
use crate::image::reference::ImageName;

/// The ways in which old and new versions are written.
pub(super) struct Consequences<'e>(Vec<Written<'e>>);

struct Written<'e> {
    old: String,
    new: String,
    image: &'e ImageName,
}

impl<'e> Consequences<'e> {
    pub(super) fn of(expected: &'e [Expected]) -> Self {
        let mut found: Vec<Written<'e>> = Vec::new();
        for expected in expected {
            let image = &expected.image;
            let mut add = |old: String, new: String| {
                if old != new && !old.is_empty() {
                    found.push(Written { old, new, image });
                }
            };
            let old_digest = expected.old.digest.as_ref();
            if let Some(old) = &expected.old.tag {
                let whole = match old_digest {
                    Some(digest) => format!("{old}@{digest}"),
                    None => old.to_string(),
                };
                add(whole, expected.new.to_string());
                for form in FORMS {
                    add(form(old.as_str()), form(expected.new.tag.as_str()));
                }
            }
            if let (Some(old), Some(new)) = (old_digest, &expected.new.digest) {
                add(old.to_string(), new.to_string());
                let hex = |text: &str| text.rsplit(':').next().unwrap_or_default().to_owned();
                add(hex(old.as_str()), hex(new.as_str()));
            }
        }
        Self(found)
    }

    /// Whether a text is the other one with nothing but the version changed.
    pub(super) fn follows(&self, old: &str, new: &str) -> bool {
        let alone = self
            .0
            .iter()
            .any(|written| written.put_into(old).as_deref() == Some(new));
        alone || {
            let all = self.0.iter().fold(old.to_owned(), |text, written| {
                written.put_into(&text).unwrap_or(text)
            });
            all == new && old != new
        }
    }
}

/// A tag as it is, without `v`, and both as they are written in names of objects.
const FORMS: [fn(&str) -> String; 4] = [
    str::to_owned,
    |tag| without_v(tag).to_owned(),
    |tag| as_name(tag),
    |tag| as_name(without_v(tag)),
];

fn without_v(tag: &str) -> &str {
    let rest = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        rest
    } else {
        tag
    }
}

fn as_name(tag: &str) -> String {
    let replaced = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '-',
    };
    tag.chars().map(replaced).collect()
}

impl Written<'_> {
    /// The text with the new version in place of each old one that stands alone. `None` where there
    /// is none, or where it is the version of another image.
    fn put_into(&self, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len() + self.new.len());
        let mut copied = 0;
        let mut from = 0;
        while let Some(at) = text[from..].find(&self.old).map(|at| at + from) {
            let end = at + self.old.len();
            let ends = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            let alone = ends(text[..at].chars().next_back()) && ends(text[end..].chars().next());
            if alone {
                if self.is_of_another_image(&text[..at]) {
                    return None;
                }
                out.push_str(&text[copied..at]);
                out.push_str(&self.new);
                copied = end;
            }
            from = if alone {
                end
            } else {
                at + text[at..].chars().next().map_or(1, char::len_utf8)
            };
        }
        (copied > 0).then(|| {
            out.push_str(&text[copied..]);
            out
        })
    }

    /// Whether what stands before a version is the name of an image, and of another one.
    fn is_of_another_image(&self, before: &str) -> bool {
        let Some(before) = before.strip_suffix([':', '@']) else {
            return false;
        };
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
        let name = before.rsplit(|c| !part(c)).next().unwrap_or_default();
        let name = name.trim_start_matches(['-', '.', '/', ':']);
        name.contains('/') && ImageName::parse(name).is_ok_and(|name| name != *self.image)
    }
}
