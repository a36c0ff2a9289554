//! Stories: what has happened, a command that comes, what is decided.
// A test that fails panics.
#![allow(clippy::panic)]

use std::collections::BTreeMap;

use super::run::{self, Call, Command, Given, Happened, Place};
use super::shown::{lines, shown};
use crate::decider::{Claim, Decider, Rejection, Scope};

/// Begins a story with events of the aggregate that the first command is for.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Story<D> {
    let mut story = Story { log: Vec::new(), held: BTreeMap::new(), time: 0, commands: 0 };
    story.log.extend(events.into_iter().map(Given::OfTheFirst));
    story
}

/// What has happened, and may be followed by a command.
pub struct Story<D: Decider> {
    log: Vec<Given<D::Event>>,
    /// The streams that hold claims, by scope and value.
    held: BTreeMap<(&'static str, String), String>,
    /// That of the next command, unless it says otherwise.
    time: u64,
    /// The commands so far.
    commands: u64,
}

/// What was decided.
#[derive(Clone, Debug)]
pub enum Decided<E> {
    /// These events have happened.
    Accepted(Vec<E>),
    /// All is as the command wants it.
    Unchanged,
    /// The rules, or a claim, say no.
    Rejected(Rejection),
}

impl<E> Decided<E> {
    /// The code of a rejection.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(rejection) => Some(rejection.code()),
            Self::Accepted(_) | Self::Unchanged => None,
        }
    }
}

impl<D: Decider> Story<D> {
    /// Events as the aggregate with this id would have decided them.
    #[track_caller]
    pub fn given_for(self, id: &str, events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: Some(id), stream: None, tags: &[] }, events)
    }

    /// Events in a stream, with the tags that [`Decider::tags`] gives them.
    #[track_caller]
    pub fn given_in(self, stream: &str, events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: None, stream: Some(stream), tags: &[] }, events)
    }

    /// Events in a stream, with these tags besides those that [`Decider::tags`] gives them.
    #[track_caller]
    pub fn given_tagged(self, stream: &str, tags: &[&str], events: impl IntoIterator<Item = D::Event>) -> Self {
        self.given_at(&Place { id: None, stream: Some(stream), tags }, events)
    }

    #[track_caller]
    fn given_at(mut self, place: &Place<'_>, events: impl IntoIterator<Item = D::Event>) -> Self {
        for event in events {
            self.happen(place, &event);
        }
        self
    }

    /// A command for the aggregate with this id. Its outcome is looked at by what follows.
    #[track_caller]
    pub fn when(self, id: &str, command: D::Command) -> When<D>
    where
        D::Command: Clone,
    {
        When::new(self, id, Box::new(move |_| Ok(command.clone())))
    }

    /// The same as it comes over the wire: the name of a command, and JSON text as its data.
    #[track_caller]
    pub fn when_data(self, id: &str, command: &str, data: &str) -> When<D> {
        let (command, data) = (command.to_owned(), data.to_owned());
        When::new(self, id, Box::new(move |declared| run::read_command::<D>(declared, &command, &data)))
    }

    /// The state of an aggregate.
    #[track_caller]
    pub fn state(&self, id: &str) -> D::State {
        self.state_of(&run::declared::<D>().rules.own.scope(id))
    }

    /// The state of a scope.
    #[track_caller]
    pub fn state_of(&self, scope: &Scope) -> D::State {
        let text = run::fold::<D>(&self.happened(), scope).to_string();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn happened(&self) -> Vec<&Happened> {
        self.log.iter().filter_map(Given::happened).collect()
    }

    /// Appends an event, with its claims.
    #[track_caller]
    fn happen(&mut self, place: &Place<'_>, event: &D::Event) {
        let happened = run::write::<D>(place, event);
        for Claim { scope, value, released } in D::claims(event) {
            match released {
                true => self.held.remove(&(scope, value)),
                false => self.held.insert((scope, value), happened.stream.clone()),
            };
        }
        self.log.push(Given::Happened(happened));
    }

    /// The events of the aggregate of the first command become those of this one.
    #[track_caller]
    fn begin(&mut self, id: &str) {
        for given in std::mem::take(&mut self.log) {
            match given {
                Given::OfTheFirst(event) => self.happen(&Place { id: Some(id), stream: None, tags: &[] }, &event),
                happened @ Given::Happened(_) => self.log.push(happened),
            }
        }
    }

    /// What a log would refuse of these events: releases go first, so that a value can be handed over.
    fn claim_that_fails(&self, id: &str, events: &[D::Event]) -> Option<Rejection> {
        let rules = run::declared::<D>().rules;
        let own = rules.own.stream(id);
        let claims = events.iter().flat_map(|event| {
            let stream = D::stream(event, id).unwrap_or_else(|| own.clone());
            D::claims(event).into_iter().map(move |claim| (claim, stream.clone()))
        });
        let (released, taken): (Vec<_>, Vec<_>) = claims.partition(|(claim, _)| claim.released);
        let mut held = self.held.clone();
        for (Claim { scope, value, released }, stream) in released.into_iter().chain(taken) {
            let key = (scope, value);
            let holder = held.get(&key);
            if holder.is_some_and(|holder| *holder != stream) || (released && holder.is_none()) {
                let declared = rules.claims.iter().find(|claim| claim.scope == scope);
                return declared.map(|claim| Rejection::new(claim.code, claim.message));
            }
            if released {
                held.remove(&key)
            } else {
                held.insert(key, stream)
            };
        }
        None
    }
}

