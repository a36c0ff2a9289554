//! A unit: one command, or several that are saved together, and whoever waits for its answer.

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
    /// Scopes that it has asked for.
    pub wants: Vec<Scope>,
    /// How often it was begun in vain.
    pub attempts: u32,
    /// That decides it.
    pub version: u32,
    /// Of the events that were decided last.
    pub claims: Vec<MadeClaim>,
    /// Whether it has to be decided without others, to know what is at fault.
    pub alone: bool,
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
    pub command: Command,
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
    /// The last revision of the stream of the aggregate, where it is known.
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
        let unit = Self {
            commands,
            client,
            dry_run,
            wants: Vec::new(),
            attempts: 0,
            version,
            claims: Vec::new(),
            alone: false,
            answer,
        };
        (unit, answered)
    }

    /// Whether it may be decided together with others of its aggregate.
    pub fn is_plain(&self) -> bool {
        let [asked] = self.commands.as_slice() else { return false };
        asked.command.expected.is_none() && !self.dry_run && !self.alone && self.wants.is_empty()
    }

    /// Everything that it is decided on, each scope once; that of its first aggregate first.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<Scope> = Vec::new();
        for scope in self.commands.iter().map(|asked| &asked.scope).chain(&self.wants) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }

    /// Nobody may wait any more: then nobody misses it.
    pub fn answer(self, answers: Answers) {
        let _ = self.answer.send(answers);
    }
}
