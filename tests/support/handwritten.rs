//! Projectors written by hand, instruction by instruction: what no SDK would let anybody do.

use std::fmt::Write;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The bodies of a projector's functions, in WAT. Each runs before the function returns what is right.
///
/// It handles `Count` (kind 0) and `Bad` (kind 1, or another name), ignores the rest, has a table `rows` and a query
/// `ask`. `$bad` says whether a batch (the parameter `$batch` of `apply`) has an event of kind 1; `$put` (table, key,
/// bytes, value, bytes) writes a row. The text `k` stands at 256, and what `texts` says from 1024 on.
#[derive(Clone)]
pub struct Handwritten {
    pub start: &'static str,
    pub describe: &'static str,
    pub apply: &'static str,
    pub flush: &'static str,
    pub query: &'static str,
    /// More functions, globals, tables.
    pub more: String,
    /// Bytes at 1024.
    pub texts: &'static [u8],
    /// The event type of kind 1.
    pub bad: &'static str,
    /// What its rows are, and the path of an index; empty: none.
    pub schema: &'static str,
    pub index: &'static str,
    /// The version of the contract that it is built for.
    pub contract: &'static str,
}

/// The contract of now.
const CONTRACT: &str = "2.0.0";

impl Default for Handwritten {
    fn default() -> Self {
        let (more, texts, bad) = (String::new(), b"", "Bad");
        let (start, describe, apply, flush, query) = ("", "", "", "", "");
        let (schema, index, contract) = ("", "", CONTRACT);
        Self { start, describe, apply, flush, query, more, texts, bad, schema, index, contract }
    }
}

/// Where the manifest stands.
const MANIFEST: u32 = 2048;

/// Where free memory begins.
const HEAP: u32 = 65_536;

impl Handwritten {
    /// The core module, with the contract that it is written for.
    pub fn module(&self) -> Vec<u8> {
        module(&self.wat(), "projector", self.contract)
    }

    /// An upcaster with one step, from one event type of schema 1 to another, that traps whatever it is called with.
    pub fn trapping_upcaster(from: &str, to: &str) -> Vec<u8> {
        let manifest = escaped(&upcaster_manifest(from, to));
        let wat = format!(
            r#"(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (data (i32.const {MANIFEST}) "{manifest}")
  (func (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $bytes)))
    (local.get $at))
  (func (export "describe") (result i32) (i32.const {MANIFEST}))
  (func (export "upcast") (param i32) (result i32) unreachable)
)"#
        );
        module(&wat, "upcaster", CONTRACT)
    }

    fn wat(&self) -> String {
        let start = if self.start.is_empty() { "" } else { "(start $start)" };
        let Self { start: starts, describe, apply, flush, query, more, texts, contract, .. } = self;
        let (texts, manifest) = (escaped(texts), escaped(&self.manifest()));
        format!(
            r#"(module
  (import "kinora:engine/rows@{contract}" "write"
    (func $write (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "kinora:engine/rows@{contract}" "get-many" (func $get_many (param i32 i32 i32 i32 i32 i32)))
  (import "kinora:engine/diagnostics@{contract}" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const {HEAP}))
  (data (i32.const 64) "{{\"n\":1}}")
  (data (i32.const 256) "k")
  (data (i32.const 1024) "{texts}")
  (data (i32.const {MANIFEST}) "{manifest}")
  (func (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $bytes)))
    (loop $more
      (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then unreachable)) (br $more))))
    (local.get $at))
  (func $put (param $table i32) (param $key i32) (param $key_bytes i32) (param $value i32) (param $value_bytes i32)
    (i32.store (i32.const 32) (local.get $key_bytes))
    (i32.store (i32.const 36) (local.get $value_bytes))
    (call $write (local.get $table)
      (i32.const 32) (i32.const 1) (local.get $key) (local.get $key_bytes)
      (i32.const 36) (i32.const 1) (local.get $value) (local.get $value_bytes)))
  (func $bad (param $batch i32) (result i32) (local $at i32) (local $end i32)
    (local.set $at (i32.load offset=24 (local.get $batch)))
    (local.set $end (i32.add (local.get $at) (i32.mul (i32.load offset=28 (local.get $batch)) (i32.const 4))))
    (block $no (loop $next
      (br_if $no (i32.ge_u (local.get $at) (local.get $end)))
      (if (i32.eq (i32.load (local.get $at)) (i32.const 1)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br $next)))
    (i32.const 0))
  {more}
  (func $start {starts})
  {start}
  (func (export "describe") (result i32) {describe} (i32.const {MANIFEST}))
  (func (export "apply") (param $batch i32) (result i32) {apply} (global.set $top (i32.const {HEAP})) (i32.const 0))
  (func (export "flush") (result i32) {flush} (i32.const 0))
  (func (export "query") (param i32 i32 i32 i32) (result i32) {query}
    (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 64))
    (i32.store (i32.const 24) (i32.const 7))
    (i32.const 16))
)"#
        )
    }
}

