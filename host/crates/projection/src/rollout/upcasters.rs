//! Upcasters, which are deployed, too: what they would do with all of history, which versions use them, and new
//! versions of the projections that should follow.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::value::RawValue;

use kinora_log::{Filter, Item, Log, Recorded, SearchRange, Selection};
use kinora_sandbox::{Batch, Category, Failure, Kind, Module, Modules, Needs, UpcasterModule};
use kinora_types::{Budget, Digest, Direction, EventType, Exhausted, Position};

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::feed::routes::{Route, Routes};
use crate::feed::upcasting::Chain;
use crate::record::request::Request;
use crate::record::state::State;
use crate::record::status::{VersionStatus, last};
use crate::record::version::{Promote, VersionRecord};
use crate::registry::Registry;
use crate::rollout::deploy::{Deploy, Deployments, Start};

/// Events that are read, and upcast, at once.
const STEP_EVENTS: usize = 2_048;

/// Bytes of events after which no more are read at once.
const STEP_BYTES: usize = 16 << 20;

/// Failures that are listed for each type; all are counted.
const LISTED_FAILURES: usize = 20;

/// What upcasters make of the events in the log, by what comes in.
#[derive(Debug)]
pub struct DryRun {
    /// The last position that was looked at.
    pub position: Option<u64>,
    pub types: Vec<Outcome>,
}

/// What becomes of the events of one type and schema.
#[derive(Debug, Default)]
pub struct Outcome {
    pub kind: String,
    pub schema: u32,
    pub events: u64,
    /// What came out, by type and schema.
    pub outputs: BTreeMap<String, u64>,
    /// Events of which nothing came out, on purpose.
    pub dropped: u64,
    pub failed: u64,
    pub failures: Vec<FailedEvent>,
    pub samples: Vec<Upcast>,
}

#[derive(Debug)]
pub struct FailedEvent {
    pub position: u64,
    pub category: &'static str,
    pub message: String,
}

/// An event before and after.
#[derive(Debug)]
pub struct Upcast {
    pub position: u64,
    pub stream: String,
    pub before: Option<Box<RawValue>>,
    pub after: Vec<After>,
}

#[derive(Debug)]
pub struct After {
    pub kind: String,
    pub schema: u32,
    pub data: Option<Box<RawValue>>,
}

/// A version that a module is part of.
#[derive(Clone, Debug)]
pub struct Use {
    pub projection: String,
    pub version: u32,
    pub state: State,
    pub live: bool,
    pub role: Kind,
}

/// What became of a projection that should follow.
#[derive(Debug)]
pub struct FollowOutcome {
    pub projection: String,
    pub outcome: Result<VersionStatus, Error>,
}

/// Tries upcasters out, and deploys what should follow them.
pub struct Upcasters {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) log: Log,
    pub(crate) modules: Arc<Modules>,
    pub(crate) deployments: Arc<Deployments>,
}

