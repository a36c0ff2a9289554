//! Settings: the options of a command, from the command line, the environment and a file, in this order. A host has a
//! file of its own; other commands have profiles, one for each host that somebody talks to.
//!
//! What stands in a file becomes options of the command line, so that it is checked like these, and each option is
//! defined once.

mod file;
mod options;
mod profile;
mod shown;
mod sources;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::parser::ValueSource::CommandLine;
use clap::{ArgMatches, Command, FromArgMatches};
use kinora::cli;
use kinora_client::api::settings as api;

use file::File;
use options::{FILE, LIMITS, LIMITS_IN_ENVIRONMENT, PROFILE, id, limit_name, source};
use sources::Sources;

/// Options of a program that was started.
pub struct Settings {
    program: Command,
    /// As the process was started, without what files say.
    given: Vec<OsString>,
    /// With that.
    all: Vec<OsString>,
    sources: Sources,
}

impl Settings {
    /// What this process was started with, and the file that this names.
    pub fn read(program: Command, given: Vec<OsString>) -> anyhow::Result<Self> {
        // What is wrong is said later; here it matters only what is there.
        let loose = program.clone().ignore_errors(true).try_get_matches_from(&given);
        let mut settings = Self { program, all: given.clone(), given, sources: Sources::default() };
        let Ok(loose) = loose else { return Ok(settings) };
        match loose.subcommand() {
            Some(("serve" | "config", matches)) => {
                if let Some(path) = matches.try_get_one::<PathBuf>(FILE)? {
                    let file = File::read(path, &settings.program)?;
                    settings.sources.file = Some(path.clone());
                    settings.add(file, matches);
                }
            }
            Some(_) => {
                if let Some(name) = loose.try_get_one::<String>(PROFILE)? {
                    settings.add_profile(name, &loose)?;
                }
            }
            None => {}
        }
        Ok(settings)
    }

    /// Adds what neither the command line nor the environment has.
    fn add(&mut self, file: File, matches: &ArgMatches) {
        for (name, values) in file.options {
            if source(matches, &id(&self.program, &name)).is_none() {
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
                self.sources.of_environment.push(limit_name(limit));
                self.all.push(format!("--limit={limit}").into());
            }
        }
        known.extend(self.sources.of_environment.iter().cloned());
        for (name, value) in file.limits.into_iter().filter(|(name, _)| !known.contains(name)) {
            self.all.push(format!("--limit={name}={value}").into());
            self.sources.of_file.insert(name, value);
        }
    }

    /// Adds what the command line does not have, nor, if the profile itself is named there only, the environment.
    fn add_profile(&mut self, name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
        let path = profile::file()?;
        let is_asked_for = source(matches, PROFILE) == Some(CommandLine);
        for (option, values) in profile::read(&path, name, &self.program)? {
            match source(matches, &option) {
                Some(CommandLine) => {}
                Some(_) if !is_asked_for => {}
                _ => self.add_option(option, &values),
            }
        }
        self.sources.file = Some(path);
        Ok(())
    }

    fn add_option(&mut self, name: String, values: &[String]) {
        // What follows `--` are no options.
        let end = self.all.iter().position(|argument| argument == "--").unwrap_or(self.all.len());
        self.all.splice(end..end, values.iter().map(|value| format!("--{name}{value}").into()));
        self.sources.of_file.insert(name, values.concat());
    }

    /// The command line with everything; ends the process with a message if it does not hold up.
    pub fn matches(&self) -> ArgMatches {
        self.program.clone().try_get_matches_from(&self.all).unwrap_or_else(|error| self.refuse(&error))
    }

    /// Ends the process with a message, which says what of a file was added to what somebody has typed.
    pub fn refuse(&self, error: &clap::Error) -> ! {
        let _ = error.print();
        if error.use_stderr() && !self.sources.of_file.is_empty() {
            let of_file: Vec<&str> = self.sources.of_file.keys().map(String::as_str).collect();
            eprintln!("\n{} has: {}", self.sources.file_name(), of_file.join(", "));
        }
        std::process::exit(error.exit_code())
    }

    /// Writes what a host would have, and where it comes from.
    pub fn show(&self, matches: &ArgMatches, of_host: &ArgMatches) -> anyhow::Result<()> {
        cli::config::print(cli::Global::from_arg_matches(matches)?.output, &self.in_force(of_host)?)
    }

    /// The same.
    pub fn in_force(&self, of_host: &ArgMatches) -> anyhow::Result<api::Settings> {
        shown::shown(&self.program, &self.sources, of_host)
    }

    /// The options of a host, its file read again, and the names of those that have changed but for limits and `log`.
    pub fn again(&self) -> anyhow::Result<(ArgMatches, Vec<String>)> {
        let now = Self::read(self.program.clone(), self.given.clone())?;
        let mut matches = self.program.clone().try_get_matches_from(&now.all)?;
        let (_, of_host) = matches.remove_subcommand().context("this is no host")?;
        let changed = self.sources.changed(&now.sources).into_iter();
        Ok((of_host, changed.filter(|name| !name.contains('.') && *name != "log").collect()))
    }
}
