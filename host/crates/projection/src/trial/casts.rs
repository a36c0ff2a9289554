//! Casts of versions: what it takes to run the guests of one beside it.

use std::sync::Arc;

use kinora_log::Log;
use kinora_sandbox::Modules;
use kinora_storage::Storage;
use kinora_types::{Budget, Position, Progress};

use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::registry::Registry;
use crate::trial::cast::Cast;

/// Makes the casts of versions. Cheap to clone.
#[derive(Clone)]
pub struct Casts {
    pub registry: Arc<Registry>,
    pub log: Log,
    pub storage: Storage,
    pub modules: Arc<Modules>,
}

impl Casts {
    /// The cast of a version whose modules are compiled, for whoever has this budget.
    pub fn of(&self, name: &str, number: u32, budget: &Budget) -> Result<Cast, Error> {
        let record = self.registry.read().record(name, number).cloned();
        let record = record.ok_or_else(|| Error::UnknownProjection { name: name.to_owned() })?;
        let modules = VersionModules::ready(&self.modules, record.module, &record.upcasters)?.within(budget);
        let (log, scratch) = (&self.log, self.registry.folders().dir().to_owned());
        let skipped = record.skipped.iter().map(|skipped| Position(skipped.position));
        let limits = self.modules.limits();
        Cast::new(log, &self.storage, scratch, Progress(record.start), modules, skipped, limits).map_err(Error::Chain)
    }
}
