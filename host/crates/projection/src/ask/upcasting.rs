//! The upcasting of one event: what the upcasters of a version make of it, call by call, and what its projector gets.

use std::sync::Arc;

use serde_json::value::RawValue;

use kinora_log::{Log, RecordRef, Recorded};
use kinora_sandbox::{Batch, Texts, Upcasted, UpcasterModule};
use kinora_types::{Budget, Digest, EventType, Exhausted, Position};

use crate::error::Error;
use crate::feed::routes::Route;
use crate::feed::source::push;
use crate::registry::Registry;
use crate::trial::cast::Cast;
use crate::trial::casts::Casts;

/// What becomes of an event on its way to a projector.
#[derive(Debug)]
pub struct Upcasting {
    /// In the order in which they were called.
    pub calls: Vec<UpcasterCall>,
    pub outcome: Arrival,
}

/// One call of an upcaster.
#[derive(Debug)]
pub struct UpcasterCall {
    pub upcaster: Digest,
    pub name: String,
    pub takes: Vec<Payload>,
    /// None, if it has dropped what it took.
    pub makes: Vec<Payload>,
}

#[derive(Debug)]
pub struct Payload {
    pub kind: EventType,
    pub data: Option<Box<RawValue>>,
}

/// How it ends.
#[derive(Debug)]
pub enum Arrival {
    /// The projector gets these; none, if the upcasters have dropped the event.
    Handled(Vec<Payload>),
    PassedOver,
    /// Somebody has told the version to pass over this very event.
    Skipped,
    /// Nobody knows its type: the version stops there.
    NoRoute(String),
    /// An upcaster fails: the version stops there.
    Failed(String),
}

/// Upcasts single events.
pub struct Upcastings {
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Log,
    pub(crate) casts: Casts,
}

impl Upcastings {
    /// What a version makes of the event at a position; `None` if there is no such event. Blocks.
    pub fn of(&self, name: &str, number: u32, position: Position, budget: &Budget) -> Result<Option<Upcasting>, Error> {
        // Says which of projection and version there is not.
        self.registry.record(name, number)?;
        let Some(event) = self.log.event(position)? else { return Ok(None) };
        upcast(&self.casts.of(name, number, budget)?, &event, budget).map(Some)
    }
}

fn upcast(cast: &Cast, event: &Recorded, budget: &Budget) -> Result<Upcasting, Error> {
    let (routes, modules) = (&cast.routes, &cast.modules);
    let none = |outcome| Ok(Upcasting { calls: Vec::new(), outcome });
    if routes.skips(event.position) {
        return none(Arrival::Skipped);
    }
    let Some(route) = routes.of(&event.kind, event.schema) else {
        return none(Arrival::NoRoute(routes.explain(&event.kind, event.schema)));
    };
    let kind = match route {
        Route::Ignore => return none(Arrival::PassedOver),
        Route::Handle(kind) => kind,
        Route::Step { step, .. } => step,
    };
    let mut batch = Batch::default();
    let tags = event.tags.join("\n");
    let record = RecordRef {
        stream: &event.stream,
        revision: event.revision,
        time: event.time,
        id: event.id,
        kind: &event.kind,
        schema: event.schema,
        data: &event.data,
        metadata: event.metadata.as_deref(),
        tags: &tags,
        claims: "",
    };
    push(&mut batch, event.position, kind, &record, modules.needs()).map_err(Error::Sample)?;
    let (mut calls, mut spent) = (Vec::new(), Ok(()));
    let made = modules.chain().run_watched(&batch, &[route], routes, |upcaster, input, output| {
        if let Some(module) = modules.upcasters.get(upcaster as usize) {
            match call(module, input, output, budget) {
                Ok(call) => calls.push(call),
                Err(exhausted) => spent = Err(exhausted),
            }
        }
    });
    spent?;
    let handles = &modules.projector.manifest.handles;
    let outcome = match made {
        Ok(made) => Arrival::Handled(payloads(handles, &made.kinds, &made.payloads, budget)?),
        Err(failure) => {
            // A call that was ended is no failure of the event.
            budget.check()?;
            Arrival::Failed(failure.message)
        }
    };
    Ok(Upcasting { calls, outcome })
}

fn call(module: &UpcasterModule, input: &Batch, output: &Upcasted, budget: &Budget) -> Result<UpcasterCall, Exhausted> {
    let steps = &module.manifest.steps;
    let step = |at: u32| input.kinds.get(at as usize).and_then(|step| steps.get(*step as usize));
    let taken = (0..input.kinds.len()).filter_map(|at| Some((&step(u32::try_from(at).ok()?)?.from, at)));
    let takes = taken.map(|(kind, at)| payload(kind, &input.payloads, at, budget)).collect::<Result<_, _>>()?;
    let made = output.origins.iter().zip(&output.kinds).enumerate();
    let made = made.filter_map(|(at, (origin, kind))| Some((step(*origin)?.to.get(*kind as usize)?, at)));
    let makes = made.map(|(kind, at)| payload(kind, &output.payloads, at, budget)).collect::<Result<_, _>>()?;
    Ok(UpcasterCall { upcaster: module.digest, name: module.manifest.name.clone(), takes, makes })
}

/// All events of a batch whose kinds are these.
fn payloads(kinds: &[EventType], of: &[u32], texts: &Texts, budget: &Budget) -> Result<Vec<Payload>, Exhausted> {
    let known = of.iter().enumerate().filter_map(|(at, kind)| Some((kinds.get(*kind as usize)?, at)));
    known.map(|(kind, at)| payload(kind, texts, at, budget)).collect()
}

fn payload(kind: &EventType, texts: &Texts, at: usize, budget: &Budget) -> Result<Payload, Exhausted> {
    let text = texts.get(at).unwrap_or_default();
    budget.take(text.len())?;
    let json = String::from_utf8(text.to_vec()).ok().and_then(|text| RawValue::from_string(text).ok());
    Ok(Payload { kind: kind.clone(), data: json })
}
