//! AES-256-GCM of the values, and the MAC over them.

use aes_gcm::aead::consts::U32;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInPlace, AesGcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::SopsError;
use super::data_key::DataKey;
use super::leaf::{Content, Leaf, Parsed, Path};
use super::metadata::Metadata;
use super::rules::Verdict;
use super::scalar;

/// Bytes that the format puts before the values where the MAC covers the encrypted ones alone.
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// How often the map of a comment is guessed in one file; a comment beyond it stays encrypted.
const COMMENT_TRIES: usize = 200_000;

/// A decrypted value. Never printed.
pub(super) enum Plain {
    Text(Zeroizing<Vec<u8>>),
    Integer(Zeroizing<String>),
    Float(f64),
    Boolean(bool),
    Time(Zeroizing<String>),
    Comment(Zeroizing<String>),
}

/// `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]` taken apart.
pub(super) struct Sealed<'a> {
    data: &'a str,
    iv: &'a str,
    tag: &'a str,
    kind: &'a str,
}

impl<'a> Sealed<'a> {
    /// None where the text is not of that form.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let inner = text.trim_end_matches(['\r', '\n']);
        let inner = inner.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
        let mut fields = inner.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix(':');
        let sealed = Self {
            data: field("data")?,
            iv: field("iv")?,
            tag: field("tag")?,
            kind: field("type")?,
        };
        fields.next().is_none().then_some(sealed)
    }

    /// Whether it holds a comment.
    pub(super) fn is_comment(&self) -> bool {
        self.kind == "comment"
    }

    /// The value, or none where key, path or bytes do not fit, or its type is unknown.
    pub(super) fn open(&self, key: &DataKey, associated: &str) -> Option<Plain> {
        let decode = |text| STANDARD.decode(text).ok();
        let (iv, tag) = (decode(self.iv)?, decode(self.tag)?);
        let mut data = Zeroizing::new(decode(self.data)?);
        let associated = associated.as_bytes();
        let iv = <&[u8; 32]>::try_from(iv.as_slice()).ok()?;
        let tag = <&[u8; 16]>::try_from(tag.as_slice()).ok()?;
        AesGcm::<Aes256, U32>::new(key.bytes().into())
            .decrypt_in_place_detached(iv.into(), associated, &mut data, tag.into())
            .ok()?;
        let text = || std::str::from_utf8(&data).ok();
        Some(match self.kind {
            "str" | "bytes" => Plain::Text(data),
            "int" => Plain::Integer(Zeroizing::new(text()?.parse::<i64>().ok()?.to_string())),
            "float" => Plain::Float(scalar::go_float(text()?)?),
            "bool" => Plain::Boolean(scalar::go_boolean(text()?)?),
            "time" => Plain::Time(Zeroizing::new(scalar::time(text()?)?)),
            "comment" => Plain::Comment(Zeroizing::new(text()?.to_owned())),
            _ => return None,
        })
    }
}

/// Decrypts every leaf and checks the MAC. The answer has one entry per leaf; none where the leaf
/// stays as it is.
pub(super) fn open(
    parsed: &Parsed,
    metadata: &Metadata,
    key: &DataKey,
) -> Result<Vec<Option<Plain>>, SopsError> {
    let mut mac = Sha512::new();
    if metadata.mac_only_encrypted {
        mac.update(ENCRYPTED_ONLY);
    }
    let mut opened = Vec::with_capacity(parsed.leaves.len());
    let mut tries = COMMENT_TRIES;
    for (index, leaf) in parsed.leaves.iter().enumerate() {
        // Comments are no part of the MAC.
        let (plain, encrypted) = match &leaf.content {
            Content::Comment(text) => {
                opened.push(open_comment(parsed, index, text, key, &mut tries));
                continue;
            }
            content => open_value(leaf, content, metadata, key)?,
        };
        if encrypted || !metadata.mac_only_encrypted {
            match &plain {
                Some(plain) => mac.update(plain.mac_text()),
                None => match &leaf.content {
                    Content::Text(text) => mac.update(text),
                    Content::Other(text) => mac.update(text.as_bytes()),
                    Content::Null | Content::Comment(_) => {}
                },
            }
        }
        opened.push(plain);
    }
    let computed = mac.finalize();
    let stated = Sealed::read(&metadata.mac).and_then(|mac| mac.open(key, &metadata.last_modified));
    match stated {
        Some(Plain::Text(stated)) if is_hex_of(&stated, &computed) => Ok(opened),
        Some(_) => Err(SopsError::new(
            "sops.mac",
            "the MAC of the file does not fit its values: it was changed without `sops`",
        )),
        None => Err(SopsError::new(
            "sops.mac",
            "the MAC of the file cannot be decrypted: its metadata were changed without `sops`",
        )),
    }
}

