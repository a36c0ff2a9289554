//! Components: uploaded bytes become one that fits the contract, or there is a reason why not.
//!
//! Accepts a core module that `wit-bindgen` built (it carries its WIT in a custom section) and a ready component.

use std::collections::BTreeSet;

use wasmparser::{Encoding, Parser, Payload, Validator};
use wit_component::ComponentEncoder;

use crate::error::Error;
use crate::limits::Limits;
use crate::module::manifest::Kind;

/// Everything that a guest may import begins so.
const CONTRACT: &str = "kinora:engine/";

/// The version of the contract in `wit/`. A module is built for one; those with another first number are refused.
pub const CONTRACT_VERSION: &str = "2.0.0";

/// What WebAssembly begins with.
const MAGIC: &[u8] = b"\0asm";

const PROJECTOR_EXPORTS: [&str; 4] = ["describe", "apply", "flush", "query"];
const UPCASTER_EXPORTS: [&str; 2] = ["describe", "upcast"];
const DECIDER_EXPORTS: [&str; 6] = ["describe", "load", "evolve", "decide", "save", "drop"];

/// Checks an upload and returns it as a component, with its kind. Does not run any of it.
pub fn componentize(bytes: &[u8], limits: &Limits) -> Result<(Vec<u8>, Kind), Error> {
    if bytes.len() > limits.module_bytes {
        return Err(Error::TooLarge { actual: bytes.len(), limit: limits.module_bytes });
    }
    let encoding = encoding(bytes)?;
    Validator::new().validate_all(bytes).map_err(|cause| Error::NotWasm(cause.to_string()))?;
    let surface = Surface::read(bytes, encoding)?;
    surface.check_imports()?;
    let kind = surface.kind()?;
    let component = match encoding {
        Encoding::Component => bytes.to_vec(),
        Encoding::Module => wrap(bytes)?,
    };
    Ok((component, kind))
}

fn encoding(bytes: &[u8]) -> Result<Encoding, Error> {
    if bytes.is_empty() {
        return Err(Error::NotWasm("it is empty".into()));
    }
    if !bytes.starts_with(MAGIC) {
        let what = match bytes.trim_ascii_start().starts_with(b"(") {
            true => "it looks like its text format, which `wasm-tools parse` makes binary",
            false => "it does not begin with \\0asm, as each binary module and component does",
        };
        return Err(Error::NotWasm(what.into()));
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        Some(Err(cause)) => Err(Error::NotWasm(cause.to_string())),
        _ => Err(Error::NotWasm("it has no header".into())),
    }
}

/// Wraps a core module. One that does not carry its WIT would become an empty component, so the result is looked
/// at once more.
fn wrap(module: &[u8]) -> Result<Vec<u8>, Error> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|cause| Error::Contract(format!("{cause:#}")))?;
    let surface = Surface::read(&component, Encoding::Component)?;
    // A core module without imports says only in its WIT what it was built for.
    surface.check_version()?;
    match surface.kind() {
        Ok(_) => Ok(component),
        Err(_) => Err(Error::Contract("the core module does not carry its WIT: build it with the SDK".into())),
    }
}

