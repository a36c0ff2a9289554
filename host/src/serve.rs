//! `kinora serve`: runs a host.

mod arguments;
mod doors;
mod issuer;
mod logging;
mod reload;

use clap::ArgMatches;
use kinora_engine::limits;
use kinora_server::serve::{Error, serve};

use crate::settings::Settings;
pub use arguments::Arguments;

/// The exit code of a host that ends since a write to its log has failed.
const POISONED: u8 = 6;

/// That of a wrong command line.
const WRONG_COMMAND_LINE: u8 = 2;

/// Runs a host until it is told to stop. `settings`: what it was told, to be read again when somebody asks for
/// that; `of_host` as clap has read it.
pub fn run(arguments: Arguments, settings: Settings, of_host: &ArgMatches) -> anyhow::Result<()> {
    let limits = arguments.limits()?;
    let filter = logging::start(arguments.log.clone(), arguments.log_format)?;
    let (options, issuer) = arguments.options(limits, settings.in_force(of_host)?)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(issuer) = issuer {
            issuer.follow().await;
        }
        let http = reload::follow(settings, options.limits.clone(), filter);
        Ok(serve(options, http).await?)
    })
}

/// The exit code of a host that ends with this; `None`: none of its own.
pub fn exit_code(error: &anyhow::Error) -> Option<u8> {
    match (error.downcast_ref(), error.is::<limits::Error>()) {
        (Some(Error::Poisoned(_)), _) => Some(POISONED),
        (_, true) => Some(WRONG_COMMAND_LINE),
        _ => None,
    }
}
