//! A file of settings: options by their names, and limits.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, Command};
use toml_edit::{Document, Item, TableLike, Value};

use super::options::{FILE, options};

/// The table of limits.
const LIMITS: &str = "limits";

/// What a file says.
#[derive(Debug, Default)]
pub struct File {
    /// Names of options, and what follows each name on a command line, once for each time that it is there: `=VALUE`,
    /// or nothing for what is only said.
    pub options: Vec<(String, Vec<String>)>,
    /// Names of limits, and their values.
    pub limits: Vec<(String, String)>,
}

impl File {
    pub fn read(path: &Path, program: &Command) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the settings in {} cannot be read", path.display()))?;
        Self::parse(&text, program).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, program: &Command) -> anyhow::Result<Self> {
        let document = Document::parse(text)?;
        let mut file = Self::default();
        for (name, item) in document.as_table() {
            let at = || place(text, document.as_table(), name);
            if name == LIMITS {
                file.limits = limits(item).with_context(at)?;
            } else {
                let values = option(program, name).and_then(|option| values(option, item)).with_context(at)?;
                file.options.push((name.to_owned(), values));
            }
        }
        Ok(file)
    }
}

fn option<'a>(program: &'a Command, name: &str) -> anyhow::Result<&'a Arg> {
    let may_stand = |option: &&Arg| option.get_long().is_some_and(|name| ![FILE, "limit"].contains(&name));
    options(program).filter(may_stand).find(|option| option.get_long() == Some(name)).ok_or_else(|| {
        let known: Vec<&str> = options(program).filter(may_stand).filter_map(Arg::get_long).collect();
        let known = known.join(", ");
        anyhow!("there is no such setting; there are {known}, and tables of limits such as [limits.sandbox]")
    })
}

/// What an option is given: nothing if it is a flag that is not set.
pub fn values(option: &Arg, item: &Item) -> anyhow::Result<Vec<String>> {
    let following = |value: &Value| Some(format!("={}", written(value)?));
    match (option.get_action(), item.as_value()) {
        (ArgAction::SetTrue, Some(Value::Boolean(is_set))) => {
            Ok(if *is_set.value() { vec![String::new()] } else { Vec::new() })
        }
        (ArgAction::SetTrue, _) => bail!("it is true or false"),
        (ArgAction::Append, Some(Value::Array(values))) => {
            values.iter().map(following).collect::<Option<_>>().context("it is a list of texts")
        }
        (ArgAction::Append, _) => bail!("it is a list of texts"),
        (_, value) => Ok(vec![value.and_then(following).context("it is a text or a number")?]),
    }
}

/// Limits by their names, such as `sandbox.event_fuel`.
fn limits(item: &Item) -> anyhow::Result<Vec<(String, String)>> {
    let table = item.as_table_like().context("limits are tables: [limits.sandbox], with event_fuel = 500000000")?;
    let mut limits = Vec::new();
    for (group, item) in table.iter() {
        let of_group = item.as_table_like().with_context(|| format!("{group} is a table: [limits.{group}]"))?;
        for (limit, value) in of_group.iter() {
            let value = value.as_value().and_then(written);
            let name = format!("{group}.{limit}");
            let value = value.with_context(|| format!("{name} is a number, or a text such as \"256M\""))?;
            limits.push((name, value));
        }
    }
    Ok(limits)
}

/// A value as it is written on a command line.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        _ => None,
    }
}

/// Where a name stands.
pub fn place(text: &str, table: &dyn TableLike, name: &str) -> String {
    let key = table.get_key_value(name).and_then(|(key, _)| key.span());
    let table = || table.get(name).and_then(Item::span);
    let before = key.or_else(table).and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line}: {name}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn program() -> Command {
        let options = ["data", "config", "listen", "keep-requests", "limit"].map(|name| Arg::new(name).long(name));
        let flags = ["paused", "authenticate"].map(|name| Arg::new(name).long(name).action(ArgAction::SetTrue));
        let names = Arg::new("names").long("host-name").action(ArgAction::Append);
        Command::new("kinora").subcommand(Command::new("serve").args(options).args(flags).arg(names))
    }

    fn parse(text: &str) -> Result<File, String> {
        File::parse(text, &program()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn options_and_limits_are_taken_as_they_are_written() {
        let file = parse(
            "listen = \"0.0.0.0:1\"\nkeep-requests = 7\npaused = true\nauthenticate = false\n\
             host-name = [\"a\", \"b\"]\n[limits.sandbox]\nevent_fuel = 500_000_000\nmemory_bytes = \"256M\"\n",
        );
        let file = file.unwrap();
        let text = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let expected = [
            ("listen", text(&["=0.0.0.0:1"])),
            ("keep-requests", text(&["=7"])),
            ("paused", text(&[""])),
            ("authenticate", text(&[])),
            ("host-name", text(&["=a", "=b"])),
        ];
        assert_eq!(file.options, expected.map(|(name, values)| (name.to_owned(), values)));
        let limits = [("sandbox.event_fuel", "500000000"), ("sandbox.memory_bytes", "256M")];
        assert_eq!(file.limits, limits.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("listen = 1.5", "line 1: listen: it is a text or a number"),
            ("\npaused = \"yes\"", "line 2: paused: it is true or false"),
            ("host-name = \"a\"", "line 1: host-name: it is a list of texts"),
            ("# why\nlisten = \"a\"\nlissen = 1", "line 3: lissen: there is no such setting; there are data, listen,"),
            ("config = \"x\"", "line 1: config: there is no such setting"),
            ("limits = 3", "line 1: limits: limits are tables"),
            ("[limits]\nsandbox = 3", "line 1: limits: sandbox is a table"),
            ("[limits.sandbox]\nevent_fuel = true", "sandbox.event_fuel is a number"),
            ("listen = ", "TOML parse error at line 1"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
