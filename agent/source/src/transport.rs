//! Gives libgit2 our HTTP and SSH in place of its own, once for the process.
//!
//! It holds the only unsafe call of the project: libgit2 registers transports in a global table.

use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, OnceLock};

use git2::transport::{
    Service as GitService, SmartSubtransport, SmartSubtransportStream, Transport,
};
use git2::{ConfigLevel, ErrorClass, ErrorCode};
use ureq::BodyReader;

use crate::connection::{Connection, Service};
use crate::error::Error;
use crate::http::explain_io;
use crate::operation::Operation;
use crate::ssh::{Conversation, Ssh};

/// Registers the transport and cuts libgit2 off from the machine's own Git configuration, which
/// could rewrite URLs or name programs. Later calls return the first one's result.
pub(crate) fn prepare() -> Result<(), git2::Error> {
    static PREPARED: OnceLock<Result<(), git2::Error>> = OnceLock::new();
    PREPARED
        .get_or_init(|| {
            #[expect(
                unsafe_code,
                reason = "libgit2 keeps transports and search paths in global tables; `OnceLock` \
                          lets one thread in, and every use of libgit2 in this crate comes after"
            )]
            unsafe {
                for level in [
                    ConfigLevel::System,
                    ConfigLevel::Global,
                    ConfigLevel::XDG,
                    ConfigLevel::ProgramData,
                ] {
                    git2::opts::set_search_path(level, "")?;
                }
                for (scheme, stateless) in [("http", true), ("https", true), ("ssh", false)] {
                    git2::transport::register(scheme, move |remote| {
                        let operation = Operation::current()
                            .ok_or_else(|| failed("a transport outside of an operation"))?;
                        Transport::smart(remote, stateless, Subtransport { operation })
                    })?;
                }
            }
            Ok(())
        })
        .as_ref()
        .copied()
        .map_err(|error| git2::Error::new(error.code(), error.class(), error.message()))
}

struct Subtransport {
    operation: Arc<Operation>,
}

impl SmartSubtransport for Subtransport {
    fn action(
        &self,
        url: &str,
        service: GitService,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        if url != self.operation.remote() {
            return Err(failed(
                "a transport to another repository than the operation's",
            ));
        }
        let operation = Arc::clone(&self.operation);
        match (&self.operation.connection, service) {
            (Connection::Http(_), GitService::UploadPackLs | GitService::ReceivePackLs) => {
                Ok(Box::new(Cursor::new(operation.advertisement())))
            }
            (Connection::Http(_), GitService::UploadPack) => {
                Ok(Box::new(Exchange::new(operation, Service::UploadPack)))
            }
            (Connection::Http(_), GitService::ReceivePack) => {
                Ok(Box::new(Exchange::new(operation, Service::ReceivePack)))
            }
            // libgit2 goes on with the stream on which it read the list.
            (Connection::Ssh(ssh), GitService::UploadPackLs | GitService::UploadPack) => {
                Ok(Box::new(Talk::begin(operation, ssh, Service::UploadPack)?))
            }
            (Connection::Ssh(ssh), GitService::ReceivePackLs | GitService::ReceivePack) => {
                Ok(Box::new(Talk::begin(operation, ssh, Service::ReceivePack)?))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

fn failed(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}

/// Keeps the error for the operation; libgit2 gets a placeholder.
fn keep(operation: &Operation, error: Error) -> io::Error {
    let text = error.to_string();
    operation.fail(error);
    io::Error::other(text)
}

/// Counts what is received, up to the limit.
fn count_received(operation: &Operation, received: &mut u64, count: usize) -> io::Result<()> {
    *received += count as u64;
    if *received > operation.settings.max_pack_bytes {
        return Err(keep(operation, operation.too_large(*received)));
    }
    Ok(())
}

/// Refuses to send more than the limit.
fn check_sent(operation: &Operation, sent: usize) -> io::Result<()> {
    let limit = operation.settings.max_push_bytes;
    if sent as u64 > limit {
        let error = Error::TooLarge {
            subject: format!("the pack for `{}`", operation.url),
            limit,
            setting: "max_push_bytes",
        };
        return Err(keep(operation, error));
    }
    Ok(())
}

/// One request over HTTP and its answer: all that is written is sent with the first read.
struct Exchange {
    operation: Arc<Operation>,
    service: Service,
    request: Vec<u8>,
    answer: Option<BodyReader<'static>>,
    received: u64,
}

impl Exchange {
    fn new(operation: Arc<Operation>, service: Service) -> Self {
        Self {
            operation,
            service,
            request: Vec::new(),
            answer: None,
            received: 0,
        }
    }

    fn send(&mut self) -> Result<BodyReader<'static>, Error> {
        let request = std::mem::take(&mut self.request);
        if self.service == Service::ReceivePack {
            self.operation.mark_pack_sent();
        }
        match &self.operation.connection {
            Connection::Http(http) => http.exchange(&self.operation, self.service, &request),
            Connection::Ssh(_) => unreachable!("an exchange is made for HTTP alone"),
        }
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.send().map_err(|error| keep(&self.operation, error))?,
        };
        let count = answer
            .read(buffer)
            .map_err(|error| keep(&self.operation, explain_io(&self.operation, error)))?;
        self.answer = Some(answer);
        count_received(&self.operation, &mut self.received, count)?;
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        check_sent(&self.operation, self.request.len() + bytes.len())?;
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A conversation over SSH. It begins with the reduced list of references; the server's own was
/// read before.
struct Talk {
    operation: Arc<Operation>,
    service: Service,
    list: Cursor<Vec<u8>>,
    conversation: Conversation,
    received: u64,
    sent: usize,
}

impl Talk {
    fn begin(operation: Arc<Operation>, ssh: &Ssh, service: Service) -> Result<Self, git2::Error> {
        let conversation = ssh.conversation(&operation, service);
        let conversation = conversation.map_err(|error| {
            let placeholder = failed(&error.to_string());
            operation.fail(error);
            placeholder
        })?;
        Ok(Self {
            list: Cursor::new(operation.advertisement()),
            operation,
            service,
            conversation,
            received: 0,
            sent: 0,
        })
    }
}

impl Read for Talk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let listed = self.list.read(buffer)?;
        if listed > 0 || buffer.is_empty() {
            return Ok(listed);
        }
        let count = self.conversation.read(&self.operation, buffer);
        let count = count.map_err(|error| keep(&self.operation, error))?;
        if count == 0 {
            // Where that is too early, libgit2 says no more than that.
            self.operation
                .fail(self.conversation.ended(&self.operation));
        }
        count_received(&self.operation, &mut self.received, count)?;
        Ok(count)
    }
}

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.service == Service::ReceivePack {
            check_sent(&self.operation, self.sent + bytes.len())?;
            self.operation.mark_pack_sent();
        }
        self.sent += bytes.len();
        let sent = self.conversation.write(&self.operation, bytes);
        sent.map_err(|error| keep(&self.operation, error))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
