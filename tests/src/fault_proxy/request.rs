//! What a request to the API server is about, in the words of its audit log.

use std::time::{Duration, Instant};

use http::Method;
use http::request::Parts;

use super::rule::RuleId;

/// One request that arrived at the proxy.
#[derive(Clone, Debug)]
pub struct ProxiedRequest {
    /// When it arrived.
    pub at: Instant,
    /// What it was about.
    pub target: Target,
    /// HTTP method.
    pub method: String,
    /// Path.
    pub path: String,
    /// Query, empty where there is none.
    pub query: String,
    /// The program that asked.
    pub user_agent: String,
    /// The impersonated user, empty where there is none.
    pub user: String,
    /// The status of the answer; `None` while there is none, also for a dropped one.
    pub status: Option<u16>,
    /// From its arrival to the head of its answer.
    pub took: Option<Duration>,
    /// The rule that it met.
    pub rule: Option<RuleId>,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// Plural name of the kind; empty for discovery and the like.
    pub resource: String,
    /// Namespace, empty for an object of the cluster.
    pub namespace: String,
    /// Name, empty for a list.
    pub name: String,
    /// `status`, `scale`, ...; empty for the object itself.
    pub subresource: String,
}

impl Target {
    /// Whether it could change anything: not a read, not a dry run.
    pub fn is_write(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb)
    }

    fn of(method: &Method, path: &str, query: &str) -> Self {
        let mut words = path.split('/').filter(|word| !word.is_empty());
        let has_version = match words.next() {
            Some("api") => words.next().is_some(),
            Some("apis") => words.next().is_some() && words.next().is_some(),
            _ => false,
        };
        let mut rest: Vec<&str> = if has_version {
            words.collect()
        } else {
            Vec::new()
        };
        let mut namespace = "";
        // `namespaces/x/pods` is a list of pods, `namespaces/x` and `namespaces/x/status` are not.
        if rest.len() > 2 && rest[0] == "namespaces" && !["status", "finalize"].contains(&rest[2]) {
            namespace = rest[1];
            rest.drain(..2);
        }
        let part = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        let name = part(1);
        let has = |wanted: &[&str]| {
            query
                .split('&')
                .any(|parameter| wanted.contains(&parameter))
        };
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if name.is_empty() => "deletecollection",
            Method::DELETE => "delete",
            _ if has(&["watch=true", "watch=1"]) => "watch",
            _ if name.is_empty() && !rest.is_empty() => "list",
            _ => "get",
        };
        Self {
            verb,
            resource: part(0),
            namespace: namespace.to_owned(),
            name,
            subresource: part(2),
        }
    }
}

impl ProxiedRequest {
    pub(super) fn of(parts: &Parts) -> Self {
        let header = |name: &str| {
            let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        Self {
            at: Instant::now(),
            target: Target::of(&parts.method, path, query),
            method: parts.method.to_string(),
            path: path.to_owned(),
            query: query.to_owned(),
            user_agent: header("user-agent"),
            user: header("impersonate-user"),
            status: None,
            took: None,
            rule: None,
        }
    }

    /// Path and query.
    pub fn uri(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_the_audit_log_names_it() {
        let target = |method: Method, path: &str, query: &str| {
            let target = Target::of(&method, path, query);
            [
                target.verb,
                &target.resource,
                &target.namespace,
                &target.name,
                &target.subresource,
            ]
            .join(" ")
        };
        let get = Method::GET;
        assert_eq!(
            target(get.clone(), "/api/v1/namespaces/a/pods", ""),
            "list pods a  "
        );
        assert_eq!(
            target(get.clone(), "/api/v1/namespaces/a", ""),
            "get namespaces  a "
        );
        assert_eq!(
            target(get.clone(), "/api/v1/pods", "limit=5&watch=true"),
            "watch pods   "
        );
        assert_eq!(
            target(
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/web/status",
                ""
            ),
            "patch deployments a web status"
        );
        assert_eq!(
            target(Method::DELETE, "/api/v1/namespaces/a/secrets", ""),
            "deletecollection secrets a  "
        );
        assert_eq!(target(get.clone(), "/apis/apps/v1", ""), "get    ");
        assert_eq!(target(get, "/openapi/v3", ""), "get    ");
    }
}
