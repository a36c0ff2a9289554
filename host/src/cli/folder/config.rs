//! `kinora config`: settings of a host, and where each comes from.

use serde::Serialize;
use serde_json::json;

use crate::cli::output::{Format, Output, table};

/// One setting of a host.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub name: String,
    /// `None`: it is not set, and there is no default.
    pub value: Option<String>,
    /// The option, the variable of the environment or the file that says so; `default` where none does.
    pub source: String,
}

pub fn print(format: Format, settings: &[Setting]) -> anyhow::Result<()> {
    let mut output = Output::new(format);
    if output.is_json() {
        output.json(&json!({ "settings": settings }).to_string())?;
        return output.flush();
    }
    let mut table = table(&["setting", "value", "from"], &[]);
    for Setting { name, value, source } in settings {
        table.add_row([name.as_str(), value.as_deref().unwrap_or("-"), source.as_str()]);
    }
    output.table(&table)?;
    output.flush()
}
