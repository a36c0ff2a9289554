//! The trait of upcasters: a function for each step from one (type, schema) to others.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Fault};
use crate::rows::Column;

/// Brings events of an old schema to a newer one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an upcaster",
    label = "expected an upcaster",
    note = "an upcaster implements `Upcaster`; a projector is exported with `export_projector!`"
)]
pub trait Upcaster: 'static {
    /// The steps. Must always answer the same.
    fn describe() -> Steps;
}

/// What a step does with an event.
type Run = Box<dyn Fn(&Event<'_>, &mut Outputs<'_>) -> Result<(), Fault>>;

/// The steps of an upcaster, built in `describe`.
pub struct Steps {
    pub name: &'static str,
    pub(crate) steps: Vec<Step>,
}

pub(crate) struct Step {
    pub from: (&'static str, u32),
    pub to: Vec<(&'static str, u32)>,
    pub run: Run,
}

impl Steps {
    pub fn new(name: &'static str) -> Self {
        Self { name, steps: Vec::new() }
    }

    /// The usual step: one event becomes one, of another schema or another type. The errors of `convert` are faults at
    /// this event; a text becomes one with `?`.
    ///
    /// ```
    /// use kinora_sdk::{Fault, Steps};
    ///
    /// let steps = Steps::new("names").step(("Registered", 1), ("Registered", 2), |name: String| {
    ///     let (first, last) = name.split_once(' ').ok_or("a name has two parts")?;
    ///     Ok([first.to_owned(), last.to_owned()])
    /// });
    /// # let _ = steps;
    /// ```
    pub fn step<Old, New>(
        self,
        from: (&'static str, u32),
        to: (&'static str, u32),
        convert: impl Fn(Old) -> Result<New, Fault> + 'static,
    ) -> Self
    where
        Old: for<'a> Deserialize<'a>,
        New: Serialize,
    {
        self.step_to(from, &[to], move |event, outputs| outputs.push(to.0, to.1, &convert(event.data()?)?))
    }

    /// A step that splits or drops: it pushes any number of the declared outputs, or drops the event. Its errors are
    /// those of [`Steps::step`].
    ///
    /// ```
    /// use kinora_sdk::Steps;
    ///
    /// let steps = Steps::new("orders").step_to(("Ordered", 1), &[("ItemOrdered", 1)], |event, outputs| {
    ///     let items: Vec<String> = event.data()?;
    ///     if items.is_empty() {
    ///         outputs.drop_event();
    ///     }
    ///     items.iter().try_for_each(|item| outputs.push("ItemOrdered", 1, item))
    /// });
    /// # let _ = steps;
    /// ```
    pub fn step_to(
        mut self,
        from: (&'static str, u32),
        to: &[(&'static str, u32)],
        run: impl Fn(&Event<'_>, &mut Outputs<'_>) -> Result<(), Fault> + 'static,
    ) -> Self {
        self.steps.push(Step { from, to: to.to_vec(), run: Box::new(run) });
        self
    }
}

/// What becomes of one event.
pub struct Outputs<'a> {
    to: &'a [(&'static str, u32)],
    made: &'a mut Made,
    dropped: bool,
}

/// What steps have made of events, one after the other: for each output which of the declared ones it is, and its
/// data as JSON text.
#[derive(Default)]
pub(crate) struct Made {
    pub kinds: Vec<u32>,
    pub payloads: Column,
}

impl Outputs<'_> {
    /// Adds an event at the position of the old one, with this data.
    ///
    /// # Errors
    /// The type is not among the declared outputs of this step, or the data does not encode.
    pub fn push<T: Serialize>(&mut self, kind: &str, schema: u32, data: &T) -> Result<(), Fault> {
        let declared = (0..).zip(self.to).find(|(_, to)| **to == (kind, schema));
        let Some((index, _)) = declared else {
            return Err(Fault::new(format!("{kind} schema {schema} is not a declared output of this step")));
        };
        serde_json::to_writer(&mut self.made.payloads.bytes, data)
            .map_err(|cause| Fault::new(format!("{kind} schema {schema} does not encode: {cause}")))?;
        self.made.payloads.end();
        self.made.kinds.push(index);
        Ok(())
    }

    /// Drops the event on purpose. An event that is neither pushed nor dropped is a fault.
    pub fn drop_event(&mut self) {
        self.dropped = true;
    }
}

impl Step {
    /// Runs this step on one event. Whether it drops it; otherwise there is more in `made` now.
    pub(crate) fn apply(&self, event: &Event<'_>, made: &mut Made) -> Result<bool, Fault> {
        let before = made.kinds.len();
        let mut outputs = Outputs { to: &self.to, made, dropped: false };
        (self.run)(event, &mut outputs)
            .map_err(|fault| Fault { position: fault.position.or(Some(event.position)), message: fault.message })?;
        match (outputs.dropped, outputs.made.kinds.len() == before) {
            (false, true) => {
                let (kind, schema) = self.from;
                Err(event.fault(format!("the step for {kind} schema {schema} neither changed nor dropped the event")))
            }
            (true, false) => Err(event.fault("the event was both changed and dropped")),
            (dropped, _) => Ok(dropped),
        }
    }
}
