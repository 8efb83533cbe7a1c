//! What is wrong with a document, in words that hold nothing of its content but keys.

use granit_parser::{ErrorKind, ScanError};

use crate::reason::Reason;

/// Why a document cannot be read.
pub(super) struct Broken {
    /// The reason.
    pub(super) reason: Reason,
    /// Line of the document, from 1.
    pub(super) line: Option<usize>,
    /// What is wrong, for people.
    pub(super) what: String,
}

/// Puts an error of the parser into our words.
pub(super) fn scan_error(error: &ScanError) -> Broken {
    let (reason, what) = words(error.kind());
    Broken {
        reason,
        line: Some(error.marker().line()).filter(|line| *line > 0),
        what,
    }
}

fn words(kind: &ErrorKind) -> (Reason, String) {
    match kind {
        ErrorKind::RecursionLimitExceeded => (
            Reason::YamlLimit,
            "the document is nested too deeply".to_owned(),
        ),
        ErrorKind::TooManyComments => (
            Reason::YamlLimit,
            "the document has too many comments in a row".to_owned(),
        ),
        ErrorKind::BomInsideDocument => (
            Reason::YamlEncoding,
            "a byte-order mark stands inside the file".to_owned(),
        ),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => (
            Reason::YamlSyntax,
            "a tab stands where YAML wants spaces".to_owned(),
        ),
        ErrorKind::InvalidQuotedScalarIndent => (
            Reason::YamlSyntax,
            "a quote is not closed, or a line of quoted text is not indented".to_owned(),
        ),
        ErrorKind::UnclosedQuotedScalar => (Reason::YamlSyntax, "a quote is not closed".to_owned()),
        ErrorKind::UnknownAnchor => (
            Reason::YamlSyntax,
            "an alias names an anchor that does not exist".to_owned(),
        ),
        ErrorKind::Custom(_) | ErrorKind::UnexpectedCharacter { .. } => (
            Reason::YamlSyntax,
            "a character cannot stand here; quote the value".to_owned(),
        ),
        // The words of the parser for the other kinds are fixed: they hold nothing of the file.
        kind => (
            Reason::YamlSyntax,
            kind.to_string().replace("EOF", "end of file"),
        ),
    }
}

/// A key as it may be printed: cut, without control characters.
pub(super) fn printable(key: &str) -> String {
    key.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
