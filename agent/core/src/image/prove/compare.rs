//! Compares what is rendered before and after, field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use super::consequence::Consequences;
use super::{
    Difference, Disproof, Expected, ImageChange, Proof, Step, VERSION_KEYS, composed, images,
    is_text, key_of, shown, single,
};
use crate::image::reference::Reference;
use crate::manifest::Raw;
use crate::object::ObjectKey;

/// Most characters of one value that a difference shows.
const MOST_CHARACTERS: usize = 200;

/// Accepts an edit only if the expected images change, and nothing but what follows from it.
///
/// Both sides are complete renders of one application, hooks too.
pub fn prove<'a>(
    before: impl IntoIterator<Item = &'a Raw>,
    after: impl IntoIterator<Item = &'a Raw>,
    expected: &[Expected],
) -> Result<Proof, Disproof> {
    let before: Vec<&Raw> = before.into_iter().collect();
    let after: Vec<&Raw> = after.into_iter().collect();
    let mut comparison = Comparison {
        expected,
        consequences: Consequences::of(expected),
        proof: Proof::default(),
        unexpected: Vec::new(),
    };
    comparison.all(&before, &after);
    if !comparison.unexpected.is_empty() {
        return Err(Disproof::Unexpected(comparison.unexpected));
    }
    let left = images(after.iter().copied())
        .into_iter()
        .filter(|here| {
            expected.iter().any(|e| e.image == here.reference.name)
                && !expected.iter().any(|e| e.is_met_by(&here.reference))
        })
        .collect();
    if comparison.proof.changed.is_empty() {
        return Err(Disproof::Unchanged(left));
    }
    Ok(Proof {
        left,
        ..comparison.proof
    })
}

struct Comparison<'e> {
    expected: &'e [Expected],
    consequences: Consequences<'e>,
    proof: Proof,
    unexpected: Vec<Difference>,
}

/// Two states of one object.
struct Pair<'a> {
    key: ObjectKey,
    unstable: [&'a [String]; 2],
}

impl Comparison<'_> {
    fn all(&mut self, before: &[&Raw], after: &[&Raw]) {
        let mut gone = by_key(before);
        let mut new = by_key(after);
        let keys: Vec<ObjectKey> = gone.keys().cloned().collect();
        for key in keys {
            let (Some(old), Some(now)) = (gone.get_mut(&key), new.get_mut(&key)) else {
                continue;
            };
            let both = old.len().min(now.len());
            for (old, now) in old.drain(..both).zip(now.drain(..both)) {
                self.object(key.clone(), old, now);
            }
        }
        // An object whose name has the tag in it.
        for (key, left) in &mut gone {
            left.retain(|old| {
                let renamed = new.iter_mut().find(|(candidate, objects)| {
                    !objects.is_empty() && self.is_renamed(key, candidate)
                });
                let Some((candidate, objects)) = renamed else {
                    return true;
                };
                let now = objects.remove(0);
                let (old, candidate) = (*old, candidate.clone());
                self.object(candidate, old, now);
                false
            });
        }
        for (objects, is_new) in [(gone, false), (new, true)] {
            for (key, objects) in objects {
                for _ in objects {
                    let here = Some("an object".to_owned());
                    let (before, after) = if is_new { (None, here) } else { (here, None) };
                    self.unexpected.push(Difference {
                        object: key.clone(),
                        path: String::new(),
                        before,
                        after,
                    });
                }
            }
        }
    }

    fn is_renamed(&self, old: &ObjectKey, new: &ObjectKey) -> bool {
        old.group == new.group
            && old.kind == new.kind
            && old.namespace == new.namespace
            && self.consequences.follows(&old.name, &new.name)
    }

    fn object(&mut self, key: ObjectKey, old: &Raw, now: &Raw) {
        let pair = Pair {
            key,
            unstable: [&old.unstable, &now.unstable],
        };
        self.value(&pair, Some(&old.value), Some(&now.value), &mut Vec::new());
    }

    fn value(
        &mut self,
        pair: &Pair<'_>,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &mut Vec<Step>,
    ) {
        if before == after || pair.is_unstable(path) {
            return;
        }
        match (before, after) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let images = composed(old).zip(composed(new));
                let images = images.filter(|_| !is_text(&pair.key, path));
                let whole = images.is_some_and(|((_, old), (_, new))| {
                    old != new && self.image(pair, old, new, path)
                });
                let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    if whole && VERSION_KEYS.contains(&name.as_str()) {
                        continue;
                    }
                    path.push(Step::Key(name.clone()));
                    self.value(pair, old.get(name), new.get(name), path);
                    path.pop();
                }
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
                for (index, (old, new)) in old.iter().zip(new).enumerate() {
                    path.push(Step::Index(index));
                    self.value(pair, Some(old), Some(new), path);
                    path.pop();
                }
            }
            (Some(Value::String(old)), Some(Value::String(new))) => {
                self.text(pair, old, new, path);
            }
            _ => self.refuse(pair, before, after, path),
        }
    }

    fn text(&mut self, pair: &Pair<'_>, old: &str, new: &str, path: &[Step]) {
        if !is_text(&pair.key, path)
            && let (Some((_, old)), Some((_, new))) = (single(old, path), single(new, path))
        {
            if !self.image(pair, old.clone(), new.clone(), path) {
                let text = |reference: &Reference| Value::from(reference.to_string());
                self.refuse(pair, Some(&text(&old)), Some(&text(&new)), path);
            }
            return;
        }
        let follows = self.consequences.follows(old, new) || is_checksum(path, old, new);
        if follows && !is_selector(&pair.key, path) {
            let (old, new) = (Value::from(old), Value::from(new));
            let followed = pair.difference(Some(&old), Some(&new), path);
            self.proof.followed.push(followed);
        } else {
            self.refuse(pair, Some(&old.into()), Some(&new.into()), path);
        }
    }

    /// Takes an image that changed as expected; whether it did.
    fn image(&mut self, pair: &Pair<'_>, old: Reference, new: Reference, path: &[Step]) -> bool {
        let expected = self
            .expected
            .iter()
            .any(|expected| expected.image == old.name && expected.is_met_by(&new));
        if expected {
            self.proof.changed.push(ImageChange {
                object: pair.key.clone(),
                path: shown(path),
                old,
                new,
            });
        }
        expected
    }

    fn refuse(
        &mut self,
        pair: &Pair<'_>,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &[Step],
    ) {
        self.unexpected.push(pair.difference(before, after, path));
    }
}

