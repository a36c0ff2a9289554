//! Figures to keep in rows: sums with extremes, histograms, quantiles and distinct counts, for any number of events.
//!
//! Each is a field of a row like any other: `Default` when a row is new, JSON with what people ask for (`mean`, `p90`,
//! `estimate`) beside the state that the next event needs, which readers are not shown. They
//! depend on nothing but the values and their order, so a
//! replay in other batches gives the same rows, byte for byte.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use datasketches::hll::{HllSketch, HllType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sketches_ddsketch::DDSketch;

use crate::event::Fault;

/// Count, sum, mean, least and greatest of some numbers.
///
/// ```
/// let mut delay = kinora_sdk::Summary::default();
/// [2.0, 5.0].into_iter().for_each(|minutes| delay.add(minutes));
/// assert_eq!(serde_json::to_string(&delay).unwrap(), r#"{"count":2,"sum":7.0,"mean":3.5,"min":2.0,"max":5.0}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Summary {
    count: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Summary {
    /// Adds a number. One that is not finite is ignored: JSON has no form for it.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        self.sum += value;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    /// How many numbers were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// `None` as long as there are no numbers; so [`Summary::min`] and [`Summary::max`].
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    pub fn min(&self) -> Option<f64> {
        self.min
    }

    pub fn max(&self) -> Option<f64> {
        self.max
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Summary", 5)?;
        fields.serialize_field("count", &self.count)?;
        fields.serialize_field("sum", &self.sum)?;
        fields.serialize_field("mean", &self.mean())?;
        fields.serialize_field("min", &self.min)?;
        fields.serialize_field("max", &self.max)?;
        fields.end()
    }
}

impl JsonSchema for Summary {
    fn schema_name() -> Cow<'static, str> {
        "Summary".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "sum": {"type": "number"},
                "mean": {"type": ["number", "null"]},
                "min": {"type": ["number", "null"]},
                "max": {"type": ["number", "null"]},
            },
            "required": ["count", "sum", "mean", "min", "max"],
        })
    }
}

/// How many values lie below each of some edges, from the edge before on; the last count is of those above all.
///
/// ```
/// let mut delays = kinora_sdk::Histogram::default();
/// [-3.0, 0.0, 14.0, 200.0].into_iter().try_for_each(|delay| delays.add(delay, &[0.0, 15.0, 60.0])).unwrap();
/// assert_eq!(serde_json::to_string(&delays).unwrap(), r#"{"edges":[0.0,15.0,60.0],"counts":[1,2,0,1]}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    edges: Vec<f64>,
    counts: Vec<u64>,
}

impl Histogram {
    /// Counts a value. `edges` are the same for all values of a histogram: finite, and ascending.
    ///
    /// # Errors
    /// The edges are others than those of the values before, or do not ascend.
    pub fn add(&mut self, value: f64, edges: &[f64]) -> Result<(), Fault> {
        if self.edges.is_empty() {
            if edges.is_empty() || !edges.is_sorted_by(|a, b| a < b) || !edges.iter().all(|edge| edge.is_finite()) {
                return Err(Fault::new(format!("the edges {edges:?} of a histogram do not ascend")));
            }
            self.edges = edges.to_vec();
            self.counts = vec![0; edges.len() + 1];
        }
        if self.edges != edges {
            return Err(Fault::new(format!("a histogram has the edges {:?}, not {edges:?}", self.edges)));
        }
        let bucket = self.edges.partition_point(|edge| *edge <= value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        Ok(())
    }

    /// One count more than there are edges; empty as long as there are no values.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// Quantiles of any number of values, each within 1 % of the value (DDSketch), in some kilobytes.
///
/// In JSON: `count`, `min`, `p50`, `p90`, `p99`, `max`, and the state of the sketch, which readers are not shown.
#[derive(Clone, Default)]
pub struct Quantiles {
    sketch: Option<DDSketch>,
}

impl Quantiles {
    /// Adds a value. One that is not finite is ignored.
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sketch.get_or_insert_default().add(value);
        }
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.sketch.as_ref().map_or(0, |sketch| sketch.count() as u64)
    }

    /// The value that this share of all, from 0 to 1, is not above; `None` as long as there are no values.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.sketch.as_ref()?.quantile(share).ok().flatten()
    }
}

impl Serialize for Quantiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Quantiles", 7)?;
        fields.serialize_field("count", &self.count())?;
        for (name, share) in [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            fields.serialize_field(name, &self.quantile(share))?;
        }
        fields.serialize_field("sketch", &self.sketch)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            sketch: Option<DDSketch>,
        }
        Ok(Self { sketch: Stored::deserialize(deserializer)?.sketch })
    }
}

impl JsonSchema for Quantiles {
    fn schema_name() -> Cow<'static, str> {
        "Quantiles".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 0},
                "min": {"type": ["number", "null"]},
                "p50": {"type": ["number", "null"]},
                "p90": {"type": ["number", "null"]},
                "p99": {"type": ["number", "null"]},
                "max": {"type": ["number", "null"]},
                "sketch": {"writeOnly": true},
            },
            "required": ["count", "min", "p50", "p90", "p99", "max", "sketch"],
        })
    }
}

/// Registers of a distinct count, as a power of two: 2,048, which is about 2 % of error.
const REGISTERS_LOG2: u8 = 11;

/// How a state says that it is a set, and where its values begin.
const IS_SET: u8 = 1;
const SET_BYTES: usize = 12;

