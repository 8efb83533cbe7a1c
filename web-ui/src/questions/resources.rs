//! What the UI asks about the objects of an application in the cluster, and about what is below them.

use futures::stream::BoxStream;
use jiff::Timestamp;
use syncline_core::record::Name;

use super::Answer;
use crate::views::{
    ConfigurationView, EventsView, LogEntry, ObjectDetail, ObjectName, ResourcesView,
};

/// Questions about live objects. They are read as the service account of the Application, when
/// somebody asks; a right that is missing is named in the answer, and the rest is answered.
pub trait Resources: Send + Sync + 'static {
    /// The objects of an application with what the cluster made below them.
    fn resources(&self, application: Name) -> Answer<'_, Option<ResourcesView>>;

    /// What Kubernetes says about the objects of an application and what is below them, newest first;
    /// with `object` about that one alone.
    fn events(
        &self,
        application: Name,
        object: Option<ObjectName>,
    ) -> Answer<'_, Option<EventsView>>;

    /// One object of an application, or one that is below them; `None` where it is none of these.
    fn object(&self, application: Name, object: ObjectName) -> Answer<'_, Option<ObjectDetail>>;

    /// The logs of pods of an application; `None` where there is no such application, pod or
    /// container. [`super::Unanswered::Forbidden`] where the account may not `get` `pods/log`,
    /// [`super::Unanswered::Refused`] where too many logs are being read. The stream ends by itself;
    /// to drop it ends all that it reads.
    fn logs(&self, application: Name, wanted: LogsWanted) -> Answer<'_, Option<LogStream>>;

    /// The spec of an Application as the agent understands it. [`super::Unanswered::Refused`] where
    /// it does not, with why.
    fn configuration(&self, application: Name) -> Answer<'_, Option<ConfigurationView>>;
}

/// Lines of logs as they come, without secrets.
pub type LogStream = BoxStream<'static, LogEntry>;

/// Which logs are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsWanted {
    /// Name of the pod; all pods where it is absent.
    pub pod: Option<String>,
    /// Namespace of the pod; any where it is absent.
    pub namespace: Option<String>,
    /// Name of the container; all of them where it is absent.
    pub container: Option<String>,
    /// The log of the run before this one.
    pub previous: bool,
    /// Only what was written since then.
    pub since: Option<Timestamp>,
    /// Only so many lines of each container, counted from the end.
    pub tail: Option<u32>,
    /// Goes on while the containers write.
    pub follow: bool,
}
