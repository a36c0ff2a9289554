//! `kinora log verify` and `kinora log stats`.

use std::time::Instant;

use serde_json::json;

use kinora_log::Log;

use crate::cli::output::{Output, clean, note};

/// The log is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error("the log has {0} faults; keep the folder as it is, and restore the log from a backup")]
struct Unsound(u64);

pub fn verify(output: &mut Output, log: &Log) -> anyhow::Result<()> {
    let (started, total) = (Instant::now(), log.progress().0);
    let report = log.verify(|done| {
        if done > 0 && done % 1_000_000 == 0 {
            note(format_args!("{done} of {total} events"));
        }
    })?;
    for fault in &report.named {
        if output.is_json() {
            output.line(json!({"family": fault.family, "fault": fault.what}))?;
        } else {
            output.line(format_args!("{}: {}", fault.family, clean(&fault.what)))?;
        }
    }
    let (events, streams, claims) = (report.events, report.streams, report.claims);
    if output.is_json() {
        let summary = json!({"events": events, "streams": streams, "claims": claims, "faults": report.faults});
        output.line(summary)?;
    } else {
        let (faults, took) = (report.faults, started.elapsed().as_secs_f64());
        output.line(format_args!(
            "{events} events in {streams} streams, {claims} claims: {faults} faults, {took:.1} s"
        ))?;
    }
    output.flush()?;
    if report.faults > 0 { Err(Unsound(report.faults).into()) } else { Ok(()) }
}

pub fn stats(output: &mut Output, log: &Log) -> anyhow::Result<()> {
    let stats = log.stats()?;
    if output.is_json() {
        let kinds = stats.types.iter().map(|kind| {
            json!({"type": kind.kind, "schema": kind.schema, "events": kind.count, "first_position": kind.first.0})
        });
        let kinds: Vec<_> = kinds.collect();
        return output.line(json!({
            "events": stats.events, "streams_estimated": stats.streams, "bytes_on_disk": stats.bytes, "types": kinds,
        }));
    }
    output.line(format_args!(
        "{} events, about {} streams, {} bytes on disk",
        stats.events, stats.streams, stats.bytes
    ))?;
    for kind in &stats.types {
        output.line(format_args!("{:>12}  {} schema {}", kind.count, kind.kind, kind.schema))?;
    }
    Ok(())
}
