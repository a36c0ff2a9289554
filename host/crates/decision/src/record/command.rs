//! A command, and what is kept of it in the log: enough to decide it again.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use kinora_types::{ExpectedRevision, Micros};

use crate::scope::Scope;

/// The member of metadata in which the host says what an event came of.
pub const IN_METADATA: &str = "kinora";

/// What the ids of commands are made in.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b69_6e6f_7261_4063_8d2f_5e0b_1c7a_9d41);

/// Something that an aggregate is asked to do.
#[derive(Clone, Debug)]
pub struct Command {
    /// The id of the aggregate.
    pub aggregate: String,
    pub name: String,
    /// JSON text, without line breaks.
    pub data: Box<RawValue>,
    /// What its sender calls it; a command without a name of its own is known to nobody if it is sent again.
    pub key: Option<String>,
    /// What the stream of the aggregate has to be at. It is not decided again then if it is not.
    pub expected: Option<ExpectedRevision>,
    /// For the events that come of it: a JSON object.
    pub metadata: Option<Map<String, Value>>,
    /// When it came.
    pub time: Micros,
}

/// Tells one command of a decider from all others, and the ids of its events follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub Uuid);

impl CommandId {
    /// By the name that its sender gave it, or a new one.
    pub fn of(decider: &str, key: Option<&str>) -> Self {
        match key {
            Some(key) => Self(Uuid::new_v5(&NAMESPACE, format!("{decider}\0{key}").as_bytes())),
            None => Self(Uuid::now_v7()),
        }
    }

    /// The id of its event of this number.
    pub fn event(self, number: u32) -> Uuid {
        Uuid::new_v5(&self.0, &number.to_be_bytes())
    }

    /// What stands for chance.
    pub fn seed(self) -> u64 {
        let (high, low) = Uuid::new_v5(&self.0, b"seed").as_u64_pair();
        high ^ low
    }
}

/// What stands in the metadata of the first event of a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    pub id: CommandId,
    pub decider: String,
    pub version: u32,
    pub aggregate: String,
    pub name: String,
    pub data: Box<RawValue>,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    /// How many events came of it.
    pub events: u32,
    /// What it was decided on besides its aggregate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Scope>,
    /// What tells all commands that were decided together from others; none, if it was by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Uuid>,
}

/// What stands in the metadata of each event that was decided.
#[derive(Debug, Deserialize)]
struct Decided {
    #[serde(default)]
    command: Option<Recorded>,
}

#[derive(Debug, Deserialize)]
struct Metadata<T> {
    #[serde(default = "Option::default")]
    kinora: Option<T>,
}

impl Recorded {
    /// The command whose first event has this metadata; `None`, if it is not one.
    pub fn of(metadata: Option<&str>) -> Option<Self> {
        let metadata = metadata.filter(|text| may_say(text))?;
        serde_json::from_str::<Metadata<Decided>>(metadata).ok()?.kinora?.command
    }

    /// Bytes that it has, about.
    pub fn bytes(&self) -> usize {
        let reads: usize = self.reads.iter().map(|scope| size_of::<Scope>() + scope.to_string().len()).sum();
        self.decider.len() + self.aggregate.len() + self.name.len() + self.data.get().len() + reads
    }

    /// Whether it is what was asked for under this id.
    pub fn is(&self, command: &Command) -> bool {
        let is_same = self.aggregate == command.aggregate && self.name == command.name;
        is_same && is_same_json(self.data.get(), command.data.get())
    }
}

/// Whether metadata has the member that tells of a command. Nobody but the host may write it.
pub fn says_of_a_command(metadata: &str) -> bool {
    // Read as `Recorded::of` reads it: what is no command there may stand here.
    may_say(metadata) && serde_json::from_str::<Metadata<IgnoredAny>>(metadata).is_ok_and(|it| it.kinora.is_some())
}

/// Cheap: hardly any metadata does. A name that is written with escapes is never looked for.
fn may_say(metadata: &str) -> bool {
    metadata.contains("\"kinora\"")
}

/// Member by member: their order and the blanks between them are nobody's business.
pub fn is_same_json(one: &str, other: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || parsed(one).is_some_and(|one| Some(one) == parsed(other))
}

