//! How a registry is told who asks: user name and password, or a token that is kept until it ends.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use tokio::time::Instant;

use super::Client;
use super::ask::{Question, host_of, settled};
use super::body::Part;
use super::memory::{Token, TokenKey, Way, remember};
use crate::auth::Auth;
use crate::challenge::Challenge;
use crate::error::Error;
use crate::hosts::Kind;
use crate::token;

/// Who asks for a token, as the protocol wants it; no secret.
const CLIENT: &str = "syncline";

impl Client {
    /// Finds out how the registry wants to be asked, and remembers it.
    pub(super) fn negotiate(
        &self,
        question: &Question<'_>,
        host: &str,
        used: Option<&Way>,
        challenge: Option<Challenge>,
    ) -> Result<Way, Error> {
        let way = match (challenge, question.auth) {
            // The same user name and password would be refused again.
            (Some(Challenge::Basic), Auth::Basic { .. }) if matches!(used, Some(Way::Basic)) => {
                return Err(question.denied(host));
            }
            (Some(Challenge::Basic), Auth::Basic { .. }) => Way::Basic,
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                _,
            ) => {
                let url = token::request_url(
                    &self.shared.settings,
                    question.image,
                    question.auth,
                    &realm,
                    service.as_deref(),
                    scope.as_deref(),
                )
                .map_err(|refused| Error::Realm {
                    host: host.to_owned(),
                    realm: refused.realm,
                    detail: refused.detail.to_owned(),
                })?;
                Way::Bearer { url }
            }
            (Some(Challenge::Basic) | None, _) => return Err(question.denied(host)),
        };
        let entries = self.shared.settings.cache_entries;
        remember(
            &mut self.memory().ways,
            question.key(),
            way.clone(),
            entries,
        );
        Ok(way)
    }

    /// A token that is good: a remembered one, or one that is fetched once however many need it.
    pub(super) async fn token(&self, question: &Question<'_>, url: &Url) -> Result<Token, Error> {
        let slot = self.shared.tokens.slot(&token_key(question, url));
        let mut slot = slot.lock().await;
        if let Some(token) = slot.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.clone());
        }
        *slot = None;
        let token = self.fetch_token(question, url).await.inspect_err(|error| {
            if matches!(error, Error::AuthFailed { .. }) {
                self.memory().ways.remove(&question.key());
            }
        })?;
        *slot = Some(token.clone());
        Ok(token)
    }

    /// Forgets a token that was refused, unless there is a newer one already.
    pub(super) async fn forget_token(&self, question: &Question<'_>, url: &Url, used: &Token) {
        let slot = self.shared.tokens.slot(&token_key(question, url));
        let mut slot = slot.lock().await;
        if slot.as_ref().is_some_and(|kept| kept.token == used.token) {
            *slot = None;
        }
    }

    async fn fetch_token(&self, question: &Question<'_>, url: &Url) -> Result<Token, Error> {
        let host = host_of(url);
        let http = &self.shared.http;
        let request = match question.auth {
            Auth::Anonymous => http.get(url.clone()),
            Auth::Basic { username, password } => http
                .get(url.clone())
                .basic_auth(username, Some(password.expose())),
            Auth::IdentityToken(identity) => {
                // <https://distribution.github.io/distribution/spec/auth/oauth/>
                let mut plain = url.clone();
                plain.set_query(None);
                let form = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(url.query_pairs())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", CLIENT)
                    .append_pair("refresh_token", identity.expose())
                    .finish();
                http.post(plain)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form)
            }
        };
        let response = self.shared.hosts.send(&host, Kind::Other, request).await?;
        if matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Err(question.denied(&host));
        }
        let response = settled(&host, response)?;
        let body = self.body(question, response, Part::Token).await?;
        let answer = serde_json::from_slice::<token::Answer>(&body).ok();
        let Some((token, lifetime)) = answer.and_then(token::Answer::into_token) else {
            return Err(question.incomplete(format!("{host} answered without a token")));
        };
        // A lifetime from outside is bounded, so that the sum cannot overflow.
        let lifetime = lifetime.min(Duration::from_hours(24));
        let until = Instant::now() + lifetime.saturating_sub(self.shared.settings.token_margin);
        Ok(Token { token, until })
    }
}

fn token_key(question: &Question<'_>, url: &Url) -> TokenKey {
    TokenKey {
        url: url.clone(),
        auth: question.auth.clone(),
    }
}
