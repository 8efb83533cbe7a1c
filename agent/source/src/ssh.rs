//! Git over SSH: one command of the server for each operation, every step under its deadline.
//!
//! The server is known by its host key before anything is sent to it; a host key that nobody vouches
//! for ends the connection. Each connection lives on a runtime of its own, which does nothing while
//! nobody reads or writes, so no thread is left behind by an operation that is given up.

mod conversation;
mod identity;
mod known_hosts;

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PrivateKey;
use syncline_core::url::{RepoUrl, SshAddress};

use crate::connection::Service;
use crate::error::Error;
use crate::operation::Operation;
use crate::settings::{Access, Credentials};

pub(crate) use conversation::Conversation;
use known_hosts::KnownHosts;

/// How an operation reaches its server over SSH.
pub(crate) struct Ssh {
    address: SshAddress,
    identity: Arc<PrivateKey>,
    known_hosts: Arc<KnownHosts>,
    /// The conversation in which the list of references was read, and nothing after it.
    listed: Mutex<Option<(Service, Conversation)>>,
}

impl Ssh {
    pub(crate) fn new(url: &RepoUrl, address: &SshAddress, access: &Access) -> Result<Self, Error> {
        let Credentials::Ssh(credentials) = &access.credentials else {
            return Err(Error::WrongCredentials {
                url: url.clone(),
                transport: "SSH",
                wanted: "`identity` (a private key) and `known_hosts`",
            });
        };
        let known_hosts = KnownHosts::parse(&credentials.known_hosts)
            .ok_or_else(|| Error::InvalidKnownHosts { url: url.clone() })?;
        let identity = identity::read(credentials).map_err(|detail| Error::InvalidIdentity {
            url: url.clone(),
            detail,
        })?;
        Ok(Self {
            address: address.clone(),
            identity,
            known_hosts: Arc::new(known_hosts),
            listed: Mutex::default(),
        })
    }

    /// The list of references. The conversation waits for what is said next.
    pub(crate) fn listing(
        &self,
        operation: &Operation,
        service: Service,
    ) -> Result<Vec<u8>, Error> {
        let (conversation, list) = self.begin(operation, service)?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        *listed = Some((service, conversation));
        Ok(list)
    }

    /// A conversation after its list: that of [`Ssh::listing`], or another one.
    pub(crate) fn conversation(
        &self,
        operation: &Operation,
        service: Service,
    ) -> Result<Conversation, Error> {
        let listed = {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            listed.take()
        };
        match listed {
            Some((of, conversation)) if of == service => Ok(conversation),
            _ => Ok(self.begin(operation, service)?.0),
        }
    }

    fn begin(
        &self,
        operation: &Operation,
        service: Service,
    ) -> Result<(Conversation, Vec<u8>), Error> {
        let mut conversation = Conversation::begin(self, operation, service)?;
        let list = conversation.read_list(operation)?;
        Ok((conversation, list))
    }
}
