//! One connection to an SSH server, and the one command that it runs.

use std::cmp::Reverse;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{
    Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKeyBase64, PublicKeyOrCertificate,
};
use russh::{Channel, ChannelMsg, Preferred};
use syncline_core::url::SshAddress;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::Ssh;
use super::known_hosts::{self, KnownHosts, Verdict, fingerprint};
use crate::connection::Service;
use crate::error::{Error, printable};
use crate::operation::Operation;

/// How much of what a command says beside its answer is kept for a message.
const LONGEST_MESSAGE: usize = 4096;

/// Words by which servers say that there is no such repository, or that it is hidden.
const NO_REPOSITORY: [&str; 6] = [
    "does not appear to be a git repository",
    "not found",
    "could not be found",
    "does not exist",
    "cannot find",
    "no such file or directory",
];
/// Words by which servers say that the key may not do it.
const NO_RIGHT: [&str; 6] = [
    "permission",
    "denied",
    "not allowed",
    "unauthorized",
    "forbidden",
    "read only",
];

/// A command of the server that is talked to. Nothing happens but in a call.
pub(crate) struct Conversation {
    service: Service,
    channel: Channel<Msg>,
    /// Ends the connection when it is dropped.
    _handle: Handle<Client>,
    driver: Driver,
    unread: Bytes,
    said: Vec<u8>,
    ended: bool,
}

/// What the connection runs on.
struct Driver(Option<Runtime>);

impl Drop for Driver {
    fn drop(&mut self) {
        // Does not wait for a name resolution that is on its way.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Driver {
    fn new(operation: &Operation) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build();
        let runtime = runtime.map_err(|error| unavailable(operation, &error.to_string()))?;
        Ok(Self(Some(runtime)))
    }

    /// Runs a step to its end, or to that of the operation's time.
    fn run<T>(&self, operation: &Operation, step: impl Future<Output = T>) -> Result<T, Error> {
        let left = operation.remaining()?;
        let runtime = self.0.as_ref().expect("it is only taken by `drop`");
        let ended = runtime.block_on(async { tokio::time::timeout(left, step).await });
        ended.map_err(|_| operation.timed_out())
    }
}

impl Conversation {
    /// Connects, signs in and starts the command.
    pub(super) fn begin(ssh: &Ssh, operation: &Operation, service: Service) -> Result<Self, Error> {
        let driver = Driver::new(operation)?;
        let connected = driver.run(operation, connect(&ssh.address, operation))?;
        let refusal = Arc::new(Mutex::new(None));
        let client = Client {
            address: ssh.address.clone(),
            known_hosts: Arc::clone(&ssh.known_hosts),
            refusal: Arc::clone(&refusal),
        };
        let config = client::Config {
            preferred: preferred(&ssh.known_hosts.algorithms(&ssh.address)),
            ..client::Config::default()
        };
        let greeted = client::connect_stream(Arc::new(config), connected?, client);
        let greeted = driver.run(operation, greeted)?;
        let mut handle = greeted.map_err(|error| {
            let refusal = refusal
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            match refusal {
                Some(refusal) => refusal.into_error(operation),
                None => unavailable(operation, &error.to_string()),
            }
        })?;
        let broken = |error: russh::Error| unavailable(operation, &error.to_string());
        let admitted = driver.run(operation, sign_in(ssh, &mut handle))?;
        if !admitted.map_err(broken)? {
            return Err(Error::KeyRefused {
                url: operation.url.clone(),
                user: ssh.address.user.clone(),
                fingerprint: fingerprint(&ssh.identity.public_key().public_key_bytes()),
            });
        }
        let command = format!("{} '{}'", service.name(), ssh.address.path);
        let started = async {
            let channel = handle.channel_open_session().await?;
            channel.exec(true, command).await?;
            Ok(channel)
        };
        let channel = driver.run(operation, started)?.map_err(broken)?;
        Ok(Self {
            service,
            channel,
            _handle: handle,
            driver,
            unread: Bytes::new(),
            said: Vec::new(),
            ended: false,
        })
    }

    /// The list of references with which the command begins, up to its end.
    pub(super) fn read_list(&mut self, operation: &Operation) -> Result<Vec<u8>, Error> {
        let limit = operation.settings.max_listing_bytes;
        let mut list = Vec::new();
        loop {
            let at = list.len();
            self.read_exactly(operation, &mut list, 4)?;
            let length = std::str::from_utf8(&list[at..]).ok();
            let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
            match length {
                Some(0) => return Ok(list),
                Some(length) if length >= 4 => {
                    self.read_exactly(operation, &mut list, length - 4)?;
                }
                _ => {
                    let begin = printable(&String::from_utf8_lossy(&list[at..]));
                    return Err(Error::NotGit {
                        url: operation.url.clone(),
                        detail: format!("where a list of references goes on it says `{begin}`"),
                    });
                }
            }
            // The server's last words; whoever reads the list understands them.
            if list[at + 4..].starts_with(b"ERR ") {
                return Ok(list);
            }
            if list.len() as u64 > limit {
                return Err(Error::TooLarge {
                    subject: format!("the list of references of `{}`", operation.url),
                    limit,
                    setting: "max_listing_bytes",
                });
            }
        }
    }

    fn read_exactly(
        &mut self,
        operation: &Operation,
        to: &mut Vec<u8>,
        count: usize,
    ) -> Result<(), Error> {
        let end = to.len() + count;
        while to.len() < end {
            if !self.fill(operation)? {
                return Err(self.ended(operation));
            }
            let part = self.unread.len().min(end - to.len());
            to.extend_from_slice(&self.unread[..part]);
            self.unread.advance(part);
        }
        Ok(())
    }

