//! An event as a projector sees it.

use serde::Deserialize;

/// Why a projector cannot go on: it stops this version of the projection, with the event's position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The event that could not be handled, if it is known.
    pub position: Option<u64>,
    /// A sentence for the person who has to repair it.
    pub message: String,
}

impl Fault {
    /// A fault without a position: the host adds that of the event that was being handled.
    pub fn new(message: impl Into<String>) -> Self {
        Self { position: None, message: message.into() }
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// An event, borrowed from the batch that it came with.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub(crate) position: u64,
    pub(crate) revision: u64,
    pub(crate) time: u64,
    pub(crate) kind: &'a str,
    pub(crate) schema: u32,
    pub(crate) stream: &'a str,
    /// JSON text.
    pub(crate) payload: &'a str,
    /// JSON text, or empty.
    pub(crate) metadata: &'a str,
    /// Separated by line feeds.
    pub(crate) tags: &'a str,
}

impl<'a> Event<'a> {
    /// Its place in the log, from 0.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Its place in its stream, from 0.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was appended: microseconds since the Unix epoch.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// The name of its type, such as `FlightDeparted`.
    pub fn kind(&self) -> &'a str {
        self.kind
    }

    /// The version of its type's schema, from 1.
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// The name of its stream.
    pub fn stream(&self) -> &'a str {
        self.stream
    }

    /// Its data, decoded. Texts can be borrowed from the event.
    ///
    /// # Errors
    /// A fault that says what did not decode, with the event's position, type and schema.
    pub fn data<T: Deserialize<'a>>(&self) -> Result<T, Fault> {
        serde_json::from_str(self.payload).map_err(|cause| {
            self.fault(format!("the data of {} schema {} does not decode: {cause}", self.kind, self.schema))
        })
    }

    /// Its metadata, decoded; `None` where it has none, and always unless the manifest says
    /// [`needs_metadata`](crate::Manifest::needs_metadata).
    ///
    /// # Errors
    /// A fault that says what did not decode, with the event's position and type.
    pub fn metadata<T: Deserialize<'a>>(&self) -> Result<Option<T>, Fault> {
        if self.metadata.is_empty() {
            return Ok(None);
        }
        let decoded = serde_json::from_str(self.metadata);
        decoded.map(Some).map_err(|cause| self.fault(format!("the metadata of {} does not decode: {cause}", self.kind)))
    }

    /// Its tags, in order; none unless the manifest says [`needs_tags`](crate::Manifest::needs_tags).
    pub fn tags(&self) -> impl Iterator<Item = &'a str> {
        self.tags.split('\n').filter(|tag| !tag.is_empty())
    }

    /// A fault at this event.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { position: Some(self.position), message: message.into() }
    }

    /// The fault for an event that `apply` has no arm for.
    pub fn unhandled(&self) -> Fault {
        self.fault(format!(
            "{} schema {} is declared in describe(), but apply() does not handle it",
            self.kind, self.schema
        ))
    }
}
