//! The cast of a rehearsal: the modules of a version, the log that they are run over, and where their rows go
//! meanwhile.

use std::path::PathBuf;
use std::sync::Arc;

use kinora_log::Log;
use kinora_sandbox::{Limits, Partition};
use kinora_storage::Storage;
use kinora_types::{Position, Progress};

use crate::feed::dealer::Dealer;
use crate::feed::modules::VersionModules;
use crate::feed::routes::Routes;
use crate::feed::source::Source;
use crate::replay::stepper::Room;

/// What is rehearsed, on which log, and where the rows go meanwhile.
pub struct Cast {
    pub log: Log,
    pub storage: Storage,
    /// The folder for read models that are thrown away.
    pub scratch: PathBuf,
    /// What the version leaves out at the beginning of the log.
    pub from: Progress,
    pub modules: VersionModules,
    pub routes: Arc<Routes>,
    pub commit_bytes: usize,
    pub room: Room,
}

impl Cast {
    /// # Errors
    /// A sentence, if the modules do not fit together.
    pub fn new(
        log: &Log,
        storage: &Storage,
        scratch: PathBuf,
        from: Progress,
        modules: VersionModules,
        skipped: impl IntoIterator<Item = Position>,
        limits: &Limits,
    ) -> Result<Self, String> {
        Ok(Self {
            log: log.clone(),
            storage: storage.clone(),
            scratch,
            from,
            routes: Arc::new(modules.routes()?.skipping(skipped.into_iter().collect())),
            modules,
            commit_bytes: limits.commit_bytes,
            room: Room::new(limits),
        })
    }

    /// What reads its events for so many instances, with instances of the upcasters of its own.
    pub fn source(&self, shares: usize) -> Source {
        let (log, routes) = (self.log.clone(), Arc::clone(&self.routes));
        let mut source = Source::new(log, routes, self.modules.needs(), self.modules.chain());
        source.deal(Dealer::new(self.partition(), shares));
        source
    }

    /// What the rows depend on, if the projector says so.
    pub fn partition(&self) -> Option<&Partition> {
        self.modules.projector.manifest.partition.as_ref()
    }
}