impl Upcasters {
    /// Runs upcasters over every event in the log that they take, and notes what comes of it. Blocks.
    ///
    /// # Errors
    /// [`Error::Exhausted`], when the budget is used up or nobody waits any more; else those of the modules.
    pub fn dry_run(&self, upcasters: &[Digest], samples: usize, budget: &Budget) -> Result<DryRun, Error> {
        let modules = upcasters.iter().map(|digest| self.modules.ready(*digest));
        let modules: Vec<Module> = modules.collect::<Result<_, _>>()?;
        let upcasters = modules.into_iter().map(Module::into_upcaster).collect::<Result<_, _>>()?;
        let mut running = Running::new(upcasters, samples, budget)?;
        let (end, mut from) = (self.log.progress(), Position(0));
        let filter = Filter { selection: Some(running.selection()), ..Filter::default() };
        loop {
            let range = SearchRange { from, upto: end, direction: Direction::Forwards, limit: STEP_EVENTS };
            let (mut events, mut bytes) = (Vec::new(), 0);
            let next = self.log.visit(&filter, range, |position, record| {
                if bytes >= STEP_BYTES {
                    return ControlFlow::Break(());
                }
                bytes += record.data.len() + record.metadata.map_or(0, str::len);
                events.push(record.to_owned(position));
                ControlFlow::Continue(())
            })?;
            budget.look(events.len() as u64)?;
            running.take(events)?;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(DryRun { position: last(end), types: running.outcomes.into_values().collect() })
    }

    /// The versions that a module is part of, ended ones apart.
    pub fn uses(&self, digest: Digest) -> Result<Vec<Use>, Error> {
        let mut uses = Vec::new();
        for projection in self.statuses.list()? {
            for version in projection.versions.iter().filter(|version| !version.state.is_gone()) {
                let role = if version.module == digest { Kind::Projector } else { Kind::Upcaster };
                if version.module != digest && !version.upcasters.contains(&digest) {
                    continue;
                }
                uses.push(Use {
                    projection: projection.name.clone(),
                    version: version.version,
                    state: version.state,
                    live: projection.live == Some(version.version),
                    role,
                });
            }
        }
        Ok(uses)
    }

    /// Deploys a new version of every projection that works with the upcaster `old`: of its live version, or else of
    /// its newest one, with `new` in the place of `old`. One that is refused keeps the others from nothing. Blocks.
    pub fn follow(
        &self,
        old: Digest,
        new: Digest,
        promote: Promote,
        request: &Request,
    ) -> Result<Vec<FollowOutcome>, Error> {
        let mut followed = Vec::new();
        for (projection, record) in self.followers(old, request) {
            let upcasters = record.upcasters.iter().map(|digest| if *digest == old { new } else { *digest }).collect();
            let start = Start::Position(Position(record.start));
            let deploy = Deploy {
                module: record.module,
                upcasters,
                promote,
                gates: record.gates,
                start,
                continue_from: None,
                skips_of: None,
            };
            let outcome = self.deployments.deploy(&projection, deploy, request);
            followed.push(FollowOutcome { projection, outcome });
        }
        Ok(followed)
    }

    /// The projections that work with an upcaster now, each with the version to go on from; and those that have
    /// followed for this very request before.
    fn followers(&self, upcaster: Digest, request: &Request) -> Vec<(String, VersionRecord)> {
        let loaded = self.registry.read();
        let mut followers = Vec::new();
        for (name, projection) in &loaded.catalog.projections {
            let newest = projection.versions.iter().rev().find(|(_, record)| !record.retired);
            let number = projection.live.or(newest.map(|(number, _)| *number));
            // A key that belongs to another request is refused when it is used.
            let followed = self.registry.answered(projection, request).ok().flatten();
            let followed = followed.and_then(|outcome| outcome.newest);
            let Some(record) = followed.or(number).and_then(|number| projection.versions.get(&number)) else {
                continue;
            };
            if followed.is_some() || record.upcasters.contains(&upcaster) {
                followers.push((name.clone(), record.clone()));
            }
        }
        followers
    }
}

/// A chain of upcasters at work on nothing but samples of itself.
struct Running<'a> {
    budget: &'a Budget,
    chain: Chain,
    routes: Routes,
    needs: Needs,
    /// What may come out at the end, in the order of the routes.
    ends: Vec<EventType>,
    outcomes: BTreeMap<(String, u32), Outcome>,
    samples: usize,
}

impl<'a> Running<'a> {
    fn new(upcasters: Vec<Arc<UpcasterModule>>, samples: usize, budget: &'a Budget) -> Result<Self, Error> {
        let manifests: Vec<_> = upcasters.iter().map(|upcaster| &upcaster.manifest).collect();
        let steps = || manifests.iter().flat_map(|manifest| &manifest.steps);
        let mut ends: Vec<EventType> = Vec::new();
        for output in steps().flat_map(|step| &step.to) {
            if !ends.contains(output) && !steps().any(|step| step.from == *output) {
                ends.push(output.clone());
            }
        }
        // What comes out at the end is taken.
        let routes = Routes::new(&ends, &["*".into()], &manifests).map_err(Error::Chain)?;
        let needs = manifests.iter().fold(Needs::default(), |needs, manifest| needs.union(manifest.needs));
        let outcome = |from: &EventType| Outcome { kind: from.name.clone(), schema: from.schema, ..Outcome::default() };
        let outcomes = steps().map(|step| ((step.from.name.clone(), step.from.schema), outcome(&step.from))).collect();
        Ok(Self { budget, chain: Chain::new(upcasters, budget), routes, needs, ends, outcomes, samples })
    }

