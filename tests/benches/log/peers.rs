//! Other stores, started for a measurement in a folder that goes with it. `.setup/peers` installs them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where `.setup/peers` puts what it builds.
fn program(name: &str) -> Option<PathBuf> {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let program = target.join("peers/bin").join(name);
    if !program.is_file() {
        eprintln!("left out: {name} is not there; make bench-log installs it");
        return None;
    }
    Some(program)
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn measure(store: &str, url: &str, work: &str, clients: usize, span: Duration) -> f64 {
    let mut command = Command::new(program("peers").unwrap());
    let output =
        command.args([store, url, work, &clients.to_string(), &span.as_secs_f64().to_string()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("{store} {work}: {said}"))
}

pub struct Umadb {
    process: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Umadb {
    pub fn start() -> Option<Self> {
        let (server, _) = (program("umadb")?, program("peers")?);
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(server);
        command.args(["--db-path"]).arg(dir.path().join("uma.db")).args(["--listen", &listen]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&listen);
        Some(Self { process, url: format!("http://{listen}"), _dir: dir })
    }

    pub fn measure(&self, work: &str, clients: usize, span: Duration) -> f64 {
        measure("umadb", &self.url, work, clients, span)
    }
}

impl Drop for Umadb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Postgres {
    process: Child,
    url: String,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Postgres {
    pub fn start() -> Option<Self> {
        program("peers")?;
        let Some(bin) = binaries() else {
            eprintln!("left out: PostgreSQL is not there; make bench-log installs it");
            return None;
        };
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let data = dir.path().join("data");
        // It does not run as root.
        let as_user = |program: &str| {
            let mut command = Command::new(if is_root() { Path::new("runuser").to_owned() } else { bin.join(program) });
            if is_root() {
                command.args(["-u", "postgres", "--"]).arg(bin.join(program));
            }
            command
        };
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(dir.path()).status().unwrap();
            assert!(owned.success());
        }
        let made = as_user("initdb").args(["-A", "trust", "-U", "bench", "-D"]).arg(&data).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = as_user("postgres");
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k", "/tmp", "-c", "max_connections=300"]);
        let process = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(&format!("127.0.0.1:{port}"));
        std::thread::sleep(Duration::from_secs(1));
        let url = format!("host=127.0.0.1 port={port} user=bench dbname=postgres");
        Some(Self { process, url, port, _dir: dir })
    }

    pub fn measure(&self, work: &str, clients: usize, span: Duration) -> f64 {
        measure("postgres", &self.url, work, clients, span)
    }

    /// Commands a second of Python's `eventsourcing` on this server.
    pub fn eventsourcing(&self, accounts: u64, threads: usize, span: Duration) -> Option<f64> {
        let python = program("../python/bin/python3")?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/bank.py");
        let mut command = Command::new(python);
        command.arg(script).args(["127.0.0.1", &self.port.to_string(), &accounts.to_string(), &threads.to_string()]);
        let output = command.arg(span.as_secs_f64().to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        Some(String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or_else(|_| panic!("eventsourcing: {said}")))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // `runuser` hands the signal on; a quick end of the server is all that is wanted.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// The folder with the server's programs: Debian does not put them on the path.
fn binaries() -> Option<PathBuf> {
    let mut found: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path().join("bin")).collect();
    found.sort();
    found.pop().filter(|bin| bin.join("initdb").is_file())
}

fn wait_for(address: &str) {
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nothing listens on {address}");
}
