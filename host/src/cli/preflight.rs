//! What `kinora deploy --dry-run` prints.

use serde::Deserialize;

use crate::cli::answers::Fault;
use crate::cli::client::Answer;
use crate::cli::output::{Output, clean, duration, table};

#[derive(Deserialize)]
struct Preflight {
    events: Vec<Fate>,
    forecast: Forecast,
}

#[derive(Deserialize)]
struct Fate {
    #[serde(rename = "type")]
    kind: String,
    schema: u32,
    count: u64,
    becomes: String,
}

#[derive(Deserialize)]
struct Forecast {
    events: u64,
    concerned: u64,
    sampled_events: u64,
    events_per_second: f64,
    seconds: f64,
    disk_bytes: u64,
    disk_free_bytes: Option<u64>,
    memory_bytes: u64,
    memory_limit_bytes: u64,
    fault: Option<Fault>,
}

pub fn print(output: &mut Output, answer: &Answer) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let Preflight { events, forecast } = answer.parse()?;
    let mut fates = table(&["event", "schema", "count", "becomes"], &[1, 2]);
    for fate in &events {
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
    match forecast.fault {
        Some(fault) => output.line(format_args!("\nit would stop at a fault\n{fault}")),
        None => Ok(()),
    }
}
