//! Unit tests of projectors, upcasters and deciders, without WebAssembly: given events, then rows or decisions.

pub mod decider;
#[cfg(not(target_arch = "wasm32"))]
mod exported;

use std::collections::BTreeMap;

use crate::event::Fault;
use crate::native::{Input, Output, Runner, Upcasting};
use crate::projector::{Projector, QueryError};
use crate::upcaster::Upcaster;

/// An event to give to a [`Scenario`]: what it says, and where and when it was appended.
///
/// ```
/// use kinora_sdk::testing::Given;
///
/// let paid = Given::new("Paid", 1, r#"{"cents": 1250}"#)
///     .stream("order-7")
///     .time(1_700_000_000_000_000)
///     .tag("customer:ada")
///     .metadata(r#"{"correlation_id": "c-1"}"#);
/// # let _ = paid;
/// ```
#[derive(Clone, Debug)]
pub struct Given<'a> {
    kind: &'a str,
    schema: u32,
    data: &'a str,
    stream: &'a str,
    time: Option<u64>,
    /// Separated by line feeds.
    tags: String,
    metadata: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// An event with JSON text as its data, in a stream `test`, a microsecond after the one before.
    pub fn new(kind: &'a str, schema: u32, data: &'a str) -> Self {
        Self { kind, schema, data, stream: "test", time: None, tags: String::new(), metadata: None }
    }

    /// The stream that it was appended to. It has the next revision there.
    pub fn stream(mut self, stream: &'a str) -> Self {
        self.stream = stream;
        self
    }

    /// When it was appended: microseconds since the Unix epoch.
    pub fn time(mut self, micros: u64) -> Self {
        self.time = Some(micros);
        self
    }

    /// A tag, behind those that it has.
    pub fn tag(mut self, tag: &str) -> Self {
        if !self.tags.is_empty() {
            self.tags.push('\n');
        }
        self.tags.push_str(tag);
        self
    }

    /// Its metadata, JSON text.
    pub fn metadata(mut self, json: &'a str) -> Self {
        self.metadata = Some(json);
        self
    }
}

/// A projector with its rows in memory, and events that follow one another in a log.
///
/// As in a host, an event comes to the projector if `describe` says so, through upcasters if there are steps for it;
/// an event that is neither handled nor ignored is a fault, and tags and metadata are there where they are asked for.
///
/// ```
/// use kinora_sdk::testing::{Given, Scenario};
/// # use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, Rows, Table, schemars};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Default, Serialize, Deserialize, JsonSchema)]
/// # struct Order { cents: u64, customer: String }
/// # const ORDERS: Table<Order> = Table::new("orders");
/// # #[derive(Deserialize)]
/// # struct Paid { cents: u64 }
/// # #[derive(Default)]
/// # struct Orders;
/// # impl Projector for Orders {
/// #     fn describe() -> Manifest {
/// #         Manifest::new("orders").handles("Paid", 1).table(ORDERS, "order").needs_tags()
/// #     }
/// #     fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
/// #         let order = rows.entry(ORDERS, event.stream())?;
/// #         order.cents += event.data::<Paid>()?.cents;
/// #         order.customer = event.tags().next().unwrap_or_default().into();
/// #         Ok(())
/// #     }
/// # }
///
/// let mut scenario = Scenario::<Orders>::new();
/// scenario.given_event(Given::new("Paid", 1, r#"{"cents": 1250}"#).stream("order-7").tag("customer:ada"))?;
/// assert_eq!(scenario.row("orders", "order-7").unwrap(), r#"{"cents":1250,"customer":"customer:ada"}"#);
/// # Ok::<(), Fault>(())
/// ```
pub struct Scenario<P> {
    runner: Runner<P>,
    /// Those of the next event, unless it says otherwise.
    position: u64,
    time: u64,
    /// The next revision of each stream.
    revisions: BTreeMap<String, u64>,
}

impl<P: Projector> Default for Scenario<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projector> Scenario<P> {
    pub fn new() -> Self {
        Self { runner: Runner::default(), position: 0, time: 0, revisions: BTreeMap::new() }
    }

    /// Brings events along with an upcaster, as a version does that was deployed with it. Several form chains.
    pub fn upcasted_by<U: Upcaster>(mut self) -> Self {
        self.runner.upcast(Upcasting::new::<U>());
        self
    }

    /// Applies an event, with JSON text as its data, as the next one of the log and of a stream `test`.
    ///
    /// # Errors
    /// As [`Scenario::given_event`].
    pub fn given(&mut self, kind: &str, schema: u32, data: &str) -> Result<&mut Self, Fault> {
        self.given_event(Given::new(kind, schema, data))
    }

    /// Applies an event as the next one of the log and of its stream.
    ///
    /// # Errors
    /// The fault that the projector or an upcaster answers; also where this type and schema is neither handled nor
    /// ignored.
    pub fn given_event(&mut self, given: Given<'_>) -> Result<&mut Self, Fault> {
        let Given { kind, schema, data, stream, time, tags, metadata } = given;
        let revision = self.revisions.get(stream).copied().unwrap_or_default();
        let (position, time) = (self.position, time.unwrap_or(self.time));
        let input = Input { position, revision, time, kind, schema, stream, data, metadata, tags: &tags };
        self.take(&input)?;
        Ok(self)
    }