/// How many different values there were, within about 2 % (HyperLogLog), in 2 kilobytes at most.
///
/// In JSON: `estimate`, and the state of the sketch, which readers are not shown.
#[derive(Clone)]
pub struct Distinct {
    sketch: HllSketch,
}

impl Default for Distinct {
    fn default() -> Self {
        match HllSketch::new(REGISTERS_LOG2, HllType::Hll8) {
            Ok(sketch) => Self { sketch },
            // The number of registers is a constant that is within the limits; a test makes one.
            Err(_) => unreachable!("{REGISTERS_LOG2} is a size that a sketch can have"),
        }
    }
}

impl Distinct {
    /// Counts a value, unless it was there before.
    pub fn add(&mut self, value: &str) {
        self.sketch.update(value);
    }

    /// To the nearest integer.
    pub fn estimate(&self) -> u64 {
        self.sketch.estimate().round() as u64
    }

    /// The state as a row has it. A set is written in the order of its values: that of their places depends on whether
    /// it has been read meanwhile, and rows must not.
    fn state(&self) -> Vec<u8> {
        let mut bytes = self.sketch.serialize();
        if bytes.get(7).is_some_and(|mode| mode & 3 == IS_SET) {
            let (words, _) = bytes.get_mut(SET_BYTES..).unwrap_or_default().as_chunks_mut::<4>();
            words.sort_unstable_by_key(|word| u32::from_le_bytes(*word));
        }
        bytes
    }
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Distinct", 2)?;
        fields.serialize_field("estimate", &self.estimate())?;
        fields.serialize_field("sketch", &STANDARD_NO_PAD.encode(self.state()))?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Stored {
            sketch: String,
        }
        let stored = Stored::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(stored.sketch).map_err(D::Error::custom)?;
        let sketch = HllSketch::deserialize(&bytes).map_err(|cause| D::Error::custom(format!("{cause:?}")))?;
        Ok(Self { sketch })
    }
}

impl JsonSchema for Distinct {
    fn schema_name() -> Cow<'static, str> {
        "Distinct".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "estimate": {"type": "integer", "minimum": 0},
                "sketch": {"type": "string", "writeOnly": true},
            },
            "required": ["estimate", "sketch"],
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// Numbers that look random and are always the same.
    fn numbers(count: u64) -> impl Iterator<Item = u64> {
        let mut state = 88_172_645_463_325_252_u64;
        (0..count).map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    /// Whether one that is written and read now and then ends as one that is not.
    fn the_same_in_any_batches<T: Default + Serialize + DeserializeOwned>(count: u64, add: impl Fn(&mut T, u64)) {
        let (mut kept, mut restarted) = (T::default(), T::default());
        for (at, number) in (0_u64..).zip(numbers(count)) {
            add(&mut kept, number);
            add(&mut restarted, number);
            if number % 7 == 0 {
                restarted = serde_json::from_str(&serde_json::to_string(&restarted).unwrap()).unwrap();
            }
            if at < 300 || at % 500 == 0 || at == count - 1 {
                assert_eq!(
                    serde_json::to_string(&kept).unwrap(),
                    serde_json::to_string(&restarted).unwrap(),
                    "at {at}"
                );
            }
        }
    }

    #[test]
    fn figures_do_not_depend_on_when_they_are_written_and_read() {
        let fraction = |number: u64| (number % 1_000_003) as f64 / 997.0 - 300.0;
        the_same_in_any_batches(20_000, |summary: &mut Summary, number| summary.add(fraction(number)));
        the_same_in_any_batches(20_000, |quantiles: &mut Quantiles, number| quantiles.add(fraction(number)));
        the_same_in_any_batches(20_000, |distinct: &mut Distinct, number| distinct.add(&(number % 9_973).to_string()));
        the_same_in_any_batches(1_000, |histogram: &mut Histogram, number| {
            histogram.add(fraction(number), &[-100.0, 0.0, 0.5]).unwrap();
        });
    }

    #[test]
    fn quantiles_and_distinct_counts_are_as_near_as_they_say() {
        let (mut quantiles, mut distinct) = (Quantiles::default(), Distinct::default());
        assert_eq!((quantiles.quantile(0.5), distinct.estimate()), (None, 0));
        let mut values: Vec<f64> = numbers(50_000).map(|number| (number % 100_000) as f64 + 1.0).collect();
        values.iter().for_each(|value| quantiles.add(*value));
        values.iter().for_each(|value| distinct.add(&value.to_string()));
        values.sort_by(f64::total_cmp);
        for share in [0.01, 0.5, 0.9, 0.99] {
            let (found, exact) = (quantiles.quantile(share).unwrap(), values.get((share * 49_999.0) as usize).unwrap());
            assert!((found - exact).abs() <= exact * 0.0101, "{share}: {found} is not {exact}");
        }
        values.dedup();
        let (found, exact) = (distinct.estimate() as f64, values.len() as f64);
        assert!((found - exact).abs() <= exact * 0.06, "{found} is not {exact}");
        assert!(serde_json::to_string(&distinct).unwrap().len() < 3_000);
    }

    #[test]
    fn a_histogram_keeps_its_edges() {
        let mut histogram = Histogram::default();
        assert!(histogram.add(1.0, &[]).is_err() && histogram.add(1.0, &[2.0, 1.0]).is_err());
        histogram.add(1.0, &[1.0, 2.0]).unwrap();
        assert_eq!(histogram.counts(), [0, 1, 0]);
        assert!(histogram.add(1.0, &[1.0, 3.0]).unwrap_err().message.contains("edges"));
    }
}
