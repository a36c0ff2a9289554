//! Chains of upcasters: they bring the events of a window to what the projector handles.
//!
//! In passes: each gives every upcaster the events that wait for it, in one call, and puts what comes out where the
//! event was. Routes have no circles, so the passes end. Order stays as it was.

use std::sync::Arc;

use kinora_sandbox::{Batch, Category, Failure, Texts, Upcasted, Upcaster, UpcasterManifest, UpcasterModule};
use kinora_types::{Budget, Position};

use crate::feed::routes::{Route, Routes};

/// The upcasters of one version, in the order of its declaration.
pub struct Chain {
    modules: Vec<Arc<UpcasterModule>>,
    running: Vec<Option<Upcaster>>,
    /// That of whoever waits for what they do.
    budget: Budget,
}

/// An event on its way: the event of the log that it came from, what becomes of it, and where its data is now.
#[derive(Clone, Copy)]
struct Item {
    origin: usize,
    route: Route,
    /// Which column of texts, and which text in it.
    payload: (usize, usize),
}

impl Clone for Chain {
    /// The same upcasters, with instances of their own.
    fn clone(&self) -> Self {
        Self::new(self.modules.clone(), &self.budget)
    }
}

impl Chain {
    pub fn new(modules: Vec<Arc<UpcasterModule>>, budget: &Budget) -> Self {
        let running = modules.iter().map(|_| None).collect();
        Self { modules, running, budget: budget.clone() }
    }

    /// Forgets the running instances; needed after any failure.
    pub fn restart(&mut self) {
        self.running.fill_with(|| None);
    }

    /// Makes of `events` a batch for the projector.
    pub fn run(&mut self, events: &Batch, found: &[Route], routes: &Routes) -> Result<Batch, Failure> {
        self.run_watched(events, found, routes, |_, _, _| {})
    }

    /// The same, and hands over what each call of an upcaster takes and makes.
    pub fn run_watched(
        &mut self,
        events: &Batch,
        found: &[Route],
        routes: &Routes,
        mut watch: impl FnMut(u32, &Batch, &Upcasted),
    ) -> Result<Batch, Failure> {
        let mut outputs: Vec<Texts> = Vec::new();
        let item = |(origin, route): (usize, &Route)| Item { origin, route: *route, payload: (0, origin) };
        let mut items: Vec<Item> = found.iter().enumerate().map(item).collect();
        while let Some(upcaster) = items.iter().find_map(waits_for) {
            let input = batch(events, &outputs, items.iter().filter(|item| waits_for(item) == Some(upcaster)))?;
            let output = self.call(upcaster, &input)?;
            let manifest = self.manifest(upcaster)?;
            check(&output, &input, manifest)?;
            watch(upcaster, &input, &output);
            let output_column = outputs.len() + 1;
            items = merge(&items, upcaster, &output, manifest, routes, output_column)?;
            outputs.push(output.payloads);
        }
        batch(events, &outputs, items.iter().filter(|item| matches!(item.route, Route::Handle(_))))
    }

    fn manifest(&self, upcaster: u32) -> Result<&UpcasterManifest, Failure> {
        let module = self.modules.get(upcaster as usize);
        module.map(|module| &module.manifest).ok_or_else(nowhere)
    }

    fn call(&mut self, upcaster: u32, input: &Batch) -> Result<Upcasted, Failure> {
        let index = upcaster as usize;
        let (Some(running), Some(module)) = (self.running.get_mut(index), self.modules.get(index)) else {
            return Err(nowhere());
        };
        let guest = match running {
            Some(guest) => guest,
            None => running.insert(module.pre.instantiate(&self.budget)?),
        };
        guest.upcast(input).map_err(|failure| Failure {
            message: format!("upcaster {}: {}", module.manifest.name, failure.message),
            ..failure
        })
    }
}

fn waits_for(item: &Item) -> Option<u32> {
    match item.route {
        Route::Step { upcaster, .. } => Some(upcaster),
        Route::Handle(_) | Route::Ignore => None,
    }
}

fn nowhere() -> Failure {
    broken("a route leads to an upcaster that is not there")
}

fn broken(message: impl Into<String>) -> Failure {
    Failure::new(Category::Upcast, message)
}

/// The columns of some items: what stands in the log, with the data that they have now.
fn batch<'a>(events: &Batch, outputs: &[Texts], items: impl Iterator<Item = &'a Item>) -> Result<Batch, Failure> {
    let mut batch = Batch::default();
    let lost = || broken("a column is shorter than its batch");
    let add = |column: &mut Texts, text: Option<&[u8]>| {
        column.push(text.ok_or_else(lost)?).map_err(|cause| broken(cause.to_string()))
    };
    for item in items {
        let at = item.origin;
        let kind = match item.route {
            Route::Handle(kind) => kind,
            Route::Step { step, .. } => step,
            Route::Ignore => continue,
        };
        batch.kinds.push(kind);
        batch.positions.push(*events.positions.get(at).ok_or_else(lost)?);
        batch.revisions.push(*events.revisions.get(at).ok_or_else(lost)?);
        batch.times.push(*events.times.get(at).ok_or_else(lost)?);
        add(&mut batch.streams, events.streams.get(at))?;
        let column = match item.payload.0.checked_sub(1) {
            None => &events.payloads,
            Some(output) => outputs.get(output).ok_or_else(lost)?,
        };
        add(&mut batch.payloads, column.get(item.payload.1))?;
        if !events.metadata.is_empty() {
            add(&mut batch.metadata, events.metadata.get(at))?;
        }
        if !events.tags.is_empty() {
            add(&mut batch.tags, events.tags.get(at))?;
        }
    }
    Ok(batch)
}

