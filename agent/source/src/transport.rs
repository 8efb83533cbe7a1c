//! Gives libgit2 our HTTP in place of its own, once for the process.
//!
//! It holds the only unsafe call of the project: libgit2 registers transports in a global table.

use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, OnceLock};

use git2::transport::{
    Service as GitService, SmartSubtransport, SmartSubtransportStream, Transport,
};
use git2::{ConfigLevel, ErrorClass, ErrorCode};
use ureq::BodyReader;

use crate::error::Error;
use crate::http::{Service, explain_io};
use crate::operation::Operation;

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
                for scheme in ["http", "https"] {
                    git2::transport::register(scheme, |remote| {
                        let operation = Operation::current()
                            .ok_or_else(|| failed("a transport outside of an operation"))?;
                        Transport::smart(remote, true, Subtransport { operation })
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
        if url != self.operation.url.as_str() {
            return Err(failed(
                "a transport to another repository than the operation's",
            ));
        }
        let service = match service {
            GitService::UploadPackLs | GitService::ReceivePackLs => {
                return Ok(Box::new(Cursor::new(self.operation.advertisement())));
            }
            GitService::UploadPack => Service::UploadPack,
            GitService::ReceivePack => Service::ReceivePack,
        };
        Ok(Box::new(Exchange {
            operation: Arc::clone(&self.operation),
            service,
            request: Vec::new(),
            answer: None,
            received: 0,
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

fn failed(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}

/// One request and its answer: all that is written is sent with the first read.
struct Exchange {
    operation: Arc<Operation>,
    service: Service,
    request: Vec<u8>,
    answer: Option<BodyReader<'static>>,
    received: u64,
}

impl Exchange {
    /// Keeps the error for the operation; libgit2 gets a placeholder.
    fn fail(&self, error: Error) -> io::Error {
        let text = error.to_string();
        self.operation.fail(error);
        io::Error::other(text)
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => {
                let request = std::mem::take(&mut self.request);
                if self.service == Service::ReceivePack {
                    self.operation.mark_pack_sent();
                }
                let http = &self.operation.http;
                http.exchange(&self.operation, self.service, &request)
                    .map_err(|error| self.fail(error))?
            }
        };
        let count = answer
            .read(buffer)
            .map_err(|error| self.fail(explain_io(&self.operation, error)))?;
        self.answer = Some(answer);
        self.received += count as u64;
        let limit = self.operation.settings.max_pack_bytes;
        if self.received > limit {
            let subject = format!("the pack of `{}`", self.operation.url);
            return Err(self.fail(Error::TooLarge {
                subject,
                limit,
                setting: "max_pack_bytes",
            }));
        }
        Ok(count)
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = self.operation.settings.max_push_bytes;
        if (self.request.len() + bytes.len()) as u64 > limit {
            let subject = format!("the pack for `{}`", self.operation.url);
            return Err(self.fail(Error::TooLarge {
                subject,
                limit,
                setting: "max_push_bytes",
            }));
        }
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
