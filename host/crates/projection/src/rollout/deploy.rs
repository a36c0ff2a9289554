//! Deployments: a version from modules, after a look at what it would come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use kinora_log::Log;
use kinora_sandbox::{Module, Modules};
use kinora_storage::Storage;
use kinora_types::{Budget, Digest, InvalidName, Micros, Position, Progress};

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::feed::modules::VersionModules;
use crate::feed::routes::Routes;
use crate::limits::Limits;
use crate::record::gates::Gates;
use crate::record::history::What;
use crate::record::projection::ProjectionRecord;
use crate::record::request::{Done, Outcome, Request};
use crate::record::status::VersionStatus;
use crate::record::version::{Promote, Skipped, VersionRecord};
use crate::registry::starter::Starter;
use crate::registry::version::Version;
use crate::registry::{Registry, Versions};
use crate::replay::turns::Turns;
use crate::rollout::gates;
use crate::rollout::gates::live_tables;
use crate::rollout::preflight;
use crate::rollout::preflight::Preflight;
use crate::trial::forecast::Sample;

/// Bytes of a projection's name.
const NAME_BYTES: usize = 64;

/// Versions that are gone and still shown.
const GONE_KEPT: usize = 256;

/// A version that somebody wants.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub module: Digest,
    pub upcasters: Vec<Digest>,
    pub promote: Promote,
    pub gates: Gates,
    pub start: Start,
    /// Go on with the rows of this version where it stands, if that is sound, instead of replaying.
    pub continue_from: Option<u32>,
    /// Pass over the events that this version was told to pass over.
    pub skips_of: Option<u32>,
}

/// The first event that a version applies. Its rows know nothing of what came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Beginning,
    Position(Position),
    /// The first event that was appended then or later.
    Time(Micros),
}

/// Makes versions of modules.
pub struct Deployments {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) log: Log,
    pub(crate) storage: Storage,
    pub(crate) modules: Arc<Modules>,
    pub(crate) turns: Turns,
    pub(crate) starter: Starter,
    pub(crate) limits: Limits,
}

impl Deployments {
    /// Makes a new version and starts its replay in the background. A first step that fails leaves no version behind.
    /// Blocks.
    pub fn deploy(&self, name: &str, deploy: Deploy, request: &Request) -> Result<VersionStatus, Error> {
        check_name(name)?;
        if let Some(outcome) = self.registry.before(name, request)? {
            return self.deployed(name, outcome);
        }
        let start = self.start_of(name, &deploy)?;
        let skipped = self.skipped(name, &deploy)?;
        if let Some((_, routes)) = self.check_modules(name, &deploy, &skipped)? {
            preflight::refuse_gaps(&self.log, &routes, start)?;
        }
        let done = self.registry.change_for(name, request, |projection, versions| {
            self.admit(name, projection, versions)?;
            let number = projection.next_version();
            forget_oldest(name, projection, versions);
            let record = Self::record(deploy, start, projection.live, skipped);
            projection.versions.insert(number, record.clone());
            let version = Arc::new(Version::new(name, number, self.registry.folders().of(name, number, 0)));
            versions.insert((name.to_owned(), number), Arc::clone(&version));
            let figures = json!({
                "version": number, "module": record.module, "upcasters": record.upcasters, "promote": record.promote,
                "gates": record.gates, "start": record.start, "live": projection.live,
                "skipped": record.skipped, "events": self.log.progress().0,
            });
            projection.record(name, What::Deployed, &request.by, figures);
            Ok((version, record))
        })?;
        let (version, record) = match done {
            Done::Now(deployed) => deployed,
            Done::Before(outcome) => return self.deployed(name, outcome),
        };
        let number = version.number;
        tracing::info!(projection = name, version = number, module = %record.module, "deployed");
        self.starter.start(version, record);
        self.statuses.version(name, number)
    }

    /// Whether there is room for one more version.
    fn admit(&self, name: &str, projection: &ProjectionRecord, versions: &Versions) -> Result<(), Error> {
        let Limits { projections: most_projections, versions: most_versions, .. } = self.limits;
        let others: BTreeSet<&String> =
            versions.keys().map(|(other, _)| other).filter(|other| *other != name).collect();
        if others.len() >= most_projections {
            return Err(Error::TooMany { limit: "projections.projections", value: most_projections });
        }
        if projection.versions.values().filter(|record| !record.retired).count() >= most_versions {
            return Err(Error::TooMany { limit: "projections.versions", value: most_versions });
        }
        Ok(())
    }

    /// The version that a request made before.
    fn deployed(&self, name: &str, outcome: Outcome) -> Result<VersionStatus, Error> {
        self.statuses.version(name, outcome.newest.unwrap_or_default())
    }

    /// What a deployment would come to, without one: what becomes of the log's events, and a forecast from a sample of
    /// them. The modules have to be compiled. Blocks.
    pub fn preflight(&self, name: &str, deploy: &Deploy, budget: &Budget) -> Result<Preflight, Error> {
        check_name(name)?;
        let start = self.start_of(name, deploy)?;
        let skipped = self.skipped(name, deploy)?;
        let compiling = || kinora_sandbox::Error::Compiling(deploy.module);
        let (modules, routes) = self.check_modules(name, deploy, &skipped)?.ok_or_else(compiling)?;
        preflight::refuse_gaps(&self.log, &routes, start)?;
        let sample = Sample {
            log: &self.log,
            storage: &self.storage,
            limits: self.modules.limits(),
            dir: &self.registry.folders().scratch()?,
            modules: modules.within(budget),
            start,
            skipped: skipped.iter().map(|skipped| Position(skipped.position)).collect(),
            turns: &self.turns,
        };
        preflight::run(name, &routes, sample)
    }

