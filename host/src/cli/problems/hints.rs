//! Hints in commands: what to do about a problem, for people who have no HTTP in front of them.

use kinora_client::api::{Kind, Problem};

/// What to do about a kind of problem, where the host's hint speaks of requests. `NAME` stands for the projection.
const HINTS: &[(Kind, &str)] = &[
    (Kind::BeyondBudget, "declare such an index in a new version, narrow the filter, or say --scan if it is worth it"),
    (Kind::ClaimFailed, "the owner of a claim can release it"),
    (Kind::CompileFailed, LIMITS),
    (
        Kind::DescribeFailed,
        "mend what the detail says: describe() is called at once, without rows; `kinora serve --limit NAME=VALUE` sets \
         limits",
    ),
    (Kind::Gaps, "handle them, name them in `ignores`, or deploy with --upcaster FILE, which brings them along"),
    (Kind::GatesClosed, GATES),
    (Kind::InvalidAggregate, AGGREGATE),
    (Kind::InvalidArguments, "`kinora query NAME` describes the queries; --arguments takes a JSON object"),
    (Kind::InvalidBody, "the host could not read what was sent: try again"),
    (Kind::InvalidCloudevent, "a CloudEvent has specversion, id, source and type"),
    (Kind::InvalidCondition, "a condition names types or tags"),
    (Kind::InvalidCursor, "take --cursor as it was shown, or begin again without one"),
    (Kind::InvalidDigest, "`kinora modules` lists the modules; the beginning of a digest is enough"),
    (Kind::InvalidEvent, EVENT),
    (Kind::InvalidFilter, "such as --filter flights=gte.100 --filter 'or=(origin.eq.EWR,tailnum.is.null)'"),
    (Kind::InvalidHeader, "--expect takes any, no-stream, exists or a revision; --actor and --reason take 1024 bytes"),
    (Kind::InvalidJson, EVENT),
    (Kind::InvalidOrder, "such as --order flights.desc,origin"),
    (Kind::InvalidParameter, "--help of the command says what its options take"),
    (Kind::InvalidSelect, "such as --select flights,delay.mean,worst:delay.max"),
    (Kind::InvalidVersion, "versions count from 1; `kinora status NAME` lists them"),
    (Kind::ModuleCompiling, "`kinora modules` shows when it is ready"),
    (Kind::ModuleInUse, "`kinora retire NAME VERSION` ends the version that uses it"),
    (Kind::NoBackups, "start the host with --backups FOLDER, on another disk if there is one"),
    (Kind::NotClaimed, "a claim is taken along with events"),
    (Kind::NotComparable, "`kinora status NAME` shows where each version is"),
    (Kind::NotStoppedThere, "`kinora status NAME` shows where a version stopped, and why"),
    (Kind::NotThereYet, "try again, with a longer --timeout, or without --min-position for an older answer"),
    (Kind::NothingLive, "`kinora promote NAME` makes a version live that is ready; --version asks another one"),
    (Kind::NothingToReproduce, "`kinora status NAME` shows each version; `kinora verify NAME` replays all of history"),
    (Kind::NothingToRollBackTo, "`kinora promote NAME VERSION` makes a version live"),
    (Kind::OtherLive, "somebody else was faster: look at `kinora status NAME` again"),
    (Kind::OtherIncarnation, "begin again, without --cursor; `kinora log status` shows the incarnations of the log"),
    (Kind::OwnedStream, "`kinora decide DECIDER ID COMMAND` sends a command to the decider that owns it"),
    (Kind::OneWay, "deploy a version that folds them; --accept-one-way promotes it all the same"),
    (Kind::QueryStopped, LIMITS),
    (Kind::TimedOut, "ask for less at a time; `kinora serve --limit NAME=VALUE` sets limits"),
    (Kind::TooLarge, "send less at a time, or build a module for size; `kinora serve --limit NAME=VALUE` sets limits"),
    (Kind::UnknownDecider, "`kinora deciders list` lists the deciders; `kinora deciders deploy` makes one"),
    (Kind::UnknownField, "`kinora query NAME -o json` has the schema of each table"),
    (Kind::UnknownKeyPart, "`kinora query NAME` says what the keys of each table stand for"),
    (Kind::UnknownModule, "`kinora modules` lists the modules; `kinora modules upload FILE` adds one"),
    (Kind::UnknownProjection, "`kinora status` lists the projections; `kinora deploy` makes one"),
    (Kind::UnknownQuery, "`kinora query NAME` describes the queries"),
    (Kind::UnknownRoute, "are the host and this client of the same version?"),
    (Kind::UnknownRow, "it may come with a later event: --min-position waits for one"),
    (Kind::UnknownTable, "`kinora query NAME` describes the tables"),
    (Kind::UnknownVersion, "`kinora status NAME` lists the versions"),
    (Kind::VersionFaulted, FAULTED),
    (Kind::VersionPaused, PAUSED),
    (Kind::WouldStop, "deploy versions of these projections that take such events first; or say --accept-stops"),
    (Kind::WrongMethod, "are the host and this client of the same version?"),
    (Kind::WrongState, "`kinora status NAME` shows the state of each version; one is promoted once it is ready"),
];

