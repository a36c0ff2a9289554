//! Answers that come bit by bit: subscriptions, and long answers in pieces.

use std::pin::Pin;

use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures::{Stream, StreamExt};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// What a host says to somebody who follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What a subscription can be taken up behind, where there is one.
    pub id: String,
    /// What kind of message it is, such as `event` or `caught-up`.
    pub kind: String,
    /// JSON text.
    pub data: String,
}

impl Message {
    /// # Errors
    /// If it says something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.data)
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Event, EventStreamError<reqwest::Error>>> + Send>>;

/// A subscription. It ends with its host; taken up again behind the id of the last message, it loses and repeats
/// nothing.
pub struct Subscription {
    url: Url,
    messages: Messages,
}

impl Subscription {
    pub(crate) fn new(url: Url, response: Response) -> Self {
        Self { url, messages: Box::pin(response.bytes_stream().eventsource()) }
    }

    /// The next message; none if the host has ended the subscription.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        match self.messages.next().await {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(Message { id: message.id, kind: message.event, data: message.data })),
            Some(Err(EventStreamError::Transport(cause))) => Err(Error::from_request(&self.url, &cause)),
            Some(Err(cause)) => Err(Error::Lost { url: self.url.clone(), detail: cause.to_string() }),
        }
    }
}

/// A long answer, in the pieces in which it comes.
pub struct Pieces {
    url: Url,
    response: Response,
}

impl Pieces {
    pub(crate) fn new(url: Url, response: Response) -> Self {
        Self { url, response }
    }

    /// The next piece; none at the end. An answer that broke off is an error.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.response.chunk().await.map_err(|cause| Error::from_request(&self.url, &cause))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }
}
