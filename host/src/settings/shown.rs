//! `kinora config`: what a host would have, and where that comes from.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use kinora_client::api::settings::{Setting, Settings};
use kinora_engine::limits::{self, Limits};

use super::options::{LIMITS, LIMITS_IN_ENVIRONMENT, options};
use super::sources::Sources;

/// Settings of a host, then its limits.
pub fn shown(program: &Command, sources: &Sources, matches: &ArgMatches) -> anyhow::Result<Settings> {
    let mut shown: Vec<Setting> = Vec::new();
    for option in options(program).filter(|option| option.get_id() != LIMITS) {
        let (id, name) = (option.get_id().as_str(), option.get_long().unwrap_or_default());
        let values = matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
        let source = match matches.value_source(id) {
            _ if sources.of_file.contains_key(name) => sources.file_name(),
            Some(ValueSource::CommandLine) => format!("--{name}"),
            Some(ValueSource::EnvVariable) => option.get_env().unwrap_or_default().to_string_lossy().into_owned(),
            _ => "default".to_owned(),
        };
        let value = values.collect::<Vec<_>>().join(", ");
        shown.push(Setting { name: name.to_owned(), value: Some(value).filter(|value| !value.is_empty()), source });
    }
    let set: Vec<limits::Setting> = matches.get_many(LIMITS).into_iter().flatten().cloned().collect();
    for (name, value) in Limits::with(&set)?.values() {
        let is_set = set.iter().any(|setting| setting.name() == name);
        let source = match sources.of_file.get(&name) {
            Some(_) => sources.file_name(),
            None if sources.of_environment.contains(&name) => LIMITS_IN_ENVIRONMENT.to_owned(),
            None if is_set => "--limit".to_owned(),
            None => "default".to_owned(),
        };
        shown.push(Setting { name, value: Some(value.to_string()), source });
    }
    Ok(Settings { settings: shown })
}
