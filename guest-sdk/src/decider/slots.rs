//! States in slots, and what is decided on them. The same natively and in a component.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::codec;
use super::deciding::{Claim, Context, Decider};
use super::declared::Declared;
use super::rejection::Rejection;
use super::scope::Scope;
use super::slot::{Case, Slot};
use crate::event::{Event, Fault};
use crate::rows::Column;

/// The states that a host has put here, by the numbers that it gave them.
pub struct Slots<D: Decider> {
    pub declared: Declared,
    states: HashMap<u32, Slot<D::State>, FixedState>,
}

/// What was decided: an outcome for each command, and all events one after the other.
#[derive(Default)]
pub struct Decisions {
    pub outcomes: Vec<Outcome>,
    pub kinds: Vec<u32>,
    /// Empty: the stream of the aggregate.
    pub streams: Column,
    pub payloads: Column,
    /// Separated by line feeds.
    pub tags: Column,
    pub claims: Vec<Claimed>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// So many of the events.
    Accepted(u32),
    Unchanged,
    Rejected(Rejection),
    Wants(Vec<Scope>),
}

/// A claim of the event with this index.
pub struct Claimed {
    pub event: u32,
    /// Which of the declared ones.
    pub kind: u32,
    pub value: String,
    pub released: bool,
}

/// Where an event goes, for the slots that it is folded into.
struct Place {
    stream: String,
    tags: Vec<String>,
}

const NO_SLOT: &str = "the host named a slot that it has not filled";

impl<D: Decider> Slots<D> {
    /// # Errors
    /// As [`Declared::of`].
    pub fn new() -> Result<Self, Fault> {
        Ok(Self { declared: Declared::of::<D>()?, states: HashMap::default() })
    }

    /// Fills a slot with a state that was saved, or with that before the first event if this is empty.
    pub fn load(&mut self, slot: u32, scope: Scope, state: &[u8]) -> Result<(), Fault> {
        let state = if state.is_empty() {
            D::State::default()
        } else {
            let cannot = |cause| Fault::new(format!("a state that was saved cannot be loaded: {cause}"));
            serde_json::from_slice(state).map_err(cannot)?
        };
        self.states.insert(slot, Slot { scope, state });
        Ok(())
    }

    /// Appends the state of a slot, in the form that `load` takes.
    pub fn save(&self, slot: u32, states: &mut Column) -> Result<(), Fault> {
        let slot = self.states.get(&slot).ok_or(NO_SLOT)?;
        let text = serde_json::to_vec(&slot.state);
        states.push(&text.map_err(|cause| Fault::new(format!("the state does not encode: {cause}")))?);
        Ok(())
    }

    pub fn drop(&mut self, slot: u32) {
        self.states.remove(&slot);
    }

    /// Folds an event of this kind into the state of a slot.
    pub fn evolve(&mut self, slot: u32, kind: u32, event: &Event<'_>) -> Result<(), Fault> {
        let slot = self.states.get_mut(&slot).ok_or_else(|| event.fault(NO_SLOT))?;
        let kind = self.declared.events.get(kind as usize).ok_or_else(|| event.unhandled())?;
        let event = codec::decode(kind, event.payload).map_err(|cause| {
            event.fault(format!("the data of {} schema {} does not decode: {cause}", kind.name, kind.version))
        })?;
        fold::<D>(slot, event);
        Ok(())
    }

    /// Decides a command of this kind with JSON text as its data.
    pub fn decide_data(&mut self, kind: u32, data: &str, case: &Case<'_>, made: &mut Decisions) -> Result<(), Fault> {
        let kind = self.declared.commands.get(kind as usize).ok_or("the host sent a command that there is not")?;
        match codec::read(kind, data) {
            Ok(command) => self.decide(command, case, made),
            Err(rejection) => {
                made.outcomes.push(Outcome::Rejected(rejection));
                Ok(())
            }
        }
    }

    /// Decides a command, and folds what was decided into those of its slots that it belongs to.
    pub fn decide(&mut self, command: D::Command, case: &Case<'_>, made: &mut Decisions) -> Result<(), Fault> {
        let given = case.slots.iter().map(|slot| self.states.get(slot));
        let given = given.collect::<Option<Vec<_>>>().ok_or(NO_SLOT)?;
        let own = given.first().ok_or("the host gave a command no slot")?;
        let context = Context::new(case, self.declared.rules.own, &given);
        let decided = D::decide(&own.state, command, &context);
        // What was decided without a state that was asked for does not count, even where `decide` did not pass on that
        // it is missing: nobody would check it.
        let wanted = context.into_wanted();
        let outcome = match decided {
            _ if !wanted.is_empty() => Outcome::Wants(wanted),
            Ok(events) if events.is_empty() => Outcome::Unchanged,
            Ok(events) => {
                let count = events.len() as u32;
                self.accept(events, case, made)?;
                Outcome::Accepted(count)
            }
            Err(rejection) if rejection.has_a_code() => Outcome::Rejected(rejection),
            Err(rejection) => {
                let why = format!("a code is in snake_case, unlike {:?} ({})", rejection.code(), rejection.message());
                return Err(Fault::new(why));
            }
        };
        made.outcomes.push(outcome);
        Ok(())
    }

    fn accept(&mut self, events: Vec<D::Event>, case: &Case<'_>, made: &mut Decisions) -> Result<(), Fault> {
        // All is written before anything is folded: what is not such as it should be leaves the slots as they were.
        let places = events.iter().map(|event| self.write(event, case, made)).collect::<Result<Vec<_>, _>>()?;
        for (event, place) in events.into_iter().zip(places) {
            for (index, slot) in case.slots.iter().enumerate() {
                // Nobody promises that a scope is given once only.
                let again = case.slots.iter().take(index).any(|earlier| earlier == slot);
                let Some(slot) = self.states.get_mut(slot).filter(|_| !again) else { continue };
                if slot.scope.has(&place.stream, &place.tags) {
                    fold::<D>(slot, event.clone());
                }
            }
        }
        Ok(())
    }

    fn write(&self, event: &D::Event, case: &Case<'_>, made: &mut Decisions) -> Result<Place, Fault> {
        let rules = &self.declared.rules;
        let index = made.kinds.len() as u32;
        let kind = codec::encode(event, &self.declared.events, &mut made.payloads)?;
        let (stream, mut tags) = (D::stream(event, case.id), D::tags(event));
        if let Some(tag) = tags.iter().find(|tag| tag.is_empty() || tag.contains('\n')) {
            return Err(Fault::new(format!("{tag:?} is no tag")));
        }
        made.kinds.push(kind);
        made.streams.push(stream.as_deref().unwrap_or_default().as_bytes());
        made.tags.push(tags.join("\n").as_bytes());
        for Claim { scope, value, released } in D::claims(event) {
            let Some((kind, _)) = (0..).zip(&rules.claims).find(|(_, claim)| claim.scope == scope) else {
                return Err(Fault::new(format!("describe() does not declare a claim {scope:?}")));
            };
            made.claims.push(Claimed { event: index, kind, value, released });
        }
        tags.extend(rules.own.tag(case.id));
        Ok(Place { stream: stream.unwrap_or_else(|| rules.own.stream(case.id)), tags })
    }
}

fn fold<D: Decider>(slot: &mut Slot<D::State>, event: D::Event) {
    let state = std::mem::take(&mut slot.state);
    slot.state = D::evolve(state, event);
}
