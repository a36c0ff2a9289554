//! Stops: live versions that would fault at an event of a type, before there is such an event.

use std::sync::Arc;

use kinora_sandbox::Modules;
use kinora_types::EventType;

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::feed::modules::VersionModules;

/// A live version that neither handles nor ignores events of a type, and that no upcaster helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub projection: String,
    pub version: u32,
    pub kind: EventType,
    /// A sentence.
    pub why: String,
}

/// Who would stop at what.
pub struct Stops {
    pub(crate) modules: Arc<Modules>,
    pub(crate) statuses: Statuses,
}

impl Stops {
    /// The live versions that would stop at events of these types. One whose modules are not there takes nothing, and
    /// is not among them.
    pub fn at(&self, kinds: &[EventType]) -> Result<Vec<Stop>, Error> {
        let mut stops = Vec::new();
        for projection in self.statuses.list()? {
            let live = projection.versions.iter().find(|version| projection.live == Some(version.version));
            let Some(live) = live else { continue };
            let Ok(modules) = VersionModules::ready(&self.modules, live.module, &live.upcasters) else { continue };
            let Ok(routes) = modules.routes() else { continue };
            for kind in kinds.iter().filter(|kind| routes.of(&kind.name, kind.schema).is_none()) {
                let why = routes.explain(&kind.name, kind.schema);
                let (projection, kind) = (projection.name.clone(), kind.clone());
                stops.push(Stop { projection, version: live.version, kind, why });
            }
        }
        Ok(stops)
    }
}
