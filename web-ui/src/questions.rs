//! What the UI asks the agent: the one seam between them.

mod actions;
mod diff;
mod list;
mod records;
mod resources;
mod timeline;

use futures::future::BoxFuture;
use syncline_core::record::Name;

use crate::feed::Feed;
use crate::views::{
    About, ApplicationDetail, HealthChangeView, ImageDetail, ImageSummary, ImageUpdate,
    PreviewView, RepositoryView, SyncDetail, SyncSummary, TagAnswer, TagVerdict,
};

pub use actions::{Actions, Call, How};
pub use diff::{Between, Diffs};
pub use list::{ListQuestions, Listed};
pub use records::{CallFilter, DeliveryPart, DriftPart, Records};
pub use resources::{LogStream, LogsWanted, Resources};
pub use timeline::Timeline;

/// An answer that arrives later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unanswered>>;

/// Questions and commands which the agent answers.
///
/// Answers are views: complete, masked, ready to be shown. `None` means that there is no such thing.
pub trait Questions: Actions + Diffs + ListQuestions + Records + Resources + Timeline {
    /// One application with its objects.
    fn application(&self, name: Name) -> Answer<'_, Option<ApplicationDetail>>;

    /// Syncs of one application, newest first; `None` where the application was never heard of.
    fn syncs(&self, application: Name, page: Page) -> Answer<'_, Option<Vec<SyncSummary>>>;

    /// How the health of one application changed, newest first; `None` where the application was
    /// never heard of.
    fn health_changes(
        &self,
        application: Name,
        page: Page,
    ) -> Answer<'_, Option<Vec<HealthChangeView>>>;

    /// One sync.
    fn sync(&self, id: String) -> Answer<'_, Option<SyncDetail>>;

    /// All image policies, in any order.
    fn images(&self) -> Answer<'_, Vec<ImageSummary>>;

    /// One image policy.
    fn image(&self, name: Name) -> Answer<'_, Option<ImageDetail>>;

    /// Every tag that the registry listed at the last look, with its verdict, in the order of the
    /// policy; none where the registry was not read yet.
    fn image_tags(&self, name: Name) -> Answer<'_, Option<Vec<TagVerdict>>>;

    /// What an image policy says of a tag, or would say if the registry listed it.
    /// [`Unanswered::Refused`] where the policy cannot judge, with why.
    fn image_tag(&self, name: Name, tag: String) -> Answer<'_, Option<TagAnswer>>;

    /// Commits of one image policy, newest first; `None` where the policy was never heard of.
    fn image_updates(&self, name: Name, page: Page) -> Answer<'_, Option<Vec<ImageUpdate>>>;

    /// All repositories, in any order.
    fn repositories(&self) -> Answer<'_, Vec<RepositoryView>>;

    /// What runs here.
    fn about(&self) -> Answer<'_, About>;

    /// What a branch, tag, commit or other reference would change; without one the plan that waits for
    /// a person, or that of the newest commit. Nothing is written. `None` where there is no such
    /// application; [`Unanswered::Refused`] where there is no such reference or no plan, with why.
    fn preview(
        &self,
        application: Name,
        reference: Option<String>,
    ) -> Answer<'_, Option<PreviewView>>;

    /// What changed. The same feed every time.
    fn changes(&self) -> Feed;
}

/// A part of a list that is sorted newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only items older than the one with this id.
    pub before: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It may not be done now; the text says why, for people.
    #[error("{0}")]
    Refused(String),
    /// The service account may not do what the answer needs; the text names the right, for people.
    #[error("{0}")]
    Forbidden(String),
    /// What was given with the question is wrong; the text says what, for people.
    #[error("{0}")]
    Invalid(String),
    /// The part that would answer (named) cannot be reached at the moment.
    #[error("the {0} cannot be reached at the moment")]
    Unavailable(&'static str),
    /// Something inside failed. It is logged, never shown.
    #[error("the question could not be answered")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}
