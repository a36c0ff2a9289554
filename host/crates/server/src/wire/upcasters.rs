//! Upcasters: what they would make of the log.

use kinora_api::upcasters as api;
use kinora_projection::{Arrival, DryRun, Payload, UpcasterCall, Upcasting};

pub fn dry_run(dry_run: DryRun) -> api::DryRun {
    let types = dry_run.types.into_iter().map(|outcome| {
        let failures = outcome.failures.into_iter().map(|failed| api::FailedEvent {
            position: failed.position,
            category: failed.category.to_owned(),
            message: failed.message,
        });
        let samples = outcome.samples.into_iter().map(|upcast| {
            let after = upcast.after.into_iter();
            let after = after.map(|after| api::After { kind: after.kind, schema: after.schema, data: after.data });
            api::Upcast {
                position: upcast.position,
                stream: upcast.stream,
                before: upcast.before,
                after: after.collect(),
            }
        });
        api::Outcome {
            kind: outcome.kind,
            schema: outcome.schema,
            events: outcome.events,
            outputs: outcome.outputs,
            dropped: outcome.dropped,
            failed: outcome.failed,
            failures: failures.collect(),
            samples: samples.collect(),
        }
    });
    api::DryRun { position: dry_run.position, types: types.collect() }
}

pub fn upcasting(projection: String, version: u32, position: u64, found: Upcasting) -> api::Upcasting {
    let Upcasting { calls, outcome } = found;
    let (outcome, arrives, reason) = match outcome {
        Arrival::Handled(events) => (api::Arrival::Handled, events, None),
        Arrival::PassedOver => (api::Arrival::PassedOver, Vec::new(), None),
        Arrival::Skipped => (api::Arrival::Skipped, Vec::new(), None),
        Arrival::NoRoute(why) => (api::Arrival::NoRoute, Vec::new(), Some(why)),
        Arrival::Failed(why) => (api::Arrival::Failed, Vec::new(), Some(why)),
    };
    let calls = calls.into_iter().map(call).collect();
    api::Upcasting { projection, version, position, calls, outcome, arrives: events(arrives), reason }
}

fn call(found: UpcasterCall) -> api::UpcasterCall {
    let UpcasterCall { upcaster, name, takes, makes } = found;
    api::UpcasterCall { upcaster, name, takes: events(takes), makes: events(makes) }
}

fn events(all: Vec<Payload>) -> Vec<api::After> {
    all.into_iter().map(|one| api::After { kind: one.kind.name, schema: one.kind.schema, data: one.data }).collect()
}