/// A value, and whether it counts as encrypted.
fn open_value(
    leaf: &Leaf,
    content: &Content,
    metadata: &Metadata,
    key: &DataKey,
) -> Result<(Option<Plain>, bool), SopsError> {
    let text = match content {
        Content::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    };
    let sealed = text.and_then(Sealed::read);
    let refused = |what: &str| {
        let message = format!("the value of `{}` {what}", leaf.path);
        SopsError::new("sops.value", message).at(leaf.line)
    };
    let is_empty = matches!(content, Content::Null) || text == Some("");
    match (metadata.rules.verdict(&leaf.path), sealed) {
        (Verdict::Plain, _) | (Verdict::AsWritten, None) => Ok((None, false)),
        (Verdict::Encrypted, None) if is_empty => Ok((None, true)),
        (Verdict::Encrypted, None) => Err(refused(
            "is not encrypted as SOPS does it, although the rules of the file say so",
        )),
        (_, Some(sealed)) => match sealed.open(key, &leaf.path.associated_data()) {
            Some(Plain::Comment(_)) if leaf.list.is_none() => {
                Err(refused("is a comment in the place of a value"))
            }
            Some(plain) if leaf.bytes.is_some() => Ok((Some(plain), true)),
            _ => Err(refused(
                "cannot be decrypted: it was changed, cut or moved without `sops`",
            )),
        },
    }
}

/// A comment may hang on any map around it, as the library that SOPS reads YAML with sees it.
fn open_comment(
    parsed: &Parsed,
    index: usize,
    text: &str,
    key: &DataKey,
    tries: &mut usize,
) -> Option<Plain> {
    let sealed = Sealed::read(text)?;
    let neighbours = [Some(index), index.checked_sub(1), Some(index + 1)];
    for leaf in neighbours
        .into_iter()
        .flatten()
        .filter_map(|index| parsed.leaves.get(index))
    {
        let up = |path: &Path| (!path.is_empty()).then(|| path.parent());
        for path in std::iter::successors(Some(leaf.path.clone()), up) {
            *tries = tries.checked_sub(1)?;
            if let Some(plain) = sealed.open(key, &path.associated_data()) {
                return Some(plain).filter(|plain| matches!(plain, Plain::Comment(_)));
            }
        }
    }
    None
}

fn is_hex_of(stated: &[u8], computed: &[u8]) -> bool {
    let hex = computed.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: Vec<u8> = hex
        .map(|digit| b"0123456789ABCDEF"[usize::from(digit)])
        .collect();
    stated.eq_ignore_ascii_case(&hex)
}

impl Plain {
    fn mac_text(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Text(bytes) => bytes.to_vec(),
            Self::Integer(text) | Self::Time(text) => text.as_bytes().to_vec(),
            Self::Comment(_) => Vec::new(),
            Self::Float(number) => scalar::float_text(*number).into_bytes(),
            Self::Boolean(value) => scalar::boolean_text(*value).into(),
        })
    }

    /// What a parser of the decrypted file must find in its place.
    pub(super) fn content(&self) -> Content {
        match self {
            Self::Text(bytes) => Content::Text(bytes.to_vec()),
            Self::Integer(text) | Self::Time(text) => Content::Other(text.to_string()),
            Self::Float(number) => Content::Other(scalar::float_text(*number)),
            Self::Boolean(value) => Content::Other(scalar::boolean_text(*value).to_owned()),
            Self::Comment(text) => Content::Comment(text.to_string()),
        }
    }
}
