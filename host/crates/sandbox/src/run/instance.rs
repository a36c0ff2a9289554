//! Instances: a projector or an upcaster with its memory, its fuel and what it may touch.
//!
//! After a [`Failure`] an instance must be dropped: its memory may be in any state.

use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Engine, Store};

use kinora_types::{Budget, Position};

use crate::error::{Category, Error, Failure};
use crate::limits::{Fuel, Limits};
use crate::module::symbols::Symbols;
use crate::run::access::{NoRows, RowAccess};
use crate::run::bindings::decider::kinora::engine::deciding;
use crate::run::bindings::projector::kinora::engine::{diagnostics, projection, rows, types};
use crate::run::bindings::upcaster::kinora::engine::upcasting;
use crate::run::bindings::{Batch, projector, upcaster};
use crate::run::explain::explain;
use crate::run::reach::{Reach, shorten};
use crate::run::slices::{self, SLICE};
use crate::run::usage::Usage;

pub use upcasting::Upcasted;

/// A projector, linked once and ready to be instantiated any number of times.
#[derive(Clone)]
pub struct ProjectorPre(projector::ProjectorPre<Reach>, Surroundings);

/// An upcaster, linked once and ready to be instantiated any number of times.
#[derive(Clone)]
pub struct UpcasterPre(upcaster::UpcasterPre<Reach>, Surroundings);

/// What all instances of a module have in common.
#[derive(Clone)]
pub struct Surroundings {
    pub engine: Engine,
    pub limits: Arc<Limits>,
    pub symbols: Arc<Symbols>,
}

impl ProjectorPre {
    pub fn new(surroundings: &Surroundings, component: &Component) -> Result<Self, Error> {
        let pre = link(&surroundings.engine, component)?;
        let pre = projector::ProjectorPre::new(pre).map_err(contract)?;
        Ok(Self(pre, surroundings.clone()))
    }

    /// An instance whose calls end with the budget of whoever waits for them.
    pub fn instantiate(&self, rows: Box<dyn RowAccess>, budget: &Budget) -> Result<Projector, Failure> {
        let mut guest = Guest::new(&self.1, rows, budget);
        let bindings = guest.call(self.1.limits.describe(), async |store| self.0.instantiate_async(store).await)?;
        Ok(Projector { guest, bindings })
    }
}

impl UpcasterPre {
    pub fn new(surroundings: &Surroundings, component: &Component) -> Result<Self, Error> {
        let pre = link(&surroundings.engine, component)?;
        let pre = upcaster::UpcasterPre::new(pre).map_err(contract)?;
        Ok(Self(pre, surroundings.clone()))
    }

    /// An instance whose calls end with the budget of whoever waits for them.
    pub fn instantiate(&self, budget: &Budget) -> Result<Upcaster, Failure> {
        let mut guest = Guest::new(&self.1, Box::new(NoRows), budget);
        let bindings = guest.call(self.1.limits.describe(), async |store| self.0.instantiate_async(store).await)?;
        Ok(Upcaster { guest, bindings })
    }
}

pub(super) fn link(engine: &Engine, component: &Component) -> Result<InstancePre<Reach>, Error> {
    let mut linker = Linker::new(engine);
    rows::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    diagnostics::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    projection::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    upcasting::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    deciding::add_to_linker::<_, HasSelf<_>>(&mut linker, |reach: &mut Reach| reach).map_err(contract)?;
    linker.instantiate_pre(component).map_err(contract)
}

pub(super) fn contract(cause: wasmtime::Error) -> Error {
    Error::Contract(format!("{cause:#}"))
}

/// An instance of whatever world.
pub(super) struct Guest {
    pub store: Store<Reach>,
    pub limits: Arc<Limits>,
    symbols: Arc<Symbols>,
    pub usage: Usage,
}

impl Guest {
    pub fn new(surroundings: &Surroundings, rows: Box<dyn RowAccess>, budget: &Budget) -> Self {
        let Surroundings { engine, limits, symbols } = surroundings;
        let mut store = Store::new(engine, Reach::new(rows, limits, budget));
        store.limiter(|reach| &mut reach.meter);
        store.set_hostcall_fuel(limits.call_bytes);
        let (limits, symbols) = (Arc::clone(limits), Arc::clone(symbols));
        Self { store, limits, symbols, usage: Usage::default() }
    }

