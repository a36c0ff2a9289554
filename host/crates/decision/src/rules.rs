//! The rules of one version: a decider, and the upcasters that bring old events to what it folds.

use std::ops::ControlFlow;
use std::sync::Arc;

use kinora_log::{Log, RecordRef, SearchRange};
use kinora_projection::{Chain, EventRecord, Route, Routes, push_event};
use kinora_sandbox::{Batch, Category, DeciderModule, Error as ModuleError, Failure, Modules, Needs, UpcasterModule};
use kinora_types::{Budget, Digest, Direction, EventType, Position, Progress, Revision};

use crate::scope::{Baseline, Scope};

/// Events and bytes that are folded in one call.
const BATCH_EVENTS: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// What a version is made of, ready to run.
pub struct Rules {
    pub decider: Arc<DeciderModule>,
    pub upcasters: Vec<Arc<UpcasterModule>>,
    routes: Arc<Routes>,
    needs: Needs,
}

impl Rules {
    /// The modules of these digests, once they are compiled.
    ///
    /// # Errors
    /// Those of the modules, and [`ModuleError::Manifest`] if decider and upcasters do not fit together.
    pub async fn settled(modules: &Modules, decider: Digest, upcasters: &[Digest]) -> Result<Self, ModuleError> {
        let decider = modules.settled(decider).await?.into_decider()?;
        let mut settled = Vec::new();
        for digest in upcasters {
            settled.push(modules.settled(*digest).await?.into_upcaster()?);
        }
        Self::new(decider, settled).map_err(ModuleError::Manifest)
    }

    /// The modules of these digests, if they are ready.
    ///
    /// # Errors
    /// The same.
    pub fn ready(modules: &Modules, decider: Digest, upcasters: &[Digest]) -> Result<Self, ModuleError> {
        let decider = modules.ready(decider)?.into_decider()?;
        let upcasters = upcasters.iter().map(|digest| modules.upcaster(*digest)).collect::<Result<_, _>>()?;
        Self::new(decider, upcasters).map_err(ModuleError::Manifest)
    }

    /// # Errors
    /// A sentence, see [`Routes::new`].
    pub fn new(decider: Arc<DeciderModule>, upcasters: Vec<Arc<UpcasterModule>>) -> Result<Self, String> {
        let manifests: Vec<_> = upcasters.iter().map(|upcaster| &upcaster.manifest).collect();
        let routes = Arc::new(Routes::new(&decider.manifest.folds, &decider.manifest.ignores, &manifests)?);
        let needs = upcasters.iter().fold(decider.manifest.needs, |needs, module| needs.union(module.manifest.needs));
        Ok(Self { decider, upcasters, routes, needs })
    }

    /// Whether an event of a type can be folded or is passed over.
    pub fn takes(&self, name: &str, schema: u32) -> bool {
        self.routes.of(name, schema).is_some()
    }

    /// The types of events that may come of a command.
    pub fn emits(&self) -> Vec<EventType> {
        self.decider.manifest.emits.iter().map(|emitted| emitted.kind.clone()).collect()
    }

    /// A folder with instances of the upcasters of its own.
    pub fn folder(&self, log: Log, budget: &Budget) -> Folder {
        Folder { log, fold: self.fold(budget), budget: budget.clone() }
    }

    /// The same, for events that are at hand.
    pub fn fold(&self, budget: &Budget) -> Fold {
        let chain = Chain::new(self.upcasters.clone(), budget);
        Fold { routes: Arc::clone(&self.routes), chain, needs: self.needs }
    }
}

/// Reads the events of scopes, as the decider takes them.
pub struct Folder {
    log: Log,
    fold: Fold,
    budget: Budget,
}

/// Events as the decider takes them.
pub struct Fold {
    routes: Arc<Routes>,
    chain: Chain,
    needs: Needs,
}

/// Events that are read, and what becomes of each.
#[derive(Default)]
struct Filling {
    batch: Batch,
    routes: Vec<Route>,
    /// Up to where events were looked at.
    seen: Option<(Position, Revision)>,
    fault: Option<Failure>,
}

impl Filling {
    fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_EVENTS || self.batch.text_bytes() >= BATCH_BYTES
    }
}

