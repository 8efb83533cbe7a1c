//! What a person asks for in the web UI: checked against what may be now, and written on our own
//! object by the same change as the command line makes.

mod application;
mod image;

use serde_json::Value;
use syncline_cluster::kinds::Kind;
use syncline_core::decision::{self, Allowed, Because, Refusal, Verb};
use syncline_core::gate::Freeze;
use syncline_core::outcome::Failure;
use syncline_core::record::{AuditRecord, Name};
use syncline_web_ui::views::{
    ActionAnswer, AgentAction, AllowedAction, ApplicationAction, ImageAction,
};
use syncline_web_ui::{Actions, Answer, Call, How, Unanswered};

use super::Answers;
use crate::agent::Agent;
use crate::state::{ApplicationState, PolicyState, State};

/// How often a change is made anew where the object changes at the same moment.
const MOST_TRIES: u32 = 3;

impl Actions for Answers {
    fn act_on_application(
        &self,
        name: Name,
        action: ApplicationAction,
        how: How,
    ) -> Answer<'_, Option<ActionAnswer>> {
        Box::pin(async move { application::act(&self.agent, &name, action, &how).await })
    }

    fn act_on_image(
        &self,
        name: Name,
        action: ImageAction,
        how: How,
    ) -> Answer<'_, Option<ActionAnswer>> {
        Box::pin(async move { image::act(&self.agent, &name, &action, &how).await })
    }

    fn act_on_agent(&self, action: AgentAction, how: How) -> Answer<'_, ActionAnswer> {
        Box::pin(async move { on_agent(&self.agent, action, &how).await })
    }

    fn audit(&self, call: Call) {
        record(&self.agent, call);
    }
}

/// Tells a call in the log, and keeps it in the history.
fn record(agent: &Agent, call: Call) {
    let record = AuditRecord {
        id: ulid::Ulid::new().to_string(),
        time: agent.clock.now(),
        actor: call.actor,
        address: call.address,
        action: call.action,
        kind: call.kind.to_owned(),
        target: call.target,
        detail: call.detail,
        failure: call.failure,
    };
    tracing::info!(
        id = record.id,
        actor = record.actor,
        address = record.address,
        action = record.action,
        kind = record.kind,
        target = %record.target,
        detail = record.detail,
        refused = record.failure.as_ref().map(|failure| failure.detail.as_str()),
        "a person asked for something"
    );
    agent.history.record_audit(&record);
}

/// What may be asked of an application now.
pub(super) fn of_application(
    agent: &Agent,
    state: &State,
    name: &Name,
    entry: &ApplicationState,
) -> Vec<AllowedAction> {
    let allowed = application::allowed(agent, state, name, entry);
    allowed.into_iter().map(Into::into).collect()
}

pub(super) use application::kept_by;

/// What may be asked of an image policy now.
pub(super) fn of_image(entry: &PolicyState) -> Vec<AllowedAction> {
    let allowed = image::allowed(entry);
    allowed.into_iter().map(Into::into).collect()
}

/// Refuses what may not be now.
fn check(allowed: &[Allowed], verb: Verb) -> Result<(), Unanswered> {
    let found = allowed.iter().find(|(one, _)| *one == verb);
    match found {
        Some((_, Err(why))) => Err(Unanswered::Refused(why.clone())),
        _ => Ok(()),
    }
}

async fn on_agent(
    agent: &Agent,
    action: AgentAction,
    how: &How,
) -> Result<ActionAnswer, Unanswered> {
    let (cluster, namespace) = (agent.cluster.agent(), &agent.settings.namespace);
    match action {
        AgentAction::Freeze { reason, until } => {
            let because = Because::checked(&reason, until, agent.clock.now()).map_err(refused)?;
            let mut freeze = Freeze {
                reason: because.reason,
                by: String::new(),
                until: because.until,
            };
            let command = decision::freeze_command(&freeze);
            if let How::Do(by) = how {
                freeze.by.clone_from(by);
                let frozen = cluster.turn_freeze_on(namespace, &freeze).await;
                frozen.map_err(|error| unwritten(&error))?;
            }
            Ok(answer(
                how,
                "no sync runs, no image is updated and nothing is deleted; what runs ends between \
                 two objects",
                command,
            ))
        }
        AgentAction::Unfreeze => {
            check(
                &decision::of_agent(agent.freeze.current().is_some()),
                Verb::Unfreeze,
            )?;
            if let How::Do(_) = how {
                let was_on = cluster.turn_freeze_off(namespace).await;
                was_on.map_err(|error| unwritten(&error))?;
            }
            let command = "syncline unfreeze".to_owned();
            Ok(answer(how, "syncs and image updates go on", command))
        }
    }
}

fn answer(how: &How, sentence: impl Into<String>, command: String) -> ActionAnswer {
    ActionAnswer {
        done: matches!(how, How::Do(_)),
        sentence: sentence.into(),
        command,
        ..ActionAnswer::default()
    }
}

fn refused(refusal: Refusal) -> Unanswered {
    match refusal {
        Refusal::Invalid(why) => Unanswered::Invalid(why),
        Refusal::NotNow(why) => Unanswered::Refused(why),
    }
}

/// A failure as an answer.
pub(super) fn failed(failure: &Failure) -> Unanswered {
    let sentence = failure.reason.row().sentence;
    Unanswered::Refused(match failure.detail.as_str() {
        "" => sentence.to_owned(),
        detail => format!("{sentence}: {detail}"),
    })
}

/// The API server did not take a change.
fn unwritten(error: &syncline_cluster::Error) -> Unanswered {
    match error.code() {
        Some(_) => Unanswered::Refused(format!("the API server refused it: {error}")),
        None => Unanswered::Unavailable("API server"),
    }
}

/// Changes one of our own objects as it is now; `None` where there is none. `change` is asked again
/// where somebody changed it at the same moment.
async fn change(
    agent: &Agent,
    kind: Kind,
    name: &Name,
    change: impl Fn(&Value) -> Result<Value, Unanswered>,
) -> Result<Option<()>, Unanswered> {
    let cluster = agent.cluster.agent();
    let mut tries = 1;
    loop {
        let object = cluster.read_own(kind, name).await;
        let Some(object) = object.map_err(|error| unwritten(&error))? else {
            return Ok(None);
        };
        let version = object["metadata"]["resourceVersion"].as_str();
        let version = version.unwrap_or_default();
        match cluster
            .change_own(kind, name, version, change(&object)?)
            .await
        {
            Ok(()) => return Ok(Some(())),
            Err(error) if error.code() == Some(409) && tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(unwritten(&error)),
        }
    }
}