    fn selection(&self) -> Selection {
        let mut types: Vec<String> = self.outcomes.keys().map(|(name, _)| name.clone()).collect();
        types.dedup();
        Selection { items: vec![Item { types, tags: Vec::new() }] }
    }

    /// Upcasts events together, or one at a time if that fails, so that each failure has its event.
    fn take(&mut self, mut events: Vec<Recorded>) -> Result<(), Exhausted> {
        events.retain(|event| self.outcomes.contains_key(&(event.kind.clone(), event.schema)));
        if let Ok(made) = self.upcast(&events) {
            return self.note(&events, &made);
        }
        for event in &events {
            // A call that was ended is no failure of the event.
            self.budget.check()?;
            let one = std::slice::from_ref(event);
            match self.upcast(one) {
                Ok(made) => self.note(one, &made)?,
                Err(failure) => self.note_failure(event, failure)?,
            }
        }
        Ok(())
    }

    fn upcast(&mut self, events: &[Recorded]) -> Result<Batch, Failure> {
        let (mut batch, mut routes) = (Batch::default(), Vec::new());
        for event in events {
            let push = |column: &mut kinora_sandbox::Texts, text: &str| {
                column.push(text.as_bytes()).map_err(|cause| Failure::new(Category::Rule, cause.to_string()))
            };
            batch.positions.push(event.position.0);
            batch.revisions.push(event.revision.0);
            batch.times.push(event.time.0);
            push(&mut batch.streams, &event.stream)?;
            push(&mut batch.payloads, &event.data)?;
            if self.needs.metadata {
                push(&mut batch.metadata, event.metadata.as_deref().unwrap_or_default())?;
            }
            if self.needs.tags {
                push(&mut batch.tags, &event.tags.join("\n"))?;
            }
            routes.push(self.routes.of(&event.kind, event.schema).unwrap_or(Route::Ignore));
        }
        let made = self.chain.run(&batch, &routes, &self.routes);
        if made.is_err() {
            self.chain.restart();
        }
        made
    }

    /// Sorts what came out to what it came from.
    fn note(&mut self, events: &[Recorded], made: &Batch) -> Result<(), Exhausted> {
        let json =
            |text: &[u8]| String::from_utf8(text.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok());
        let mut index = 0;
        for event in events {
            let Some(outcome) = self.outcomes.get_mut(&(event.kind.clone(), event.schema)) else { continue };
            outcome.events += 1;
            let wanted = outcome.samples.len() < self.samples;
            let (mut after, before) = (Vec::new(), index);
            while made.positions.get(index) == Some(&event.position.0) {
                let kind = made.kinds.get(index).and_then(|kind| self.ends.get(*kind as usize));
                if let Some(kind) = kind {
                    *outcome.outputs.entry(kind.to_string()).or_default() += 1;
                    if wanted {
                        self.budget.take(made.payloads.get(index).map_or(0, <[u8]>::len))?;
                        let data = made.payloads.get(index).and_then(json);
                        after.push(After { kind: kind.name.clone(), schema: kind.schema, data });
                    }
                }
                index += 1;
            }
            outcome.dropped += u64::from(index == before);
            if wanted {
                self.budget.take(event.data.len() + event.stream.len())?;
                let before = RawValue::from_string(event.data.clone()).ok();
                outcome.samples.push(Upcast {
                    position: event.position.0,
                    stream: event.stream.clone(),
                    before,
                    after,
                });
            }
        }
        Ok(())
    }

    fn note_failure(&mut self, event: &Recorded, failure: Failure) -> Result<(), Exhausted> {
        let Some(outcome) = self.outcomes.get_mut(&(event.kind.clone(), event.schema)) else { return Ok(()) };
        outcome.events += 1;
        outcome.failed += 1;
        if outcome.failures.len() < LISTED_FAILURES {
            self.budget.take(failure.message.len())?;
            let (position, category) = (event.position.0, failure.category.as_str());
            outcome.failures.push(FailedEvent { position, category, message: failure.message });
        }
        Ok(())
    }
}
