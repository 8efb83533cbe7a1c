//! Hides the secrets that went into a render in all that a sync says: an API server repeats the value
//! that it refuses.

use syncline_core::outcome::Failure;
use syncline_core::plan::Plan;
use syncline_core::secret_inputs::SecretInputs;

use super::{Done, Stopped};

/// Hides them in a plan.
pub(super) fn in_plan(plan: &mut Plan, secrets: &SecretInputs) {
    if secrets.is_empty() {
        return;
    }
    for action in &mut plan.actions {
        action.because.iter_mut().for_each(|f| failure(f, secrets));
        let texts = action.notes.iter_mut().chain(&mut action.lost);
        texts.for_each(|t| text(t, secrets));
    }
    let fields = plan.drift.iter_mut().flat_map(|drift| &mut drift.fields);
    fields
        .chain(&mut plan.warnings)
        .for_each(|t| text(t, secrets));
}

/// Hides them in how a sync ended.
pub(super) fn in_end(ended: &mut Result<Done, Stopped>, secrets: &SecretInputs) {
    if secrets.is_empty() {
        return;
    }
    match ended {
        Ok(Done::Stands) => {}
        Ok(Done::Carried { outcomes, .. }) => {
            for outcome in outcomes {
                outcome.error.iter_mut().for_each(|f| failure(f, secrets));
                text(&mut outcome.note, secrets);
            }
        }
        Err(stopped) => {
            let failures = stopped.failures.iter_mut();
            failures.for_each(|f| failure(f, secrets));
        }
    }
}

fn failure(failure: &mut Failure, secrets: &SecretInputs) {
    text(&mut failure.detail, secrets);
}

fn text(text: &mut String, secrets: &SecretInputs) {
    if secrets.is_in(text) {
        *text = secrets.mask_text(text).into_owned();
    }
}
