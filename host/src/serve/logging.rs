//! Messages of a host: which are written, and how.

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Chooses messages while the host runs.
pub type Filter = reload::Handle<EnvFilter, Registry>;

/// Everything that is written from here on goes to stderr.
pub fn start(filter: EnvFilter, format: Format) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init().context("messages cannot be written")?;
    Ok(handle)
}