impl Pair<'_> {
    fn difference(
        &self,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &[Step],
    ) -> Difference {
        let is_hidden = self.key.is_secret()
            && !matches!(path.first(), Some(Step::Key(first)) if first == "metadata");
        let text = |value: &Value| {
            if is_hidden {
                "(hidden)".to_owned()
            } else {
                cut(&value.to_string())
            }
        };
        Difference {
            object: self.key.clone(),
            path: shown(path),
            before: before.map(text),
            after: after.map(text),
        }
    }

    /// Whether a second render makes the field different anyway.
    fn is_unstable(&self, path: &[Step]) -> bool {
        if self.unstable.iter().all(|pointers| pointers.is_empty()) {
            return false;
        }
        let pointer = pointer(path);
        let mut unstable = self.unstable.iter().flat_map(|pointers| pointers.iter());
        unstable.any(|known| *known == pointer)
    }
}

fn by_key<'a>(objects: &[&'a Raw]) -> BTreeMap<ObjectKey, Vec<&'a Raw>> {
    let mut found: BTreeMap<ObjectKey, Vec<&Raw>> = BTreeMap::new();
    for object in objects {
        found.entry(key_of(&object.value)).or_default().push(object);
    }
    found
}

/// The JSON pointer of a path.
fn pointer(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Index(index) => text.push_str(&index.to_string()),
            Step::Key(key) => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
        }
    }
    text
}

/// Whether a text is the selector of a workload, which cannot be changed after creation.
fn is_selector(object: &ObjectKey, path: &[Step]) -> bool {
    let is = |step: Option<&Step>, text: &str| matches!(step, Some(Step::Key(key)) if key == text);
    object.group == "apps" && is(path.first(), "spec") && is(path.get(1), "selector")
}

/// Whether a label or annotation is a checksum on both sides: its key says so, or it reads as one.
fn is_checksum(path: &[Step], old: &str, new: &str) -> bool {
    let [.., Step::Key(map), Step::Key(key)] = path else {
        return false;
    };
    if map != "annotations" && map != "labels" {
        return false;
    }
    let key = key.to_ascii_lowercase();
    let is_named = ["checksum", "hash", "sha256", "sha1", "md5"]
        .iter()
        .any(|word| key.contains(word));
    let of = |valid: fn(char) -> bool| [old, new].iter().all(|text| text.chars().all(valid));
    let is_word =
        of(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_' | ':'));
    let is_hex = old.len() == new.len() && old.len() >= 32 && of(|c| c.is_ascii_hexdigit());
    !old.is_empty() && !new.is_empty() && (is_hex || is_named && is_word)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
