//! A command of a story, and what is expected of it.
// A test that fails panics.
#![allow(clippy::panic)]

use super::run::{self, Call, Command};
use super::{Decided, Place, Story, shown};
use crate::decider::Decider;

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

fn lines<E: serde::Serialize>(events: &[E]) -> String {
    shown(events).iter().fold("events".to_owned(), |all, event| format!("{all}\n    {event}"))
}
