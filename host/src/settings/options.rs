//! Options of a host: what a file may set, and what clap calls each.

use clap::parser::ValueSource::{self, CommandLine, EnvVariable};
use clap::{ArgAction, ArgMatches, Command};

/// The option that stands for all limits.
pub const LIMITS: &str = "limits";

/// The same in the environment.
pub const LIMITS_IN_ENVIRONMENT: &str = "KINORA_LIMITS";

/// What names a file of settings.
pub const FILE: &str = "config";

/// What names a profile.
pub const PROFILE: &str = "profile";

pub fn options(program: &Command) -> impl Iterator<Item = &clap::Arg> {
    let options = program.find_subcommand("serve").into_iter().flat_map(Command::get_arguments);
    options.filter(|option| {
        let is_action = matches!(option.get_action(), ArgAction::Help | ArgAction::HelpLong | ArgAction::Version);
        !is_action && option.get_long().is_some()
    })
}

/// What clap calls an option.
pub fn id(program: &Command, name: &str) -> String {
    let option = options(program).find(|option| option.get_long() == Some(name));
    option.map(|option| option.get_id().to_string()).unwrap_or_default()
}

/// Whether the command line or the environment has an option.
pub fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    matches.value_source(id).filter(|source| matches!(source, CommandLine | EnvVariable))
}

pub fn limit_name(limit: &str) -> String {
    limit.split('=').next().unwrap_or_default().trim().to_owned()
}
