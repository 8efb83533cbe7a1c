//! The image policies.

use axum::Json;
use axum::extract::State;

use super::ask;
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::ImagePolicyList;

/// All image policies, by namespace and name.
#[utoipa::path(
    get,
    path = "/api/v1/image-policies",
    operation_id = "listImagePolicies",
    tag = "images",
    responses((status = 200, body = ImagePolicyList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<ImagePolicyList>, Error> {
    let mut items = ask(&shared, shared.questions.image_policies()).await?;
    items.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(Json(ImagePolicyList { items }))
}
