//! An upcaster as a component.

use std::cell::OnceCell;
use std::sync::atomic::Ordering;

use crate::event::Fault;
use crate::export::UpcasterComponent;
use crate::upcaster::{Made, Steps, Upcaster};

use super::bindings::{Batch, kinora::engine::types};
use super::upcaster_bindings as bindings;
use super::upcaster_bindings::kinora::engine::upcasting;
use super::{BROKEN_BATCH, CURRENT, NO_EVENT, events, report_panics};

thread_local! {
    /// The steps of this component, from the first call on.
    static INSTANCE: OnceCell<Instance> = const { OnceCell::new() };
}

impl<C: UpcasterComponent> bindings::Guest for C {
    fn describe() -> bindings::UpcasterManifest {
        report_panics();
        manifest(C::Upcaster::describe())
    }

    fn upcast(events: Batch) -> Result<bindings::Upcasted, types::Fault> {
        INSTANCE.with(|instance| instance.get_or_init(Instance::new::<C::Upcaster>).upcast(&events))
    }
}

fn manifest(steps: Steps) -> bindings::UpcasterManifest {
    let kind = |(name, schema): (&str, u32)| types::EventType { name: name.into(), schema };
    let step = |step: &crate::upcaster::Step| upcasting::Step {
        from: kind(step.from),
        to: step.to.iter().map(|to| kind(*to)).collect(),
    };
    bindings::UpcasterManifest {
        name: steps.name.into(),
        steps: steps.steps.iter().map(step).collect(),
        needs: types::Needs::empty(),
    }
}

/// The steps of an upcaster, kept between calls. They hold nothing but code.
struct Instance {
    steps: Steps,
    types: Vec<(&'static str, u32)>,
}

impl Instance {
    fn new<U: Upcaster>() -> Self {
        report_panics();
        let steps = U::describe();
        Self { types: steps.steps.iter().map(|step| step.from).collect(), steps }
    }

    fn upcast(&self, batch: &Batch) -> Result<bindings::Upcasted, types::Fault> {
        let (mut made, mut origins, mut dropped) = (Made::default(), Vec::new(), Vec::new());
        let columns = batch.positions.iter().zip(&batch.kinds);
        for ((origin, event), (position, step)) in (0_u32..).zip(events(batch, &self.types)).zip(columns) {
            CURRENT.store(*position, Ordering::Relaxed);
            let is_dropped = match event.zip(self.steps.steps.get(*step as usize)) {
                Some((event, step)) => step.apply(&event, &mut made),
                None => Err(Fault::new(BROKEN_BATCH)),
            };
            let is_dropped = is_dropped.map_err(|fault| types::Fault {
                position: fault.position.or(Some(*position)),
                message: fault.message,
            })?;
            if is_dropped {
                dropped.push(origin);
            }
            origins.resize(made.kinds.len(), origin);
        }
        CURRENT.store(NO_EVENT, Ordering::Relaxed);
        let payloads = types::Texts { ends: made.payloads.ends, bytes: made.payloads.bytes };
        Ok(bindings::Upcasted { origins, kinds: made.kinds, payloads, dropped })
    }
}
