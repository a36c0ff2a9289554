//! The forecast that `kinora deploy --dry-run` prints.

use kinora_client::Answer;
use kinora_client::api::rollouts::Preflight;

use crate::cli::fault::Described;
use crate::cli::output::{Output, clean, duration, table};

pub fn print(output: &mut Output, preflight: &Answer<Preflight>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(preflight.text());
    }
    let Preflight { events, forecast, .. } = &**preflight;
    let mut fates = table(&["event", "schema", "count", "becomes"], &[1, 2]);
    for fate in events {
        fates.add_row([clean(&fate.kind), fate.schema.to_string(), fate.count.to_string(), clean(&fate.becomes)]);
    }
    output.table(&fates)?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    output.line(format_args!(
        "\n{} events, of which {} concern it; from a sample of {}:",
        forecast.events, forecast.concerned, forecast.sampled_events
    ))?;
    output.line(format_args!(
        "  time    about {} ({:.0} events/s)",
        duration(forecast.seconds),
        forecast.events_per_second
    ))?;
    let free = forecast.disk_free_bytes.map_or_else(String::new, |free| format!(" ({} are free)", megabytes(free)));
    output.line(format_args!("  disk    about {}{free}", megabytes(forecast.disk_bytes)))?;
    output.line(format_args!(
        "  memory  {} so far, at most {}",
        megabytes(forecast.memory_bytes),
        megabytes(forecast.memory_limit_bytes)
    ))?;
    match &forecast.fault {
        Some(fault) => output.line(format_args!("\nit would stop at a fault\n{}", Described(fault))),
        None => Ok(()),
    }
}
