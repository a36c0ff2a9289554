//! The shell around the program: completions for it, and manual pages.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand};
use clap_complete::Shell;

#[derive(Subcommand)]
pub enum Shelled {
    /// Print completions for a shell
    ///
    /// For example, in ~/.bashrc: source <(kinora completions bash)
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write a manual page for each command
    ///
    /// For example: kinora man ~/.local/share/man/man1; man kinora-deploy
    Man {
        /// The folder to write to; made if it is not there
        folder: PathBuf,
    },
}

pub fn run(program: Command, shelled: &Shelled) -> io::Result<()> {
    match shelled {
        Shelled::Completions { shell } => {
            let (mut program, mut text) = (program, Vec::new());
            clap_complete::generate(*shell, &mut program, "kinora", &mut text);
            io::Write::write_all(&mut io::stdout(), &text)
        }
        Shelled::Man { folder } => man(program, folder),
    }
}

fn man(program: Command, folder: &Path) -> io::Result<()> {
    let mut program = without_help(program);
    let failed = |cause: io::Error| io::Error::new(cause.kind(), format!("{}: {cause}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Names and options of all are known once it is built.
    program.build();
    clap_mangen::generate_to(program, folder).map_err(failed)
}

/// Without commands that only show what the pages say.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