/// What a module asks of its host and what it offers.
struct Surface {
    encoding: Encoding,
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

impl Surface {
    fn read(bytes: &[u8], encoding: Encoding) -> Result<Self, Error> {
        let bad = |cause: wasmparser::BinaryReaderError| Error::NotWasm(cause.to_string());
        let mut surface = Self { encoding, imports: BTreeSet::new(), exports: BTreeSet::new() };
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(bad)? {
                // Modules and components within a component have imports and exports of their own, which the
                // outer one satisfies: only the outermost level talks to the host.
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ImportSection(section) if depth == 1 => {
                    for import in section.into_imports() {
                        let import = import.map_err(bad)?;
                        surface.imports.insert(format!("{}#{}", import.module, import.name));
                    }
                }
                Payload::ExportSection(section) if depth == 1 => {
                    for export in section {
                        surface.exports.insert(export.map_err(bad)?.name.to_owned());
                    }
                }
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        surface.imports.insert(import.map_err(bad)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        surface.exports.insert(export.map_err(bad)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }

    fn check_imports(&self) -> Result<(), Error> {
        // Types that a world uses appear as imports of a component under their own plain names.
        let foreign = |name: &&String| {
            let plain_type = self.encoding == Encoding::Component && !name.contains([':', '/']);
            !name.starts_with(CONTRACT) && !plain_type
        };
        let foreign: Vec<_> = self.imports.iter().filter(foreign).cloned().collect();
        if foreign.is_empty() { self.check_version() } else { Err(Error::ForeignImports(foreign)) }
    }

    fn check_version(&self) -> Result<(), Error> {
        let first = |version: &str| version.split('.').next().map(str::to_owned);
        let of_contract = self.imports.iter().filter_map(|name| name.strip_prefix(CONTRACT));
        let mut versions =
            of_contract.filter_map(|name| name.split('#').next()?.split_once('@')).map(|(_, version)| version);
        match versions.find(|version| first(version) != first(CONTRACT_VERSION)) {
            None => Ok(()),
            Some(other) => Err(Error::OtherContract { built_for: other.to_owned(), wanted: CONTRACT_VERSION }),
        }
    }

    fn kind(&self) -> Result<Kind, Error> {
        let lacks = |wanted: &[&str]| -> Vec<String> {
            wanted.iter().filter(|name| !self.exports.contains(**name)).map(|name| (*name).to_owned()).collect()
        };
        let worlds = [
            (Kind::Projector, lacks(&PROJECTOR_EXPORTS)),
            (Kind::Upcaster, lacks(&UPCASTER_EXPORTS)),
            (Kind::Decider, lacks(&DECIDER_EXPORTS)),
        ];
        if let Some((kind, _)) = worlds.iter().find(|(_, lacking)| lacking.is_empty()) {
            return Ok(*kind);
        }
        let needs = worlds.map(|(kind, lacking)| format!("{} needs {}", kind.noun(), lacking.join(", ")));
        Err(Error::MissingExports(needs.join(", ")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(wat: &str) -> Error {
        componentize(&wat::parse_str(wat).unwrap(), &Limits::default()).unwrap_err()
    }

    #[test]
    fn bytes_that_are_not_webassembly_are_refused() {
        for bytes in [&b""[..], b"hello", b"\0asm", b"\0asm\x01\0\0\0\xff"] {
            assert!(matches!(componentize(bytes, &Limits::default()), Err(Error::NotWasm(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_module_over_the_limit_is_refused_with_both_figures() {
        let limits = Limits { module_bytes: 7, ..Limits::default() };
        let error = componentize(&wat::parse_str("(module)").unwrap(), &limits).unwrap_err();
        assert!(matches!(error, Error::TooLarge { actual: 8, limit: 7 }), "{error}");
    }

    #[test]
    fn what_is_no_webassembly_is_told_so_in_a_sentence() {
        for (bytes, words) in [
            (b"".as_slice(), "it is empty"),
            (b"#!/bin/sh", "it does not begin with \\0asm"),
            (b" (module)", "it looks like its text format"),
            (b"\0asm", "unexpected end"),
        ] {
            let error = componentize(bytes, &Limits::default()).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn imports_outside_the_contract_are_refused_by_name() {
        let error = refused(
            r#"(module (import "env" "now" (func)) (import "kinora:engine/diagnostics@2.0.0" "log" (func))
                 (import "wasi_snapshot_preview1" "fd_write" (func)))"#,
        );
        let Error::ForeignImports(names) = &error else { unreachable!("{error}") };
        assert_eq!(names, &["env#now", "wasi_snapshot_preview1#fd_write"]);
    }

    #[test]
    fn a_component_with_foreign_imports_is_refused_by_name() {
        let error = refused(r#"(component (import "wasi:clocks/monotonic-clock@0.2.0" (instance)))"#);
        let Error::ForeignImports(names) = &error else { unreachable!("{error}") };
        assert_eq!(names, &["wasi:clocks/monotonic-clock@0.2.0"]);
    }

    #[test]
    fn a_module_without_the_exports_is_told_which_ones_it_lacks() {
        let error = refused(r#"(module (func (export "describe")) (func (export "apply")))"#);
        assert!(matches!(error, Error::MissingExports(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("flush, query") && text.contains("needs upcast"), "{text}");
    }

    #[test]
    fn a_core_module_that_does_not_carry_the_contract_is_refused() {
        let error = refused(r#"(module (func (export "describe")) (func (export "upcast")))"#);
        assert!(matches!(error, Error::Contract(_)), "{error}");
    }

    #[test]
    fn a_module_of_another_contract_is_told_which_one_it_was_built_for() {
        let contract = include_str!("../../../../../wit/kinora.wit");
        assert!(contract.contains(&format!("package kinora:engine@{CONTRACT_VERSION};")));
        for wat in [
            r#"(module (import "kinora:engine/diagnostics@1.0.0" "log" (func)))"#,
            r#"(component (import "kinora:engine/types@1.0.0" (instance)))"#,
        ] {
            let error = refused(wat);
            assert!(matches!(&error, Error::OtherContract { built_for, .. } if built_for == "1.0.0"), "{error}");
        }
        let newer = refused(r#"(module (import "kinora:engine/diagnostics@2.1.0" "log" (func)))"#);
        assert!(matches!(newer, Error::MissingExports(_)), "{newer}");
    }

    #[test]
    fn the_imports_of_an_inner_module_are_not_those_of_the_component() {
        let wat = r#"(component (core module (import "env" "f" (func))))"#;
        assert!(matches!(refused(wat), Error::MissingExports(_)));
    }
}
