//! Expressions of the user on one object, in CEL (the Common Expression Language of the Kubernetes
//! API): compiled once, without any effect, and bounded in time and memory.
//!
//! The object is `self`; nothing else is known, neither the time nor another object. There are
//!
//! - fields, indexes and optional access: `self.status.phase`, `self.metadata.labels['a/b']`,
//!   `self.?status.?phase.orValue('')`, `has(self.status.phase)`;
//! - the operators of CEL with `in` and `? :`; a whole number of the object is an `int`;
//! - the macros `all`, `exists`, `exists_one`, `filter` and `map`;
//! - of text `contains`, `startsWith`, `endsWith`, `size` and `matches` (the pattern is a literal,
//!   so that a wrong one is found when the expression is read);
//! - `timestamp` and `duration` with their `get…` functions, and the conversions `int`, `uint`,
//!   `double`, `string`, `bytes`, `bool`, `dyn` and `type`.
//!
//! Of the libraries of Kubernetes there are none: no `quantity`, `url`, `ip`, `semver`, `sets`, no
//! functions on text beyond those above, no `cel.bind` and no macros of two variables.
//!
//! Time and memory are bounded by a budget of [`MAX_COST`] steps: each loop pays for all that it
//! goes through before it begins, and each operator for its operands, so that no expression of any
//! object runs longer. Brackets may stand 16 deep, and 48 operators, accesses and calls in one chain
//! (`&&`, `||` and `,` begin a new one).

mod check;
mod run;
mod scan;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use serde_json::Value;

/// Longest text, in bytes.
pub const MAX_BYTES: usize = 4096;
/// How deep loops (`all`, `exists`, `exists_one`, `filter`, `map`) may stand in each other.
pub const MAX_NESTING: usize = 4;
/// What one evaluation may cost, in steps.
pub const MAX_COST: u64 = 250_000;

/// The stack of what goes deep: several times what the deepest expression takes.
const STACK: usize = 32 * 1024 * 1024;
/// A tree up to this depth is evaluated on the stack of the caller.
const DIRECT_DEPTH: usize = 8;

/// A compiled expression. Two are equal when their texts are.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    program: Arc<check::Checked>,
}

/// Why there is no answer, for the person who wrote the expression: one line, and never a value of
/// the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The text is no expression that is allowed; names line and column, both from 1.
    #[error("{0}")]
    Invalid(String),
    /// The object does not have what is asked for, as long as its status is not written.
    #[error("{0}")]
    Missing(String),
    /// The answer is neither true nor false.
    #[error("its answer is no boolean but {0}")]
    NoBoolean(&'static str),
    /// It costs more than [`MAX_COST`] on this object.
    #[error("it costs more than {MAX_COST} steps on this object")]
    TooCostly,
    /// It cannot be evaluated: types that do not fit, an overflow, a division by zero.
    #[error("{0}")]
    Failed(String),
}

impl Expression {
    /// Compiles a text.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.trim().is_empty() {
            return Err(ExpressionError::Invalid(
                "the expression is empty".to_owned(),
            ));
        }
        if text.len() > MAX_BYTES {
            let long = format!("the expression is longer than {MAX_BYTES} bytes");
            return Err(ExpressionError::Invalid(long));
        }
        let program = apart(|| check::compile(text)).unwrap_or_else(|| {
            let broken = "the expression cannot be read".to_owned();
            Err(ExpressionError::Invalid(broken))
        })?;
        Ok(Self {
            text: text.into(),
            program: Arc::new(program),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is true of an object, which it sees as `self`. An answer that is no boolean and a
    /// field that is not there are errors.
    pub fn holds(&self, object: &Value) -> Result<bool, ExpressionError> {
        let answer = || run::holds(&self.program, &self.text, object);
        let answer = if self.program.depth > DIRECT_DEPTH {
            apart(answer)
        } else {
            catch_unwind(AssertUnwindSafe(answer)).ok()
        };
        answer.unwrap_or_else(|| {
            let broken = "the expression cannot be evaluated on this object".to_owned();
            Err(ExpressionError::Failed(broken))
        })
    }
}

/// Computes something on a large stack of its own, and survives its panic: the parser takes tens of
/// kilobytes for each bracket.
fn apart<T: Send>(compute: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        let running = thread.spawn_scoped(scope, compute).ok()?;
        running.join().ok()
    })
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests;
