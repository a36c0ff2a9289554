//! The steps of `renaming`, and one that writes data of all kinds; `tests/languages` has the same in other languages.
//! No projector of these tests takes what that step makes, so they have an upcaster without it.

use std::collections::BTreeMap;

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

#[derive(Deserialize)]
struct Priced {
    article: String,
    cents: BTreeMap<String, i64>,
}

/// What is written otherwise in one language than in another, if nobody takes care: floats, texts, the order of names.
#[derive(Serialize)]
struct Prices {
    article: String,
    prices: BTreeMap<String, f64>,
    mean: Option<f64>,
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
            // One that writes data of other kinds.
            .step(("Priced", 1), ("Prices", 1), |old: Priced| {
                let prices: BTreeMap<_, _> =
                    old.cents.into_iter().map(|(name, cents)| (name, cents as f64 / 100.0)).collect();
                let mean = (!prices.is_empty()).then(|| prices.values().sum::<f64>() / prices.len() as f64);
                Ok(Prices { article: old.article, prices, mean })
            })
            // A step that forgets an event.
            .step_to(("Forgotten", 2), &[("Count", 1)], |_, _| Ok(()))
    }
}

export_upcaster!(Renaming);
