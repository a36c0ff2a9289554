//! Streams that a decider owns: nobody else appends to them, but for operators, with a reason that stands in the
//! history of the decider.

use std::sync::Arc;

use axum::http::HeaderMap;

use kinora_access::{Action, Asked, Extent, Principal};
use kinora_api::{Kind, headers};

use crate::edge::actor::by;
use crate::edge::problem::Problem;
use crate::host::Host;
use crate::projections::deciders::to_its_end;

/// Refuses an append to a stream that a decider owns.
pub fn refuse(host: &Host, stream: &str) -> Result<(), Problem> {
    host.deciders.owner(stream)?.map_or(Ok(()), |owner| Err(owned(stream, &owner)))
}

/// The same, unless somebody says why it has to be, and may. That stands in the history before it is done.
pub async fn allow(
    host: &Host,
    stream: &str,
    principal: Option<&Arc<Principal>>,
    sent: &HeaderMap,
) -> Result<(), Problem> {
    let Some(owner) = host.deciders.owner(stream)? else { return Ok(()) };
    let Some(reason) = sent.get(headers::OVERRIDE) else { return Err(owned(stream, &owner)) };
    let reason = std::str::from_utf8(reason.as_bytes()).map(str::trim).unwrap_or_default();
    if reason.is_empty() {
        return Err(Problem::new(Kind::InvalidHeader, "the header Kinora-Override gives no reason")
            .hint("say in a sentence why the decider is passed by"));
    }
    host.gate.allow_to(principal, Asked::new(Action::Operate).streams(Extent::One(stream)))?;
    let mut by = by(sent, principal)?;
    by.why = Some(reason.to_owned());
    let (deciders, stream) = (Arc::clone(&host.deciders), stream.to_owned());
    to_its_end(async move { deciders.override_owner(&stream, &by).await }).await
}

fn owned(stream: &str, owner: &str) -> Problem {
    Problem::new(Kind::OwnedStream, format!("only decider {owner} appends to {stream}"))
        .hint("send it a command; an operator passes it by with the header Kinora-Override: REASON")
}