impl Folder {
    /// Hands over what is in a scope behind a baseline, in batches of at most `most` events, and says the new baseline.
    pub fn read(
        &mut self,
        scope: &Scope,
        mut at: Baseline,
        upto: Progress,
        most: usize,
        mut fold: impl FnMut(&Batch) -> Result<(), Failure>,
    ) -> Result<Baseline, Failure> {
        loop {
            self.budget.check().map_err(Failure::exhausted)?;
            let (filling, goes_on) = self.fill(scope, at, upto, most)?;
            let seen = filling.seen;
            self.fold.hand_over(filling, &mut fold)?;
            if let Some((position, revision)) = seen {
                at.upto = Progress::through(position);
                at.revision = matches!(scope, Scope::Stream(_)).then_some(revision);
            }
            if !goes_on {
                at.upto = at.upto.max(upto);
                return Ok(at);
            }
        }
    }

    /// Reads some events, and says whether there may be more.
    fn fill(&self, scope: &Scope, at: Baseline, upto: Progress, most: usize) -> Result<(Filling, bool), Failure> {
        let most = most.min(BATCH_EVENTS);
        let (mut filling, mut full) = (Filling::default(), false);
        let mut visit = |position: Position, record: RecordRef<'_>| {
            if !upto.includes(position) {
                return ControlFlow::Break(());
            }
            self.fold.take(&mut filling, position, &record);
            full = filling.batch.len() >= most || filling.is_full();
            if full || filling.fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = match scope {
            Scope::Stream(stream) => {
                let from = at.revision.map_or(Revision(0), |last| Revision(last.0.saturating_add(1)));
                self.log.visit_stream(stream, from, Direction::Forwards, usize::MAX, visit).map(|()| None)
            }
            Scope::Tags(tags) => {
                let range = SearchRange { from: at.upto.next(), upto, direction: Direction::Forwards, limit: most };
                // A search ends early, with a place to go on from: at an event that was not taken, or was the last.
                self.log.visit(&Scope::filter(tags), range, &mut visit)
            }
        };
        let next = read.map_err(|cause| Failure::new(Category::Storage, cause.to_string()))?;
        let goes_on = filling.fault.is_none() && (full || next.is_some_and(|next| upto.includes(next)));
        if let (Some(next), None) = (next, filling.seen) {
            // Nothing was found on the way to there.
            filling.seen = next.0.checked_sub(1).map(|last| (Position(last), Revision(0)));
        }
        Ok((filling, goes_on))
    }
}

impl Fold {
    /// Hands events over in batches.
    ///
    /// # Errors
    /// The first one that is not taken, once all before it are handed over.
    pub fn records<'a>(
        &mut self,
        events: impl Iterator<Item = &'a EventRecord>,
        mut fold: impl FnMut(&Batch) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut filling = Filling::default();
        for event in events {
            event.with_record(|position, record| self.take(&mut filling, position, record));
            if filling.is_full() || filling.fault.is_some() {
                self.hand_over(std::mem::take(&mut filling), &mut fold)?;
            }
        }
        self.hand_over(filling, &mut fold)
    }

    fn hand_over(
        &mut self,
        filling: Filling,
        fold: &mut impl FnMut(&Batch) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Filling { batch, routes, fault, .. } = filling;
        if !batch.is_empty() {
            let upcasted;
            let handled = if routes.iter().all(|route| matches!(route, Route::Handle(_))) {
                &batch
            } else {
                upcasted = self.chain.run(&batch, &routes, &self.routes)?;
                &upcasted
            };
            if !handled.is_empty() {
                fold(handled)?;
            }
        }
        fault.map_or(Ok(()), Err)
    }

    fn take(&self, filling: &mut Filling, position: Position, record: &RecordRef<'_>) {
        match self.routes.at(position, record.kind, record.schema) {
            None => {
                let why = self.routes.explain(record.kind, record.schema);
                filling.fault = Some(Failure::new(Category::UnknownEvent, why).at(position));
                return;
            }
            Some(Route::Ignore) => {}
            Some(route) => {
                let kind = match route {
                    Route::Handle(kind) => kind,
                    _ => 0,
                };
                if let Err(cause) = push_event(&mut filling.batch, position, kind, record, self.needs) {
                    filling.fault = Some(Failure::new(Category::Rule, cause).at(position));
                    return;
                }
                filling.routes.push(route);
            }
        }
        filling.seen = Some((position, record.revision));
    }
}
