//! `kinora keys`: who has a key for a host. It works on the data folder, so whoever can write there can give out keys;
//! a host that runs takes note within two seconds.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use kinora_access::{Key, KeyFile, NewKey, Pattern, Record, Role, Scope};
use serde_json::json;

use crate::cli::output::{Output, REQUIRED, note, table};

/// API keys: who may do what with a host
///
/// For example: kinora keys create ci --role deployer --projection 'sales-*' --data ./data
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The folder of the host
    #[arg(long, value_name = "FOLDER", global = true, default_value = ".kinora")]
    data: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key, and show it this once
    ///
    /// Without a scope it reaches everything; with one, only what it names: streams for reading and appending,
    /// projections and their tables for queries and rollouts. For example: kinora keys create bank --role writer
    /// --stream 'account-*' --expires-in 90d
    Create {
        /// Whose it is: this name stands in the history of projections
        name: String,
        /// What it is for: reader, writer, deployer, operator or admin; may be repeated
        #[arg(long = "role", required = true, help_heading = REQUIRED)]
        roles: Vec<Role>,
        /// A stream, or with * at the end all that begin so; may be repeated
        #[arg(long = "stream", value_name = "PATTERN")]
        streams: Vec<Pattern>,
        /// A projection, or with * at the end all that begin so; may be repeated
        #[arg(long = "projection", value_name = "PATTERN")]
        projections: Vec<Pattern>,
        /// A table of these projections; may be repeated
        #[arg(long = "table", value_name = "PATTERN")]
        tables: Vec<Pattern>,
        /// How long it is good for, such as 90d or 12h; without it, until it is revoked
        #[arg(long, value_name = "TIME", value_parser = duration)]
        expires_in: Option<SignedDuration>,
    },
    /// Show all keys, without their secrets
    ///
    /// For example: kinora keys list --data ./data
    List,
    /// Take a key back, by its id
    ///
    /// A host that runs knows within two seconds. For example: kinora keys revoke 9f3c21ab40de --data ./data
    Revoke {
        /// The first part of the key: kinora_ID_…
        id: String,
    },
}

/// Where the keys of a host are.
pub fn key_file(data: &Path) -> PathBuf {
    data.join("access").join("keys.json")
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let unit = |text: &str, seconds: i64| text.parse::<i64>().ok().and_then(|number| number.checked_mul(seconds));
    let seconds = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((number, "d")) => unit(number, 24 * 60 * 60),
        Some((number, "h")) => unit(number, 60 * 60),
        Some((number, "m")) => unit(number, 60),
        _ => None,
    };
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds.map(SignedDuration::from_secs).ok_or_else(|| "write days, hours or minutes, such as 90d, 12h or 30m".into())
}

pub fn run(arguments: Arguments, output: &mut Output) -> anyhow::Result<()> {
    let Arguments { command, data } = arguments;
    if !data.is_dir() {
        bail!("there is no folder {}: name the one that the host has, with --data", data.display());
    }
    let file = KeyFile::new(key_file(&data));
    match command {
        Command::Create { name, roles, streams, projections, tables, expires_in } => {
            let expires = expires_in.map(|time| Timestamp::now().checked_add(time)).transpose();
            let expires = expires.context("nothing is good for so long")?;
            let scope = Scope { streams, projections, tables };
            let key = file.create(NewKey { name: name.clone(), roles, scope, expires })?;
            let shown = key.reveal();
            match output.is_json() {
                true => output.json(&json!({"id": key.id, "name": name, "key": shown}).to_string())?,
                false => output.line(shown)?,
            }
            note(format_args!(
                "It is shown this once: keep it where secrets are kept, and give it to programs as KINORA_KEY."
            ));
        }
        Command::List => {
            let keys = file.list()?;
            if output.is_json() {
                return keys.iter().try_for_each(|(id, record)| output.json(&listed(id, record).to_string()));
            }
            let mut table = table(&["id", "name", "roles", "reaches", "made", "ends"], &[]);
            keys.into_iter().for_each(|(id, record)| table.add_row(cells(id, record)));
            output.table(&table)?;
        }
        Command::Revoke { id } => {
            // Whoever pastes the whole key means its id.
            let id = id.parse::<Key>().map(|key| key.id).unwrap_or(id);
            let record = file.revoke(&id)?;
            note(format_args!("{id} of {} is revoked", record.name));
        }
    }
    Ok(())
}

fn listed(id: &str, record: &Record) -> serde_json::Value {
    let Record { name, roles, scope, created, expires, .. } = record;
    json!({"id": id, "name": name, "roles": roles, "scope": scope, "created": created, "expires": expires})
}

fn cells(id: String, record: Record) -> Vec<String> {
    let Record { name, roles, scope, created, expires, .. } = record;
    let roles = roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ");
    let of = |kind: &str, patterns: &[Pattern]| {
        patterns.iter().map(|pattern| format!("{kind} {pattern}")).collect::<Vec<_>>()
    };
    let named = [of("stream", &scope.streams), of("projection", &scope.projections), of("table", &scope.tables)];
    let scope = if scope.is_everything() { "everything".to_owned() } else { named.concat().join(", ") };
    let day = |time: Timestamp| time.strftime("%F %R").to_string();
    vec![id, name, roles, scope, day(created), expires.map_or_else(|| "never".to_owned(), day)]
}
