//! Settings that are read again while the host runs: SIGHUP asks for it.

use clap::FromArgMatches;
use kinora_engine::limits::{HttpLimits, Limits};
use tokio::sync::watch;

use super::arguments::Arguments;
use super::logging::Filter;
use crate::settings::Settings;

/// The limits of connections from now on. Settings that do not hold up change nothing.
pub fn follow(settings: Settings, limits: Limits, filter: Filter) -> watch::Receiver<HttpLimits> {
    let (http, followed) = watch::channel(limits.http);
    #[cfg(unix)]
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let mut asked = match signal(SignalKind::hangup()) {
            Ok(asked) => asked,
            Err(cause) => return tracing::error!(%cause, "settings will not be read again"),
        };
        while asked.recv().await.is_some() {
            match again(&settings, &limits, &filter, &http) {
                Ok(later) if later.is_empty() => tracing::info!("settings have been read again"),
                Ok(later) => {
                    tracing::warn!(
                        later = later.join(", "),
                        "settings have been read again; some hold from the next start on"
                    );
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "settings stay as they are"),
            }
        }
    });
    followed
}

/// Those that hold from the next start on. `at_start`: the limits that the host has besides those of connections.
fn again(
    settings: &Settings,
    at_start: &Limits,
    filter: &Filter,
    http: &watch::Sender<HttpLimits>,
) -> anyhow::Result<Vec<String>> {
    let (matches, mut later) = settings.again()?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    let limits = arguments.limits()?;
    filter.reload(arguments.log)?;
    let was = at_start.http;
    // What wrong keys and bodies may cost is counted from the start on.
    http.send_replace(HttpLimits {
        client_body_bytes: was.client_body_bytes,
        wrong_keys: was.wrong_keys,
        address_wrong_keys: was.address_wrong_keys,
        ..limits.http
    });
    let now = Limits { http: *http.borrow(), ..at_start.clone() };
    let wanted = limits.values();
    later.extend(now.values().into_iter().zip(wanted).filter(|(now, wanted)| now != wanted).map(|(now, _)| now.0));
    Ok(later)
}
