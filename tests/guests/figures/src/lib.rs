//! A projector of all figures. It keeps them twice: as they are, and as text, with what readers are not shown.
//! `tests/languages` has the same in other languages.

use kinora_sdk::{
    Distinct, Event, Fault, Histogram, JsonSchema, Manifest, Projector, Quantiles, Rows, Summary, Table,
    export_projector, schemars,
};
use serde::{Deserialize, Serialize};

const EDGES: [f64; 3] = [-1.0, 0.0, 100.5];

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Figures {
    summary: Summary,
    histogram: Histogram,
    quantiles: Quantiles,
    distinct: Distinct,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

const FIGURES: Table<Figures> = Table::new("figures");
const TEXTS: Table<Text> = Table::new("texts");

#[derive(Deserialize)]
struct Measured {
    values: Vec<f64>,
    names: Vec<String>,
}

#[derive(Default)]
pub struct FiguresOfStreams;

impl Projector for FiguresOfStreams {
    fn describe() -> Manifest {
        Manifest::new("figures").handles("Measured", 1).ignores("*").table(FIGURES, "stream").table(TEXTS, "stream")
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let Measured { values, names } = event.data()?;
        let figures = rows.entry(FIGURES, event.stream())?;
        for value in values {
            figures.summary.add(value);
            figures.histogram.add(value, &EDGES)?;
            figures.quantiles.add(value);
        }
        names.iter().for_each(|name| figures.distinct.add(name));
        let text = serde_json::to_string(figures).map_err(|cause| event.fault(cause.to_string()))?;
        rows.put(TEXTS, event.stream(), Text { text })
    }
}

export_projector!(FiguresOfStreams);