    /// Waits until the modules of a deployment are compiled.
    pub async fn settled(&self, deploy: &Deploy) -> Result<(), Error> {
        for digest in std::iter::once(&deploy.module).chain(&deploy.upcasters) {
            self.modules.settled(*digest).await?;
        }
        Ok(())
    }

    /// What the catalog remembers of a version that has just been deployed over the one that is live.
    fn record(deploy: Deploy, start: Progress, live: Option<u32>, skipped: Vec<Skipped>) -> VersionRecord {
        VersionRecord {
            module: deploy.module,
            upcasters: deploy.upcasters,
            promote: deploy.promote,
            created_at: Timestamp::now(),
            paused: false,
            retired: false,
            was_live: false,
            replayed_in_ms: None,
            gates: deploy.gates,
            start: start.0,
            ready_at: None,
            deployed_over: live,
            reviewed: None,
            live_until: None,
            fault: None,
            aborted: false,
            attempt: 0,
            proof: None,
            skipped,
            continue_from: deploy.continue_from,
            continued: None,
        }
    }

    /// Removes a module that no version uses. Blocks.
    pub fn remove_module(&self, digest: Digest) -> Result<(), Error> {
        let loaded = self.registry.read();
        for (name, projection) in &loaded.catalog.projections {
            if let Some((number, _)) = projection.versions.iter().find(|(_, record)| record.uses(digest)) {
                return Err(Error::ModuleInUse { digest, name: name.clone(), version: *number });
            }
        }
        Ok(self.modules.remove(digest)?)
    }

    /// Where a version begins that goes on from another, unless it is said: where that one does.
    fn start_of(&self, name: &str, deploy: &Deploy) -> Result<Progress, Error> {
        let continued = deploy.continue_from.map(|from| self.registry.record(name, from)).transpose()?;
        let events = self.log.progress();
        let position = match deploy.start {
            Start::Beginning => return Ok(Progress(continued.map_or(0, |record| record.start))),
            Start::Position(position) => position,
            Start::Time(time) => self.log.position_at(time)?,
        };
        if position.0 > events.0 {
            return Err(Error::StartBeyondEnd { position: position.0, events: events.0 });
        }
        Ok(Progress(position.0))
    }

    /// The events that a version is told to pass over from its beginning on.
    fn skipped(&self, name: &str, deploy: &Deploy) -> Result<Vec<Skipped>, Error> {
        let of = deploy.skips_of.map(|of| self.registry.record(name, of)).transpose()?;
        Ok(of.map(|record| record.skipped).unwrap_or_default())
    }

    /// What can be known of the modules before they are compiled (nothing), or once they are.
    fn check_modules(
        &self,
        name: &str,
        deploy: &Deploy,
        skipped: &[Skipped],
    ) -> Result<Option<(VersionModules, Routes)>, Error> {
        let ready = |digest: &Digest| match self.modules.ready(*digest) {
            Ok(module) => Ok(Some(module)),
            Err(kinora_sandbox::Error::Compiling(_)) => Ok(None),
            Err(error) => Err(error),
        };
        let projector = ready(&deploy.module)?;
        let upcasters = deploy.upcasters.iter().map(ready).collect::<Result<Option<Vec<_>>, _>>()?;
        let (Some(projector), Some(upcasters)) = (projector, upcasters) else { return Ok(None) };
        let projector = projector.into_projector()?;
        let upcasters = upcasters.into_iter().map(Module::into_upcaster).collect::<Result<_, _>>()?;
        let modules = VersionModules::new(projector, upcasters);
        gates::check(&deploy.gates, &modules.projector.manifest, &live_tables(&self.registry, name))?;
        let skipped = skipped.iter().map(|skipped| Position(skipped.position)).collect();
        let routes = modules.routes().map_err(Error::Chain)?.skipping(skipped);
        Ok(Some((modules, routes)))
    }
}

/// Forgets the oldest versions that are gone, whose history the log has. Numbers are never used again all the same: the
/// last one stays.
fn forget_oldest(name: &str, projection: &mut ProjectionRecord, versions: &mut Versions) {
    let gone = projection.versions.iter().filter(|(_, record)| record.retired).map(|(number, _)| *number);
    let gone: Vec<u32> = gone.collect();
    for number in gone.iter().take(gone.len().saturating_sub(GONE_KEPT)) {
        projection.versions.remove(number);
        versions.remove(&(name.to_owned(), *number));
    }
}

/// A projection's name is a folder and a part of a URL.
///
/// # Errors
/// The rule, if this cannot be one.
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=NAME_BYTES).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(InvalidName {
        what: "projection name",
        name: name.chars().take(80).collect(),
        why: format!("it takes 1 to {NAME_BYTES} letters, digits, `_` and `-`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folder_are_refused() {
        for name in ["", "..", "a/b", "a b", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("on-time_2").is_ok());
    }
}
