//! Commands that were decided before: they are answered as they were then, from the log, for ever.

use serde_json::value::RawValue;
use uuid::Uuid;

use kinora_log::Recorded as Event;
use kinora_types::{EventType, StreamName};

use super::track::Track;
use super::unit::{Answer, Asked, DecidedEvent, Outcome};
use crate::error::Error;
use crate::record::command::{Command, CommandId, Recorded, together};
use crate::scope::Scope;

/// A command that may have been decided before.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    pub command: &'a Command,
    pub id: CommandId,
    /// That of its aggregate.
    pub stream: &'a StreamName,
    pub scope: &'a Scope,
}

impl<'a> From<&'a Asked> for Sought<'a> {
    fn from(asked: &'a Asked) -> Self {
        Self { command: &asked.command, id: asked.id, stream: &asked.stream, scope: &asked.scope }
    }
}

/// The answers to commands that were sent together, if they are in the log; `None`, if they are not.
///
/// # Errors
/// [`Error::KeyReused`], if their ids are those of other commands.
pub fn known(track: &Track, sought: &[Sought<'_>]) -> Result<Option<Vec<Answer>>, Error> {
    let mut found = Vec::new();
    let together = together(sought.iter().map(|one| one.command));
    for one in sought.iter().filter(|one| one.command.key.is_some()) {
        if let Some(answer) = answered(track, *one, together)? {
            found.push(answer);
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    // Of those that are saved together, some may have changed nothing.
    let answers = sought.iter().map(|one| {
        let answer = found.iter().find(|answer| answer.id == one.id).cloned();
        answer.unwrap_or(Answer { id: one.id, version: track.version, outcome: Outcome::Unchanged, revision: None })
    });
    Ok(Some(answers.collect()))
}

/// `together`: what else was asked with it.
fn answered(track: &Track, sought: Sought<'_>, together: Option<Uuid>) -> Result<Option<Answer>, Error> {
    let Sought { command, id, stream, scope } = sought;
    let Some(position) = track.log.position_of(id.event(0))? else { return Ok(None) };
    let first = track.log.event(position)?;
    let recorded = first.as_ref().and_then(|event| Recorded::of(event.metadata.as_deref()));
    // Anybody may write such metadata: nothing of it is believed that is not so.
    let is_it = |recorded: &Recorded| {
        recorded.id == id && recorded.decider == track.decider && recorded.is(command) && recorded.together == together
    };
    let Some(recorded) = recorded.filter(is_it) else { return Err(Error::KeyReused) };
    let mut events = Vec::new();
    for number in 0..recorded.events {
        let at = track.log.position_of(id.event(number))?.ok_or(Error::KeyReused)?;
        let event = track.log.event(at)?.and_then(decided).ok_or(Error::KeyReused)?;
        events.push(event);
    }
    let last = events.iter().rev().find(|event| event.stream == *stream);
    let of_stream = last.and_then(|event| event.place).map(|(_, revision)| revision);
    let outcome = Outcome::Accepted { events, duplicate: true };
    let revision = outcome.revision(scope, of_stream);
    Ok(Some(Answer { id, version: recorded.version, outcome, revision }))
}

fn decided(event: Event) -> Option<DecidedEvent> {
    let stream: StreamName = event.stream.parse().ok()?;
    let kind = EventType::new(event.kind, event.schema).ok()?;
    let data = RawValue::from_string(event.data).ok()?;
    let place = Some((event.position, event.revision));
    let tags = event.tags.iter().map(|tag| tag.parse().ok()).collect::<Option<_>>()?;
    Some(DecidedEvent { id: event.id, kind, stream, data, tags, place })
}
