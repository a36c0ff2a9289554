//! An event of a flight, ready to be appended.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// The namespace of event ids: whoever feeds the flights twice sends the same ids, which a host answers as duplicates.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b69_6e6f_7261_4f66_8c69_6768_7473_2013);

/// An event, as a host takes it.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    #[serde(skip)]
    pub stream: String,
    pub id: Uuid,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub schema: u32,
    pub data: Data,
    pub tags: Vec<String>,
    /// When it happened. It orders the events; a host notes its own time.
    #[serde(skip)]
    pub at: Timestamp,
}

impl Event {
    pub(crate) fn new(
        stream: String,
        kind: &'static str,
        schema: u32,
        data: Data,
        tags: Vec<String>,
        at: Timestamp,
    ) -> Self {
        let id = Uuid::new_v5(&NAMESPACE, format!("{stream}/{kind}").as_bytes());
        Self { stream, id, kind, schema, data, tags, at }
    }
}

/// The data of an event. Times are UTC unless the name says otherwise; a delay below zero is early.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    pub carrier: Arc<str>,
    pub flight: u32,
    pub tailnum: Option<Arc<str>>,
    pub origin: Arc<str>,
    pub dest: Arc<str>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum What {
    Scheduled {
        scheduled_at: Timestamp,
        distance_miles: u16,
    },
    /// Schema 1: local times.
    DepartedLocal {
        date: jiff::civil::Date,
        sched_dep_time: u16,
        dep_time: u16,
        delay_minutes: i16,
    },
    /// Schema 2.
    Departed {
        scheduled_at: Timestamp,
        departed_at: Timestamp,
        delay_minutes: i16,
    },
    /// A diverted flight has no delay.
    Arrived {
        scheduled_at: Timestamp,
        arrived_at: Timestamp,
        delay_minutes: Option<i16>,
        air_time_minutes: Option<u16>,
    },
    Cancelled {
        scheduled_at: Timestamp,
    },
}
