//! The compiler of modules for hosts in the process of a test: such a host cannot start itself for it, as the program
//! does.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(kinora_sandbox::CHILD_COMMAND) {
        return kinora_sandbox::compile_child(arguments);
    }
    eprintln!("hosts of the tests start this program to compile a module");
    ExitCode::FAILURE
}
