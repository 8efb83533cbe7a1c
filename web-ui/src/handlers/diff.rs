//! What differs between two states of an application.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::{Named, is_id, no_application, preview};
use crate::error::{Error, ErrorBody};
use crate::questions::Between;
use crate::router::Shared;
use crate::views::DiffView;

/// Which states.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(rename = "ref")]
    reference: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl Asked {
    fn checked(self) -> Result<Between, Error> {
        let refuse = |why: &str| Err(Error::BadRequest(why.to_owned()));
        match (self.reference, self.from, self.to) {
            (None, Some(from), Some(to)) if is_id(&from) && is_id(&to) => {
                Ok(Between::Syncs { from, to })
            }
            (None, Some(_), Some(_)) => refuse("`from` and `to` are ids of syncs"),
            (reference, None, None) => Ok(Between::LiveAndDesired(preview::checked(reference)?)),
            _ => refuse("give `from` and `to`, or `ref`, or none of them"),
        }
    }
}

/// What differs in the objects of an application: what is live against what Git wants, now or at a
/// reference, or what one sync left against what another did. Every secret is masked; equal values have
/// equal masks. It may take as long as the agent's setting `preview_timeout`.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/diff",
    operation_id = "diffApplication",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        (
            "ref" = Option<String>,
            Query,
            description = "Branch, tag, commit or full name of a reference that is compared with what \
                           is live; without it the commit that is to run"
        ),
        ("from" = Option<String>, Query, description = "The sync before, with `to`"),
        ("to" = Option<String>, Query, description = "The sync after, with `from`"),
    ),
    responses((status = 200, body = DiffView), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Named(name): Named,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<DiffView>, Error> {
    let Query(asked) =
        asked.map_err(|_| Error::BadRequest("each parameter is given once".to_owned()))?;
    let between = asked.checked()?;
    // The agent bounds it: to render and to ask the API server takes longer than an answer from
    // memory.
    let diff = shared.questions.diff(name.clone(), between).await?;
    diff.map(Json).ok_or_else(|| no_application(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(reference: Option<&str>, from: Option<&str>, to: Option<&str>) -> Option<Between> {
        let asked = Asked {
            reference: reference.map(str::to_owned),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        asked.checked().ok()
    }

    #[test]
    fn two_syncs_or_a_reference_or_nothing_is_asked_for_and_no_mixture() {
        let (one, two) = ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW");
        assert_eq!(asked(None, None, None), Some(Between::LiveAndDesired(None)));
        assert!(asked(Some("main"), None, None).is_some());
        assert!(asked(None, Some(one), Some(two)).is_some());
        for (reference, from, to) in [
            (Some("main"), Some(one), Some(two)),
            (None, Some(one), None),
            (None, None, Some(two)),
            (None, Some("x"), Some(two)),
            (Some(""), None, None),
            (Some("a".repeat(251).as_str()), None, None),
        ] {
            assert_eq!(
                asked(reference, from, to),
                None,
                "{reference:?} {from:?} {to:?}"
            );
        }
    }
}
