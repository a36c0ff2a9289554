//! A decider as a component.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use crate::decider::{
    Case, Decider, Decisions, Declared, Kind, Of, Outcome, Own, Rejection, Scope, Slots, no_data_read, no_data_written,
};
use crate::event::Fault;
use crate::export::DeciderComponent;
use crate::rows::Column;

use super::bindings::{Batch, Texts, kinora::engine::types};
use super::decider_bindings as bindings;
use super::decider_bindings::kinora::engine::deciding;
use super::{BROKEN_BATCH, CURRENT, NO_EVENT, Pieces, events, report_panics, text};

thread_local! {
    /// The decider of this component, from the first call on.
    static INSTANCE: RefCell<Option<Box<dyn Calls>>> = const { RefCell::new(None) };
}

/// What the host calls of a decider, whatever its types.
trait Calls {
    fn load(&mut self, slots: &[u32], scopes: Vec<deciding::Scope>, states: &Texts) -> Result<(), Fault>;
    fn evolve(&mut self, slots: &[u32], batch: &Batch) -> Result<(), Fault>;
    fn decide(&mut self, commands: &bindings::Commands) -> Result<Decisions, Fault>;
    fn save(&self, slots: &[u32]) -> Result<Column, Fault>;
    fn drop(&mut self, slots: &[u32]);
}

fn with_instance<D: Decider, T>(call: impl FnOnce(&mut dyn Calls) -> Result<T, Fault>) -> Result<T, types::Fault> {
    let called = INSTANCE.with_borrow_mut(|instance| {
        let calls = match instance {
            Some(calls) => calls,
            None => instance.insert(Box::new(Instance::<D>::new()?)),
        };
        call(&mut **calls)
    });
    called.map_err(|fault| types::Fault { position: fault.position, message: fault.message })
}

impl<C: DeciderComponent> bindings::Guest for C {
    fn describe() -> bindings::DeciderManifest {
        report_panics();
        manifest(Declared::of::<C::Decider>())
    }

    fn load(slots: Vec<u32>, scopes: Vec<deciding::Scope>, states: Texts) -> Result<(), types::Fault> {
        with_instance::<C::Decider, _>(|instance| instance.load(&slots, scopes, &states))
    }

    fn evolve(slots: Vec<u32>, events: Batch) -> Result<(), types::Fault> {
        with_instance::<C::Decider, _>(|instance| instance.evolve(&slots, &events))
    }

    fn decide(commands: bindings::Commands) -> Result<bindings::Decisions, types::Fault> {
        with_instance::<C::Decider, _>(|instance| instance.decide(&commands)).map(decisions)
    }

    fn save(slots: Vec<u32>) -> Result<Texts, types::Fault> {
        with_instance::<C::Decider, _>(|instance| instance.save(&slots)).map(texts)
    }

    fn drop(slots: Vec<u32>) {
        // A decider that could not be made has no slots.
        let _ = with_instance::<C::Decider, _>(|instance| {
            instance.drop(&slots);
            Ok(())
        });
    }
}

/// # Panics
/// The decider contradicts itself: the contract has no other way to say so here, and the message reaches the upload.
#[allow(clippy::panic)]
fn manifest(declared: Result<Declared, Fault>) -> bindings::DeciderManifest {
    let declared = declared.unwrap_or_else(|fault| panic!("{}", fault.message));
    let event = |kind: &Kind| types::EventType { name: kind.name.clone(), schema: kind.version };
    let (read, written) = (no_data_read(), no_data_written());
    let commands = declared.commands.iter().map(|kind| deciding::CommandType {
        name: kind.name.clone(),
        description: kind.description.clone(),
        schema: Some(kind.schema(&read)),
    });
    let emits = declared.events.iter();
    let emits = emits.map(|kind| deciding::EmittedType { kind: event(kind), schema: Some(kind.schema(&written)) });
    let claims = declared.rules.claims.iter().map(|claim| deciding::ClaimType {
        scope: claim.scope.into(),
        code: claim.code.into(),
        message: claim.message.into(),
    });
    bindings::DeciderManifest {
        name: declared.rules.name.into(),
        scope: match declared.rules.own {
            Own::Category(category) => deciding::OwnScope::Category(category.into()),
            Own::Tag(prefix) => deciding::OwnScope::Tag(prefix.into()),
        },
        commands: commands.collect(),
        folds: declared.events.iter().map(event).collect(),
        ignores: declared.rules.ignores.iter().map(|name| (*name).into()).collect(),
        emits: emits.collect(),
        claims: claims.collect(),
        needs: types::Needs::empty(),
    }
}

