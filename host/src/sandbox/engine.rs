//! The one engine of a host, with the settings that make guests deterministic and interruptible.

use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Engine};

use super::error::Error;
use super::limits::Limits;

/// An engine whose guests give the same result on any machine:
///
/// - fuel rather than epochs, because fuel runs out at the same instruction everywhere;
/// - canonical NaNs, no threads, no relaxed SIMD: the three places where WebAssembly leaves a choice;
/// - no async support: guests run on dedicated threads, and a call costs a function call.
pub fn engine(limits: &Limits) -> Result<Engine, Error> {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.concurrency_support(false);
    config.consume_fuel(true);
    config.cranelift_nan_canonicalization(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    config.max_wasm_stack(limits.stack_bytes);
    config.memory_init_cow(true);
    Engine::new(&config).map_err(|cause| Error::Engine(format!("{cause:#}")))
}

/// Names everything that decides whether compiled code fits this engine: wasmtime's version, its settings and the
/// processor's features.
pub fn fingerprint(engine: &Engine) -> [u8; 32] {
    let mut hasher = Fingerprint(Sha256::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    hasher.0.finalize().into()
}

/// Feeds what is hashed into SHA-256, so that the fingerprint does not depend on the standard library's hasher.
struct Fingerprint(Sha256);

impl std::hash::Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Never used: the fingerprint is the SHA-256.
    fn finish(&self) -> u64 {
        0
    }
}