    /// Runs `call` with so much fuel, and explains how it ended if it did not end well.
    pub fn call<T>(
        &mut self,
        fuel: Fuel,
        call: impl AsyncFnOnce(&mut Store<Reach>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let fueled = self.store.fuel_async_yield_interval(Some(SLICE)).and_then(|()| self.store.set_fuel(fuel.units));
        fueled.map_err(|cause| Failure::new(Category::Trap, cause.to_string()))?;
        let reach = self.store.data_mut();
        reach.panic = None;
        reach.meter.begin();
        let running = reach.meter.running();
        let result = slices::run(call(&mut self.store), || Ok(running.ask()?));
        let Reach { meter, log_lines, .. } = self.store.data();
        self.usage = self.usage.max(Usage {
            memory_bytes: meter.memory_bytes as u64,
            table_elements: meter.table_elements as u64,
            call_operations: meter.operations,
            log_lines: *log_lines as u64,
            ..Usage::default()
        });
        result.map_err(|error| explain(&error, self.store.data_mut(), fuel, &self.limits, &self.symbols))
    }

    /// Fuel that the last call used.
    pub fn burnt(&self, given: Fuel) -> u64 {
        given.units.saturating_sub(self.store.get_fuel().unwrap_or(0))
    }
}

/// A running projector.
pub struct Projector {
    guest: Guest,
    bindings: projector::Projector,
}

/// Why a named query has no answer.
#[derive(Debug)]
pub enum QueryFailure {
    InvalidArguments(String),
    Failed(String),
    TooLarge { actual: usize, limit: usize },
    Guest(Failure),
}

impl Projector {
    pub fn describe(&mut self) -> Result<projector::Manifest, Failure> {
        let Self { guest, bindings } = self;
        guest.call(guest.limits.describe(), async |store| bindings.call_describe(store).await)
    }

    /// Applies a batch. One event alone gets the fuel of an event; several share less, see [`Limits::event_fuel`].
    pub fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let fuel = guest.limits.events(batch.len());
        let result = guest.call(fuel, async |store| bindings.call_apply(store, batch).await)?;
        let each = guest.burnt(fuel) / (batch.len() as u64).max(1);
        guest.usage.event_fuel = guest.usage.event_fuel.max(each);
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let fuel = guest.limits.flush();
        let result = guest.call(fuel, async |store| bindings.call_flush(store).await)?;
        guest.usage.flush_fuel = guest.usage.flush_fuel.max(guest.burnt(fuel));
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    /// Answers a named query: JSON text, checked.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryFailure> {
        let Self { guest, bindings } = self;
        let limits = Arc::clone(&guest.limits);
        let call = guest.call(limits.query(), async |store| bindings.call_query(store, name, arguments).await);
        let answer = match call.map_err(QueryFailure::Guest)? {
            Ok(answer) => answer,
            Err(projector::QueryError::InvalidArguments(why)) => {
                return Err(QueryFailure::InvalidArguments(shorten(why, limits.message_bytes)));
            }
            Err(projector::QueryError::Failed(why)) => {
                return Err(QueryFailure::Failed(shorten(why, limits.message_bytes)));
            }
        };
        let limit = limits.query_answer_bytes;
        if answer.len() > limit {
            return Err(QueryFailure::TooLarge { actual: answer.len(), limit });
        }
        match serde_json::from_str::<serde::de::IgnoredAny>(&answer) {
            Ok(_) => Ok(answer),
            Err(cause) => Err(QueryFailure::Failed(format!("the projector's answer is not JSON: {cause}"))),
        }
    }

    /// The most that this instance has used.
    pub fn usage(&self) -> Usage {
        self.guest.usage
    }

    /// Linear memory that the instance holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.guest.store.data().meter.memory_bytes
    }
}

/// A running upcaster.
pub struct Upcaster {
    guest: Guest,
    bindings: upcaster::Upcaster,
}

impl Upcaster {
    pub fn describe(&mut self) -> Result<upcaster::UpcasterManifest, Failure> {
        let Self { guest, bindings } = self;
        guest.call(guest.limits.describe(), async |store| bindings.call_describe(store).await)
    }

    pub fn upcast(&mut self, batch: &Batch) -> Result<Upcasted, Failure> {
        let Self { guest, bindings } = self;
        let result =
            guest.call(guest.limits.events(batch.len()), async |store| bindings.call_upcast(store, batch).await)?;
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }
}

pub(super) fn declared(fault: types::Fault, message_bytes: usize) -> Failure {
    let failure = Failure::new(Category::Fault, shorten(fault.message, message_bytes));
    match fault.position {
        Some(position) => failure.at(Position(position)),
        None => failure,
    }
}
