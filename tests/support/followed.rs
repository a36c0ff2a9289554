//! Streams that a test follows: messages, each as the description of the API says.

use std::pin::Pin;

use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures::{Stream, StreamExt};
use serde_json::Value;

use crate::description::Answered;
use crate::wait::PATIENCE;

type Messages = Pin<Box<dyn Stream<Item = Result<Event, EventStreamError<reqwest::Error>>> + Send>>;

/// What a host says to whoever follows.
pub struct Followed {
    method: String,
    path: String,
    messages: Messages,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

impl Message {
    /// Where the event stands that it tells: the id names the life of the log, too.
    pub fn position(&self) -> u64 {
        self.id.split('-').next().unwrap().parse().unwrap()
    }
}

impl Followed {
    pub(crate) fn new(method: String, path: String, response: reqwest::Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{path}");
        Self { method, path, messages: Box::pin(response.bytes_stream().eventsource()) }
    }

    /// The next message.
    pub async fn next(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.messages.next()).await.expect("a message in time");
        let Event { id, event, data, .. } = next.expect("the stream has not ended").unwrap();
        let Self { method, path, .. } = self;
        let answered = Answered { method, path, status: 200, kind: Some("text/event-stream") };
        answered.check_message(&event, &data);
        Message { id, kind: event, data: serde_json::from_str(&data).unwrap() }
    }

    /// Messages up to one that is such.
    pub async fn until(&mut self, is_last: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut found = Vec::new();
        while !found.last().is_some_and(&is_last) {
            found.push(self.next().await);
        }
        found
    }
}
