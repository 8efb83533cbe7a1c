//! A proxy between us and the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use syncline_core::redacted::Redacted;
use syncline_source::{Error, Mirror, Proxies};

use crate::fixture::{Fixture, basic};

/// A proxy that makes tunnels (`CONNECT`, RFC 9110, 9.3.6), and the heads of the requests it got.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let seen = Arc::clone(&shared);
            thread::spawn(move || drop(tunnel(client, &seen)));
        }
    });
    (port, seen)
}

fn tunnel(client: TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    seen.lock().unwrap().push(head.clone());
    let mut client = client;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    if !head.starts_with("CONNECT ") || !head.contains("Basic cHJveHk6aHVudGVyMg==") {
        return client.write_all(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n");
    }
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut up, down) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || splice(&mut &server, &down));
    splice(&mut reader, &up)?;
    up.flush()?;
    drop(up.shutdown(Shutdown::Write));
    back.join().unwrap()
}

fn splice(from: &mut impl Read, mut to: &TcpStream) -> std::io::Result<()> {
    std::io::copy(from, &mut to)?;
    drop(to.shutdown(Shutdown::Write));
    Ok(())
}

#[test]
fn a_proxy_is_used_with_its_own_credentials_unless_the_host_is_excepted() {
    let mut fixture = Fixture::new();
    let (port, seen) = proxy();
    let through = |userinfo: &str, except: &[&str]| Proxies {
        https: None,
        http: Some(Redacted::new(format!("http://{userinfo}127.0.0.1:{port}"))),
        except: except.iter().map(|name| (*name).to_owned()).collect(),
    };
    let fetch = |fixture: &Fixture| {
        let mirror = Mirror::open(&fixture.settings, &fixture.url()).unwrap();
        mirror.fetch(&basic("ann", "sesame"), "main")
    };
    fixture.settings.proxies = through("proxy:hunter2@", &["127.0.0.1"]);
    assert_eq!(fetch(&fixture).unwrap().commit, fixture.head());
    assert!(seen.lock().unwrap().is_empty(), "the host is excepted");

    fixture.settings.proxies = through("proxy:hunter2@", &["example.com"]);
    assert_eq!(fetch(&fixture).unwrap().commit, fixture.head());
    let heads = std::mem::take(&mut *seen.lock().unwrap());
    assert!(!heads.is_empty());
    // The credentials of the repository are in the tunnel only.
    assert!(!heads.concat().contains("YW5uOnNlc2FtZQ"), "{heads:?}");

    fixture.settings.proxies = through("", &[]);
    let error = fetch(&fixture).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    fixture.settings.proxies = Proxies {
        http: Some(Redacted::new("hunter2://x y")),
        ..Proxies::default()
    };
    let error = fetch(&fixture).unwrap_err();
    assert!(matches!(error, Error::InvalidProxy { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
