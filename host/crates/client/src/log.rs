//! The log: appending, reading, following.

use kinora_api::appends::{Appended, ExpectedRevision, NewEvent, Transaction};
use kinora_api::claims::HeldClaim;
use kinora_api::events::{EventPage, ReadLog};
use kinora_api::log::Log;
use reqwest::Url;

use crate::address::with_parameters;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::stream::{Pieces, Subscription};

impl Client {
    /// Appends events to a stream, all or none.
    pub async fn append(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: &[NewEvent],
    ) -> Result<Answer<Appended>, Error> {
        let body = serde_json::to_string(events).map_err(Error::Request)?;
        self.append_json(stream, expected, body).await
    }

    /// The same with events that are JSON text already: one of them, or an array.
    pub async fn append_json(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        events: String,
    ) -> Result<Answer<Appended>, Error> {
        self.post_text(self.events_of(stream)?, events, expected.header()).await
    }

    /// Appends to several streams, all or none, with a condition and claims.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Answer<Appended>, Error> {
        self.post_json(self.url(&["v1", "transactions"])?, transaction).await
    }

    /// Who holds a claim; `not-claimed` if nobody does.
    pub async fn claim(&self, scope: &str, value: &str) -> Result<Answer<HeldClaim>, Error> {
        self.get(self.url(&["v1", "claims", scope, value])?).await
    }

    /// What the log is and holds.
    pub async fn log(&self) -> Result<Answer<Log>, Error> {
        self.get(self.url(&["v1", "log"])?).await
    }

    /// A page of the log.
    pub async fn read_log(&self, read: &ReadLog) -> Result<Answer<EventPage>, Error> {
        self.get(with_parameters(self.events()?, read)?).await
    }

    /// A page of a stream, which is read whole: types, tags and prefix are for the log.
    pub async fn read_stream(&self, stream: &str, read: &ReadLog) -> Result<Answer<EventPage>, Error> {
        self.get(with_parameters(self.events_of(stream)?, read)?).await
    }

    /// Follows the log: history first, then what comes. `last` is the id of the last message of an earlier
    /// subscription.
    pub async fn follow_log(&self, read: &ReadLog, last: Option<&str>) -> Result<Subscription, Error> {
        self.subscribe(with_parameters(self.events()?, read)?, last).await
    }

    /// Follows a stream.
    pub async fn follow_stream(&self, stream: &str, read: &ReadLog, last: Option<&str>) -> Result<Subscription, Error> {
        self.subscribe(with_parameters(self.events_of(stream)?, read)?, last).await
    }

    /// All events up to what is durable now, as lines of JSON.
    pub async fn export(&self, read: &ReadLog) -> Result<Pieces, Error> {
        let url = with_parameters(self.events()?, read)?;
        let response = self.open(&url, "application/x-ndjson", None).await?;
        Ok(Pieces::new(url, response))
    }

    pub(crate) async fn subscribe(&self, url: Url, last: Option<&str>) -> Result<Subscription, Error> {
        let response = self.open(&url, "text/event-stream", last).await?;
        Ok(Subscription::new(url, response))
    }

    fn events(&self) -> Result<Url, Error> {
        self.url(&["v1", "events"])
    }

    fn events_of(&self, stream: &str) -> Result<Url, Error> {
        self.url(&["v1", "streams", stream, "events"])
    }
}