/// Tells commands that are decided together from others; `None`, if it is one by itself.
pub fn together<'a>(commands: impl ExactSizeIterator<Item = &'a Command>) -> Option<Uuid> {
    if commands.len() < 2 {
        return None;
    }
    let data = |command: &Command| serde_json::from_str::<Value>(command.data.get()).unwrap_or_default();
    let all: Vec<_> = commands.map(|it| (it.aggregate.as_str(), it.name.as_str(), data(it))).collect();
    Some(Uuid::new_v5(&NAMESPACE, serde_json::to_string(&all).unwrap_or_default().as_bytes()))
}

/// Metadata as it is written. The data of a command is copied as it is: a number may be more than a `Value` holds.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    of_command: Option<&'a Map<String, Value>>,
    kinora: Origin<'a>,
}

/// By what an event was decided: the first of a command says all of it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Origin<'a> {
    Command(&'a Recorded),
    Of(CommandId),
}

/// The metadata of an event, as JSON text: that of the command, and by what it was decided.
pub fn metadata(
    of_command: Option<&Map<String, Value>>,
    id: CommandId,
    first: Option<&Recorded>,
) -> Result<Box<RawValue>, serde_json::Error> {
    let kinora = first.map_or(Origin::Of(id), Origin::Command);
    serde_json::value::to_raw_value(&Written { of_command, kinora })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// Not as a `Value` would write it.
    const DATA: &str = r#"{ "to":"b", "cents": 123456789012345678901234567890 }"#;

    #[test]
    fn ids_follow_from_what_a_command_is_called() {
        let (one, again) = (CommandId::of("bank", Some("a")), CommandId::of("bank", Some("a")));
        assert_eq!((one, one.event(0), one.seed()), (again, again.event(0), again.seed()));
        assert_ne!(one, CommandId::of("shop", Some("a")));
        assert_ne!(one.event(0), one.event(1));
        assert_ne!(CommandId::of("bank", None), CommandId::of("bank", None));
    }

    #[test]
    fn what_is_kept_of_a_command_is_found_again_and_nothing_else_is_taken_for_one() {
        let recorded = Recorded {
            id: CommandId::of("bank", Some("a")),
            decider: "bank".into(),
            version: 2,
            aggregate: "1".into(),
            name: "Deposit".into(),
            data: RawValue::from_string(DATA.into()).unwrap(),
            time: 7,
            events: 1,
            reads: vec![Scope::Stream("account-2".parse().unwrap())],
            together: None,
        };
        let own = Map::from_iter([("actor".to_owned(), Value::from("ann"))]);
        let text = metadata(Some(&own), recorded.id, Some(&recorded)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(text.get()).unwrap()["actor"], "ann");
        let found = Recorded::of(Some(text.get())).unwrap();
        assert_eq!((found.id, found.reads, found.data.get()), (recorded.id, recorded.reads, DATA));
        let later = metadata(None, recorded.id, None).unwrap();
        for other in [None, Some("{}"), Some(r#"{"kinora":1}"#), Some(r#"{"x":"kinora"}"#), Some(later.get())] {
            assert!(Recorded::of(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn metadata_that_would_pass_for_a_command_is_known_however_it_is_written() {
        let command = r#"{"command":{"id":"6b696e6f-7261-4063-8d2f-5e0b1c7a9d41","decider":"bank","version":1,
            "aggregate":"1","name":"Deposit","data":{},"time":7,"events":1}}"#;
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in [
            format!(r#"{{"kinora":{command}}}"#),
            format!(r#"{{"a":{deep},"kinora":{command}}}"#),
            format!("[{}]", command.replace("{},", r#"{"kinora":1},"#)),
            r#"{"kinora":1}"#.to_owned(),
        ] {
            assert!(says_of_a_command(&text), "{text}");
        }
        for text in [
            r#"{"of":"kinora"}"#.to_owned(),
            r#"{"of":{"kinora":1}}"#.to_owned(),
            format!(r#"{{"\u006binora":{command}}}"#),
            format!(r#"{{"kinora":1,"kinora":{command}}}"#),
        ] {
            assert!(!says_of_a_command(&text) && Recorded::of(Some(&text)).is_none(), "{text}");
        }
    }
}
