//! A row of the CSV, with the columns that are used. Times are local `HHMM`, delays are minutes.

use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub struct Row<'a> {
    pub year: i16,
    pub month: i8,
    pub day: i8,
    #[serde(deserialize_with = "known")]
    pub dep_time: Option<u16>,
    pub sched_dep_time: u16,
    #[serde(deserialize_with = "known")]
    pub dep_delay: Option<i16>,
    #[serde(deserialize_with = "known")]
    pub arr_time: Option<u16>,
    #[serde(deserialize_with = "known")]
    pub arr_delay: Option<i16>,
    pub carrier: &'a str,
    pub flight: u32,
    tailnum: &'a str,
    pub origin: &'a str,
    pub dest: &'a str,
    #[serde(deserialize_with = "known")]
    pub air_time: Option<u16>,
    pub distance: u16,
}

impl<'a> Row<'a> {
    pub fn tailnum(&self) -> Option<&'a str> {
        Some(self.tailnum).filter(|tailnum| !is_missing(tailnum))
    }
}

fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA")
}

/// A cell that is neither missing nor a number is an error: taken as missing, it would make a departed flight a
/// cancelled one.
fn known<'de, D: Deserializer<'de>, T: FromStr>(cell: D) -> Result<Option<T>, D::Error> {
    let cell = <&str>::deserialize(cell)?;
    if is_missing(cell) {
        return Ok(None);
    }
    cell.parse().map(Some).map_err(|_| D::Error::custom(format!("{cell:?} is neither a number nor NA")))
}
