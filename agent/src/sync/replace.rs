//! Making an object anew where a field of it cannot be changed, which its annotation allows.

use syncline_cluster::objects::DryRun;
use syncline_cluster::{Deleted, Live};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::plan::Action;
use syncline_core::reason::Reason;

use super::writes::{Writer, delete_with_proof, failed};
use crate::failpoint;

impl Writer<'_> {
    /// Deletes the live object and creates the desired one, after the API server has said that it
    /// would take it. An object whose deletion takes longer is created with a later sync.
    pub(super) async fn replace(&self, action: &Action) -> Result<Live, Failure> {
        let key = &action.key;
        let manifest = self.manifest(key)?;
        let failure = |error: &syncline_cluster::Error| failed(manifest, error);
        let resource = self.resource(key).await.map_err(|error| failure(&error))?;
        let manager = names::field_manager(&self.start.owner.instance);
        self.account
            .dry_run_create(&resource, key, &self.wire(manifest), &manager)
            .await
            .map_err(|error| failure(&error))?;
        let deleted = delete_with_proof(
            self.account,
            &resource,
            key,
            &self.start.owner,
            action.proof.as_ref(),
            action.propagation,
        )
        .await?;
        failpoint::reached("replace.deleted").await?;
        if deleted == Deleted::Started {
            return Err(Failure {
                reason: Reason::BeingDeleted,
                detail: format!("{key}: it is made anew when its finalizers are done"),
            });
        }
        self.send_new(action).await
    }

    /// Applies an object that was just deleted: nothing of the plan's live object counts any more.
    async fn send_new(&self, action: &Action) -> Result<Live, Failure> {
        let fresh = Action {
            rewrite: None,
            proof: None,
            ..action.clone()
        };
        self.send(&fresh, DryRun::No).await
    }
}
