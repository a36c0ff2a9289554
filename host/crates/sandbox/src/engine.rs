//! The one engine of a host, with the settings that make guests deterministic and interruptible.

use sha2::Sha256;
use wasmtime::{Config, Engine, WasmBacktraceDetails};

use crate::error::Error;
use crate::limits::Limits;
use kinora_types::Digest;

/// What the host may need of a call's stack besides the guest: it looks up rows there.
const HOST_STACK_BYTES: usize = 2 << 20;

/// An engine whose guests give the same result on any machine:
///
/// - fuel decides how much they compute, because it runs out at the same instruction everywhere;
/// - canonical NaNs, no threads, no relaxed SIMD: the three places where WebAssembly leaves a choice;
/// - guests run on dedicated threads; a call has a stack of its own, so that it can be left while it runs, when nobody
///   waits for it any more (`run::slices`), which leaves nothing behind.
pub fn engine(limits: &Limits) -> Result<Engine, Error> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.concurrency_support(false);
    config.consume_fuel(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    config.max_wasm_stack(limits.stack_bytes);
    config.async_stack_size(limits.stack_bytes.saturating_add(HOST_STACK_BYTES));
    config.memory_init_cow(true);
    // What a module says of its own lines is read in the compiler's process, when somebody wants to know them.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    Engine::new(&config).map_err(|cause| Error::Engine(format!("{cause:#}")))
}

/// Names everything beside a module that decides what it makes of events: the contract, what this engine makes of
/// WebAssembly, and the limits that a guest can notice without being stopped. The same on any machine, unlike a
/// [`fingerprint`].
pub fn settings(limits: &Limits) -> Digest {
    let Limits { memory_bytes, table_elements, scan_bytes, .. } = limits;
    let limits = format!("memory_bytes {memory_bytes} table_elements {table_elements} scan_bytes {scan_bytes}");
    Digest::of(format!("{CONTRACT}\n{SEMANTICS}\n{limits}\n").as_bytes())
}

/// The contract that guests are built against.
const CONTRACT: &str = include_str!("../../../../wit/kinora.wit");

/// Goes with [`engine`]: to be changed with whatever there changes a result.
const SEMANTICS: &str = "components, 32-bit memories, canonical NaNs, no threads, no relaxed SIMD";

/// Names everything that decides whether compiled code fits this engine: wasmtime's version, its settings and the
/// processor's features.
pub fn fingerprint(engine: &Engine) -> [u8; 32] {
    let mut hasher = Fingerprint(<Sha256 as sha2::Digest>::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    sha2::Digest::finalize(hasher.0).into()
}

/// Feeds what is hashed into SHA-256, so that the fingerprint does not depend on the standard library's hasher.
struct Fingerprint(Sha256);

impl std::hash::Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// Never used: the fingerprint is the SHA-256.
    fn finish(&self) -> u64 {
        0
    }
}
