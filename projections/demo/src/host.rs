//! The host of the demo: the real program, in a folder of its own that is new each time.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

pub struct Host {
    process: Child,
    pub url: String,
    pub program: PathBuf,
    pub data: PathBuf,
    pub modules: PathBuf,
}

impl Host {
    pub fn start() -> anyhow::Result<Self> {
        let here = std::env::current_exe()?;
        let release = here.parent().context("the demo has no folder")?;
        let target = release.parent().context("the demo has no target folder")?;
        let (program, data, modules) = (release.join("kinora"), target.join("demo-data"), target.join("modules"));
        remove(&data)?;
        let mut command = Command::new(&program);
        command.arg("serve").arg("--data").arg(&data).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        let said = process.stderr.take().context("the host has no stderr")?;
        let mut lines = BufReader::new(said).lines();
        let mut output = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line.split_once("serving address=").and_then(|(_, rest)| rest.split(' ').next());
            let address = address.map(str::to_owned);
            output.push(line);
            address
        });
        let address = address.with_context(|| format!("the host does not serve:\n{}", output.join("\n")))?;
        // Somebody has to read what it says, or it would wait for a full pipe. What matters is shown.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok).filter(|line| line.contains("WARN") || line.contains("ERROR")) {
                eprintln!("{line}");
            }
        });
        Ok(Self { process, url: format!("http://{address}"), program, data, modules })
    }

    /// The most memory that the host has had, in MiB. Only Linux tells.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
    }

    pub fn stop(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn remove(data: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(data) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(cause).with_context(|| format!("{} of an earlier demo cannot be removed", data.display()))
        }
        _ => Ok(()),
    }
}