const AGGREGATE: &str = "count, count(field), sum(field), avg(field), min(field), max(field), percentile(field,90), \
     each with a name before it if you like: late:percentile(delay,90)";
const EVENT: &str = "an event has `type` and `data`, and `schema`, `id`, `tags` and `metadata` if you like: see \
     `kinora append --help`";
const FAULTED: &str = "`kinora status NAME` shows where it stopped; --stale takes the rows from before the fault, \
     `kinora set NAME --on-fault stale` does for everybody";
const GATES: &str = "`kinora gates NAME` shows them as they are now; `kinora promote NAME --force` passes them over, \
     and the history says so";
const PAUSED: &str = "`kinora resume NAME VERSION` goes on; --stale takes the rows as they are, \
     `kinora set NAME --on-fault stale` does for everybody";
const LIMITS: &str = "look at its cost, or whether the limits are enough: `kinora serve --limit NAME=VALUE` sets them";

/// Words of requests, which nobody needs who types commands.
const OF_REQUESTS: [&str; 18] = [
    "GET ",
    "POST ",
    "PUT ",
    "PATCH ",
    "DELETE ",
    "/v1/",
    "http.md",
    "openapi",
    "header",
    "Content-",
    "If-Match",
    "If-None-Match",
    "percent-encoded",
    "min_position",
    "=true",
    "{\"",
    " body",
    "parameter",
];

/// What to do about a problem.
pub fn of(problem: &Problem, projection: Option<&str>) -> Option<String> {
    let kind = Kind::named(problem.slug());
    let known = HINTS.iter().find(|(known, _)| Some(*known) == kind).map(|(_, hint)| *hint);
    // What a newer host says of requests helps nobody here.
    let hint = known.or_else(|| problem.hint.as_deref().filter(|hint| !speaks_of_requests(hint)))?;
    Some(match projection {
        Some(name) => hint.replace(" NAME", &format!(" {name}")).replace(&format!("{name}=VALUE"), "NAME=VALUE"),
        None => hint.to_owned(),
    })
}

/// Whether a text has something of HTTP in it: `?stale=true` and the like, too.
fn speaks_of_requests(text: &str) -> bool {
    let asked = text.split('?').skip(1).any(|rest| {
        let name = rest.split('=').next().unwrap_or_default();
        rest.contains('=') && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    });
    asked || OF_REQUESTS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Every problem with the hint that clients of HTTP get, as a test of the host has reviewed it.
    const REVIEWED: &str = include_str!("../../../../tests/http/snapshots/http__problems__problems.snap");

    #[test]
    fn no_hint_speaks_of_requests_and_each_that_does_is_said_in_commands() {
        let mut seen = 0;
        for problem in REVIEWED.split("\n\n").filter_map(|text| text.split_once('\n')) {
            let (slug, body) = problem;
            let Some(kind) = Kind::named(slug.trim()) else { continue };
            let hint = body.lines().find_map(|line| line.trim().strip_prefix("\"hint\": \"")).unwrap_or_default();
            let hint = hint.trim_end_matches(',').trim_end_matches('"').replace("\\\"", "\"");
            seen += 1;
            let in_commands = HINTS.iter().any(|(known, _)| *known == kind);
            assert!(in_commands || !speaks_of_requests(&hint), "{slug} needs a hint in commands: {hint}");
        }
        assert!(seen > 40, "{seen} problems");
        for (kind, hint) in HINTS {
            assert!(!speaks_of_requests(hint), "{kind:?}: {hint}");
        }
    }

    #[test]
    fn a_hint_names_the_projection_that_the_command_was_about() {
        let problem = Problem::new(Kind::NothingLive, "");
        assert!(of(&problem, Some("ontime")).unwrap().starts_with("`kinora promote ontime` makes"));
        assert!(of(&problem, None).unwrap().starts_with("`kinora promote NAME` makes"));
        let limits = of(&Problem::new(Kind::QueryStopped, ""), Some("ontime")).unwrap();
        assert!(limits.contains("--limit NAME=VALUE"), "{limits}");
    }

    #[test]
    fn a_hint_that_nobody_has_translated_is_shown_only_without_requests() {
        let saying = |hint: &str| of(&Problem { hint: Some(hint.into()), ..Problem::default() }, None);
        assert_eq!(saying("try again").as_deref(), Some("try again"));
        for hint in ["GET /v1/limits", "?stale=true takes them", r#"send {"force": true}"#] {
            assert_eq!(saying(hint), None, "{hint}");
        }
    }
}
