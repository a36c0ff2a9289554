//! `kinora backup`: makes, lists and restores backups.

use std::path::PathBuf;

use clap::Subcommand;
use kinora_client::Client;
use kinora_client::api::backups::{Backup, CreateBackup};
use kinora_engine::backup;
use serde_json::json;

use crate::cli::output::{Output, REQUIRED};

/// Make a backup of a running host, list backups, or restore one
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a backup, into the folder that the host was started with (--backups)
    ///
    /// For example: kinora backup create --keep 7
    Create {
        /// How many backups to keep: older ones are deleted
        #[arg(long, value_name = "BACKUPS")]
        keep: Option<usize>,
    },
    /// List the backups of a host
    ///
    /// For example: kinora backup list
    List,
    /// Make a data folder of a backup; no host is needed
    ///
    /// For example: kinora backup restore --from /mnt/backups --data ./restored
    Restore {
        /// The folder with the backups
        #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
        from: PathBuf,
        /// The new data folder
        #[arg(long, value_name = "FOLDER", help_heading = REQUIRED)]
        data: PathBuf,
        /// The number of the backup [default: the newest one]
        #[arg(long)]
        number: Option<u32>,
    },
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Create { keep } => {
            let answer = client.create_backup(&CreateBackup { keep }).await?;
            if output.is_json() {
                return output.json(answer.text());
            }
            show(output, &answer)
        }
        Command::List => {
            let answer = client.backups().await?;
            if output.is_json() {
                return output.json(answer.text());
            }
            answer.backups.iter().try_for_each(|backup| show(output, backup))
        }
        Command::Restore { from, data, number } => {
            let (backup, progress) = backup::restore(&from, number, &data)?;
            if output.is_json() {
                return output.line(json!({"number": backup.number, "events": progress.0}));
            }
            let (number, events, data) = (backup.number, progress.0, data.display());
            output.line(format_args!("backup {number} is restored: {events} events; kinora serve --data {data}"))
        }
    }
}

fn show(output: &mut Output, Backup { number, time, bytes }: &Backup) -> anyhow::Result<()> {
    let time = time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    output.line(format_args!("backup {number}  {time}  {bytes} bytes"))
}
