//! Running guests: a projector or an upcaster with its memory, its fuel and what it may touch.
//!
//! After a [`Failure`] an instance must be dropped: its memory may be in any state.

use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Engine, ResourceLimiter, Store, Trap, WasmBacktrace};

use crate::event::Position;

use super::bindings::projector::kinora::engine::{diagnostics, rows, types};
use super::bindings::{Batch, Texts, projector, upcaster};
use super::error::{Category, Error, Failure};
use super::limits::Limits;

pub use rows::Range;
pub use upcaster::Upcasted;

/// What `rows` means for one instance: the rows of a version with its uncommitted writes, or a snapshot.
///
/// Keys and values have been checked against the contract's limits before they get here.
pub trait RowAccess: Send {
    /// Rows in the order of the keys; `None` where there is none.
    fn get_many(&mut self, table: u32, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Rows of a range, at most `limit` of them and about `max_bytes` bytes.
    fn scan(
        &mut self,
        table: u32,
        range: &Range,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure>;

    /// Writes a row, or deletes it (`None`).
    fn write(&mut self, table: u32, key: &str, value: Option<&[u8]>) -> Result<(), Failure>;
}

/// For guests that have no rows: upcasters, and a projector that is only asked to describe itself.
pub struct NoRows;

impl RowAccess for NoRows {
    fn get_many(&mut self, _: u32, _: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        Err(no_rows())
    }

    fn scan(&mut self, _: u32, _: &Range, _: usize, _: usize) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        Err(no_rows())
    }

    fn write(&mut self, _: u32, _: &str, _: Option<&[u8]>) -> Result<(), Failure> {
        Err(no_rows())
    }
}

fn no_rows() -> Failure {
    Failure::new(Category::Rule, "describe() must not touch rows: they belong to a version, which it has not yet")
}

/// Everything that one instance can reach, in one place.
struct State {
    rows: Box<dyn RowAccess>,
    meter: Meter,
    panic: Option<(Option<u64>, String)>,
    log_lines: usize,
}

/// Counts what an instance holds, and remembers which limit refused it more.
struct Meter {
    limits: Arc<Limits>,
    memory_bytes: usize,
    table_elements: usize,
    refused: Option<Failure>,
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let limit = self.limits.memory_bytes;
        if total > limit {
            let message = format!("the guest asked for {total} bytes of memory, the limit memory_bytes is {limit}");
            self.refused = Some(Failure::new(Category::Memory, message));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let limit = self.limits.table_elements;
        if total > limit {
            let message = format!("the guest asked for {total} table elements, the limit table_elements is {limit}");
            self.refused = Some(Failure::new(Category::Table, message));
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

impl types::Host for State {}

impl State {
    fn check_key<'a>(&self, key: &'a [u8]) -> Result<&'a str, Failure> {
        let limit = self.meter.limits.key_bytes;
        if key.is_empty() || key.len() > limit {
            return Err(broken(format!("a key has {} bytes, it takes 1 to {limit} (limit key_bytes)", key.len())));
        }
        let key = std::str::from_utf8(key).map_err(|cause| broken(format!("a key is not UTF-8: {cause}")))?;
        if key.contains('\0') {
            return Err(broken(format!("key {key:?} has a NUL character")));
        }
        Ok(key)
    }

    fn check_value(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let limit = self.meter.limits.value_bytes;
        if value.len() > limit {
            return Err(broken(format!("row {key:?} has {} bytes, the limit value_bytes is {limit}", value.len())));
        }
        let object = value.first() == Some(&b'{') && std::str::from_utf8(value).is_ok();
        match serde_json::from_slice::<serde::de::IgnoredAny>(value) {
            Ok(_) if object => Ok(()),
            Ok(_) => Err(broken(format!("row {key:?} is not a JSON object"))),
            Err(cause) => Err(broken(format!("row {key:?} is not valid JSON: {cause}"))),
        }
    }
}

fn broken(message: String) -> Failure {
    Failure::new(Category::Rule, message)
}

impl rows::Host for State {
    fn get_many(&mut self, table: u32, keys: Texts) -> wasmtime::Result<Texts> {
        keys.check("the keys of get-many").map_err(broken)?;
        let names = keys.iter().map(|key| self.check_key(key)).collect::<Result<Vec<_>, _>>()?;
        let found = self.rows.get_many(table, &names)?;
        let mut values = Texts::default();
        for value in found {
            values.push(value.as_deref().unwrap_or_default())?;
        }
        Ok(values)
    }

