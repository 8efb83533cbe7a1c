//! What is wrong with a document, in words that hold nothing of its content but keys.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::localizer::ExternalMessageSource;

use crate::reason::Reason;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The document is nested too deeply for the stack that it was read with.
    Depth,
    /// Anything else: a larger stack would not help.
    Other,
}

/// Why a document cannot be read.
pub(super) struct Broken {
    /// The reason.
    pub(super) reason: Reason,
    /// What kind of fault it is.
    pub(super) fault: Fault,
    /// Line of the document, from 1.
    pub(super) line: Option<usize>,
    /// What is wrong, for people.
    pub(super) what: String,
}

/// Puts an error of the parser into our words.
pub(super) fn broken(error: &serde_saphyr::Error) -> Broken {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let line = error
        .location()
        .map(|location| location.line() as usize)
        .filter(|line| *line > 0);
    let (reason, what) = match error {
        Error::AliasError { error, .. } => {
            let inner = broken(error);
            return Broken {
                line: line.or(inner.line),
                ..inner
            };
        }
        Error::DuplicateMappingKey { key, .. } => (
            Reason::YamlDuplicateKey,
            match key {
                Some(key) => format!("the key `{}` stands twice in one map", printable(key)),
                None => "a key stands twice in one map".to_owned(),
            },
        ),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            Reason::YamlLimit,
            "the document is too deep, or its aliases expand too far".to_owned(),
        ),
        Error::ExternalMessage { source, .. } => match &**source {
            ExternalMessageSource::Parser(error) => scan_error(error.kind()),
            _ => (Reason::YamlSyntax, "the document cannot be read".to_owned()),
        },
        Error::UnknownAnchor { .. } => (
            Reason::YamlSyntax,
            "an alias names an anchor that does not exist".to_owned(),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            Reason::YamlSyntax,
            "an alias stands inside the anchor that it names".to_owned(),
        ),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => (
            Reason::YamlSyntax,
            "the value of `<<` is not a map or a list of maps".to_owned(),
        ),
        Error::NonFiniteFloat { .. } => (
            Reason::YamlSyntax,
            "a number is too large, infinite or not a number; quote it if it is text".to_owned(),
        ),
        Error::Eof { .. } => (Reason::YamlSyntax, "the document ends too early".to_owned()),
        _ => (
            Reason::YamlSyntax,
            "a value cannot be read; its tag or type is wrong".to_owned(),
        ),
    };
    Broken {
        reason,
        fault: fault(error),
        line,
        what,
    }
}

fn fault(error: &serde_saphyr::Error) -> Fault {
    use serde_saphyr::Error;
    let deep = match error {
        Error::Budget { breach, .. } => matches!(breach, BudgetBreach::Depth { .. }),
        Error::ExternalMessage { source, .. } => matches!(
            &**source,
            ExternalMessageSource::Parser(error)
                if *error.kind() == ErrorKind::RecursionLimitExceeded
        ),
        _ => false,
    };
    if deep { Fault::Depth } else { Fault::Other }
}

fn scan_error(kind: &ErrorKind) -> (Reason, String) {
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
fn printable(key: &str) -> String {
    key.chars()
        .take(80)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