/// Checks an upcaster's answer against the contract.
fn check(output: &Upcasted, input: &Batch, manifest: &UpcasterManifest) -> Result<(), Failure> {
    let name = &manifest.name;
    let at = |origin: u32, why: String| {
        let failure = broken(format!("upcaster {name}: {why}"));
        match input.positions.get(origin as usize) {
            Some(position) => failure.at(Position(*position)),
            None => failure,
        }
    };
    output.payloads.check("the payloads of upcast").map_err(|why| at(u32::MAX, why))?;
    if output.kinds.len() != output.origins.len() || output.payloads.len() != output.origins.len() {
        return Err(at(u32::MAX, "its columns have different lengths".into()));
    }
    let mut outputs = output.origins.iter().zip(&output.kinds).zip(output.payloads.iter()).peekable();
    let mut dropped = output.dropped.iter().peekable();
    for (origin, step) in (0_u32..).zip(&input.kinds) {
        let step = manifest.steps.get(*step as usize).ok_or_else(|| at(origin, "a step is not there".into()))?;
        let mut count = 0;
        while let Some(((_, kind), payload)) = outputs.next_if(|((from, _), _)| **from == origin) {
            count += 1;
            if step.to.get(*kind as usize).is_none() {
                return Err(at(
                    origin,
                    format!("its output is of a kind that its step for {} does not declare", step.from),
                ));
            }
            if let Err(cause) = serde_json::from_slice::<serde::de::IgnoredAny>(payload) {
                return Err(at(origin, format!("its output is not JSON: {cause}")));
            }
        }
        let is_dropped = dropped.next_if_eq(&&origin).is_some();
        if is_dropped == (count > 0) {
            let what = if is_dropped { "both dropped and changed" } else { "neither changed nor dropped" };
            return Err(at(origin, format!("{} was {what}", step.from)));
        }
    }
    if outputs.next().is_some() || dropped.next().is_some() {
        return Err(at(u32::MAX, "its origins are out of order, or beyond the batch".into()));
    }
    Ok(())
}

/// Puts the outputs of a call where its inputs were.
fn merge(
    items: &[Item],
    upcaster: u32,
    output: &Upcasted,
    manifest: &UpcasterManifest,
    routes: &Routes,
    column: usize,
) -> Result<Vec<Item>, Failure> {
    let mut merged = Vec::with_capacity(items.len());
    let mut outputs = (0..).zip(output.origins.iter().zip(&output.kinds)).peekable();
    let mut input = 0_u32;
    for item in items {
        let Route::Step { step, .. } = item.route else {
            merged.push(*item);
            continue;
        };
        if waits_for(item) != Some(upcaster) {
            merged.push(*item);
            continue;
        }
        while let Some((index, (_, kind))) = outputs.next_if(|(_, (origin, _))| **origin == input) {
            let target = manifest.steps.get(step as usize).and_then(|step| step.to.get(*kind as usize));
            let route = target.and_then(|target| routes.of(&target.name, target.schema));
            let route = route.ok_or_else(|| broken("what came out of an upcaster goes nowhere"))?;
            if route != Route::Ignore {
                merged.push(Item { origin: item.origin, route, payload: (column, index) });
            }
        }
        input += 1;
    }
    Ok(merged)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_sandbox::{Needs, Step};
    use kinora_types::EventType;

    fn manifest() -> UpcasterManifest {
        let kind = |name: &str, schema| EventType::new(name, schema).unwrap();
        let step = Step { from: kind("A", 1), to: vec![kind("A", 2), kind("B", 1)] };
        UpcasterManifest { name: "u".into(), steps: vec![step], needs: Needs::default() }
    }

    fn input() -> Batch {
        Batch { positions: vec![7, 8], kinds: vec![0, 0], ..Batch::default() }
    }

    fn upcasted(origins: &[u32], kinds: &[u32], payloads: &[&str], dropped: &[u32]) -> Upcasted {
        let mut texts = Texts::default();
        for payload in payloads {
            texts.push(payload.as_bytes()).unwrap();
        }
        Upcasted { origins: origins.into(), kinds: kinds.into(), payloads: texts, dropped: dropped.into() }
    }

    #[test]
    fn an_answer_that_keeps_the_contract_passes() {
        for good in [
            upcasted(&[0, 1], &[0, 1], &["{}", "1"], &[]),
            upcasted(&[0, 0], &[0, 1], &["{}", "{}"], &[1]),
            upcasted(&[], &[], &[], &[0, 1]),
        ] {
            assert!(check(&good, &input(), &manifest()).is_ok());
        }
    }

    #[test]
    fn each_breach_of_the_contract_is_found_and_located_where_it_can_be() {
        let cases = [
            (upcasted(&[0], &[0], &["{}"], &[]), Some(8), "neither changed nor dropped"),
            (upcasted(&[0, 1], &[0, 0], &["{}", "{}"], &[1]), Some(8), "both dropped and changed"),
            (upcasted(&[0, 1], &[0, 2], &["{}", "{}"], &[]), Some(8), "does not declare"),
            (upcasted(&[0, 1], &[0, 0], &["{}", "{"], &[]), Some(8), "not JSON"),
            (upcasted(&[1, 0], &[0, 0], &["{}", "{}"], &[]), Some(7), "neither changed"),
            (upcasted(&[0, 1, 2], &[0, 0, 0], &["1", "1", "1"], &[]), None, "beyond the batch"),
            (upcasted(&[0, 1], &[0], &["1", "1"], &[]), None, "different lengths"),
        ];
        for (answer, position, words) in cases {
            let failure = check(&answer, &input(), &manifest()).unwrap_err();
            assert_eq!(failure.position, position.map(Position), "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}