fn module(wat: &str, world: &str, contract: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).expect("the WAT is right");
    let mut resolve = Resolve::default();
    let wit =
        include_str!("../../wit/kinora.wit").replace(&format!("engine@{CONTRACT};"), &format!("engine@{contract};"));
    let package = resolve.push_str("kinora.wit", &wit).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(world)).expect("there is a world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the contract goes with it");
    module
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    })
}

/// Adds something that a manifest points to, and says where it stands.
fn put(bytes: &mut Vec<u8>, text: &[u8]) -> u32 {
    while !bytes.len().is_multiple_of(8) {
        bytes.push(0);
    }
    let at = MANIFEST + bytes.len() as u32;
    bytes.extend_from_slice(text);
    at
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// An upcaster's manifest as the canonical ABI lays it out: the record first, then what it points to.
fn upcaster_manifest(from: &str, to: &str) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    let name = put(&mut bytes, b"handwritten");
    let (from_name, to_name) = (put(&mut bytes, from.as_bytes()), put(&mut bytes, to.as_bytes()));
    let outputs = put(&mut bytes, &words(&[to_name, to.len() as u32, 1]));
    let steps = put(&mut bytes, &words(&[from_name, from.len() as u32, 1, outputs, 1]));
    bytes.splice(..20, words(&[name, 11, steps, 1, 0]));
    bytes
}

impl Handwritten {
    /// The same of a projector.
    fn manifest(&self) -> Vec<u8> {
        let Self { bad, schema, index, .. } = self;
        let mut bytes = vec![0; 60];
        let name = put(&mut bytes, b"handwritten");
        let (count, all) = (put(&mut bytes, b"Count"), put(&mut bytes, b"*"));
        let (bad, bad_bytes) = (put(&mut bytes, bad.as_bytes()), bad.len() as u32);
        let (rows, ask) = (put(&mut bytes, b"rows"), put(&mut bytes, b"ask"));
        let handles = put(&mut bytes, &words(&[count, 5, 1, bad, bad_bytes, 1]));
        let ignores = put(&mut bytes, &words(&[all, 1]));
        let (has_schema, schema_bytes) = (u32::from(!schema.is_empty()), schema.len() as u32);
        let schema = put(&mut bytes, schema.as_bytes());
        let (has_index, index_bytes) = (u32::from(!index.is_empty()), index.len() as u32);
        let path = put(&mut bytes, index.as_bytes());
        let paths = put(&mut bytes, &words(&[path, index_bytes]));
        let indexes = put(&mut bytes, &words(&[rows, 4, paths, 1, 0]));
        let table = [rows, 4, rows, 4, has_schema, schema, schema_bytes, indexes, has_index, 0, 0, 0, 0, 0];
        let tables = put(&mut bytes, &words(&table));
        let queries = put(&mut bytes, &words(&[ask, 3, ask, 3, 0, 0, 0, 0, 0, 0]));
        let record = words(&[name, 11, handles, 2, ignores, 1, tables, 1, queries, 1, 0, 0, 0, 0, 0]);
        bytes.splice(..60, record);
        bytes
    }
}
