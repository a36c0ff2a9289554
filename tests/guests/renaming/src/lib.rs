//! Brings all kinds of old events to `Count`, which the hostile projector counts.

use kinora_sdk::{Steps, Upcaster, export_upcaster};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Count {
    n: u64,
}

#[derive(Deserialize)]
struct Many {
    ns: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    number: String,
}

pub struct Renaming;

impl Upcaster for Renaming {
    fn describe() -> Steps {
        Steps::new("renaming")
            // A rename.
            .step_to(("Counted", 1), &[("Count", 1)], |event, outputs| {
                outputs.push("Count", 1, &event.data::<Count>()?)
            })
            // A split, into any number of events, and none at all on purpose.
            .step_to(("Many", 1), &[("Count", 1)], |event, outputs| {
                let many: Many = event.data()?;
                if many.ns.is_empty() {
                    outputs.drop_event();
                }
                many.ns.into_iter().try_for_each(|n| outputs.push("Count", 1, &Count { n }))
            })
            // A chain: a text, then `Counted`, then `Count`.
            .step_to(("Text", 1), &[("Text", 2)], |event, outputs| {
                let n: u64 = event.data()?;
                outputs.push("Text", 2, &Text { number: n.to_string() })
            })
            .step_to(("Text", 2), &[("Counted", 1)], |event, outputs| {
                let text: Text = event.data()?;
                let n = text.number.parse().map_err(|cause| event.fault(format!("{:?}: {cause}", text.number)))?;
                outputs.push("Counted", 1, &Count { n })
            })
            // A step that forgets an event.
            .step_to(("Forgotten", 2), &[("Count", 1)], |_, _| Ok(()))
    }
}

export_upcaster!(Renaming);
