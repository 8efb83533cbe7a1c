//! Expressions of the user on one object, in CEL (the Common Expression Language of the Kubernetes
//! API): compiled once, without any effect, and bounded in time.

use std::fmt;
use std::sync::Arc;

use cel::{Context, Program, Value as CelValue};
use serde_json::Value;

/// Longest text.
pub const MAX_BYTES: usize = 4096;

/// A compiled expression. Two are equal when their texts are.
#[derive(Clone)]
pub struct Expression {
    text: Arc<str>,
    program: Arc<Program>,
}

/// Why there is no answer, for the person who wrote the expression. Never a value of the object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(String);

impl Expression {
    /// Compiles a text.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_BYTES {
            let long = format!("the expression is longer than {MAX_BYTES} bytes");
            return Err(ExpressionError(long));
        }
        let program =
            Program::compile(text).map_err(|errors| ExpressionError(errors.to_string()))?;
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
        let mut context = Context::default();
        context
            .add_variable("self", object)
            .map_err(|error| ExpressionError(error.to_string()))?;
        match self.program.execute(&context) {
            Ok(CelValue::Bool(answer)) => Ok(answer),
            Ok(_) => Err(ExpressionError("its answer is no boolean".to_owned())),
            Err(error) => Err(ExpressionError(error.to_string())),
        }
    }
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
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_is_true_or_false_of_an_object() {
        let ready = Expression::parse("self.status.phase == 'Ready'").unwrap();
        assert_eq!(
            ready.holds(&json!({"status": {"phase": "Ready"}})),
            Ok(true)
        );
        assert_eq!(ready.holds(&json!({"status": {"phase": "x"}})), Ok(false));
        assert!(ready.holds(&json!({})).is_err());
        assert!(Expression::parse("self.").is_err());
    }
}
