//! Settings: the options of a command, from the command line, the environment and a file, in this order. A host has a
//! file of its own; other commands have profiles, one for each host that somebody talks to.
//!
//! What stands in a file becomes options of the command line, so that it is checked like these, and each option is
//! defined once.

mod file;
mod profile;
mod shown;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;
use clap::parser::ValueSource::{self, CommandLine, EnvVariable};
use clap::{ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use kinora::cli;

use crate::{Arguments, serve};
use file::File;

/// The option that stands for all limits.
const LIMITS: &str = "limits";

/// The same in the environment.
const LIMITS_IN_ENVIRONMENT: &str = "KINORA_LIMITS";

/// What names a file of settings.
const FILE: &str = "config";

/// What names a profile.
const PROFILE: &str = "profile";

/// Options of a program that was started.
pub struct Settings {
    /// As the process was started, without what files say.
    given: Vec<OsString>,
    /// With that.
    all: Vec<OsString>,
    /// The file, and what of it is in force: options by their names, limits by theirs.
    file: Option<PathBuf>,
    of_file: BTreeMap<String, String>,
    /// The limits that the environment sets.
    of_environment: Vec<String>,
}

impl Settings {
    /// What this process was started with, and the file that this names.
    pub fn read(given: Vec<OsString>) -> anyhow::Result<Self> {
        let mut settings =
            Self { all: given.clone(), given, file: None, of_file: BTreeMap::new(), of_environment: Vec::new() };
        let program = Arguments::command();
        // What is wrong is said later; here it matters only what is there.
        let Ok(loose) = program.clone().ignore_errors(true).try_get_matches_from(&settings.given) else {
            return Ok(settings);
        };
        match loose.subcommand() {
            Some(("serve" | "config", matches)) => {
                if let Some(path) = matches.try_get_one::<PathBuf>(FILE)? {
                    let file = File::read(path, &program)?;
                    settings.file = Some(path.clone());
                    settings.add(file, &program, matches);
                }
            }
            Some(_) => {
                if let Some(name) = loose.try_get_one::<String>(PROFILE)? {
                    settings.add_profile(name, &program, &loose)?;
                }
            }
            None => {}
        }
        Ok(settings)
    }

    /// Adds what neither the command line nor the environment has.
    fn add(&mut self, file: File, program: &Command, matches: &ArgMatches) {
        for (name, values) in file.options {
            if source(matches, &id(program, &name)).is_none() {
                self.add_option(name, &values);
            }
        }
        // Limits are many in one option: each goes by itself. What is in the environment would not be looked at once
        // there is an option, so it becomes one, too.
        let of_command = matches.get_raw(LIMITS).filter(|_| source(matches, LIMITS) == Some(CommandLine));
        let of_command = of_command.into_iter().flatten().map(|limit| limit.to_string_lossy().into_owned());
        let mut known: Vec<String> = of_command.map(|limit| limit_name(&limit)).collect();
        let of_environment = std::env::var(LIMITS_IN_ENVIRONMENT).unwrap_or_default();
        for limit in of_environment.split(',').filter(|limit| !limit.is_empty()) {
            if !known.contains(&limit_name(limit)) {
                self.of_environment.push(limit_name(limit));
                self.all.push(format!("--limit={limit}").into());
            }
        }
        known.extend(self.of_environment.iter().cloned());
        for (name, value) in file.limits.into_iter().filter(|(name, _)| !known.contains(name)) {
            self.all.push(format!("--limit={name}={value}").into());
            self.of_file.insert(name, value);
        }
    }

    /// Adds what the command line does not have, nor, if the profile itself is named there only, the environment.
    fn add_profile(&mut self, name: &str, program: &Command, matches: &ArgMatches) -> anyhow::Result<()> {
        let path = profile::file()?;
        let is_asked_for = source(matches, PROFILE) == Some(CommandLine);
        for (option, values) in profile::read(&path, name, program)? {
            match source(matches, &option) {
                Some(CommandLine) => {}
                Some(_) if !is_asked_for => {}
                _ => self.add_option(option, &values),
            }
        }
        self.file = Some(path);
        Ok(())
    }

    fn add_option(&mut self, name: String, values: &[String]) {
        // What follows `--` are no options.
        let end = self.all.iter().position(|argument| argument == "--").unwrap_or(self.all.len());
        self.all.splice(end..end, values.iter().map(|value| format!("--{name}{value}").into()));
        self.of_file.insert(name, values.concat());
    }

    /// The command line with everything; ends the process with a message if it does not hold up.
    pub fn matches(&self) -> ArgMatches {
        Arguments::command().try_get_matches_from(&self.all).unwrap_or_else(|error| self.refuse(&error))
    }

    pub fn arguments(&self, matches: &ArgMatches) -> Arguments {
        Arguments::from_arg_matches(matches).unwrap_or_else(|error| self.refuse(&error))
    }

    fn refuse(&self, error: &clap::Error) -> ! {
        let _ = error.print();
        if error.use_stderr() && !self.of_file.is_empty() {
            let of_file: Vec<&str> = self.of_file.keys().map(String::as_str).collect();
            eprintln!("\n{} has: {}", self.file_name(), of_file.join(", "));
        }
        std::process::exit(error.exit_code())
    }

    /// Writes what a host would have, and where it comes from.
    pub fn show(&self, matches: &ArgMatches, of_host: &ArgMatches) -> anyhow::Result<()> {
        cli::config::print(&cli::Global::from_arg_matches(matches)?, &shown::shown(self, of_host)?)
    }

    fn file_name(&self) -> String {
        self.file.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// Whether a limit is set by the environment.
    fn is_in_environment(&self, limit: &str) -> bool {
        self.of_environment.iter().any(|name| name == limit)
    }

    /// The options of a host, its file read again, and the names of those that have changed but for limits and `log`.
    pub fn again(&self) -> anyhow::Result<(serve::Arguments, Vec<String>)> {
        let now = Self::read(self.given.clone())?;
        let arguments = Arguments::try_parse_from(&now.all)?;
        let crate::Command::Serve(arguments) = arguments.command else { bail!("this is no host") };
        let names = self.of_file.keys().chain(now.of_file.keys());
        let changed = names.filter(|name| !name.contains('.') && *name != "log");
        let mut changed: Vec<String> =
            changed.filter(|name| self.of_file.get(*name) != now.of_file.get(*name)).cloned().collect();
        changed.sort();
        changed.dedup();
        Ok((*arguments, changed))
    }
}

/// Whether the command line or the environment has an option.
fn source(matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    matches.value_source(id).filter(|source| matches!(source, CommandLine | EnvVariable))
}

fn limit_name(limit: &str) -> String {
    limit.split('=').next().unwrap_or_default().trim().to_owned()
}

/// What clap calls an option.
fn id(program: &Command, name: &str) -> String {
    let option = options(program).find(|option| option.get_long() == Some(name));
    option.map(|option| option.get_id().to_string()).unwrap_or_default()
}

/// The options of a host: what a file may set.
fn options(program: &Command) -> impl Iterator<Item = &clap::Arg> {
    let options = program.find_subcommand("serve").into_iter().flat_map(Command::get_arguments);
    options.filter(|option| {
        let is_action = matches!(option.get_action(), ArgAction::Help | ArgAction::HelpLong | ArgAction::Version);
        !is_action && option.get_long().is_some()
    })
}
