//! Answers the questions of a render from its sources, and notes what was read and what is secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use serde_json::Value;
use syncline_core::digest::Digest;
use syncline_core::outcome::Failure;
use syncline_core::read_set::ReadSet;
use syncline_core::redacted::Redacted;
use syncline_core::secret_inputs::SecretInputs;
use syncline_render::cache::Read;
use syncline_render::{Answer, Ask, AskError, Entry, Location, sops};

use super::tree::{File, Tree};

/// The trees that an application is rendered from.
pub(crate) struct Sources {
    /// By how the renderer names them: empty for the Application's own repository, `$name` for
    /// another one, `git:<url>@<commit>` for a remote base.
    trees: BTreeMap<String, Tree>,
    keys: Option<Arc<sops::Keys>>,
    seen: Mutex<Seen>,
}

/// What was seen in the sources.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    /// What was read of each.
    pub(crate) reads: BTreeMap<String, ReadSet>,
    /// What was decrypted.
    pub(crate) secrets: SecretInputs,
}

impl Sources {
    /// The Application's own repository, and the keys of its encrypted files.
    pub(crate) fn new(own: Tree, keys: Option<Arc<sops::Keys>>) -> Self {
        Self {
            trees: [(String::new(), own)].into(),
            keys,
            seen: Mutex::default(),
        }
    }

    /// Adds a tree under the name that the renderer has for it.
    pub(crate) fn add(&mut self, source: String, tree: Tree) {
        self.trees.insert(source, tree);
    }

    /// What was secret in the sources so far.
    pub(crate) fn secrets(&self) -> SecretInputs {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = SecretInputs::default();
        secrets.extend(&seen.secrets);
        secrets
    }

    /// What was seen so far.
    pub(crate) fn into_seen(self) -> Seen {
        self.seen
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen so far, and may be seen again.
    pub(super) fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Notes what another render of the same files has seen.
    pub(super) fn saw(&self, other: &Seen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.secrets.extend(&other.secrets);
        for (source, reads) in &other.reads {
            seen.reads.insert(source.clone(), reads.clone());
        }
    }

    /// The id of what stands at a place now; none where nothing is.
    pub(super) fn id_of(&self, read: &Read) -> Result<Option<Digest>, Failure> {
        match read {
            Read::Place(location) => match self.trees.get(&location.source) {
                Some(tree) => tree.digest(&location.path),
                None => Ok(None),
            },
            Read::Chart(_) | Read::Lookup(_) => Ok(None),
        }
    }

    /// Answers a question about files; [`Answer::Later`] for what is in none of the trees.
    pub(super) fn answer(&self, ask: &Ask) -> Result<Answer, AskError> {
        let (Ask::Read(location) | Ask::List(location)) = ask else {
            return Ok(Answer::Later);
        };
        let Some(tree) = self.trees.get(&location.source) else {
            return Ok(Answer::Later);
        };
        let answer = match ask {
            Ask::List(_) => self.list(tree, location),
            _ => self.read(tree, location),
        };
        answer.map_err(|failure| AskError {
            reason: failure.reason,
            detail: failure.detail,
        })
    }

    fn read(&self, tree: &Tree, location: &Location) -> Result<Answer, Failure> {
        let path = &location.path;
        let trail = tree.trail(path)?;
        self.note(&location.source, |reads| {
            reads.add_file(path);
            for passed in &trail {
                reads.add_file(passed);
            }
        });
        if let Some(content) = tree.read(path)? {
            return self.decrypted(path, content).map(Answer::File);
        }
        // The renderer asks for a path before it knows what it is.
        let directory = tree.list(path)?;
        Ok(directory.map_or(Answer::Missing, |_| Answer::Directory(Vec::new())))
    }

    fn list(&self, tree: &Tree, location: &Location) -> Result<Answer, Failure> {
        let path = &location.path;
        let trail = tree.trail(path)?;
        self.note(&location.source, |reads| {
            reads.add_listing(path);
            for passed in &trail {
                reads.add_listing(passed);
            }
        });
        if let Some(entries) = tree.list(path)? {
            return Ok(Answer::Directory(entries));
        }
        let file = tree.read(path)?;
        Ok(file.map_or(Answer::Missing, |_| Answer::File(Vec::new())))
    }

    /// All files below a path of the Application's own repository, or the one file there.
    pub(super) fn below(&self, path: &str) -> Result<Vec<File>, Failure> {
        let Some(tree) = self.own() else {
            return Ok(Vec::new());
        };
        self.note("", |reads| reads.add_tree(path));
        if let Some(files) = tree.files_below(path)? {
            for link in files.iter().flat_map(|file| &file.links) {
                self.note("", |reads| reads.add_tree(link));
            }
            return Ok(files);
        }
        let file = tree.read(path)?.map(|bytes| File {
            path: path.to_owned(),
            bytes,
            links: Vec::new(),
        });
        Ok(file.into_iter().collect())
    }

    /// What a directory of the Application's own repository holds; none where no directory is.
    pub(super) fn entries(&self, path: &str) -> Result<Option<Vec<Entry>>, Failure> {
        self.own().map_or(Ok(None), |tree| tree.list(path))
    }

    /// The content of a file of the Application's own repository; none where no file is.
    pub(crate) fn file(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.note("", |reads| reads.add_file(path));
        self.own().map_or(Ok(None), |tree| tree.read(path))
    }

    fn own(&self) -> Option<&Tree> {
        self.trees.get("")
    }

    /// Hides the values of Secrets that the cluster answered with.
    pub(super) fn hide_secrets(&self, object: &Value) {
        for item in object["items"].as_array().into_iter().flatten() {
            self.hide_secrets(item);
        }
        let secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
        let Some(data) = object["data"].as_object().filter(|_| secret) else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for value in data.values().filter_map(Value::as_str) {
            let plain = base64::engine::general_purpose::STANDARD.decode(value);
            if let Some(text) = plain.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                seen.secrets.add(&Redacted::new(text));
            }
        }
    }

    /// A message without what was decrypted or looked up.
    pub(super) fn mask(&self, text: &str) -> String {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.secrets.mask_text(text).into_owned()
    }

    /// The content of a file, decrypted where it is encrypted.
    pub(super) fn decrypted(&self, path: &str, content: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if sops::looks_encrypted(path, &content).is_none() {
            return Ok(content);
        }
        let decrypted = match &self.keys {
            Some(keys) => sops::decrypt(path, &content, keys),
            None => Err(sops::SopsError::not_configured(path)),
        };
        let decrypted = decrypted.map_err(|error| Failure {
            reason: error.reason(),
            detail: error.to_string(),
        })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in &decrypted.secrets {
            seen.secrets.add(secret);
        }
        Ok(decrypted.content)
    }

    fn note(&self, source: &str, add: impl FnOnce(&mut ReadSet)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        add(seen.reads.entry(source.to_owned()).or_default());
    }
}
