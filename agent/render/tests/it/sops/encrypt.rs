//! A small encrypter, written from the description of the format, to try any tree.

use aes_gcm::aead::consts::U32;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInPlace, AesGcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

/// A value of a tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Null,
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

const KEY: [u8; 32] = [7; 32];
const MODIFIED: &str = "2026-11-21T00:00:00Z";

pub(crate) struct Encrypter {
    mac: Sha512,
    number: u8,
    recipient: age::x25519::Recipient,
}

impl Encrypter {
    /// For an identity `AGE-SECRET-KEY-1...` among the lines of a file.
    pub(crate) fn new(identities: &[u8]) -> Self {
        let text = std::str::from_utf8(identities).expect("UTF-8");
        let line = text
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY-1"));
        let identity: age::x25519::Identity = line.expect("a key").parse().expect("an identity");
        Self {
            mac: Sha512::new(),
            number: 0,
            recipient: identity.to_public(),
        }
    }

    fn seal(&mut self, text: &[u8], path: &str, kind: &str) -> String {
        self.number = self.number.wrapping_add(1);
        let iv = [self.number; 32];
        let mut data = text.to_vec();
        let tag = AesGcm::<Aes256, U32>::new(&KEY.into())
            .encrypt_in_place_detached(&iv.into(), path.as_bytes(), &mut data)
            .expect("a short text");
        let [data, iv, tag] = [&data[..], &iv, &tag].map(|bytes| STANDARD.encode(bytes));
        format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]")
    }

    fn leaf(&mut self, tree: &Tree, path: &[&str]) -> String {
        let (text, kind) = match tree {
            Tree::Text(text) if text.is_empty() => return "\"\"".into(),
            Tree::Text(text) => (text.clone(), "str"),
            Tree::Integer(number) => (number.to_string(), "int"),
            Tree::Float(number) => (number.to_string(), "float"),
            Tree::Boolean(true) => ("True".into(), "bool"),
            Tree::Boolean(false) => ("False".into(), "bool"),
            Tree::Null | Tree::List(_) | Tree::Map(_) => return "null".into(),
        };
        self.mac.update(&text);
        self.seal(text.as_bytes(), &format!("{}:", path.join(":")), kind)
    }

    fn block<'a>(
        &mut self,
        tree: &'a Tree,
        path: &mut Vec<&'a str>,
        indent: &str,
        out: &mut String,
    ) {
        match tree {
            Tree::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    out.extend(["\n", indent, &quoted(key), ":"]);
                    path.push(key);
                    self.block(value, path, &format!("{indent}  "), out);
                    path.pop();
                }
            }
            Tree::List(items) if !items.is_empty() => {
                for item in items {
                    out.extend(["\n", indent, "-"]);
                    self.block(item, path, &format!("{indent}  "), out);
                }
            }
            Tree::Map(_) => *out += " {}",
            Tree::List(_) => *out += " []",
            leaf => out.extend([" ", &self.leaf(leaf, path)]),
        }
    }

    fn flow<'a>(&mut self, tree: &'a Tree, path: &mut Vec<&'a str>) -> String {
        match tree {
            Tree::Map(entries) => {
                let mut written = Vec::new();
                for (key, value) in entries {
                    path.push(key);
                    written.push(format!("{}: {}", quoted(key), self.flow(value, path)));
                    path.pop();
                }
                format!("{{{}}}", written.join(", "))
            }
            Tree::List(items) => {
                let written: Vec<String> = items.iter().map(|item| self.flow(item, path)).collect();
                format!("[{}]", written.join(", "))
            }
            leaf => match self.leaf(leaf, path) {
                sealed if sealed.starts_with("ENC") => quoted(&sealed),
                other => other,
            },
        }
    }

    fn metadata(&mut self) -> [(&'static str, String); 2] {
        let mac = self.mac.clone().finalize();
        let mac: Vec<String> = mac.iter().map(|b| format!("{b:02X}")).collect();
        let mac = self.seal(mac.concat().as_bytes(), MODIFIED, "str");
        let enc = age::encrypt_and_armor(&self.recipient, &KEY).expect("it encrypts");
        [("mac", mac), ("enc", enc)]
    }

    /// Block YAML with one document for each tree; a tree must be a map.
    pub(crate) fn yaml(mut self, documents: &[Tree]) -> String {
        let mut bodies = Vec::new();
        for tree in documents {
            let mut body = String::new();
            self.block(tree, &mut Vec::new(), "", &mut body);
            bodies.push(body.trim_start().trim_start_matches("{}").to_owned());
        }
        let [(_, mac), (_, enc)] = self.metadata();
        let metadata = format!(
            "sops:\n  age:\n    - recipient: {}\n      enc: {}\n  lastmodified: \"{MODIFIED}\"\n  mac: {mac}\n",
            self.recipient,
            quoted(&enc),
        );
        let bodies: Vec<String> = bodies.iter().map(|b| format!("{b}\n{metadata}")).collect();
        bodies.join("---\n")
    }

    /// A JSON object, with its metadata in front, in the middle or at the end.
    pub(crate) fn json(mut self, tree: &Tree, place: usize) -> String {
        let Tree::Map(entries) = tree else {
            return String::new();
        };
        let mut written = Vec::new();
        for (key, value) in entries {
            let value = self.flow(value, &mut vec![key]);
            written.push(format!("{}: {value}", quoted(key)));
        }
        let [(_, mac), (_, enc)] = self.metadata();
        let metadata = format!(
            "\"sops\": {{\"age\": [{{\"recipient\": \"{}\", \"enc\": {}}}], \"lastmodified\": \"{MODIFIED}\", \"mac\": \"{mac}\"}}",
            self.recipient,
            quoted(&enc),
        );
        written.insert(place.min(written.len()), metadata);
        format!("{{{}}}", written.join(",\n"))
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text)
        .expect("a string")
        .chars()
        .map(|c| match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                format!("\\u{:04x}", u32::from(c))
            }
            c => c.to_string(),
        })
        .collect()
}
