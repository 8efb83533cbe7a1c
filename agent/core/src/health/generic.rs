//! Every other kind: the kstatus conventions, as far as the object follows them.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, is_unobserved, not_observed};

pub(super) fn assess(object: &Value) -> ObjectHealth {
    if is_unobserved(object) {
        return not_observed();
    }
    if let Some(stalled) = condition(object, "Stalled").filter(|c| c.is_true()) {
        return ObjectHealth::degraded(stalled.message_or("it is stalled"));
    }
    if let Some(reconciling) = condition(object, "Reconciling").filter(|c| c.is_true()) {
        return ObjectHealth::progressing(reconciling.message_or("it is being reconciled"));
    }
    match condition(object, "Ready") {
        None => ObjectHealth::healthy(""),
        Some(ready) if ready.is_true() => ObjectHealth::healthy("it is ready"),
        Some(ready) => ObjectHealth::progressing(ready.message_or("it is not ready yet")),
    }
}