/// A decider with what it needs between calls.
struct Instance<D: Decider> {
    slots: Slots<D>,
    folds: Vec<(String, u32)>,
}

impl<D: Decider> Instance<D> {
    fn new() -> Result<Self, Fault> {
        report_panics();
        let slots = Slots::new()?;
        Ok(Self { folds: slots.declared.folds(), slots })
    }
}

impl<D: Decider> Calls for Instance<D> {
    fn load(&mut self, slots: &[u32], scopes: Vec<deciding::Scope>, states: &Texts) -> Result<(), Fault> {
        for (index, (slot, scope)) in slots.iter().zip(scopes).enumerate() {
            let scope = match scope {
                deciding::Scope::Stream(name) => Scope::stream(name),
                deciding::Scope::Tags(tags) => Scope::tags(tags),
            };
            self.slots.load(*slot, scope, text(states, index).ok_or(BROKEN_BATCH)?)?;
        }
        Ok(())
    }

    fn evolve(&mut self, slots: &[u32], batch: &Batch) -> Result<(), Fault> {
        let columns = slots.iter().zip(&batch.kinds).zip(&batch.positions);
        for (event, ((slot, kind), position)) in events(batch, &self.folds).zip(columns) {
            CURRENT.store(*position, Ordering::Relaxed);
            self.slots.evolve(*slot, *kind, &event.ok_or(BROKEN_BATCH)?)?;
        }
        CURRENT.store(NO_EVENT, Ordering::Relaxed);
        Ok(())
    }

    fn decide(&mut self, commands: &bindings::Commands) -> Result<Decisions, Fault> {
        let mut made = Decisions::default();
        let texts = Pieces::of(&commands.ids).zip(Pieces::of(&commands.payloads));
        let numbers = commands.kinds.iter().zip(&commands.times).zip(&commands.seeds).zip(&commands.slot_ends);
        let mut start = 0;
        for ((id, data), (((kind, time), seed), end)) in texts.zip(numbers) {
            let slots = commands.slots.get(start..*end as usize).ok_or(BROKEN_BATCH)?;
            start = *end as usize;
            self.slots.decide_data(*kind, data, &Case { id, time: *time, seed: *seed, slots }, &mut made)?;
        }
        // A column that is too short ends the others.
        if made.outcomes.len() == commands.kinds.len() { Ok(made) } else { Err(BROKEN_BATCH.into()) }
    }

    fn save(&self, slots: &[u32]) -> Result<Column, Fault> {
        let mut states = Column::default();
        slots.iter().try_for_each(|slot| self.slots.save(*slot, &mut states))?;
        Ok(states)
    }

    fn drop(&mut self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.slots.drop(*slot));
    }
}

fn decisions(made: Decisions) -> bindings::Decisions {
    let claims = made.claims.into_iter().map(|claim| deciding::Claim {
        event: claim.event,
        kind: claim.kind,
        value: claim.value,
        released: claim.released,
    });
    bindings::Decisions {
        outcomes: made.outcomes.into_iter().map(outcome).collect(),
        kinds: made.kinds,
        streams: texts(made.streams),
        payloads: texts(made.payloads),
        tags: texts(made.tags),
        claims: claims.collect(),
    }
}

fn outcome(outcome: Outcome) -> deciding::Outcome {
    match outcome {
        Outcome::Accepted(events) => deciding::Outcome::Accepted(events),
        Outcome::Unchanged => deciding::Outcome::Unchanged,
        Outcome::Rejected(rejection) => deciding::Outcome::Rejected(rejected(&rejection)),
        Outcome::Wants(scopes) => deciding::Outcome::Wants(scopes.into_iter().map(wanted).collect()),
    }
}

fn rejected(rejection: &Rejection) -> deciding::Rejection {
    deciding::Rejection {
        code: rejection.code().into(),
        message: rejection.message().into(),
        details: rejection.details_text(),
    }
}

fn wanted(Scope(scope): Scope) -> deciding::Scope {
    match scope {
        Of::Stream(name) => deciding::Scope::Stream(name),
        Of::Tags(tags) => deciding::Scope::Tags(tags),
    }
}

fn texts(column: Column) -> Texts {
    Texts { ends: column.ends, bytes: column.bytes }
}
