//! Files that the real `sops` encrypted are opened, and what is wrong with one is said.
#![expect(clippy::panic, reason = "a test that finds something else ends there")]

mod encrypt;
mod faults;
mod properties;
mod real;

use std::path::{Path, PathBuf};

use serde_json::Value;
use syncline_render::sops::{Decrypted, Keys, SopsError, decrypt};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/sops")
}

pub(crate) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Keys of the fixtures by their file names.
pub(crate) fn keys(names: &[&str]) -> Keys {
    let files: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (*name, fixture(&format!("keys/{name}"))))
        .collect();
    let entries = files.iter().map(|(name, content)| (*name, &content[..]));
    Keys::from_secret(entries).unwrap_or_else(|error| panic!("{error}"))
}

/// Decrypts `encrypted/<name>` with the key that most of them are for.
pub(crate) fn open(name: &str) -> Result<Decrypted, SopsError> {
    decrypt(
        name,
        &fixture(&format!("encrypted/{name}")),
        &keys(&["age.agekey"]),
    )
}

pub(crate) fn text(decrypted: Decrypted) -> String {
    String::from_utf8(decrypted.content).expect("a decrypted fixture is UTF-8")
}

pub(crate) fn refusal(result: Result<Decrypted, SopsError>) -> SopsError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("it was decrypted"),
    }
}

/// The documents of a YAML text by a parser that the decryption does not use.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