    /// Reads what comes next; nothing only at the end.
    pub(crate) fn read(
        &mut self,
        operation: &Operation,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        if !self.fill(operation)? {
            return Ok(0);
        }
        let count = self.unread.len().min(buffer.len());
        self.unread.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }

    /// Waits until there is something to read; false at the end.
    fn fill(&mut self, operation: &Operation) -> Result<bool, Error> {
        while self.unread.is_empty() && !self.ended {
            match self.driver.run(operation, self.channel.wait())? {
                Some(ChannelMsg::Data { data }) => self.unread = data,
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = LONGEST_MESSAGE.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&data[..data.len().min(room)]);
                }
                Some(ChannelMsg::Failure) => {
                    self.said.extend_from_slice(b"the server runs no commands");
                    self.ended = true;
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => self.ended = true,
                Some(_) => {}
            }
        }
        Ok(!self.unread.is_empty())
    }

    /// Sends, as fast as the server takes it.
    pub(crate) fn write(&mut self, operation: &Operation, bytes: &[u8]) -> Result<(), Error> {
        let bytes = Bytes::copy_from_slice(bytes);
        let sent = self.driver.run(operation, self.channel.data_bytes(bytes))?;
        // What the server said before it closed tells more than that it did.
        sent.map_err(|_| self.ended(operation))
    }

    /// What it means that the command ended before it was to.
    pub(crate) fn ended(&self, operation: &Operation) -> Error {
        let url = operation.url.clone();
        let said = printable(&String::from_utf8_lossy(&self.said));
        let lower = said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        if says(&NO_REPOSITORY) && !says(&["command not found"]) {
            return Error::RepositoryNotFound { url };
        }
        match (self.service, says(&NO_RIGHT)) {
            (Service::ReceivePack, true) => Error::PushDenied { url, message: said },
            (Service::UploadPack, true) => Error::AccessRefused { url, message: said },
            _ if said.is_empty() => {
                unavailable(operation, "the connection ended in the middle of an answer")
            }
            _ => unavailable(operation, &format!("it ended with `{said}`")),
        }
    }
}

fn unavailable(operation: &Operation, detail: &str) -> Error {
    Error::Unavailable {
        url: operation.url.clone(),
        detail: printable(detail),
    }
}

async fn connect(address: &SshAddress, operation: &Operation) -> Result<TcpStream, Error> {
    let after = operation.settings.connect_timeout;
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let Ok(connected) = tokio::time::timeout(after, connecting).await else {
        return Err(unavailable(
            operation,
            &format!("no connection within {after:?}"),
        ));
    };
    let stream = connected.map_err(|error| unavailable(operation, &error.to_string()))?;
    stream
        .set_nodelay(true)
        .map_err(|error| unavailable(operation, &error.to_string()))?;
    Ok(stream)
}

/// Whether the server lets the key in.
async fn sign_in(ssh: &Ssh, handle: &mut Handle<Client>) -> Result<bool, russh::Error> {
    let hash = if ssh.identity.algorithm().is_rsa() {
        // SHA-1 is not offered to a server that knows nothing better.
        match handle.best_supported_rsa_hash().await? {
            Some(Some(hash)) => Some(hash),
            Some(None) | None => Some(HashAlg::Sha256),
        }
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(Arc::clone(&ssh.identity), hash);
    let result = handle
        .authenticate_publickey(&ssh.address.user, key)
        .await?;
    Ok(matches!(result, AuthResult::Success))
}

/// The usual algorithms, those of host keys that are known first: a server with several keys is asked
/// for one that can be compared. Signatures with SHA-1 are not taken.
fn preferred(known: &[&str]) -> Preferred {
    let mut preferred = Preferred::default();
    let keys = preferred.key.to_mut();
    keys.retain(|key| *key != Algorithm::Rsa { hash: None });
    let is_known = |key: &Algorithm| match key {
        Algorithm::Rsa { .. } => known.contains(&"ssh-rsa"),
        other => known.contains(&other.as_str()),
    };
    keys.sort_by_key(|key| Reverse(is_known(key)));
    preferred
}

/// Judges the host key.
struct Client {
    address: SshAddress,
    known_hosts: Arc<KnownHosts>,
    refusal: Arc<Mutex<Option<Refusal>>>,
}

/// Why a host key is not taken.
enum Refusal {
    Unknown { fingerprint: String, line: String },
    Mismatch { presented: String, expected: String },
}

impl Refusal {
    fn into_error(self, operation: &Operation) -> Error {
        let url = operation.url.clone();
        match self {
            Self::Unknown { fingerprint, line } => Error::HostKeyUnknown {
                url,
                fingerprint,
                line,
            },
            Self::Mismatch {
                presented,
                expected,
            } => Error::HostKeyMismatch {
                url,
                presented,
                expected,
            },
        }
    }
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        // Certificates of hosts are not asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return Ok(false);
        };
        let bytes = key.public_key_bytes();
        let presented = fingerprint(&bytes);
        let refusal = match self.known_hosts.check(&self.address, &bytes) {
            Verdict::Known => return Ok(true),
            Verdict::Other(expected) => Refusal::Mismatch {
                presented,
                expected: expected.join(" or "),
            },
            Verdict::Revoked => Refusal::Mismatch {
                presented,
                expected: "it as revoked".to_owned(),
            },
            Verdict::Unknown => {
                let algorithm = key.algorithm();
                Refusal::Unknown {
                    fingerprint: presented,
                    line: known_hosts::line(&self.address, algorithm.as_str(), &bytes),
                }
            }
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        Ok(false)
    }
}
