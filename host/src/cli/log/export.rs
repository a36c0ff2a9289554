//! `kinora log export`: the events of a running host as newline-delimited JSON.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use kinora_client::Client;
use kinora_client::api::events::ReadLog;

use crate::cli::log::line::Line;
use crate::cli::output::{Output, note};
use crate::cli::progress::Bar;

/// Write all events of a host as newline-delimited JSON, one a line, in the order of the log
///
/// For example: kinora log export --file log.ndjson. What was broken off goes on with --resume. `kinora log import`
/// makes the same log of it.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to write; stdout if none is named
    #[arg(long)]
    file: Option<PathBuf>,
    /// Go on behind the last whole line of the file
    #[arg(long, requires = "file")]
    resume: bool,
    /// Only events behind this position
    #[arg(long, value_name = "POSITION", conflicts_with = "resume")]
    after: Option<u64>,
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let log = client.log().await?;
    let (mut file, after) = match &arguments.file {
        None => (None, arguments.after),
        Some(path) if arguments.resume => {
            let (file, last) = resume(path).with_context(|| format!("{} cannot be gone on with", path.display()))?;
            (Some(file), last)
        }
        Some(path) => {
            let file = File::options().write(true).create_new(true).open(path);
            let hint = || format!("{} cannot be made; --resume goes on with one that is there", path.display());
            (Some(BufWriter::new(file.with_context(hint)?)), arguments.after)
        }
    };
    let begin = after.map_or(0, |after| after.saturating_add(1));
    let progress = Bar::new(log.events.saturating_sub(begin));
    let mut pieces = client.export(&ReadLog { after, ..ReadLog::default() }).await?;
    let mut lines: u64 = 0;
    let broke_off = "the answer broke off; what was written up to here stays, and --resume goes on with it";
    while let Some(piece) = pieces.next().await.context(broke_off)? {
        match &mut file {
            Some(file) => file.write_all(&piece).context("the events cannot be written")?,
            None => output.raw(&piece)?,
        }
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        progress.at(lines);
    }
    progress.end();
    output.flush()?;
    if let Some(mut file) = file {
        file.flush().context("the events cannot be written")?;
        output.line(if output.is_json() {
            serde_json::json!({"events": lines}).to_string()
        } else {
            format!("{lines} events")
        })?;
    } else {
        note(format_args!("{lines} events"));
    }
    Ok(())
}

/// Opens the file behind its last whole line, which a broken export may have something after, and says where that one
/// was.
fn resume(path: &Path) -> anyhow::Result<(BufWriter<File>, Option<u64>)> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let (mut end, mut tail) = (file.seek(SeekFrom::End(0))?, Vec::new());
    // Backwards, in pieces, until there is a whole line: it begins behind a line break and ends with one.
    loop {
        let whole = tail.iter().rposition(|byte| *byte == b'\n');
        let before = whole.and_then(|last| tail.get(..last)?.iter().rposition(|byte| *byte == b'\n'));
        if let (Some(last), true) = (whole, before.is_some() || end == 0) {
            let line = tail.get(before.map_or(0, |before| before + 1)..last).unwrap_or_default();
            let position = Line::position(std::str::from_utf8(line)?).context("its last line is no event")?;
            let keep = end + last as u64 + 1;
            file.set_len(keep)?;
            file.seek(SeekFrom::Start(keep))?;
            return Ok((BufWriter::new(file), Some(position)));
        }
        if end == 0 {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            return Ok((BufWriter::new(file), None));
        }
        let step = end.min(1 << 16);
        end -= step;
        file.seek(SeekFrom::Start(end))?;
        let mut piece = vec![0; usize::try_from(step)?];
        file.read_exact(&mut piece)?;
        piece.extend_from_slice(&tail);
        tail = piece;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_export_goes_on_behind_its_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.ndjson");
        let long = format!("{{\"position\":7,\"data\":\"{}\"}}\n", "x".repeat(200_000));
        let two = format!("{{\"position\":6}}\n{long}");
        for (text, position, kept) in [
            ("", None, 0),
            ("{\"posi", None, 0),
            ("{\"position\":0}\n", Some(0), 15),
            ("{\"position\":0}\n{\"position\":1}\n{\"pos", Some(1), 30),
            (&*two, Some(7), two.len()),
            (&*format!("{two}{{"), Some(7), two.len()),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(resume(&path).unwrap().1, position);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), kept as u64);
        }
        std::fs::write(&path, "what\n").unwrap();
        assert!(resume(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"what\n", "a file that is something else is left alone");
    }
}