    /// Applies an event, whatever came before it.
    fn take(&mut self, input: &Input<'_>) -> Result<(), Fault> {
        self.position = input.position + 1;
        self.time = input.time + 1;
        self.revisions.insert(input.stream.to_owned(), input.revision + 1);
        self.runner.apply(input)
    }

    /// Goes on as a host may after any commit: with a fresh instance, and the rows that were written.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn restarted(&mut self) -> Result<&mut Self, Fault> {
        self.runner.restart()?;
        Ok(self)
    }

    /// The JSON text of a row as it would be stored with the next commit: with what readers are not shown.
    pub fn row(&mut self, table: &str, key: &str) -> Option<String> {
        self.runner.flush().ok()?;
        self.runner.row(table, key)
    }

    /// All rows of a table in the order of their keys, as a query would see them after the next commit.
    ///
    /// # Errors
    /// A row does not encode.
    pub fn rows(&mut self, table: &str) -> Result<Vec<(String, String)>, Fault> {
        self.runner.flush()?;
        Ok(self.runner.rows(table))
    }

    /// The answer of a named query.
    ///
    /// # Errors
    /// Those of the projector.
    pub fn query(&mut self, name: &str, arguments: &str) -> Result<String, QueryError> {
        self.runner.query(name, arguments)
    }
}

