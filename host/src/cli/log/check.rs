//! `kinora log verify`, `kinora log stats` and `kinora log status`.

use std::time::Instant;

use serde_json::json;

use kinora_client::Client;
use kinora_log::{InJournal, Inspection};

use crate::cli::output::{Output, clean, note};

/// The log is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log has {0} faults; keep the folder as it is, and restore the log from a backup, or see what `kinora log \
     repair` can save"
)]
struct Unsound(u64);

pub fn verify(output: &mut Output, log: &Inspection) -> anyhow::Result<()> {
    let (started, total) = (Instant::now(), log.tables().0);
    let report = log.verify(|done| {
        if done > 0 && done % 1_000_000 == 0 {
            note(format_args!("{done} of {total} events"));
        }
    })?;
    let InJournal { upto, damage, .. } = log.journal();
    let in_journal = upto.0 - total;
    if let Some(damage) = damage {
        if output.is_json() {
            output.line(json!({"family": "journal", "fault": damage}))?;
        } else {
            output.line(format_args!("journal: {}", clean(damage)))?;
        }
    }
    let faults = report.faults + u64::from(damage.is_some());
    for fault in &report.named {
        if output.is_json() {
            output.line(json!({"family": fault.family, "fault": fault.what}))?;
        } else {
            output.line(format_args!("{}: {}", fault.family, clean(&fault.what)))?;
        }
    }
    let (events, streams, claims) = (report.events, report.streams, report.claims);
    if output.is_json() {
        let summary = json!({
            "events": events, "streams": streams, "claims": claims, "faults": faults, "events_in_journal": in_journal,
        });
        output.line(summary)?;
    } else {
        let took = started.elapsed().as_secs_f64();
        output.line(format_args!(
            "{events} events in {streams} streams, {claims} claims: {faults} faults, {took:.1} s"
        ))?;
    }
    beside(in_journal);
    output.flush()?;
    if faults > 0 { Err(Unsound(faults).into()) } else { Ok(()) }
}

/// What a host takes up when it starts, or moves to tables before long.
fn beside(events: u64) {
    if events > 0 {
        note(format_args!("{events} more events are whole in the journal, and not in tables yet"));
    }
}

pub async fn status(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let answer = client.log().await?;
    if output.is_json() {
        return output.json(answer.text());
    }
    let (id, events) = (answer.id, answer.events);
    output.line(format_args!("log {id}: {events} events"))?;
    for life in answer.incarnations.iter().skip(1) {
        output.line(format_args!("  incarnation {} since {} events", life.id, life.since))?;
    }
    match &answer.poisoned {
        None => output.line("it takes appends"),
        Some(cause) => output.line(format_args!(
            "poisoned: a write has failed, and it takes no appends until the host is restarted ({})",
            clean(cause)
        )),
    }
}

pub fn stats(output: &mut Output, log: &Inspection) -> anyhow::Result<()> {
    let stats = log.stats()?;
    let in_journal = log.journal().upto.0 - log.tables().0;
    beside(in_journal);
    if output.is_json() {
        let kinds = stats.types.iter().map(|kind| {
            json!({"type": kind.kind, "schema": kind.schema, "events": kind.count, "first_position": kind.first.0})
        });
        let kinds: Vec<_> = kinds.collect();
        return output.line(json!({
            "events": stats.events, "streams_estimated": stats.streams, "bytes_on_disk": stats.bytes, "types": kinds,
            "events_in_journal": in_journal,
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
