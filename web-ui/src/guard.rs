//! What every request passes first, and the headers that every response carries.
//!
//! Loopback is no protection by itself: any page that a browser shows can send requests to it. So
//! the host name must be ours (DNS rebinding), the session's cookie or, to read the API, the key of
//! the agent's data folder must be there, and what other sites send is refused.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName,
    ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method};
use syncline_core::record::Name;
use tokio::time::Instant;

use crate::error::Error;
use crate::handlers::actions::failure;
use crate::public_url::PublicUrl;
use crate::questions::Call;
use crate::router::Shared;
use crate::sessions::{Browser, Way};

const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Who sends a request, as the audit names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) actor: String,
    pub(crate) address: Option<String>,
}

/// When the session of a request ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionEnds(pub(crate) Instant);

/// Lets a request in or refuses it, and puts the headers on whatever comes out.
pub(crate) async fn guard(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match admit(&shared, &mut request) {
        Ok(()) => next.run(request).await,
        Err(refusal) if is_api(&path) => {
            keep(&shared, &request, &refusal);
            refusal.into_response()
        }
        Err(refusal) => refusal.into_page(&shared.settings.link_hint, &path),
    };
    put_headers(response.headers_mut());
    response
}

/// Whether a path belongs to the API, whose answers are JSON also when they are refusals.
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/api"
}

fn admit(shared: &Shared, request: &mut Request) -> Result<(), Error> {
    let host = host(request).ok_or(Error::WrongHost)?.to_owned();
    let public = shared.settings.public_url.as_ref();
    let public = public.filter(|public| public.is_host(&host));
    if public.is_none() && !is_allowed(&host, &shared.settings.allowed_hosts) {
        return Err(Error::WrongHost);
    }
    let way = public.map_or(Way::Loopback, |_| Way::Tls);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    if !is_same_site(request.headers(), &host, public, reads && !is_api(path)) {
        return Err(Error::CrossOrigin);
    }
    if !is_open(path) {
        let values = |name| {
            let all = request.headers().get_all(name).iter();
            all.filter_map(|value| value.to_str().ok())
        };
        let browser = values(COOKIE).find_map(|value| shared.sessions.find(value, way));
        let mut programs = values(AUTHORIZATION)
            .filter(|_| reads && is_api(path))
            .map(|value| shared.sessions.reads(value));
        let ends = browser.as_ref().map(|browser| browser.ends);
        let ends = ends.or_else(|| programs.find_map(|ends| ends));
        let ends = ends.ok_or(Error::Unauthenticated)?;
        let caller = browser.map(|browser| caller(&browser, request));
        let extensions = request.extensions_mut();
        extensions.insert(SessionEnds(ends));
        if let Some(caller) = caller {
            extensions.insert(caller);
        }
    }
    if !reads && !is_json(request.headers()) {
        return Err(Error::NotJson);
    }
    request.extensions_mut().insert(way);
    Ok(())
}

fn caller(browser: &Browser, request: &Request) -> Caller {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    Caller {
        actor: format!("web UI session {}", browser.label),
        address: peer.map(|ConnectInfo(peer)| peer.ip().to_string()),
    }
}

/// A call that was refused before anybody read it is kept for the audit where a session is behind it:
/// others may send as many as they like.
fn keep(shared: &Shared, request: &Request, refusal: &Error) {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return;
    }
    let cookies = request.headers().get_all(COOKIE).iter();
    let mut browsers = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| [Way::Loopback, Way::Tls].map(|way| shared.sessions.find(value, way)))
        .flatten();
    let Some(browser) = browsers.next() else {
        return;
    };
    let caller = caller(&browser, request);
    let (kind, target) = about(request.uri().path());
    shared.questions.audit(Call {
        actor: caller.actor,
        address: caller.address,
        action: "unknown".to_owned(),
        kind,
        target,
        detail: String::new(),
        failure: Some(failure(refusal)),
    });
}

/// What a path of the API is about.
fn about(path: &str) -> (&'static str, Name) {
    let path = path.strip_prefix("/api/v1/").unwrap_or_default();
    let mut parts = path.split('/');
    let kind = match parts.next() {
        Some("applications") => "Application",
        Some("images") => "ImagePolicy",
        _ => return ("Agent", Name::new("", "")),
    };
    let mut part = || {
        let text = parts.next().unwrap_or_default();
        text.chars().take(253).collect::<String>()
    };
    (kind, Name::new(part(), part()))
}

/// What is served without a session: the way in, and the style of the notices.
fn is_open(path: &str) -> bool {
    matches!(path, "/login" | "/notice.css")
}

/// The host that the request names; `None` where it names none or two different ones.
fn host(request: &Request) -> Option<&str> {
    let mut named = request.headers().get_all(HOST).iter();
    let host = named.next()?.to_str().ok()?;
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    (named.next().is_none() && authority.is_none_or(|authority| authority == host)).then_some(host)
}

fn is_allowed(host: &str, more: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"]
        .into_iter()
        .chain(more.iter().map(String::as_str))
        .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether the request comes from our own pages, or from no page at all.
fn is_same_site(
    headers: &HeaderMap,
    host: &str,
    public: Option<&PublicUrl>,
    is_navigation: bool,
) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // A link on another site may lead here; `SameSite=Strict` then keeps the cookie away.
    let site = is_navigation
        || text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = text(ORIGIN.as_str()).is_none_or(|origin| match public {
        Some(public) => public.is_origin(origin),
        None => origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)),
    });
    site && origin
}

/// Whether what follows is one JSON text, which a file of JSON Lines is not.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn put_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
