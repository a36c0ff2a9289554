//! The compiler's output, looked at before it is loaded: the file that it should be, for this machine, with the parts
//! that wasmtime makes and nothing beside them.
//!
//! This keeps malformed files from the loader, which takes what it reads for its own. It does not judge the machine
//! code in it: that is whatever the compiler has made.

use object::elf::{FileHeader64, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS, SHT_NULL, SHT_REL, SHT_RELA};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, elf};

use crate::error::Error;

/// What wasmtime writes into the header: a system of its own.
const SYSTEM: u8 = 200;

/// Sections that have to be there, each once.
const NEEDED: [&str; 3] = [".text", ".wasmtime.engine", ".wasmtime.info"];

/// How names of sections begin.
const KNOWN: [&str; 8] =
    [".text", ".wasmtime.", ".rodata.wasm", ".name.wasm", ".eh_frame", ".symtab", ".strtab", ".shstrtab"];

/// Sections that a file has at most.
const SECTIONS: usize = 32;

/// Whether this is machine code for this machine, in wasmtime's form.
pub fn check(code: &[u8]) -> Result<(), Error> {
    look(code).map_err(|why| Error::Compile(format!("what the compiler made cannot be loaded: {why}")))
}

fn look(code: &[u8]) -> Result<(), String> {
    let text = |cause: object::read::Error| cause.to_string();
    let header = FileHeader64::<Endianness>::parse(code).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    if header.e_ident.os_abi != SYSTEM || header.e_machine(endian) != machine()? {
        return Err("it is for another machine".into());
    }
    if header.e_phnum(endian) != 0 {
        return Err("it has segments".into());
    }
    let sections = header.sections(endian, code).map_err(text)?;
    if sections.len() > SECTIONS {
        return Err(format!("it has {} sections", sections.len()));
    }
    let (mut ranges, mut names) = (Vec::new(), Vec::new());
    for section in sections.iter().filter(|section| section.sh_type(endian) != SHT_NULL) {
        let name = sections.section_name(endian, section).map_err(text)?;
        let name = std::str::from_utf8(name).map_err(|_| "the name of a section is not UTF-8")?;
        let kind = section.sh_type(endian);
        if !KNOWN.iter().any(|known| name.starts_with(known)) || [SHT_REL, SHT_RELA].contains(&kind) {
            return Err(format!("it has a section {name:?}"));
        }
        let flags = section.sh_flags(endian);
        let (runs, is_written) = (flags & u64::from(SHF_EXECINSTR) != 0, flags & u64::from(SHF_WRITE) != 0);
        if runs && (is_written || name != ".text") {
            return Err(format!("its section {name:?} would run"));
        }
        if kind != SHT_NOBITS {
            let (start, bytes) = (section.sh_offset(endian), section.sh_size(endian));
            let end = start.checked_add(bytes).filter(|end| *end <= code.len() as u64);
            ranges.push((start, end.ok_or_else(|| format!("its section {name:?} ends after the file"))?));
        }
        names.push(name);
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| matches!(pair, [(_, end), (start, _)] if start < end)) {
        return Err("its sections overlap".into());
    }
    match NEEDED.iter().find(|needed| names.iter().filter(|name| name == needed).count() != 1) {
        Some(needed) => Err(format!("it does not have one section {needed:?}")),
        None => Ok(()),
    }
}

/// The machine that this host runs on.
fn machine() -> Result<u16, String> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(elf::EM_X86_64),
        "aarch64" => Ok(elf::EM_AARCH64),
        "riscv64" => Ok(elf::EM_RISCV),
        "s390x" => Ok(elf::EM_S390),
        other => Err(format!("there is no compiler for {other}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn code() -> Vec<u8> {
        let component = wat::parse_str(r#"(component (core module (func (export "f") (result i32) (i32.const 7))))"#);
        crate::engine::engine(&Limits::default()).unwrap().precompile_component(&component.unwrap()).unwrap()
    }

    #[test]
    fn what_the_compiler_makes_passes_and_what_it_does_not_make_does_not() {
        let good = code();
        assert_eq!(look(&good), Ok(()));
        for end in [0, 1, 64, good.len() / 2, good.len() - 1] {
            assert!(look(&good[..end]).is_err(), "cut at {end}");
        }
        // The system, the machine, the number of segments.
        for at in [7, 18, 56] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(look(&bad).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn no_change_of_a_byte_makes_the_look_itself_fail() {
        let good = code();
        for at in 0..good.len().min(8_192) {
            let mut bad = good.clone();
            bad[at] = !bad[at];
            let _ = look(&bad);
        }
    }
}
