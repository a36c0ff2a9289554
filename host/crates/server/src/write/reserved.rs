//! The names that are the host's own: nobody appends under them but the host, so that its history is what it did, and
//! what an event says of the command that it came of is so.

use kinora_api::Kind;
use kinora_decision::{IN_METADATA, says_of_a_command};
use kinora_log::AppendRequest;
use kinora_types::RESERVED;

use crate::edge::problem::Problem;

pub fn refuse(request: &AppendRequest) -> Result<(), Problem> {
    let streams = request.appends.iter().map(|append| append.stream.as_str());
    let types = request.appends.iter().flat_map(|append| &append.events).map(|event| event.kind.name.as_str());
    match streams.chain(types).find(|name| name.starts_with(RESERVED)) {
        None => unless_of_a_command(request),
        Some(name) => {
            let detail = format!("{name:?} begins with {RESERVED}, which is for what the host itself appends");
            Err(Problem::new(Kind::ReservedName, detail).hint("choose another name for the stream or the type"))
        }
    }
}

/// Refuses metadata by which an event would pass for what a decider has decided.
fn unless_of_a_command(request: &AppendRequest) -> Result<(), Problem> {
    let mut metadata = request.appends.iter().flat_map(|append| &append.events).filter_map(|it| it.metadata.as_ref());
    if !metadata.any(|metadata| says_of_a_command(metadata.get())) {
        return Ok(());
    }
    Err(member())
}

/// Somebody says in metadata what is for the host to say.
pub fn member() -> Problem {
    let detail = format!("the member {IN_METADATA:?} of metadata is for what the host says of an event");
    Problem::new(Kind::ReservedName, detail).hint("choose another name for the member")
}
