//! The program as its users have it: a process with a socket.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::Api;

pub struct Program {
    process: Child,
    said: Arc<Mutex<Vec<String>>>,
    pub url: String,
}

/// The address that a host says it serves at, in text or in JSON.
fn address_of(line: &str) -> Option<String> {
    let (_, rest) =
        ["serving address=", "\"serving\",\"address\":\""].iter().find_map(|before| line.split_once(before))?;
    rest.split([' ', '"']).next().map(str::to_owned)
}

impl Program {
    /// Starts the program and waits until it serves.
    pub fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    pub fn start_at(data: &Path, address: &str) -> Self {
        let mut command = Self::command(data);
        command.args(["--listen", address]);
        Self::start_command(command)
    }

    /// Starts what [`Self::command`] made, with more arguments.
    pub fn start_command(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = address_of(&line);
            said.push(line);
            address
        });
        let Some(address) = address else { unreachable!("the host did not start: {said:#?}") };
        // Somebody has to read what the host says, or it would wait for a full pipe.
        let said = Arc::new(Mutex::new(said));
        let saying = Arc::clone(&said);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| saying.lock().unwrap().push(line)));
        Self { process, said, url: format!("http://{address}") }
    }

    /// The program as it has just been built: by Cargo for the tests of its package, by `make` for the benches.
    pub fn path() -> PathBuf {
        let built = ["CARGO_BIN_EXE_kinora", "KINORA_PROGRAM"].into_iter().find_map(std::env::var_os);
        built.expect("KINORA_PROGRAM is the program, as make bench-* sets it").into()
    }

    pub fn command(data: &Path) -> Command {
        let mut command = Command::new(Self::path());
        command.arg("serve").arg("--data").arg(data);
        command
    }

    /// `kill -9`: no destructor, no flush, no farewell.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The lines of its output so far.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// Its HTTP interface.
    pub fn api(&self) -> Api {
        Api::of(&self.url)
    }

    /// Told to stop, as a service manager does it.
    pub fn stop(mut self) {
        let told = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(self.process.wait().unwrap().success());
    }

    /// Waits for an end that nobody asks for, and gives its code.
    pub fn ends(mut self) -> i32 {
        self.process.wait().unwrap().code().expect("no signal ends it")
    }

    /// The most memory that it has had, in MiB. Only Linux tells.
    pub fn peak_memory(&self) -> Option<f64> {
        self.memory_of("VmHWM:")
    }

    /// The memory that it has, in MiB. Only Linux tells.
    pub fn memory(&self) -> Option<f64> {
        self.memory_of("VmRSS:")
    }

    fn memory_of(&self, name: &str) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The same address, for a host that comes back.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn events_of(&self, stream: &str) -> String {
        format!("{}/v1/streams/{stream}/events", self.url)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
