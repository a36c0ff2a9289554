//! A temporary host: this program once more, on a port that is free and a folder that is thrown away.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use kinora_client::{Client, base_url};

pub struct TemporaryHost {
    process: Child,
    pub client: Client,
}

impl TemporaryHost {
    /// Starts it and waits until it serves.
    pub fn start(data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        // The address is in its log, which must not be silent.
        command.env("KINORA_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().context("no temporary host can be started")?;
        let Some(said) = process.stderr.take() else { bail!("the temporary host says nothing") };
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let mut last = String::new();
        let address = lines.find_map(|line| {
            let address = line.split_once("serving address=").and_then(|(_, rest)| rest.split(' ').next());
            let address = address.map(str::to_owned);
            last = line;
            address
        });
        // Somebody has to read what it says, or it would wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            drop(process.wait());
            bail!("the temporary host did not start: {last}")
        };
        let client = Client::new(base_url(&format!("http://{address}")).map_err(anyhow::Error::msg)?)?;
        Ok(Self { process, client })
    }
}

impl Drop for TemporaryHost {
    fn drop(&mut self) {
        // Nothing of it is wanted any more, so it need not end in order.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
