//! One request: checked, handed to `git http-backend` as a CGI program, and its answer read.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use tokio::io::AsyncWriteExt as _;

use super::{Access, Fault, GitRequest, State as Server, lock};

/// No push of a test is larger.
const LARGEST_BODY: usize = 512 * 1024 * 1024;

pub(super) async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let name = path
        .split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".git")
        .to_owned();
    let authorization = text_of(&request, &header::AUTHORIZATION);
    lock(&server.requests).push(GitRequest {
        method: request.method().to_string(),
        path: path.clone(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        user_agent: text_of(&request, &header::USER_AGENT).unwrap_or_default(),
        authorization: authorization.is_some(),
    });
    let fault = lock(&server.faults).get(&name).copied();
    match fault {
        Some(Fault::Hang) => return std::future::pending().await,
        Some(Fault::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return (status, "a fault that the test asked for\n").into_response();
        }
        Some(Fault::CutAfterPush) | None => {}
    }
    let access = lock(&server.access).get(&name).cloned();
    let Some(access) = access else {
        return (StatusCode::NOT_FOUND, "no such repository\n").into_response();
    };
    let Some(user) = admit(&access, authorization.as_deref()) else {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
        return (StatusCode::UNAUTHORIZED, ask, "who are you?\n").into_response();
    };
    let pushed = path.ends_with("/git-receive-pack");
    match run_backend(&server, &path, &user, request).await {
        Ok(response) => {
            if pushed
                && response.status().is_success()
                && let Some(call) = server.after_push.get()
            {
                call(&name);
            }
            if pushed && fault == Some(Fault::CutAfterPush) {
                return cut();
            }
            response
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// An answer whose connection is closed before its first byte of content.
fn cut() -> Response {
    let nothing = futures::stream::once(async {
        Err::<bytes::Bytes, _>(std::io::Error::other("the test asked for it"))
    });
    let kind = [(
        header::CONTENT_TYPE,
        "application/x-git-receive-pack-result",
    )];
    (kind, Body::from_stream(nothing)).into_response()
}

fn text_of(request: &Request, name: &header::HeaderName) -> Option<String> {
    Some(request.headers().get(name)?.to_str().ok()?.to_owned())
}

/// The user's name if the request may go on.
fn admit(access: &Access, authorization: Option<&str>) -> Option<String> {
    match access {
        Access::Open => Some("anonymous".to_owned()),
        Access::Basic { user, password } => {
            let proof = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            (authorization == Some(proof.as_str())).then(|| user.clone())
        }
    }
}

async fn run_backend(
    server: &Server,
    path: &str,
    user: &str,
    request: Request,
) -> Result<Response> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY)
        .await
        .context("read the request")?;
    let header = |name: &str| {
        head.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    };
    let mut child = tokio::process::Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", server.folder.path())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        // The repositories may belong to another user than the one who runs the tests.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("PATH_INFO", format!("/{path}"))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("QUERY_STRING", head.uri.query().unwrap_or(""))
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", user)
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start git http-backend")?;
    let mut input = child
        .stdin
        .take()
        .context("git http-backend has no input")?;
    let feed = tokio::spawn(async move {
        // It may end without reading all; its answer says why.
        let _ = input.write_all(&body).await;
    });
    let out = child
        .wait_with_output()
        .await
        .context("wait for git http-backend")?;
    feed.await?;
    read_answer(&out.stdout).with_context(|| String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Header lines, an empty line, the body; the status is a header line.
fn read_answer(output: &[u8]) -> Result<Response> {
    let mut response = Response::builder();
    let mut rest = output;
    loop {
        let end = rest
            .iter()
            .position(|b| *b == b'\n')
            .context("the answer has no end of headers")?;
        let line = std::str::from_utf8(&rest[..end])?.trim_end_matches('\r');
        rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(": ")
            .context("a header line without a colon")?;
        response = if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            ensure!(code.len() == 3, "the status {value:?} is not one");
            response.status(code)
        } else {
            response.header(name, value)
        };
    }
    Ok(response.body(Body::from(rest.to_vec()))?)
}
