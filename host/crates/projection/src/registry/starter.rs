//! The queue of versions that are to be started: features put them in, and the supervisor takes them out.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::record::version::VersionRecord;
use crate::registry::version::Version;

/// A version that is to be started, and what was remembered of it when somebody wanted that.
pub struct ToStart {
    pub version: Arc<Version>,
    pub record: VersionRecord,
}

/// Asks for versions to be started. Cheap to clone.
#[derive(Clone)]
pub struct Starter(mpsc::UnboundedSender<ToStart>);

impl Starter {
    pub fn new() -> (Self, mpsc::UnboundedReceiver<ToStart>) {
        let (asked, to_start) = mpsc::unbounded_channel();
        (Self(asked), to_start)
    }

    /// Starts a version as soon as its modules are there. How far that is shows in its state.
    pub fn start(&self, version: Arc<Version>, record: VersionRecord) {
        // Without a supervisor the host is about to end: the catalog has what is to run after the next start.
        let _ = self.0.send(ToStart { version, record });
    }
}