    fn scan(&mut self, table: u32, range: Range, limit: u32) -> wasmtime::Result<rows::Page> {
        let max_bytes = self.meter.limits.scan_bytes;
        let found = self.rows.scan(table, &range, limit as usize, max_bytes)?;
        let mut page = rows::Page { keys: Texts::default(), values: Texts::default() };
        for (key, value) in found {
            page.keys.push(key.as_bytes())?;
            page.values.push(&value)?;
        }
        Ok(page)
    }

    fn write(&mut self, table: u32, keys: Texts, values: Texts) -> wasmtime::Result<()> {
        keys.check("the keys of write").map_err(broken)?;
        values.check("the values of write").map_err(broken)?;
        if keys.len() != values.len() {
            return Err(broken(format!("write has {} keys but {} values", keys.len(), values.len())).into());
        }
        for (key, value) in keys.iter().zip(values.iter()) {
            let key = self.check_key(key)?;
            if value.is_empty() {
                self.rows.write(table, key, None)?;
            } else {
                self.check_value(key, value)?;
                self.rows.write(table, key, Some(value))?;
            }
        }
        Ok(())
    }
}

impl diagnostics::Host for State {
    fn log(&mut self, level: diagnostics::Level, message: String) -> wasmtime::Result<()> {
        if self.log_lines >= self.meter.limits.log_lines {
            return Ok(());
        }
        self.log_lines += 1;
        let message = shorten(message, self.meter.limits.message_bytes);
        match level {
            diagnostics::Level::Debug => tracing::debug!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Info => tracing::info!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Warn => tracing::warn!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Error => tracing::error!(target: "kinora::guest", "{message}"),
        }
        if self.log_lines == self.meter.limits.log_lines {
            tracing::warn!(target: "kinora::guest", limit = self.log_lines, "further log lines of this guest are dropped");
        }
        Ok(())
    }

    fn panicked(&mut self, position: Option<u64>, message: String) -> wasmtime::Result<()> {
        self.panic = Some((position, shorten(message, self.meter.limits.message_bytes)));
        Ok(())
    }
}

/// Cuts a text at a character boundary.
fn shorten(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push('…');
    }
    text
}

/// A projector, linked once and ready to be instantiated any number of times.
#[derive(Clone)]
pub struct ProjectorPre(projector::ProjectorPre<State>, Arc<Limits>);

/// An upcaster, linked once and ready to be instantiated any number of times.
#[derive(Clone)]
pub struct UpcasterPre(upcaster::UpcasterPre<State>, Arc<Limits>);

impl ProjectorPre {
    pub fn new(engine: &Engine, component: &Component, limits: &Arc<Limits>) -> Result<Self, Error> {
        let pre = link(engine, component)?;
        let pre = projector::ProjectorPre::new(pre).map_err(contract)?;
        Ok(Self(pre, Arc::clone(limits)))
    }

    pub fn instantiate(&self, rows: Box<dyn RowAccess>) -> Result<Projector, Failure> {
        let mut guest = Guest::new(self.0.engine(), &self.1, rows)?;
        let bindings = guest.call(self.1.describe_fuel, |store| self.0.instantiate(store))?;
        Ok(Projector { guest, bindings })
    }
}

impl UpcasterPre {
    pub fn new(engine: &Engine, component: &Component, limits: &Arc<Limits>) -> Result<Self, Error> {
        let pre = link(engine, component)?;
        let pre = upcaster::UpcasterPre::new(pre).map_err(contract)?;
        Ok(Self(pre, Arc::clone(limits)))
    }

    pub fn instantiate(&self) -> Result<Upcaster, Failure> {
        let mut guest = Guest::new(self.0.engine(), &self.1, Box::new(NoRows))?;
        let bindings = guest.call(self.1.describe_fuel, |store| self.0.instantiate(store))?;
        Ok(Upcaster { guest, bindings })
    }
}

fn link(engine: &Engine, component: &Component) -> Result<InstancePre<State>, Error> {
    let mut linker = Linker::new(engine);
    rows::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state).map_err(contract)?;
    diagnostics::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state).map_err(contract)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state).map_err(contract)?;
    linker.instantiate_pre(component).map_err(contract)
}

