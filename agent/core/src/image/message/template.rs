//! The templates of commit messages: what they may do, and what is wrong with one.
//!
//! There are loops (`for`), conditions (`if`), operators but `*`, and the filters `length`, `first`,
//! `last`, `upper`, `lower`, `trim` and `join`. Nothing that keeps a value (`set`) or makes one much
//! longer is there, so the memory that a template takes is bounded by its size; each tag is short
//! and tags are not nested deep, so the stack is bounded as well, and so are steps and result.

mod tags;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters};

use super::{CommitText, UpdateText, in_one_line, tidy};

/// The template of a Repository that has none.
pub const DEFAULT_TEMPLATE: &str = include_str!("default.jinja");

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 4096;
/// The longest message that a template may make, in bytes.
const MAX_MESSAGE: usize = 64 << 10;
/// How many steps a template may take.
const MAX_STEPS: u64 = 100_000;
/// How deep loops may be nested.
const MAX_DEPTH: usize = 20;

/// A line with nothing but a statement leaves no line behind.
static SYNTAX: LazyLock<SyntaxConfig> = LazyLock::new(|| {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    syntax.build().expect("the syntax is the usual one")
});

/// A template that was tried out.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageTemplate(String);

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{detail}", at(*line))]
pub struct TemplateError {
    /// The line of the template, from 1; `None` where the whole of it is meant.
    pub line: Option<usize>,
    /// What is wrong there.
    pub detail: String,
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: "))
        .unwrap_or_default()
}

fn refuse<T>(line: Option<usize>, detail: impl Into<String>) -> Result<T, TemplateError> {
    let detail = detail.into();
    Err(TemplateError { line, detail })
}

impl MessageTemplate {
    /// Checks a template, and tries it out with one update and with several, with the fields filled
    /// that may be empty, and empty.
    ///
    /// # Errors
    /// Its size, its syntax, a field that does not exist, too many steps, or an empty message.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return refuse(None, format!("it is longer than {MAX_TEMPLATE} bytes"));
        }
        tags::check(text)?;
        let template = Self(text.to_owned());
        for sample in samples() {
            template.render(&sample)?;
        }
        Ok(template)
    }

    /// What the template makes of a commit, tidied up.
    pub(super) fn render(&self, commit: &CommitText) -> Result<String, TemplateError> {
        let mut environment = Environment::empty();
        environment.add_filter("length", filters::length);
        environment.add_filter("first", filters::first);
        environment.add_filter("last", filters::last);
        environment.add_filter("upper", filters::upper);
        environment.add_filter("lower", filters::lower);
        environment.add_filter("trim", filters::trim);
        environment.add_filter("join", join);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_syntax(SYNTAX.clone());
        let mut written = Bounded(Vec::new());
        let rendered = environment.template_from_str(&self.0).and_then(|template| {
            let values = Value::from(Serde(commit));
            template.render_captured_to(values, &mut written).map(drop)
        });
        rendered.map_err(|error| explain(&error))?;
        let text = tidy(&String::from_utf8_lossy(&written.0));
        if text.is_empty() {
            return refuse(None, "it makes an empty message");
        }
        Ok(text)
    }
}

impl Default for MessageTemplate {
    fn default() -> Self {
        Self(DEFAULT_TEMPLATE.to_owned())
    }
}

impl fmt::Debug for MessageTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageTemplate").field(&self.0).finish()
    }
}

/// The items of a list with something between them, no longer than a message may be.
fn join(list: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut joined = String::new();
    for (number, item) in list.try_iter()?.enumerate() {
        if number > 0 {
            joined.push_str(between.unwrap_or_default());
        }
        match item.as_str() {
            Some(text) => joined.push_str(text),
            None => joined.push_str(&item.to_string()),
        }
        if joined.len() > MAX_MESSAGE {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "the list is too long",
            ));
        }
    }
    Ok(joined)
}

/// A buffer that takes no more than a message may have.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_MESSAGE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn explain(error: &Error) -> TemplateError {
    let detail = match (error.kind(), error.detail()) {
        (ErrorKind::WriteFailure, _) => format!("the message is longer than {MAX_MESSAGE} bytes"),
        (ErrorKind::OutOfFuel, _) => format!("it takes more than {MAX_STEPS} steps"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    TemplateError {
        line: error.line(),
        detail: in_one_line(&detail),
    }
}

/// What templates are tried out with.
fn samples() -> [CommitText; 3] {
    let bare = UpdateText {
        policy: "apps/web".to_owned(),
        image: "registry.example.com/web".to_owned(),
        old: "1.0.0".to_owned(),
        new: "1.1.0".to_owned(),
        files: vec!["apps/web/deployment.yaml:21".to_owned()],
        applications: Vec::new(),
        source: String::new(),
        revision: String::new(),
        labels: BTreeMap::new(),
    };
    let revision = "0123456789abcdef0123456789abcdef01234567";
    let full = UpdateText {
        applications: vec!["apps/web".to_owned(), "apps/web-canary".to_owned()],
        source: "https://git.example.com/acme/web".to_owned(),
        revision: revision.to_owned(),
        labels: BTreeMap::from([(
            "org.opencontainers.image.revision".to_owned(),
            revision.to_owned(),
        )]),
        ..bare.clone()
    };
    let commit = |updates| CommitText {
        repository: "config".to_owned(),
        branch: "main".to_owned(),
        updates,
    };
    [
        commit(vec![bare.clone()]),
        commit(vec![full.clone()]),
        commit(vec![bare, full]),
    ]
}
