//! A projector of a club: composite keys, an index whose values are unique, one over an array, and a named query.

use kinora_sdk::{
    Event, Fault, JsonSchema, Manifest, Projector, QueryError, Rows, Table, composite_key, export_projector, schemars,
};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Member {
    name: String,
    mail: Option<String>,
    tags: Vec<String>,
    visits: u64,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Visit {
    times: u64,
}

const MEMBERS: Table<Member> = Table::new("members");
const VISITS: Table<Visit> = Table::new("visits");

#[derive(Deserialize)]
struct Joined {
    name: String,
    mail: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Visited<'a> {
    day: &'a str,
}

#[derive(Default)]
pub struct Members;

impl Projector for Members {
    fn describe() -> Manifest {
        Manifest::new("members")
            .handles("Joined", 1)
            .handles("Visited", 1)
            .handles("Left", 1)
            .handles("Misfiled", 1)
            .table(MEMBERS, "member")
            .unique(MEMBERS, "by_mail", &["mail"])
            .index(MEMBERS, "by_tag", &["tags[]", "name"])
            .index(MEMBERS, "by_visits", &["-visits", "name"])
            .history(MEMBERS, 1_000)
            .table(VISITS, "day/member")
            .query_with(
                "visitors",
                "How many members came on a day.",
                r#"{"type": "object", "required": ["day"], "additionalProperties": false,
                    "properties": {"day": {"type": "string", "minLength": 10, "maxLength": 10}}}"#,
                r#"{"type": "object", "required": ["visitors"],
                    "properties": {"visitors": {"type": "integer", "maximum": 3}}}"#,
            )
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        match event.kind() {
            "Joined" => {
                let Joined { name, mail, tags } = event.data()?;
                let member = rows.entry(MEMBERS, event.stream())?;
                (member.name, member.mail, member.tags) = (name, mail, tags);
            }
            "Visited" => {
                let Visited { day } = event.data()?;
                rows.entry(MEMBERS, event.stream())?.visits += 1;
                rows.entry(VISITS, &composite_key([day, event.stream()]))?.times += 1;
            }
            "Left" => rows.delete(MEMBERS, event.stream())?,
            "Misfiled" => rows.entry(VISITS, event.stream())?.times += 1,
            _ => return Err(event.unhandled()),
        }
        Ok(())
    }

    fn query(&mut self, name: &str, arguments: &str, rows: &mut Rows) -> Result<String, QueryError> {
        if name != "visitors" {
            return Err(QueryError::Failed("no such query".into()));
        }
        let Visited { day } =
            serde_json::from_str(arguments).map_err(|cause| QueryError::InvalidArguments(cause.to_string()))?;
        let mut visitors = 0_u64;
        let of_a_day = kinora_sdk::Scan::all().from(format!("{day}/")).to(format!("{day}0"));
        rows.scan(VISITS, of_a_day, |_, _: Visit| {
            visitors += 1;
            true
        })?;
        Ok(format!(r#"{{"visitors":{visitors}}}"#))
    }
}

export_projector!(Members);