/// A command that has come. It is decided by what looks at its outcome.
#[must_use = "a command is decided by what looks at its outcome"]
pub struct When<D: Decider> {
    story: Story<D>,
    id: String,
    command: Command<D>,
    seed: u64,
}

impl<D: Decider> When<D> {
    #[track_caller]
    pub(super) fn new(mut story: Story<D>, id: &str, command: Command<D>) -> Self {
        story.begin(id);
        story.commands += 1;
        let seed = story.commands;
        Self { story, id: id.to_owned(), command, seed }
    }

    /// When it comes: microseconds since the Unix epoch. Otherwise that is a microsecond after the one before.
    pub fn at(mut self, micros: u64) -> Self {
        self.story.time = micros;
        self
    }

    /// The number that looks random. Otherwise each command has another one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What is decided, and the story with it.
    #[track_caller]
    pub fn decided(self) -> (Decided<D::Event>, Story<D>) {
        let Self { mut story, id, command, seed } = self;
        let call = Call { id: &id, time: story.time, seed };
        let mut decided = match run::decide::<D>(&story.happened(), &command, &call) {
            Ok(events) if events.is_empty() => Decided::Unchanged,
            Ok(events) => Decided::Accepted(events),
            Err(rejection) => Decided::Rejected(rejection),
        };
        story.time += 1;
        if let Decided::Accepted(events) = &decided {
            match story.claim_that_fails(&id, events) {
                Some(rejection) => decided = Decided::Rejected(rejection),
                None => {
                    let place = Place { id: Some(&id), stream: None, tags: &[] };
                    events.iter().for_each(|event| story.happen(&place, event));
                }
            }
        }
        (decided, story)
    }

    /// These events are decided, as they look in JSON.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = D::Event>) -> Story<D> {
        let expected: Vec<D::Event> = events.into_iter().collect();
        let (decided, story) = self.decided();
        let is_so = matches!(&decided, Decided::Accepted(events) if shown(events) == shown(&expected));
        if !is_so {
            panic!("expected: {}\n   it is: {}", lines(&expected), told(&decided));
        }
        story
    }

    /// The command is rejected with this code.
    #[track_caller]
    pub fn then_rejected(self, code: &str) -> Story<D> {
        let (decided, story) = self.decided();
        if decided.code() != Some(code) {
            panic!("expected: rejected, {code}\n   it is: {}", told(&decided));
        }
        story
    }

    /// All is as the command wants it.
    #[track_caller]
    pub fn then_unchanged(self) -> Story<D> {
        let (decided, story) = self.decided();
        if !matches!(decided, Decided::Unchanged) {
            panic!("expected: unchanged\n   it is: {}", told(&decided));
        }
        story
    }
}

fn told<E: serde::Serialize>(decided: &Decided<E>) -> String {
    match decided {
        Decided::Accepted(events) => lines(events),
        Decided::Unchanged => "unchanged".into(),
        Decided::Rejected(rejection) => {
            format!("rejected, {}: {} {}", rejection.code(), rejection.message(), rejection.details_text())
        }
    }
}
