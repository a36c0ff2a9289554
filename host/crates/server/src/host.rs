//! The host that handlers work on, and how they work on it.

use std::fmt::Write;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use axum::http::HeaderMap;
use kinora_api::Kind;
use kinora_api::settings::Settings;
use kinora_decision::Deciders;
use kinora_engine::backup::Backups;
use kinora_engine::limits::{HttpLimits, Limits};
use kinora_log::Log;
use kinora_projection::Projections;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::edge::accept;
use crate::edge::bodies::Bodies;
use crate::edge::problem::Problem;
use crate::edge::requests::Requests;
use crate::gate::{Gate, Refusals};

/// What the handlers work on.
#[derive(Clone)]
pub struct Host(Arc<Parts>);

/// They are behind one pointer, since a host is cloned for each request and each layer that it goes through.
pub struct Parts {
    pub log: Log,
    pub projections: Arc<Projections>,
    pub deciders: Arc<Deciders>,
    /// `None`: this host makes none.
    pub backups: Option<Arc<Backups>>,
    pub requests: Requests,
    pub limits: Limits,
    /// Those of connections, as they are now.
    pub http: watch::Receiver<HttpLimits>,
    /// What it was started with.
    pub settings: Settings,
    pub bodies: Bodies,
    pub gate: Arc<Gate>,
    pub refusals: Refusals,
}

impl From<Parts> for Host {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Host {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Host> for Log {
    fn from_ref(host: &Host) -> Self {
        host.log.clone()
    }
}

impl FromRef<Host> for Arc<Projections> {
    fn from_ref(host: &Host) -> Self {
        Arc::clone(&host.projections)
    }
}

impl FromRef<Host> for Arc<Deciders> {
    fn from_ref(host: &Host) -> Self {
        Arc::clone(&host.deciders)
    }
}

/// Runs what may wait for a disk or a thread where that holds up nobody.
pub async fn blocking<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(cause) => Err(Problem::new(Kind::Internal, format!("the work did not end: {cause}"))),
    }
}

/// Whether the client wants to follow rather than to look.
pub fn wants_events(headers: &HeaderMap) -> bool {
    accept::prefers(headers, accept::EVENTS)
}

/// A text that mostly has no more than `bytes` bytes: it does not grow piece by piece, as with `format!`.
pub fn written(bytes: usize, text: std::fmt::Arguments<'_>) -> String {
    let mut out = String::with_capacity(bytes);
    // A string takes everything.
    let _ = out.write_fmt(text);
    out
}

/// JSON text that has been checked when it was written.
pub fn raw(text: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(text).map_err(|cause| Problem::new(Kind::Internal, format!("a row is damaged: {cause}")))
}
