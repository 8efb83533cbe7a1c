//! A browser that is signed in, in front of invented applications.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use syncline_web_ui::{Feed, Questions as _, Sessions, Settings, router};
use tower::ServiceExt as _;

use crate::sample::Sample;

/// A browser in front of a router.
pub struct Ui {
    pub router: Router,
    pub feed: Feed,
    pub sessions: Sessions,
    /// Host that it asks.
    pub host: &'static str,
    /// Cookie that it has.
    pub cookie: String,
}

/// What it was answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

impl Ui {
    pub fn new(sample: Sample, settings: Settings) -> Self {
        let feed = sample.changes();
        let sessions = Sessions::new(&settings).unwrap();
        Self {
            router: router(settings, sessions.clone(), Arc::new(sample)),
            feed,
            sessions,
            host: "localhost:8410",
            cookie: String::new(),
        }
    }

    /// A way in that works once.
    pub fn link(&self) -> String {
        format!("/login?token={}", self.sessions.one_time_link().unwrap())
    }

    /// Opens a link, and keeps the cookie.
    pub async fn sign_in(mut self) -> Self {
        let answer = self.get(&self.link()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
        cookie
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut self.cookie);
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(path, &[]).await
    }

    pub async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path)
            .header(HOST, self.host)
            .header(COOKIE, &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A call as a page of this UI makes it.
    pub fn post(&self, path: &str) -> http::request::Builder {
        Request::post(path)
            .header(HOST, self.host)
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/json")
            .header(ORIGIN, format!("http://{}", self.host))
    }

    /// What is answered, before its body is read.
    pub async fn open(&self, path: &str) -> Response<Body> {
        let request = Request::get(path)
            .header(HOST, self.host)
            .header(COOKIE, &self.cookie);
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, 1 << 24).await.unwrap(),
        }
    }
}
