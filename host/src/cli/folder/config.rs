//! `kinora config`: settings of a host, and where each comes from.

use kinora_client::api::settings::{Setting, Settings};

use crate::cli::output::{Format, Output, table};

pub fn print(format: Format, all: &Settings) -> anyhow::Result<()> {
    let mut output = Output::new(format);
    if output.is_json() {
        output.json(&serde_json::to_string(all)?)?;
        return output.flush();
    }
    let mut table = table(&["setting", "value", "from"], &[]);
    for Setting { name, value, source } in &all.settings {
        table.add_row([name.as_str(), value.as_deref().unwrap_or("-"), source.as_str()]);
    }
    output.table(&table)?;
    output.flush()
}
