//! Health by the rules of the user.

use serde_json::Value;

use super::{ObjectHealth, assess, being_deleted, is_deleted};
use crate::application::HealthRule;
use crate::expression::{Expression, ExpressionError};
use crate::object::ObjectKey;

/// Assesses a live object by the first rule that selects it, and by [`assess`] where none does.
///
/// The rules of the application come first, then those of the agent:
/// `assess_with(object, key, own.iter().chain(agent_wide))`. What is being deleted is Progressing by
/// any rule.
///
/// `degraded` is asked first, then `progressing`, then `healthy`. Where none of them is true, the
/// object is Healthy if the rule has no `healthy`, and else Progressing. A field that is not there
/// makes an expression false, because a status that is not written yet is the usual reason; if then
/// nothing is true, the object is Progressing and the sentence names the field. An expression that
/// cannot be evaluated (no boolean, types that do not fit, too costly) makes the health Unknown: a
/// wrong rule must neither hide a fault nor invent one.
pub fn assess_with<'r>(
    object: &Value,
    key: &ObjectKey,
    rules: impl IntoIterator<Item = &'r HealthRule>,
) -> ObjectHealth {
    match rules.into_iter().find(|rule| rule.selects(key)) {
        Some(_) if is_deleted(object) => ObjectHealth::progressing(being_deleted(object)),
        Some(rule) => judge(object, rule),
        None => assess(object),
    }
}

fn judge(object: &Value, rule: &HealthRule) -> ObjectHealth {
    let mut missing = None;
    let mut ask = |field: &str, expression: &Option<Expression>| {
        let Some(expression) = expression else {
            return Ok(false);
        };
        match expression.holds(object) {
            Ok(answer) => Ok(answer),
            Err(ExpressionError::Missing(why)) => {
                missing = Some(format!("`{field}` of its health rule: {why}"));
                Ok(false)
            }
            Err(error) => Err(ObjectHealth::unknown(format!(
                "`{field}` of its health rule: {error}"
            ))),
        }
    };
    let answers = (|| {
        if ask("degraded", &rule.degraded)? {
            return Ok(ObjectHealth::degraded(
                "`degraded` of its health rule holds",
            ));
        }
        if ask("progressing", &rule.progressing)? {
            return Ok(ObjectHealth::progressing(
                "`progressing` of its health rule holds",
            ));
        }
        if ask("healthy", &rule.healthy)? {
            return Ok(ObjectHealth::healthy("`healthy` of its health rule holds"));
        }
        Ok(ObjectHealth::progressing(""))
    })();
    match (answers, missing) {
        (Err(health), _) => health,
        (Ok(health), _) if !health.message.is_empty() => health,
        (Ok(health), Some(missing)) => ObjectHealth::new(health.health, missing),
        (Ok(_), None) if rule.healthy.is_none() => ObjectHealth::healthy(""),
        (Ok(_), None) => ObjectHealth::progressing("`healthy` of its health rule does not hold"),
    }
}
