//! Problems of read models: queries that cannot be read, that ask for too much, or for what is not there.

use kinora_api::{Kind, grammar};
use kinora_readmodel as readmodel;
use kinora_types::Exhausted;
use serde_json::json;

use crate::edge::problem::Problem;

pub const EXAMPLES_OF_FILTERS: &str =
    "such as flights=gte.100, origin=not.eq.EWR, key=like.EWR-*, or=(a.eq.1,b.is.null)";

impl From<readmodel::Error> for Problem {
    fn from(error: readmodel::Error) -> Self {
        use readmodel::Error;
        let detail = error.to_string();
        match error {
            Error::UnknownTable { known, .. } => Self::new(Kind::UnknownTable, detail)
                .hint("GET /v1/read-models/{name} describes them")
                .with("tables", json!(known)),
            Error::BeyondBudget { helpful, .. } => Self::new(Kind::BeyondBudget, detail)
                .hint(
                    "declare such an index in a new version, narrow the filter, or say scan=true if it is worth \
                     the time",
                )
                .with("helpful_index", json!(helpful)),
            Error::UnknownField { nearest, .. } => Self::new(Kind::UnknownField, detail)
                .hint("GET /v1/read-models/{name} has the schema of each table")
                .with("nearest", json!(nearest)),
            Error::UnknownPart { .. } => Self::new(Kind::UnknownKeyPart, detail)
                .hint("GET /v1/read-models/{name} says what the keys of each table stand for"),
            Error::TooManyGroups { .. } => {
                Self::new(Kind::TooManyGroups, detail).hint("narrow the filter, or group by fields with fewer values")
            }
            Error::NoHistory { .. } => Self::new(Kind::NoHistory, detail)
                .hint("declare one in a new version of the projector: .history(TABLE, events)"),
            Error::BeyondHistory { oldest, .. } => Self::new(Kind::BeyondHistory, detail)
                .hint("ask for a later position, or deploy a version that keeps more; the log has everything")
                .with("oldest_position", json!(oldest)),
            Error::TooManyRows { .. } => Self::new(Kind::TooManyRows, detail)
                .hint("narrow the filter, or follow the first rows of an order with limit"),
            Error::Exhausted(why) => why.into(),
            Error::InvalidQuery(_) => Self::new(Kind::InvalidParameter, detail),
            Error::InvalidCursor(_) => {
                Self::new(Kind::InvalidCursor, detail).hint("follow `next` as it is, or begin again without a cursor")
            }
            _ => {
                tracing::error!(%detail, "a read model failed");
                Self::new(Kind::ReadModelFailed, "the read model could not be read").hint(
                    "the host's output names the cause; a version can be retired and deployed anew, the log is not \
                     touched",
                )
            }
        }
    }
}

impl From<Exhausted> for Problem {
    fn from(why: Exhausted) -> Self {
        match why {
            Exhausted::Time(most) => Self::of_budget(Kind::TimedOut, why)
                .hint("ask for less at a time, or for what an index serves; all limits are at /v1/limits")
                .with("limit", json!(most.as_secs_f64())),
            Exhausted::Bytes(most) => Self::of_budget(Kind::TooLarge, why)
                .hint("ask for less at a time; all limits are at /v1/limits")
                .with("limit", json!(most)),
            Exhausted::Cancelled => {
                Self::of_budget(Kind::Busy, why).hint("the host is stopping: try again a little later")
            }
        }
    }
}

impl From<grammar::Error> for Problem {
    fn from(error: grammar::Error) -> Self {
        use grammar::Error;
        let detail = error.to_string();
        match error {
            Error::InvalidFigure { .. } | Error::InvalidFigures { .. } | Error::TwiceNamed { .. } => Self::new(
                Kind::InvalidAggregate,
                detail,
            )
            .hint(
                "count, count(field), sum(field), avg(field), min(field), max(field), percentile(field,90), each with \
                 a name before it if you like: late:percentile(delay,90)",
            ),
            Error::InvalidSelect { .. } => {
                Self::new(Kind::InvalidSelect, detail).hint("such as select=flights,delay.mean,worst:delay.max")
            }
            Error::InvalidFilter { .. } => Self::new(Kind::InvalidFilter, detail).hint(EXAMPLES_OF_FILTERS),
            Error::InvalidOrder { .. } => {
                Self::new(Kind::InvalidOrder, detail).hint("such as order=flights.desc,origin")
            }
        }
    }
}
