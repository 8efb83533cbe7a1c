//! A small HTTP/1.1 server in front of `git http-backend`, which can also misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How the server treats requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Mode {
    #[default]
    Serve,
    /// Reads requests and never answers.
    Hang,
    /// Answers a list of references with one byte now and then, for ever.
    Drip,
    /// Answers with a redirect to this prefix; the path is appended.
    Redirect(String),
    /// Answers everything with this status.
    Status(u16),
    /// Cuts the connection after so many bytes of an answer to a POST.
    CutAnswer(usize),
    /// Runs the request and cuts the connection before the answer to a push.
    CutAfterPush,
    /// Answers with a page of HTML.
    Page,
}

/// What the server saw of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
}

struct State {
    root: PathBuf,
    mode: Mutex<Mode>,
    /// The `Authorization` header that is wanted.
    wanted: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
    open: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

pub(crate) struct GitServer {
    address: SocketAddr,
    state: Arc<State>,
}

impl GitServer {
    /// Serves all repositories in a folder.
    pub(crate) fn start(root: PathBuf) -> Self {
        Self::listen(root, None)
    }

    /// The same over TLS.
    pub(crate) fn start_tls(root: PathBuf, tls: ServerConfig) -> Self {
        Self::listen(root, Some(Arc::new(tls)))
    }

    fn listen(root: PathBuf, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            root,
            mode: Mutex::default(),
            wanted: Mutex::default(),
            seen: Mutex::default(),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
            tls,
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                shared
                    .open
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let state = Arc::clone(&shared);
                thread::spawn(move || drop(serve(&state, stream)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn origin(&self) -> String {
        let scheme = if self.state.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    pub(crate) fn want(&self, authorization: &str) {
        *self.state.wanted.lock().unwrap() = Some(authorization.to_owned());
    }

    /// The requests since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        for stream in self.state.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(TcpStream::connect(self.address));
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A connection, plain or TLS.
trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

fn serve(state: &State, socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let wire: Box<dyn Wire> = match &state.tls {
        None => Box::new(socket.try_clone()?),
        Some(tls) => {
            let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
            Box::new(StreamOwned::new(connection, socket.try_clone()?))
        }
    };
    let mut reader = BufReader::new(wire);
    while let Some(request) = read_request(&mut reader)? {
        state.seen.lock().unwrap().push(Seen {
            line: format!("{} {}?{}", request.method, request.path, request.query),
            authorization: request.header("authorization").map(str::to_owned),
        });
        let mode = state.mode.lock().unwrap().clone();
        let wanted = state.wanted.lock().unwrap().clone();
        let stream = reader.get_mut();
        if wanted.is_some() && wanted.as_deref() != request.header("authorization") {
            let head = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\n";
            stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes())?;
            continue;
        }
        let push = request.path.ends_with("/git-receive-pack");
        match mode {
            Mode::Hang => {
                // Ends when the server or the client closes the connection.
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest)?;
                return Ok(());
            }
            Mode::Drip => {
                let kind = "application/x-git-upload-pack-advertisement";
                let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n");
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(b"0")?;
                    thread::sleep(Duration::from_millis(50));
                }
            }
            Mode::Redirect(prefix) => {
                let target = format!("{prefix}{}?{}", request.path, request.query);
                let head = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\n");
                if target.starts_with('/') && request.path.starts_with(&prefix) {
                    respond(stream, &backend(state, &request))?;
                } else {
                    stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes())?;
                }
            }
            Mode::Status(status) => {
                let head = format!("HTTP/1.1 {status} x\r\ncontent-type: text/plain\r\n");
                stream.write_all(
                    format!("{head}content-length: 12\r\n\r\nnot allowed\n").as_bytes(),
                )?;
            }
            Mode::Page => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n";
                stream.write_all(format!("{head}content-length: 6\r\n\r\n<html>").as_bytes())?;
            }
            Mode::CutAnswer(bytes) if request.method == "POST" => {
                let answer = response(&backend(state, &request));
                stream.write_all(&answer[..bytes.min(answer.len())])?;
                return socket.shutdown(Shutdown::Both);
            }
            Mode::CutAfterPush if push => {
                backend(state, &request);
                return socket.shutdown(Shutdown::Both);
            }
            Mode::Serve | Mode::CutAnswer(_) | Mode::CutAfterPush => {
                respond(stream, &backend(state, &request))?;
            }
        }
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<Box<dyn Wire>>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        method,
        path,
        query,
        headers,
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// Runs one request as CGI and gives what the program printed.
fn backend(state: &State, request: &Request) -> Vec<u8> {
    // A redirected request has `/moved` in front of its repository.
    let path = request.path.strip_prefix("/moved").unwrap_or(&request.path);
    let mut child = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_PROJECT_ROOT", &state.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "tester")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", &request.query)
        .env(
            "CONTENT_TYPE",
            request.header("content-type").unwrap_or_default(),
        )
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = request.body.clone();
    let writer = thread::spawn(move || drop(input.write_all(&body)));
    let output = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    output
}

fn response(output: &[u8]) -> Vec<u8> {
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(0);
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let body = output.get(end + 4..).unwrap_or_default();
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: "))
        .unwrap_or("200 OK");
    let mut bytes = format!("HTTP/1.1 {status}\r\n");
    for line in head.lines().filter(|line| !line.starts_with("Status: ")) {
        bytes.push_str(line);
        bytes.push_str("\r\n");
    }
    let mut bytes = format!("{bytes}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn respond(stream: &mut Box<dyn Wire>, output: &[u8]) -> std::io::Result<()> {
    stream.write_all(&response(output))
}
