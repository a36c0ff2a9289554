//! Upcasters: what they would make of the log.

use kinora_api::upcasters as api;
use kinora_projection::DryRun;

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
