//! Reach: all that one instance can touch, and how much of it: its rows, its log lines, its memory.
//!
//! A guest pays with fuel for its own instructions only. What it makes the host do is counted here, in bytes and
//! operations, so that a cheap instruction cannot start dear work for ever.

use std::sync::Arc;
use std::time::Duration;

use kinora_types::{Allowance, Budget};
use wasmtime::ResourceLimiter;

use crate::error::{Category, Failure};
use crate::limits::Limits;
use crate::run::access::{Most, Range, RowAccess};
use crate::run::bindings::Texts;
use crate::run::bindings::decider::kinora::engine::deciding;
use crate::run::bindings::projector::kinora::engine::{diagnostics, projection, rows, types};
use crate::run::bindings::upcaster::kinora::engine::upcasting;

/// Keys that are looked up at once: their rows are in memory together before anybody can count them.
const LOOKUP_KEYS: usize = 128;

/// Bytes whose handling costs the host as much as one row does.
const BYTES_PER_OPERATION: usize = 1 << 10;

/// The limit of a call's time.
const CALL_SECONDS: &str = "call_seconds";

/// Everything that one instance can reach, in one place.
pub struct Reach {
    rows: Box<dyn RowAccess>,
    pub meter: Meter,
    pub panic: Option<(Option<u64>, String)>,
    pub log_lines: usize,
}

/// Counts what an instance holds and does, and remembers which limit refused it more.
pub struct Meter {
    limits: Arc<Limits>,
    pub memory_bytes: usize,
    pub table_elements: usize,
    /// Of the call that is running.
    pub operations: u64,
    refused: Option<Failure>,
    /// That of whoever waits for the instance, and the part of it that the running call has.
    budget: Budget,
    call: Budget,
}

/// A call, and what it may have of the time of whoever waits for it.
pub struct Running {
    call: Budget,
    call_seconds: u64,
}

impl Running {
    /// Whether it may go on.
    pub fn ask(&self) -> Result<(), Failure> {
        ask(&self.call, self.call_seconds)
    }
}

fn ask(call: &Budget, call_seconds: u64) -> Result<(), Failure> {
    call.check().map_err(|why| match call.limit(why) {
        Some(CALL_SECONDS) => {
            Failure::over(Category::Time, "the guest takes too long in one call", CALL_SECONDS, call_seconds)
        }
        _ => Failure::exhausted(why),
    })
}

impl Meter {
    fn new(limits: &Arc<Limits>, budget: &Budget) -> Self {
        let (limits, budget) = (Arc::clone(limits), budget.clone());
        let call = budget.clone();
        Self { limits, memory_bytes: 0, table_elements: 0, operations: 0, refused: None, budget, call }
    }

    /// A call begins.
    pub fn begin(&mut self) {
        self.operations = 0;
        self.refused = None;
        let time = Some(Duration::from_secs(self.limits.call_seconds));
        self.call = self.budget.part(Allowance { time, bytes: u64::MAX, names: [CALL_SECONDS, ""] });
    }

    /// The call that is running.
    pub fn running(&self) -> Running {
        Running { call: self.call.clone(), call_seconds: self.limits.call_seconds }
    }

    /// Whether it may go on. Asked before the host does anything for it, too.
    fn ask(&self) -> Result<(), Failure> {
        ask(&self.call, self.limits.call_seconds)
    }

    /// Why the guest was refused memory or table elements, if it was.
    pub fn refused(&mut self) -> Option<Failure> {
        self.refused.take()
    }

    /// Operations that the running call has left.
    fn left(&self) -> u64 {
        self.limits.call_operations.saturating_sub(self.operations)
    }

