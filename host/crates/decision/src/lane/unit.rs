//! A unit: one command, or several that are saved together, and whoever waits for its answer.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use kinora_log::{Claim, ClientId};
use kinora_sandbox::Rejection;
use kinora_types::{EventType, Position, Revision, StreamName, Tag};

use crate::error::Error;
use crate::record::command::{Command, CommandId};
use crate::scope::Scope;

/// What becomes of the commands of a unit, in their order.
pub type Answers = Result<Vec<Answer>, Error>;

pub struct Unit {
    pub commands: Vec<Asked>,
    pub client: ClientId,
    /// Only decided, and nothing appended.
    pub dry_run: bool,
    /// How often it was begun in vain.
    pub attempts: u32,
    /// That decides it.
    pub version: u32,
    /// Of the events that were decided last.
    pub claims: Vec<MadeClaim>,
    /// Whether it has to be decided without others, to know what is at fault.
    pub alone: bool,
    /// Everything that it is decided on, each scope once; those of its aggregates first, in their order.
    scopes: Vec<Scope>,
    /// How many of them are those of its aggregates.
    own: usize,
    answer: oneshot::Sender<Answers>,
}

/// A claim that an event takes or gives up.
#[derive(Clone, Debug)]
pub struct MadeClaim {
    pub claim: Claim,
    pub is_released: bool,
    /// Which one of those that were sent together it is of.
    pub command: usize,
}

/// A command, ready to be decided.
#[derive(Clone, Debug)]
pub struct Asked {
    pub command: Arc<Command>,
    pub id: CommandId,
    /// Which one of those that the decider declares.
    pub kind: u32,
    pub scope: Scope,
    /// Where its events go if they do not say.
    pub stream: StreamName,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Answer {
    pub id: CommandId,
    /// That has decided it.
    pub version: u32,
    pub outcome: Outcome,
    /// The last revision of the stream of the aggregate, where it is known; of an aggregate by tag, the position of the
    /// last event that was decided.
    pub revision: Option<Revision>,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Accepted {
        events: Vec<DecidedEvent>,
        /// It was sent before, and accepted then.
        duplicate: bool,
    },
    Unchanged,
    Rejected(Rejection),
}

impl Outcome {
    fn last_position(&self) -> Option<Position> {
        let Self::Accepted { events, .. } = self else { return None };
        events.iter().filter_map(|event| event.place).map(|(position, _)| position).max()
    }

    /// Where its aggregate is after it: see [`Answer::revision`].
    pub fn revision(&self, scope: &Scope, of_stream: Option<Revision>) -> Option<Revision> {
        match scope {
            Scope::Stream(_) => of_stream,
            Scope::Tags(_) => self.last_position().map(|last| Revision(last.0)),
        }
    }

    pub fn events_mut(&mut self) -> &mut [DecidedEvent] {
        match self {
            Self::Accepted { events, .. } => events,
            _ => &mut [],
        }
    }
}

/// An event that came of a command.
#[derive(Clone, Debug)]
pub struct DecidedEvent {
    pub id: Uuid,
    pub kind: EventType,
    pub stream: StreamName,
    pub data: Box<RawValue>,
    pub tags: Vec<Tag>,
    /// `None`: it was not appended.
    pub place: Option<(Position, Revision)>,
}

impl Unit {
    pub fn new(
        commands: Vec<Asked>,
        client: ClientId,
        dry_run: bool,
        version: u32,
    ) -> (Self, oneshot::Receiver<Answers>) {
        let (answer, answered) = oneshot::channel();
        let mut scopes: Vec<Scope> = Vec::with_capacity(commands.len());
        for asked in &commands {
            if !scopes.contains(&asked.scope) {
                scopes.push(asked.scope.clone());
            }
        }
        let unit = Self {
            commands,
            client,
            dry_run,
            attempts: 0,
            version,
            claims: Vec::new(),
            alone: false,
            own: scopes.len(),
            scopes,
            answer,
        };
        (unit, answered)
    }

    /// Whether it may be decided together with others of its aggregate.
    pub fn is_plain(&self) -> bool {
        let [asked] = self.commands.as_slice() else { return false };
        asked.command.expected.is_none() && !self.dry_run && !self.alone && self.scopes.len() == self.own
    }

    /// Everything that it is decided on, each scope once; that of its first aggregate first.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Has it decided on one scope more, if it is not yet.
    pub fn want(&mut self, scope: Scope) {
        if !self.scopes.contains(&scope) {
            self.scopes.push(scope);
        }
    }

    /// The same, to be begun once more.
    pub fn begun_in_vain(mut self) -> Self {
        self.attempts += 1;
        self
    }

    /// Nobody may wait any more: then nobody misses it.
    pub fn answer(self, answers: Answers) {
        let _ = self.answer.send(answers);
    }
}
