//! The names that are the host's own: nobody appends under them but the host, so that its history is what it did.

use kinora_api::Kind;
use kinora_log::AppendRequest;
use kinora_types::RESERVED;

use crate::edge::problem::Problem;

pub fn refuse(request: &AppendRequest) -> Result<(), Problem> {
    let streams = request.appends.iter().map(|append| append.stream.as_str());
    let types = request.appends.iter().flat_map(|append| &append.events).map(|event| event.kind.name.as_str());
    match streams.chain(types).find(|name| name.starts_with(RESERVED)) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("{name:?} begins with {RESERVED}, which is for what the host itself appends");
            Err(Problem::new(Kind::ReservedName, detail).hint("choose another name for the stream or the type"))
        }
    }
}
