//! Problems of deciders and their commands.

use kinora_api::Kind;
use kinora_decision as decision;
use kinora_decision::Error;
use kinora_projection::Stop;
use serde_json::json;

use crate::edge::problem::Problem;
use crate::wire::decisions::rejected;
use crate::wire::versions;

const CONFLICT: &str = "nothing was appended: send it again";
const DIFFERS: &str = "GET /v1/deciders/{name} shows which; {\"accept_differences\": true} says that this is right";
const FAILED: &str = "nothing was appended; mend the decider and deploy it again, or go back to the version before";
const LISTED: &str = "GET /v1/deciders lists them; a deployment makes one";
const ONE_WAY: &str = "deploy a version that folds them; {\"accept_one_way\": true} in a promotion says that commands \
     of such aggregates may fail";
const OWNED: &str = "deploy it without owning, or have a version of the other decider live that does not";
const UNREADABLE: &str = "an older host may have found an entry of a newer one: run the newer one again";
const USED: &str = "POST /v1/deciders/{name}/retire gives a version up; one that has decided is needed to audit that";
const STOPS: &str = "deploy versions of these projections that take such events first; {\"accept_stops\": true} says \
     that they may stop";
const STATES: &str = "GET /v1/deciders/{name} shows the state of each version; one is promoted once it is ready";

impl From<decision::Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let problem = |kind: Kind, hint: &'static str| Self::new(kind, detail.clone()).hint(hint);
        match error {
            Error::Unknown(_) => problem(Kind::UnknownDecider, LISTED),
            Error::InvalidName(_) => problem(Kind::InvalidName, "choose another name"),
            Error::Invalid(error) => error.into(),
            Error::NothingLive(_) => problem(Kind::NothingLive, "promote a version that is ready"),
            Error::UnknownVersion { .. } => problem(Kind::UnknownVersion, "GET /v1/deciders/{name} lists them"),
            Error::WrongState { state, .. } => problem(Kind::WrongState, STATES).with("state", json!(state.as_str())),
            Error::OtherLive { live, .. } => {
                problem(Kind::OtherLive, "somebody else was faster: look at the decider again")
                    .with("live", json!(live))
            }
            Error::Differs { differences, .. } => {
                problem(Kind::DecidesOtherwise, DIFFERS).with("differences", json!(differences))
            }
            Error::WouldStop { stops, .. } => {
                let stop = |stop: &Stop| {
                    let Stop { projection, version, kind, why } = stop;
                    let (kind, schema) = (&kind.name, kind.schema);
                    json!({"projection": projection, "version": version, "type": kind, "schema": schema, "why": why})
                };
                problem(Kind::WouldStop, STOPS).with("stops", stops.iter().map(stop).collect())
            }
            Error::OneWay { kinds, .. } => problem(Kind::OneWay, ONE_WAY).with("types", json!(kinds)),
            Error::Projections(_) => problem(Kind::ProjectionsFailed, "GET /v1/projections shows them"),
            Error::NothingBefore => problem(Kind::NothingToRollBackTo, "promote a version instead"),
            Error::UnknownCommand { known, .. } => {
                problem(Kind::UnknownCommand, "its module says which it takes").with("commands", json!(known))
            }
            Error::InvalidData { .. } => problem(Kind::InvalidCommand, "its module says what the data has to be"),
            Error::WrongRevision { current, .. } => {
                let current = current.map(|revision| revision.0);
                problem(Kind::WrongExpectedRevision, "read the aggregate again, and decide anew")
                    .with("current", json!(current))
            }
            Error::RejectedTogether { index, rejection } => {
                rejected(&rejection).with("command", json!(index)).hint("nothing was appended")
            }
            Error::KeyReused => problem(Kind::IdempotencyKeyReused, "use a key that is new for each command"),
            Error::Conflict { .. } | Error::Superseded => problem(Kind::DecisionConflict, CONFLICT),
            Error::Busy { .. } => problem(Kind::TooManyRequests, "try again a little later"),
            Error::Faulted(fault) => problem(Kind::DeciderFailed, FAILED).with("fault", json!(versions::fault(*fault))),
            Error::OwnsNoCategory => problem(Kind::WrongState, "deploy it without owning"),
            Error::OwnedByAnother { owner, .. } => problem(Kind::WrongState, OWNED).with("owner", json!(owner)),
            Error::ModuleInUse { decider, version, .. } => {
                problem(Kind::ModuleInUse, USED).with("decider", json!(decider)).with("version", json!(version))
            }
            Error::Unreadable { .. } => problem(Kind::LogFailed, UNREADABLE),
            Error::Lost => problem(Kind::OutcomeUnknown, "send it again with the same Idempotency-Key"),
            Error::Module(error) => error.into(),
            Error::Append(error) => error.into(),
            Error::Log(error) => error.into(),
            Error::Loading { .. } => problem(Kind::Starting, "GET /v1/modules shows whether its module is compiled"),
            Error::TooLong { bytes } => {
                problem(Kind::TooLarge, "GET its state, and its events page by page").with("limit", json!(bytes))
            }
            Error::Ends => problem(Kind::Starting, "the host ends or begins: try again in a moment"),
        }
    }
}