fn contract(cause: wasmtime::Error) -> Error {
    Error::Contract(format!("{cause:#}"))
}

struct Guest {
    store: Store<State>,
    limits: Arc<Limits>,
}

impl Guest {
    fn new(engine: &Engine, limits: &Arc<Limits>, rows: Box<dyn RowAccess>) -> Result<Self, Failure> {
        let meter = Meter { limits: Arc::clone(limits), memory_bytes: 0, table_elements: 0, refused: None };
        let mut store = Store::new(engine, State { rows, meter, panic: None, log_lines: 0 });
        store.limiter(|state| &mut state.meter);
        Ok(Self { store, limits: Arc::clone(limits) })
    }

    /// Runs `call` with so much fuel, and explains how it ended if it did not end well.
    fn call<T>(
        &mut self,
        fuel: u64,
        call: impl FnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        self.store.set_fuel(fuel).map_err(|cause| Failure::new(Category::Trap, cause.to_string()))?;
        self.store.data_mut().panic = None;
        call(&mut self.store).map_err(|error| self.explain(&error, fuel))
    }

    fn explain(&mut self, error: &wasmtime::Error, fuel: u64) -> Failure {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        let state = self.store.data_mut();
        let refused = state.meter.refused.take();
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => {
                let message =
                    format!("the guest used up its fuel of {fuel} instructions: it loops, or one event costs too much");
                return Failure::new(Category::Fuel, message);
            }
            Some(Trap::StackOverflow) => {
                let limit = self.limits.stack_bytes;
                let message = format!("the guest overflowed its stack, the limit stack_bytes is {limit}");
                return Failure::new(Category::Stack, message);
            }
            // A guest that is refused memory gives up in its own way, which ends in a trap or a panic.
            Some(_) if refused.is_some() => return refused.unwrap_or_else(no_rows),
            _ => {}
        }
        if let Some((position, message)) = state.panic.take() {
            let failure = Failure::new(Category::Panic, format!("the guest panicked: {message}"));
            return match position {
                Some(position) => failure.at(Position(position)),
                None => failure,
            };
        }
        Failure::new(Category::Trap, shorten(describe_trap(error), self.limits.message_bytes))
    }
}

/// The root cause of a trap, and the functions that it happened in, innermost first.
fn describe_trap(error: &wasmtime::Error) -> String {
    let mut text = format!("the guest trapped: {}", error.root_cause());
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let names: Vec<_> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(12).collect();
        if !names.is_empty() {
            text.push_str(&format!(" (in {})", names.join(" < ")));
        }
    }
    text
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
        guest.call(guest.limits.describe_fuel, |store| bindings.call_describe(store))
    }

    /// Applies a batch. One event alone gets the fuel of an event; several share less, see [`Limits::event_fuel`].
    pub fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let extra = guest.limits.batch_event_fuel.saturating_mul((batch.len() as u64).saturating_sub(1));
        let fuel = guest.limits.event_fuel.saturating_add(extra);
        let result = guest.call(fuel, |store| bindings.call_apply(store, batch))?;
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let result = guest.call(guest.limits.flush_fuel, |store| bindings.call_flush(store))?;
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    /// Answers a named query: JSON text, checked.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryFailure> {
        let Self { guest, bindings } = self;
        let limits = Arc::clone(&guest.limits);
        let call = guest.call(limits.query_fuel, |store| bindings.call_query(store, name, arguments));
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
        guest.call(guest.limits.describe_fuel, |store| bindings.call_describe(store))
    }

    pub fn upcast(&mut self, batch: &Batch) -> Result<Upcasted, Failure> {
        let Self { guest, bindings } = self;
        let extra = guest.limits.batch_event_fuel.saturating_mul((batch.len() as u64).saturating_sub(1));
        let fuel = guest.limits.event_fuel.saturating_add(extra);
        let result = guest.call(fuel, |store| bindings.call_upcast(store, batch))?;
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }
}

fn declared(fault: types::Fault, message_bytes: usize) -> Failure {
    let failure = Failure::new(Category::Fault, shorten(fault.message, message_bytes));
    match fault.position {
        Some(position) => failure.at(Position(position)),
        None => failure,
    }
}
