//! Decrypts files that SOPS encrypted, in memory: bytes and keys in, bytes out.
//!
//! YAML and JSON are decrypted in place: each `ENC[...]` becomes a scalar of its type on the same
//! line and the `sops` map becomes blank, so lines, documents, comments and anchors stay where
//! they are. Every value is proved twice, by its own tag with its path, and by the MAC over all
//! values. No message holds a value or a byte of a key.
//!
//! ```text
//! content -> leaves in order + metadata -> data key (age, PGP, Shamir) -> values, MAC -> edits
//! ```

mod age_keys;
mod capture;
mod cipher;
mod data_key;
mod dotenv;
mod json;
mod keys;
mod leaf;
mod metadata;
mod pgp_keys;
mod rules;
mod scalar;
mod shamir;
mod write;
mod yaml;

use std::fmt;

use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;

pub use keys::Keys;

use leaf::{Content, Parsed, Path};
use metadata::Metadata;

/// How an encrypted file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// YAML with any number of documents.
    Yaml,
    /// A JSON object.
    Json,
    /// Lines of `KEY=value`.
    Dotenv,
    /// INI; recognised, and refused by [`decrypt`].
    Ini,
    /// Any bytes, kept as one value `data` of a JSON object.
    Binary,
}

/// A file without its encryption.
pub struct Decrypted {
    /// The whole file as it was before, in the layout of the encrypted one.
    pub content: Vec<u8>,
    /// Every value that was encrypted and is neither empty nor a boolean nor a comment, so that it
    /// can be masked wherever it turns up. A value that is not UTF-8 is here in base64.
    pub secrets: Vec<Redacted>,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted")
            .field("secrets", &self.secrets.len())
            .finish_non_exhaustive()
    }
}

/// Why a file, or a key, cannot be used. It never holds a value or a part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SopsError {
    /// A stable code: `sops.no_key`, `sops.mac`, `sops.value`, `sops.kms`, `sops.format`,
    /// `sops.key` or `sops.not_configured`.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// The file, from the root of the repository; none where a key is to blame.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
}

impl SopsError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            file: None,
            line: None,
        }
    }

    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::new("sops.format", message)
    }

    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line.get_or_insert(line);
        self
    }

    /// The refusal of an encrypted file of an application that names no keys.
    pub fn not_configured(path: &str) -> Self {
        Self {
            file: Some(path.to_owned()),
            ..Self::new(
                "sops.not_configured",
                "the file is encrypted by SOPS and `spec.decrypt` names no keys",
            )
        }
    }

    /// The row of the table of reasons.
    pub fn reason(&self) -> Reason {
        match self.code {
            "sops.not_configured" => Reason::DecryptNotConfigured,
            _ => Reason::DecryptFailed,
        }
    }
}

/// `apps/web/secret.yaml:12: what is wrong (sops.value)`.
impl fmt::Display for SopsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// Whether a file was encrypted by SOPS, and how it is written.
///
/// Cheap: it searches the bytes for the marks of SOPS and parses nothing. The name decides where
/// it is one that SOPS knows (`.yaml`, `.yml`, `.json`, `.env`, `.ini`), else the content.
pub fn looks_encrypted(path: &str, content: &[u8]) -> Option<Format> {
    if !contains(content, b"sops") || !contains(content, b"ENC[AES256_GCM,") {
        return None;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let found = |format, marked| if marked { Some(format) } else { None };
    match extension {
        "yaml" | "yml" => found(Format::Yaml, is_yaml(content)),
        "json" => found(Format::Json, is_json(content)),
        "env" => found(Format::Dotenv, is_dotenv(content)),
        "ini" => found(Format::Ini, is_ini(content)),
        _ if is_json(content) => Some(Format::Binary),
        _ if is_dotenv(content) => Some(Format::Dotenv),
        _ if is_ini(content) => Some(Format::Ini),
        _ => found(Format::Yaml, is_yaml(content)),
    }
}

/// Decrypts a file. `path` names its format, as in [`looks_encrypted`], and stands in errors.
///
/// The result is complete or there is none: one value that fails, or a MAC that does not fit,
/// refuses the file.
pub fn decrypt(path: &str, content: &[u8], keys: &Keys) -> Result<Decrypted, SopsError> {
    decrypt_in(path, content, keys).map_err(|error| SopsError {
        file: Some(path.to_owned()),
        ..error
    })
}

fn decrypt_in(path: &str, content: &[u8], keys: &Keys) -> Result<Decrypted, SopsError> {
    let format = looks_encrypted(path, content)
        .ok_or_else(|| SopsError::format("the file has no metadata of SOPS"))?;
    let text =
        std::str::from_utf8(content).map_err(|_| SopsError::format("the file is not UTF-8"))?;
    let (format, parsed) = match format {
        Format::Yaml => (format, yaml::parse(text)?),
        Format::Json => (format, json::parse(text)?),
        Format::Dotenv => (format, dotenv::parse(text)?),
        Format::Ini => {
            let message = "INI files are not supported yet; use YAML, JSON or dotenv";
            return Err(SopsError::format(message));
        }
        Format::Binary => {
            let parsed = json::parse(text)?;
            let format = if is_binary(&parsed) {
                Format::Binary
            } else {
                Format::Json
            };
            (format, parsed)
        }
    };
    let metadata = Metadata::read(&parsed.metadata)?;
    let key = data_key::unwrap(&metadata, keys)?;
    let opened = cipher::open(&parsed, &metadata, &key)?;
    write::write(format, text, &parsed, &opened)
}

/// One value `data` at the top and nothing else is how SOPS keeps bytes of any kind.
fn is_binary(parsed: &Parsed) -> bool {
    matches!(&parsed.leaves[..], [leaf] if leaf.path == Path::default().child("data")
        && matches!(leaf.content, Content::Text(_)))
}

fn is_yaml(content: &[u8]) -> bool {
    has_line(content, b"sops:") || has_line(content, b"\"sops\":") || is_json(content)
}

fn is_json(content: &[u8]) -> bool {
    let start = content.iter().position(|b| !b.is_ascii_whitespace());
    start.is_some_and(|start| content[start] == b'{') && contains(content, b"\"sops\"")
}

fn is_dotenv(content: &[u8]) -> bool {
    has_line(content, b"sops_mac=")
}

fn is_ini(content: &[u8]) -> bool {
    has_line(content, b"[sops]")
}

/// Whether a line begins with these bytes.
fn has_line(content: &[u8], start: &[u8]) -> bool {
    content
        .split(|&b| b == b'\n')
        .any(|line| line.starts_with(start))
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| b == needle[0]) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