/// What an upcaster makes of an event, in one step: type, schema and JSON text of each output; empty if it is dropped.
///
/// # Errors
/// The fault that the step answers; also where there is no step for this type and schema.
pub fn upcast<U: Upcaster>(kind: &str, schema: u32, data: &str) -> Result<Vec<Output>, Fault> {
    let input =
        Input { position: 0, revision: 0, time: 0, kind, schema, stream: "test", data, metadata: None, tags: "" };
    let made = Upcasting::new::<U>().run(&input)?;
    made.ok_or_else(|| Fault::new(format!("there is no step for {kind} schema {schema}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use super::*;
    use crate::{Event, JsonSchema, Manifest, Rows, Scan, Steps, Table, schemars};

    /// What an event was when it was seen last.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    struct Seen {
        at: [u64; 3],
        tags: Vec<String>,
        metadata: Option<Value>,
        n: u64,
    }

    #[derive(Serialize, Deserialize)]
    struct Counted {
        n: u64,
    }

    const SEEN: Table<Seen> = Table::new("seen");

    /// Needs metadata and tags, or not.
    #[derive(Default)]
    struct Watching<const NEEDS: bool>;

    impl<const NEEDS: bool> Projector for Watching<NEEDS> {
        fn describe() -> Manifest {
            let manifest = Manifest::new("watching").handles("Counted", 2).ignores("*").table(SEEN, "stream");
            if NEEDS { manifest.needs_metadata().needs_tags() } else { manifest }
        }

        fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
            let n = event.data::<Counted>()?.n;
            let row = Seen {
                at: [event.position(), event.revision(), event.time()],
                tags: event.tags().map(str::to_owned).collect(),
                metadata: event.metadata()?,
                n,
            };
            rows.put(SEEN, event.stream(), row)
        }

        fn query(&mut self, _: &str, _: &str, rows: &mut Rows) -> Result<String, QueryError> {
            let mut found = Vec::new();
            rows.scan(SEEN, Scan::all().from("b".to_owned()).to("d"), |key, _: Seen| {
                found.push(key.to_owned());
                true
            })?;
            Ok(found.join(" "))
        }
    }

    /// Texts become numbers, a list of them several.
    struct Numbers;

    impl Upcaster for Numbers {
        fn describe() -> Steps {
            Steps::new("numbers")
                .step(("Counted", 1), ("Counted", 2), |text: String| {
                    Ok(Counted { n: text.parse().map_err(|cause| format!("{text:?}: {cause}"))? })
                })
                .step_to(("Listed", 1), &[("Counted", 1)], |event, outputs| {
                    let texts: Vec<String> = event.data()?;
                    if texts.is_empty() {
                        return Err("a list is not empty".into());
                    }
                    texts.iter().try_for_each(|text| outputs.push("Counted", 1, text))
                })
        }
    }

    fn counted(n: &str) -> String {
        format!(r#"{{"n":{n}}}"#)
    }

    #[test]
    fn an_event_has_the_stream_time_tags_and_metadata_that_it_was_given() {
        let mut scenario = Scenario::<Watching<true>>::new();
        let data = counted("7");
        let event = Given::new("Counted", 2, &data).stream("a").time(500).tag("x:1").tag("y:2");
        scenario.given_event(event.metadata(r#"{"who":"ada"}"#)).unwrap();
        let row = scenario.row("seen", "a").unwrap();
        assert_eq!(row, r#"{"at":[0,0,500],"tags":["x:1","y:2"],"metadata":{"who":"ada"},"n":7}"#);
    }

    #[test]
    fn positions_are_of_the_log_and_revisions_of_a_stream() {
        let mut scenario = Scenario::<Watching<true>>::new();
        let data = counted("1");
        for stream in ["a", "b", "a"] {
            scenario.given_event(Given::new("Counted", 2, &data).stream(stream)).unwrap();
        }
        assert!(scenario.row("seen", "a").unwrap().starts_with(r#"{"at":[2,1,2]"#));
        assert!(scenario.row("seen", "b").unwrap().starts_with(r#"{"at":[1,0,1]"#));
        assert_eq!(scenario.rows("seen").unwrap().len(), 2);
    }

    #[test]
    fn tags_and_metadata_are_there_only_where_the_manifest_needs_them() {
        let mut scenario = Scenario::<Watching<false>>::new();
        let data = counted("7");
        scenario.given_event(Given::new("Counted", 2, &data).tag("x:1").metadata("{}")).unwrap();
        assert_eq!(scenario.row("seen", "test").unwrap(), r#"{"at":[0,0,0],"tags":[],"metadata":null,"n":7}"#);
    }

    #[test]
    fn ignoring_everything_does_not_hide_a_new_schema_of_what_is_handled() {
        let mut scenario = Scenario::<Watching<false>>::new();
        scenario.given("Other", 1, "{}").unwrap();
        let fault = scenario.given("Counted", 3, "{}").err().unwrap();
        assert_eq!((fault.position, fault.message.contains("Counted schema 3")), (Some(1), true), "{fault:?}");
    }

    #[test]
    fn upcasters_bring_events_to_what_is_handled_in_chains() {
        let mut scenario = Scenario::<Watching<false>>::new().upcasted_by::<Numbers>();
        scenario.given("Listed", 1, r#"["3","4"]"#).unwrap();
        assert!(scenario.row("seen", "test").unwrap().ends_with(r#""n":4}"#));
        for (kind, data, why) in [("Counted", r#""x""#, "invalid digit"), ("Listed", "[]", "a list is not empty")] {
            let fault = scenario.given(kind, 1, data).err().unwrap();
            assert!(fault.position.is_some() && fault.message.contains(why), "{fault:?}");
        }
        scenario.restarted().unwrap().given("Listed", 1, r#"["5"]"#).unwrap();
        assert!(scenario.row("seen", "test").unwrap().ends_with(r#""n":5}"#));
    }

    #[test]
    fn a_scan_takes_keys_owned_or_borrowed() {
        let mut scenario = Scenario::<Watching<false>>::new();
        let data = counted("1");
        for stream in ["a", "b", "c", "d"] {
            scenario.given_event(Given::new("Counted", 2, &data).stream(stream)).unwrap();
        }
        assert_eq!(scenario.query("keys", "{}").unwrap(), "b c");
    }

    fn exported() -> String {
        [
            r#"{"position":4,"stream":"$kinora/x","revision":0,"time":"2026-01-01T00:00:00Z","#,
            r#""id":"0198c5a4-0000-7000-8000-000000000000","type":"$kinora.VersionDeployed","schema":1,"data":{}}"#,
            "\n",
            r#"{"position":5,"stream":"a","revision":3,"time":"2026-01-01T00:00:00.000007Z","#,
            r#""id":"0198c5a4-0000-7000-8000-000000000001","type":"Counted","schema":1,"data":"9","#,
            r#""metadata":{"who":"ada"},"tags":["x:1"]}"#,
            "\n",
        ]
        .concat()
    }

    #[test]
    fn an_exported_log_is_replayed_as_a_host_replays_it() {
        let mut scenario = Scenario::<Watching<true>>::new().upcasted_by::<Numbers>();
        assert_eq!(scenario.replay(exported().as_bytes()).unwrap(), 2);
        let row = scenario.row("seen", "a").unwrap();
        assert_eq!(row, r#"{"at":[5,3,1767225600000007],"tags":["x:1"],"metadata":{"who":"ada"},"n":9}"#);
        let data = counted("1");
        scenario.given_event(Given::new("Counted", 2, &data).stream("a")).unwrap();
        assert!(scenario.row("seen", "a").unwrap().starts_with(r#"{"at":[6,4,1767225600000008]"#));
    }

    #[test]
    fn what_an_exported_log_has_and_nobody_knows_is_a_fault() {
        let mut scenario = Scenario::<Watching<true>>::new();
        let fault = scenario.replay(exported().as_bytes()).unwrap_err();
        assert_eq!((fault.position, fault.message.contains("Counted schema 1")), (Some(5), true), "{fault:?}");
        let fault = scenario.replay("{}\n".as_bytes()).unwrap_err();
        assert!(fault.message.contains("line 1 is no event"), "{fault:?}");
        let fault = scenario.replay_file("nowhere.ndjson").unwrap_err();
        assert!(fault.message.contains("nowhere.ndjson"), "{fault:?}");
    }
}
