//! An upcaster as a component.

use std::sync::atomic::Ordering;

use crate::event::Fault;
use crate::upcast::{Steps, Upcaster};

use super::bindings::{Batch, kinora::engine::types};
use super::upcaster_bindings as bindings;
use super::{BROKEN_BATCH, CURRENT, NO_EVENT, event, report_panics};

pub fn describe<U: Upcaster>() -> bindings::UpcasterManifest {
    report_panics();
    let steps = U::describe();
    let kind = |(name, schema): (&str, u32)| types::EventType { name: name.into(), schema };
    let step = |step: &crate::upcast::Step| bindings::Step {
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
pub struct Instance(Steps);

impl Instance {
    pub fn new<U: Upcaster>() -> Self {
        report_panics();
        Self(U::describe())
    }

    pub fn upcast(&self, batch: &Batch) -> Result<bindings::Upcasted, types::Fault> {
        let mut payloads = types::Texts { ends: Vec::new(), bytes: Vec::new() };
        let (mut origins, mut kinds, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        for (origin, position) in (0_u32..).zip(&batch.positions) {
            CURRENT.store(*position, Ordering::Relaxed);
            let index = origin as usize;
            let step = batch.kinds.get(index).and_then(|step| self.0.steps.get(*step as usize));
            let outputs = match step.and_then(|step| Some((step, event(batch, index, step.from)?))) {
                Some((step, event)) => step.apply(&event),
                None => Err(Fault::new(BROKEN_BATCH)),
            };
            let outputs = outputs.map_err(|fault| types::Fault {
                position: fault.position.or(Some(*position)),
                message: fault.message,
            })?;
            if outputs.dropped {
                dropped.push(origin);
            }
            for (kind, json) in outputs.pushed {
                origins.push(origin);
                kinds.push(kind);
                payloads.bytes.extend_from_slice(&json);
                payloads.ends.push(payloads.bytes.len() as u32);
            }
        }
        CURRENT.store(NO_EVENT, Ordering::Relaxed);
        Ok(bindings::Upcasted { origins, kinds, payloads, dropped })
    }
}
