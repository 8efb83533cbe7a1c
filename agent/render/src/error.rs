//! Why a render failed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use syncline_core::reason::Reason;

use crate::job::{Ask, AskError};

/// A render that failed. No message holds rendered content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source is wrong: Helm or Kustomize refused it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A file that the render needs could not be given.
    #[error("{0}")]
    Ask(#[from] AskError),
    /// The render needs what is not at hand yet; it is to be tried again with that.
    #[error("the render needs {}", .0.first().map_or("nothing", Ask::noun))]
    Needs(Vec<Ask>),
    /// The render took too long; its process was ended.
    #[error("rendering took longer than {0:?}")]
    Deadline(Duration),
    /// The render took too much memory; its process was ended.
    #[error("rendering took more than {0} MiB of memory")]
    Memory(u64),
    /// The files of the render are too large together.
    #[error("the files to render have more than {0} bytes")]
    InputTooLarge(usize),
    /// The objects are too large together; the process was ended.
    #[error("the rendered objects have more than {0} bytes")]
    OutputTooLarge(usize),
    /// The process ended in the middle of the render.
    #[error("the renderer ended while it rendered: {0}")]
    Died(String),
    /// The process could not be started.
    #[error("the renderer {} cannot be started: {detail}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        detail: String,
    },
    /// The process said something that is not in the protocol; it was ended.
    #[error("the renderer broke the protocol: {0}")]
    Protocol(String),
}

impl Error {
    /// The row of the table of reasons.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Ask(error) => error.reason,
            Self::Deadline(_) => Reason::RenderTimeout,
            Self::Memory(_) | Self::InputTooLarge(_) | Self::OutputTooLarge(_) => Reason::TooLarge,
            Self::Needs(_) | Self::Died(_) | Self::Start { .. } | Self::Protocol(_) => {
                Reason::RendererUnavailable
            }
        }
    }

    /// The file that is to blame, where one is known.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.file.as_deref(),
            _ => None,
        }
    }
}

/// What Helm or Kustomize has against the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code such as `kz.cycle` or `helm.fail`; finer than the reason.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// The file, from the root of the repository.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The column in it, from 1.
    pub column: Option<usize>,
}

impl Refusal {
    /// The row of the table of reasons.
    pub fn reason(&self) -> Reason {
        match self.code.as_str() {
            "path.escape" => Reason::PathEscape,
            "path.not_found" => Reason::PathNotFound,
            "yaml.syntax" => Reason::YamlSyntax,
            code if code.starts_with("kz.") => Reason::KustomizeFailed,
            code if code.starts_with("helm.") || code.starts_with("archive.") => Reason::HelmFailed,
            _ => Reason::RenderFailed,
        }
    }
}

/// `apps/web/templates/a.yaml:12:5: what is wrong (helm.template)`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            f.write_str(file)?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{} ({})", self.message, self.code)
    }
}