    /// Counts rows or lines, and the bytes that they have; and asks whether the call may go on.
    fn charge(&mut self, operations: usize, bytes: usize) -> Result<(), Failure> {
        self.ask()?;
        let operations = (operations as u64).saturating_add((bytes / BYTES_PER_OPERATION) as u64);
        self.operations = self.operations.saturating_add(operations);
        let limit = self.limits.call_operations;
        if self.operations <= limit {
            return Ok(());
        }
        let message = format!("one call did {} operations on rows and log lines", self.operations);
        Err(Failure::over(Category::Rule, message, "call_operations", limit))
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let limit = self.limits.memory_bytes;
        if total > limit {
            let message = format!("the guest asked for {total} bytes of memory");
            self.refused = Some(Failure::over(Category::Memory, message, "memory_bytes", limit as u64));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let limit = self.limits.table_elements;
        if total > limit {
            let message = format!("the guest asked for {total} table elements");
            self.refused = Some(Failure::over(Category::Table, message, "table_elements", limit as u64));
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

impl types::Host for Reach {}

impl projection::Host for Reach {}

impl upcasting::Host for Reach {}

impl deciding::Host for Reach {}

impl Reach {
    pub fn new(rows: Box<dyn RowAccess>, limits: &Arc<Limits>, budget: &Budget) -> Self {
        Self { rows, meter: Meter::new(limits, budget), panic: None, log_lines: 0 }
    }

    fn limits(&self) -> &Limits {
        &self.meter.limits
    }

    fn check_key<'a>(&self, key: &'a [u8]) -> Result<&'a str, Failure> {
        let limit = self.limits().key_bytes;
        if key.is_empty() {
            return Err(broken("a key is empty: it takes 1 byte or more".into()));
        }
        if key.len() > limit {
            let message = format!("a key has {} bytes", key.len());
            return Err(Failure::over(Category::Rule, message, "key_bytes", limit as u64));
        }
        let key = std::str::from_utf8(key).map_err(|cause| broken(format!("a key is not UTF-8: {cause}")))?;
        if key.contains('\0') {
            return Err(broken(format!("key {key:?} has a NUL character")));
        }
        Ok(key)
    }

    fn check_value(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let limit = self.limits().value_bytes;
        if value.len() > limit {
            let message = format!("row {key:?} has {} bytes", value.len());
            return Err(Failure::over(Category::Rule, message, "value_bytes", limit as u64));
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

impl rows::Host for Reach {
    fn get_many(&mut self, table: u32, keys: Texts) -> wasmtime::Result<Texts> {
        keys.check("the keys of get-many").map_err(broken)?;
        self.meter.charge(keys.len().saturating_add(1), keys.bytes.len())?;
        let names = keys.iter().map(|key| self.check_key(key)).collect::<Result<Vec<_>, _>>()?;
        let limit = self.limits().call_bytes;
        let mut values = Texts::default();
        for names in names.chunks(LOOKUP_KEYS) {
            self.meter.ask()?;
            for value in self.rows.get_many(table, names)? {
                values.push(value.as_deref().unwrap_or_default())?;
            }
            if values.bytes.len() > limit {
                let message = format!("get-many asked for more than {} bytes of rows", values.bytes.len());
                return Err(Failure::over(Category::Rule, message, "call_bytes", limit as u64).into());
            }
        }
        self.meter.charge(0, values.bytes.len())?;
        Ok(values)
    }

    fn scan(&mut self, table: u32, range: Range, limit: u32) -> wasmtime::Result<rows::Page> {
        self.meter.charge(1, 0)?;
        let &Limits { scan_bytes, call_operations, .. } = self.limits();
        let (entries, budget) = (self.meter.left(), &self.meter.call);
        let most = Most { rows: limit as usize, bytes: scan_bytes, entries, operations: call_operations, budget };
        let found = self.rows.scan(table, &range, &most)?;
        let entries = usize::try_from(found.entries).unwrap_or(usize::MAX);
        self.meter.charge(entries, found.rows.iter().map(|(_, row)| row.len()).sum())?;
        let mut page = rows::Page { keys: Texts::default(), values: Texts::default() };
        for (key, value) in found.rows {
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
        self.meter.charge(keys.len().saturating_add(1), values.bytes.len())?;
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

impl diagnostics::Host for Reach {
    fn log(&mut self, level: diagnostics::Level, message: String) -> wasmtime::Result<()> {
        self.meter.charge(1, message.len())?;
        if self.log_lines >= self.limits().log_lines {
            return Ok(());
        }
        self.log_lines += 1;
        let message = shorten(message, self.limits().message_bytes);
        match level {
            diagnostics::Level::Debug => tracing::debug!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Info => tracing::info!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Warn => tracing::warn!(target: "kinora::guest", "{message}"),
            diagnostics::Level::Error => tracing::error!(target: "kinora::guest", "{message}"),
        }
        if self.log_lines == self.limits().log_lines {
            let limit = self.log_lines;
            let message = "limit sandbox.log_lines: further lines of this guest are dropped";
            tracing::warn!(target: "kinora::guest", limit, "{message}");
        }
        Ok(())
    }

    fn panicked(&mut self, position: Option<u64>, message: String) -> wasmtime::Result<()> {
        self.meter.charge(1, message.len())?;
        self.panic = Some((position, shorten(message, self.limits().message_bytes)));
        Ok(())
    }
}

/// Cuts a text at a character boundary.
pub fn shorten(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push('…');
    }
    text
}
