//! Problems of the log: appends that are refused, and a log that cannot be read, written or backed up.

use kinora_api::Kind;
use kinora_engine::backup;
use kinora_log as log;
use kinora_log::{AppendError, Rejection, TOLD};
use kinora_types::StreamName;
use serde_json::json;

use crate::edge::problem::Problem;

const RESTART: &str = "restart the host; look at its output for the cause";

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        match error {
            AppendError::Rejected(rejection) => rejected(&rejection, detail),
            AppendError::Empty => Self::new(Kind::InvalidEvent, detail).hint("send at least one event"),
            AppendError::TooLarge { limit, actual, .. } => Self::new(Kind::TooLarge, detail)
                .hint("send less at a time; all limits are at /v1/limits")
                .with("limit", json!(limit))
                .with("actual", json!(actual)),
            AppendError::Busy { .. } => Self::new(Kind::Busy, detail).hint("try again a little later"),
            AppendError::ClientBusy { .. } => Self::new(Kind::TooManyRequests, detail).hint(
                "wait for answers before sending more; a client is an address, and the name in the header \
                 Kinora-Client if it sends one",
            ),
            AppendError::Poisoned => Self::new(Kind::LogPoisoned, detail).hint(RESTART),
            AppendError::OutcomeUnknown => Self::new(Kind::OutcomeUnknown, detail).hint(
                "restart the host and send the same again, with the same ids or the same Idempotency-Key: it is done \
                 once, and answered as the first time if it was",
            ),
            AppendError::NoSpace(_) => Self::new(Kind::NoSpace, detail)
                .hint("free some space; nothing acknowledged is lost, and appends go on by themselves"),
            AppendError::Failed(error) => error.into(),
        }
    }
}

fn rejected(rejection: &Rejection, detail: String) -> Problem {
    let wrong = rejection.wrong_revisions.iter().take(TOLD).map(|wrong| {
        json!({
            "stream": wrong.stream.as_str(),
            "expected": wrong.expected.to_string(),
            "current": wrong.current.map(|revision| revision.0),
        })
    });
    let reused = rejection
        .reused_ids
        .iter()
        .take(TOLD)
        .map(|reused| json!({ "id": reused.id, "position": reused.position.map(|position| position.0) }));
    let claims = rejection.claims.iter().take(TOLD).map(|failed| {
        json!({
            "scope": failed.claim.key.scope,
            "value": failed.claim.key.value,
            "owner": failed.claim.owner.as_str(),
            "wanted": if failed.take { "take" } else { "release" },
            "holder": failed.holder.as_ref().map(StreamName::as_str),
        })
    });
    let (kind, hint) = first(rejection);
    Problem::new(kind, detail)
        .hint(hint)
        .with("failures", json!(wrong.collect::<Vec<_>>()))
        .with("reused_ids", json!(reused.collect::<Vec<_>>()))
        .with("known_events", json!(rejection.partly_known.as_ref().map(|known| known.events)))
        .with("matched_position", json!(rejection.matched.map(|position| position.0)))
        .with("claims", json!(claims.collect::<Vec<_>>()))
        .with("key_reused_position", json!(rejection.key_reused.map(|position| position.0)))
}

/// A rejection has all failing checks, and its kind from the first that counts.
fn first(rejection: &Rejection) -> (Kind, &'static str) {
    if rejection.key_reused.is_some() {
        (
            Kind::IdempotencyKeyReused,
            "give each new request a key of its own; retry a request with the same key and content only",
        )
    } else if !rejection.reused_ids.is_empty() {
        (Kind::IdReused, "give each new event an id of its own; retry a request with the same ids and content only")
    } else if rejection.partly_known.is_some() {
        (
            Kind::PartlyKnown,
            "send the events that are missing by themselves, in their order; a request that begins with known events \
             and has neither condition nor claims is taken for its rest",
        )
    } else if !rejection.wrong_revisions.is_empty() {
        (Kind::WrongExpectedRevision, "read the stream again, decide anew, and append with its current revision")
    } else if rejection.matched.is_some() {
        (Kind::ConditionFailed, "read what the condition selects again, decide anew, and append with its last position")
    } else {
        (Kind::ClaimFailed, "GET /v1/claims/{scope}/{value} shows who holds a claim; its owner can release it")
    }
}

impl From<log::Error> for Problem {
    /// The cause goes to the host's output; the client is told where it is, not what the disk said.
    fn from(error: log::Error) -> Self {
        if let log::Error::Poisoned(_) = &error {
            return Self::new(Kind::LogPoisoned, error.to_string()).hint(RESTART);
        }
        tracing::error!(%error, "the log failed");
        Self::new(Kind::LogFailed, "the log could not be read or written")
            .hint("nothing acknowledged is lost; the host's output names the cause")
    }
}

impl From<backup::Error> for Problem {
    fn from(error: backup::Error) -> Self {
        tracing::error!(%error, "a backup failed");
        Self::new(Kind::BackupFailed, error.to_string())
            .hint("see whether the folder for backups can be written and has space; the log is not affected")
    }
}
