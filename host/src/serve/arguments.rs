//! Arguments of `kinora serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use clap::builder::BoolishValueParser;
use kinora::cli;
use kinora::documents::documents;
use kinora_client::api::settings::Settings;
use kinora_engine::limits::{Limits, Setting};
use kinora_log as log;
use kinora_log::Durability;
use kinora_server::serve::Options;
use tracing_subscriber::EnvFilter;

use super::doors;
use super::issuer::Issuer;
use super::logging::Format;

/// All that a host is told at its start. Each option can stand in the environment and in a file, too.
#[derive(Args)]
pub struct Arguments {
    /// The folder that holds everything; made if it is not there
    #[arg(long, env = "KINORA_DATA", value_name = "FOLDER", help_heading = cli::REQUIRED)]
    data: PathBuf,
    /// A file of settings (TOML): these options by their names, and limits in [limits]; options and the environment go
    /// before it
    #[arg(long, env = "KINORA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one, which the log line `serving` names
    #[arg(long, env = "KINORA_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// When an append is acknowledged: `sync` (once it is on the disk), or `interval:MILLISECONDS` (once it is
    /// written; the disk has it after so long, and nobody reads it before)
    #[arg(long, env = "KINORA_DURABILITY", default_value = "sync", value_parser = durability)]
    durability: Durability,
    /// How long a request is known by its idempotency key, in hours
    #[arg(long, env = "KINORA_KEEP_REQUESTS", default_value_t = 24, value_name = "HOURS")]
    keep_requests: u64,
    /// The folder for backups; without it, none are made
    #[arg(long, env = "KINORA_BACKUPS", value_name = "FOLDER")]
    backups: Option<PathBuf>,
    /// End the process with code 6 once a write to the log has failed, so that whoever watches it starts it again;
    /// without it, the host goes on answering what can be read
    #[arg(long, env = "KINORA_EXIT_WHEN_POISONED", value_parser = BoolishValueParser::new())]
    exit_when_poisoned: bool,
    /// A limit to set, such as sandbox.event_fuel=500000000 or sandbox.memory_bytes=256M; may be repeated. A
    /// running host shows all of them at /v1/limits, and host/LIMITS.md says what each is for
    #[arg(long = "limit", env = "KINORA_LIMITS", value_name = "NAME=VALUE", value_delimiter = ',')]
    limits: Vec<Setting>,
    /// Start without any guest: everything can be looked at, paused, aborted and retired, and versions go on one by
    /// one with `kinora resume`, or all of them when the host is started without this
    #[arg(long, env = "KINORA_PAUSED", value_parser = BoolishValueParser::new())]
    paused: bool,
    /// Which messages of the host are written to stderr, such as warn, or info,kinora_log=debug
    #[arg(long, env = "KINORA_LOG", value_name = "FILTER", default_value = "info")]
    pub log: EnvFilter,
    /// How they are written
    #[arg(long, env = "KINORA_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
    #[command(flatten)]
    doors: doors::Arguments,
}

impl Arguments {
    pub fn limits(&self) -> anyhow::Result<Limits> {
        Limits::with(&self.limits).context("--limit")
    }

    pub fn options(self, limits: Limits, settings: Settings) -> anyhow::Result<(Options, Option<Issuer>)> {
        let keep_requests = Duration::from_secs(self.keep_requests.saturating_mul(60 * 60));
        let log = log::Options { durability: self.durability, keep_requests, limits: limits.log.clone() };
        let compiler = std::env::current_exe().context("this program does not know where it is")?;
        let issuer = self.doors.issuer(&self.data);
        let doors = self.doors.doors(&self.data, self.listen, issuer.as_ref());
        let options = Options {
            data: self.data,
            listen: self.listen,
            log,
            backups: self.backups,
            limits,
            exit_when_poisoned: self.exit_when_poisoned,
            paused: self.paused,
            compiler,
            doors,
            settings,
            documents: documents(),
        };
        Ok((options, issuer))
    }
}

fn durability(text: &str) -> Result<Durability, String> {
    if text == "sync" {
        return Ok(Durability::Sync);
    }
    let milliseconds =
        text.strip_prefix("interval:").and_then(|number| number.parse().ok()).filter(|number| *number > 0);
    milliseconds
        .map(Durability::Interval)
        .ok_or_else(|| "sync, or interval:MILLISECONDS, such as interval:50".to_owned())
}
