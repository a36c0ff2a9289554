//! Answers of deciders, and their versions.

use std::sync::Arc;

use kinora_api::modules::DeciderUse;
use kinora_api::{commands, deciders as api, rollouts};
use kinora_decision::{
    Answer, DecidedEvent, Difference, Gate, Gates, Outcome, Rejected, RejectionReport, Report, State, Status, Use,
    Version, VersionState,
};
use kinora_sandbox::Rejection;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use kinora_api::Kind;

use crate::edge::problem::Problem;

/// What became of a command. A rejection is a problem.
pub fn decided(answer: Answer) -> Result<commands::Decided, Problem> {
    let Answer { id, version, outcome, revision } = answer;
    let (outcome, events, duplicate) = match outcome {
        Outcome::Accepted { events, duplicate } => (commands::Outcome::Accepted, events, duplicate),
        Outcome::Unchanged => (commands::Outcome::Unchanged, Vec::new(), false),
        Outcome::Rejected(rejection) => return Err(rejected(&rejection).with("version", json!(version))),
    };
    let position = events.iter().filter_map(|event| event.place).map(|(position, _)| position.0).max();
    Ok(commands::Decided {
        command: id.0,
        version,
        outcome,
        duplicate,
        events: events.into_iter().map(event).collect(),
        revision: revision.map(|revision| revision.0),
        position,
    })
}

/// The rules say no.
pub fn rejected(rejection: &Rejection) -> Problem {
    let Rejection { code, message, details } = rejection;
    let details: Option<Value> = details.as_ref().and_then(|details| serde_json::from_str(details).ok());
    let problem = Problem::new(Kind::CommandRejected, message.as_str()).with("code", json!(code));
    details.into_iter().fold(problem, |problem, details| problem.with("details", details))
}

fn event(event: DecidedEvent) -> commands::DecidedEvent {
    let DecidedEvent { id, kind, stream, data, tags, place } = event;
    let (position, revision) = place.map(|(position, revision)| (position.0, revision.0)).unzip();
    let (kind, schema) = (kind.name, kind.schema);
    let tags = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
    commands::DecidedEvent { id, stream: stream.as_str().to_owned(), kind, schema, data, tags, position, revision }
}

/// A state that is no JSON is shown as its length.
pub fn state(state: State) -> Result<commands::AggregateState, Problem> {
    let State { saved, baseline } = state;
    let bytes = saved.len();
    let text = String::from_utf8(saved).ok().and_then(|text| RawValue::from_string(text).ok());
    let internal = |cause: serde_json::Error| Problem::new(Kind::Internal, cause.to_string());
    let state = match text {
        Some(text) => text,
        None => RawValue::from_string(json!({"bytes": bytes}).to_string()).map_err(internal)?,
    };
    let revision = baseline.revision.map(|revision| revision.0);
    Ok(commands::AggregateState { state, revision, events: baseline.upto.0 })
}

pub fn decider(status: Status) -> api::Decider {
    let Status { name, catalog, decides, mut shadows, mut one_way } = status;
    let owns = catalog.owns().map(str::to_owned);
    let versions = catalog.versions.into_iter().map(|(number, found)| {
        let one_way = one_way.remove(&number).unwrap_or_default();
        version(number, found, shadows.remove(&number), one_way)
    });
    let versions = versions.collect();
    api::Decider { name, live: catalog.live, decides, owns, versions }
}

pub fn checklist(decider: String, version: u32, found: Gates) -> api::DeciderChecklist {
    let Gates { live, gates } = found;
    let passed = gates.iter().all(|gate| gate.passed);
    let gate = |gate: Gate| rollouts::Gate { gate: gate.gate.to_owned(), passed: gate.passed, reason: gate.reason };
    api::DeciderChecklist { decider, version, live, passed, gates: gates.into_iter().map(gate).collect() }
}

fn version(number: u32, version: Version, shadow: Option<Report>, one_way: Vec<String>) -> api::DeciderVersion {
    let Version { module, upcasters, state, reason, report, .. } = version;
    let (state, report, shadow) = (state_of(state), report.map(self::report), shadow.map(self::report));
    api::DeciderVersion { version: number, state, module, upcasters, reason, report, shadow, one_way }
}

fn state_of(state: VersionState) -> api::DeciderState {
    match state {
        VersionState::Proving => api::DeciderState::Proving,
        VersionState::Ready => api::DeciderState::Ready,
        VersionState::Live => api::DeciderState::Live,
        VersionState::Standby => api::DeciderState::Standby,
        VersionState::Faulted => api::DeciderState::Faulted,
        VersionState::Retired => api::DeciderState::Retired,
    }
}

/// A version that a module is part of.
pub fn used(found: Use) -> DeciderUse {
    DeciderUse { decider: found.decider, version: found.version, state: state_of(found.state) }
}

pub fn report(report: Report) -> api::DecisionReport {
    let Report { events, aggregates, commands, same, different, rejected, unchanged, unknown, rejections, samples } =
        report;
    let samples = samples.into_iter().map(|difference| {
        let Difference { command, name, aggregate, position, was_rejected, now } = difference;
        api::DecisionDifference { command: command.0, name, aggregate, position, was_rejected, now }
    });
    let samples = samples.collect();
    api::DecisionReport {
        events,
        aggregates,
        commands,
        same,
        different,
        rejected,
        unchanged,
        unknown,
        rejections: of_rejections(rejections),
        samples,
    }
}

fn of_rejections(report: RejectionReport) -> api::RejectionReport {
    let RejectionReport { commands, same, otherwise, accepted, unknown } = report;
    api::RejectionReport { commands, same, otherwise, accepted, unknown }
}

/// Commands that were rejected, as they are shown.
pub fn rejections(all: &[Arc<Rejected>]) -> Result<api::Rejections, Problem> {
    let rejections = all.iter().map(|rejected| {
        let Rejected { command, rejection, upto, at, .. } = &**rejected;
        let details = rejection.details.clone().map(RawValue::from_string).transpose();
        Ok::<_, Problem>(api::RejectedCommand {
            command: command.id.0,
            name: command.name.clone(),
            aggregate: command.aggregate.clone(),
            data: command.data.clone(),
            version: command.version,
            code: rejection.code.clone(),
            message: rejection.message.clone(),
            details: details.map_err(|cause| Problem::new(Kind::Internal, cause.to_string()))?,
            events: upto.0,
            at: at.to_string(),
        })
    });
    Ok(api::Rejections { rejections: rejections.collect::<Result<_, _>>()? })
}
