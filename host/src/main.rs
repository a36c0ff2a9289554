//! The command line.

use std::process::ExitCode;

use kinora::sandbox;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(sandbox::CHILD_COMMAND) => sandbox::compile_child(arguments),
        _ => {
            eprintln!("usage: kinora {} (for the host's own use)", sandbox::CHILD_COMMAND);
            ExitCode::from(2)
        }
    }
}
