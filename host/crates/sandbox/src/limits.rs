//! The limits of a guest. Every one holds for every call, from the first call (`describe`) on.

/// Limits of the sandbox. Fuel is roughly one unit per WebAssembly instruction; a core burns about a billion units
/// a second.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of an uploaded module. A Rust projector has 0.2 to 3 MB, one with QuickJS in it 2, with CPython 18.
    pub module_bytes: usize,
    /// Linear memory of one instance, in bytes. Leaves room for a cache of some 100,000 rows.
    pub memory_bytes: usize,
    /// Elements of all tables of one instance. A large Rust guest has a few thousand functions.
    pub table_elements: usize,
    /// Core instances, memories and tables within one component: a wrapped module has about 4, one with CPython in it
    /// 33.
    pub instances: usize,
    /// Stack of WebAssembly frames, in bytes.
    pub stack_bytes: usize,
    /// Fuel for `describe`, and for the start functions: enough for any list of tables, by an interpreter, too.
    pub describe_fuel: u64,
    /// Fuel for one event: about 0.2 seconds. A batch is given less per event; if it runs out, its events are run
    /// one at a time with this much each, so whether an event passes does not depend on how events were batched.
    pub event_fuel: u64,
    /// Fuel that each event adds to the budget of a batch, on top of the budget of one event.
    pub batch_event_fuel: u64,
    /// Fuel for one `flush`: some 100,000 rows to encode, with a wide margin.
    pub flush_fuel: u64,
    /// Fuel for one named query: about 2 seconds.
    pub query_fuel: u64,
    /// Bytes of the arguments of a named query.
    pub query_argument_bytes: usize,
    /// Bytes of the answer of a named query.
    pub query_answer_bytes: usize,
    /// Bytes of a row's key: it stands in every index entry, too.
    pub key_bytes: usize,
    /// Bytes of a row's value. A read model is served row by row; a row beyond this is a design to rethink.
    pub value_bytes: usize,
    /// Bytes of keys, values and index entries that one commit may write.
    pub commit_bytes: usize,
    /// Bytes of rows in one page of a scan.
    pub scan_bytes: usize,
    /// Bytes that a guest may hand over in one call, as arguments of an import or as a result, and bytes of rows that
    /// one `get-many` may ask for.
    pub call_bytes: usize,
    /// Rows that one call of a guest may read, scan and write, and log lines that it may write: what costs the host
    /// time, and the guest no fuel. A KiB counts as one, too, and so do the entries that a scan passes over. About a
    /// microsecond each.
    pub call_operations: u64,
    /// Seconds that one call of a guest may take, whatever it does: far more than its fuel and its operations come to
    /// on a machine that is not overloaded.
    pub call_seconds: u64,
    /// Lines that one instance may write to the host's output; further ones are dropped.
    pub log_lines: usize,
    /// Bytes of one such line, and of a fault's message; the rest is cut.
    pub message_bytes: usize,
    /// Tables, indexes, handled types, ignored types and queries in a manifest, each.
    pub manifest_entries: usize,
    /// Modules that are kept. Some 0.1 s of a start each, and up to a hundred MB of memory.
    pub modules: usize,
    /// Bytes of all modules on disk, their machine code among them: it has about ten times the bytes of a module.
    pub modules_bytes: u64,
    /// Uploads that wait for the compiler. Beyond it one is refused at once, since each may take minutes.
    pub compiles_waiting: usize,
    /// Address space of the compiler's process, in bytes.
    pub compile_memory_bytes: u64,
    /// Seconds for the compiler's process. A guest with QuickJS in it takes 2 on an idle core, one with CPython 12.
    pub compile_seconds: u64,
}

/// The fuel of a call, and which limit that is.
#[derive(Clone, Copy)]
pub(crate) struct Fuel {
    pub units: u64,
    pub limit: &'static str,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            module_bytes: 32 << 20,
            memory_bytes: 192 << 20,
            table_elements: 100_000,
            instances: 100,
            stack_bytes: 512 << 10,
            describe_fuel: 1_000_000_000,
            event_fuel: 200_000_000,
            batch_event_fuel: 1_000_000,
            flush_fuel: 20_000_000_000,
            query_fuel: 2_000_000_000,
            query_argument_bytes: 64 << 10,
            query_answer_bytes: 8 << 20,
            key_bytes: 1 << 10,
            value_bytes: 1 << 20,
            commit_bytes: 256 << 20,
            scan_bytes: 1 << 20,
            call_bytes: 64 << 20,
            call_operations: 2_000_000,
            call_seconds: 120,
            log_lines: 1_000,
            message_bytes: 4 << 10,
            manifest_entries: 256,
            modules: 256,
            modules_bytes: 16 << 30,
            compiles_waiting: 16,
            compile_memory_bytes: 4 << 30,
            compile_seconds: 120,
        }
    }
}

impl Limits {
    pub(crate) fn describe(&self) -> Fuel {
        Fuel { units: self.describe_fuel, limit: "describe_fuel" }
    }

    /// One event alone gets the fuel of an event; several share less.
    pub(crate) fn events(&self, count: usize) -> Fuel {
        let extra = self.batch_event_fuel.saturating_mul((count as u64).saturating_sub(1));
        Fuel { units: self.event_fuel.saturating_add(extra), limit: "event_fuel" }
    }

    pub(crate) fn flush(&self) -> Fuel {
        Fuel { units: self.flush_fuel, limit: "flush_fuel" }
    }

    pub(crate) fn query(&self) -> Fuel {
        Fuel { units: self.query_fuel, limit: "query_fuel" }
    }
}
