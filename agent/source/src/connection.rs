//! How an operation reaches the server: over HTTP or over SSH.

use syncline_core::url::RepoUrl;

use crate::error::Error;
use crate::http::Http;
use crate::listing::Framing;
use crate::operation::Operation;
use crate::settings::{Access, Settings};
use crate::ssh::Ssh;

/// Which half of the protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Fetch.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    /// The name in URLs and media types.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// The connection of one operation.
pub(crate) enum Connection {
    /// Requests and answers.
    Http(Http),
    /// A command of the server that is talked to.
    Ssh(Box<Ssh>),
}

impl Connection {
    /// Checks what is needed to connect; nothing is asked of the server yet.
    pub(crate) fn new(settings: &Settings, url: &RepoUrl, access: &Access) -> Result<Self, Error> {
        match url.ssh() {
            Some(address) => {
                let ssh = Ssh::new(url, address, access)?;
                Ok(Self::Ssh(Box::new(ssh)))
            }
            None => Http::new(settings, url, access).map(Self::Http),
        }
    }

    /// Asks for the list of references of a service.
    pub(crate) fn listing(
        &self,
        operation: &Operation,
        service: Service,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Self::Http(http) => http.listing(operation, service),
            Self::Ssh(ssh) => ssh.listing(operation, service),
        }
    }

    /// How its lists are framed.
    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::Http(_) => Framing::Http,
            Self::Ssh(_) => Framing::Ssh,
        }
    }
}
