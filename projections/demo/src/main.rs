//! Kinora at work on real data: what `make demo` shows.
// A JSON value answers null for what is not there.
#![allow(clippy::indexing_slicing)]

mod api;
mod clients;
mod host;
mod story;

use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let told = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run()));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let host = host::Host::start()?;
    story::tell(&host).await?;
    if std::io::stdout().is_terminal() {
        story::what_next(&host);
        tokio::signal::ctrl_c().await?;
    }
    host.stop()
}
