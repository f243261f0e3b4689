//! Messages to Slack, Teams, any HTTPS endpoint, a mail command, any command.
//!
//! Each channel makes its own form of a message; what the forms share is how they travel: one try a call, ten seconds
//! for an answer, no redirects, and errors that name a host at most.

mod email;
mod http;
mod process;
mod secrets;
mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod webhook;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use self::secrets::Known;
use crate::core::notify::{Channel, Message, Notify, UrlSource, secret_variables};
use crate::ports::{Notifier, Secret, SendError};

/// Requests at a time: each holds a thread, and others need threads, too.
const AT_ONCE: usize = 3;

/// Sends messages. Secrets are got when the first message needs them, and kept.
pub struct Messenger {
    known: Known,
    room: Semaphore,
}

impl Messenger {
    /// Sends to these. Commands that it starts do not get the variables that hold their secrets.
    pub fn new(all: &[Notify]) -> Self {
        Self { known: Known::new(secret_variables(all)), room: Semaphore::new(AT_ONCE) }
    }

    async fn url(&self, url: &UrlSource) -> Result<Secret, SendError> {
        match url {
            UrlSource::Plain(text) => Ok(Secret::new(text.clone())),
            UrlSource::From(source) => self.known.get(source).await,
        }
    }

    async fn post(&self, request: http::Request) -> Result<(), SendError> {
        // Nobody closes it: a failure would only mean that the process goes.
        let _room = self.room.acquire().await;
        http::post(request).await
    }
}

#[async_trait]
impl Notifier for Messenger {
    async fn send(&self, to: &Notify, message: &Message) -> Result<(), SendError> {
        match &to.to {
            Channel::Slack { url } => {
                let url = self.known.get(url).await?;
                self.post(http::Request::new(url, json(&slack::body(message))?)).await
            }
            Channel::Teams { url } => {
                let url = self.known.get(url).await?;
                self.post(http::Request::new(url, json(&teams::body(message))?)).await
            }
            Channel::Webhook { url, key, ca } => {
                let url = self.url(url).await?;
                let key = match key {
                    Some(source) => Some(self.known.get(source).await?),
                    None => None,
                };
                let request = http::Request::new(url, json(message)?).trusting(ca.clone());
                self.post(webhook::signed(request, message, key.as_ref())).await
            }
            Channel::Email { to, from, command } => {
                let mail = email::mail(message, to, from.as_deref());
                process::run(command, mail.as_bytes(), self.known.hidden()).await
            }
            Channel::Command { run } => process::run(run, &json(message)?, self.known.hidden()).await,
        }
    }

    fn missing(&self, to: &Notify) -> Option<String> {
        to.to.secrets().into_iter().find_map(secrets::missing)
    }
}

fn json(body: &impl serde::Serialize) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(body).map_err(|error| SendError::never(format!("the message cannot be written: {error}")))
}
