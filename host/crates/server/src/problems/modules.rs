//! Problems of modules.

use kinora_api::Kind;
use kinora_sandbox as sandbox;

use crate::edge::problem::Problem;

impl From<sandbox::Error> for Problem {
    fn from(error: sandbox::Error) -> Self {
        use sandbox::Error;
        let detail = error.to_string();
        let (kind, hint) = match &error {
            Error::NotWasm(_) => (Kind::NotWasm, "send the bytes of a core module or of a component"),
            Error::TooLarge { .. } => {
                (Kind::TooLarge, "build for size (opt-level, lto, strip); all limits are at /v1/limits")
            }
            Error::ForeignImports(_) => (
                Kind::ForeignImports,
                "a guest may import kinora:engine only: no clock, no files, no network, no randomness; what leaves \
                 WASI out: for Rust the target wasm32-unknown-unknown, componentize-py --stub-wasi, componentize-qjs \
                 --stub-wasi --sync, jco componentize --disable all",
            ),
            Error::MissingExports(_) => {
                (Kind::MissingExports, "export a world of kinora:engine; the SDK's macros do that")
            }
            Error::Contract(_) => {
                (Kind::Contract, "build against the contract in wit/, or with the SDK of this host's version")
            }
            Error::OtherContract { .. } => {
                (Kind::Contract, "build it anew with the SDK of this host's version, and deploy it as a new version")
            }
            Error::Compile(_) => (Kind::CompileFailed, "see whether the limits for compiling at /v1/limits are enough"),
            Error::Describe(_) => (
                Kind::DescribeFailed,
                "mend what the detail says: the module is started and describe() called, without rows, within \
                 /v1/limits",
            ),
            Error::Manifest(_) => (Kind::InvalidManifest, "mend describe()"),
            Error::Busy { .. } => (Kind::Busy, "try again when some of them are ready"),
            Error::TooMany { .. } => (
                Kind::LimitReached,
                "delete modules that no version uses, or start the host with a higher limit: --limit NAME=VALUE",
            ),
            Error::Quarantined { .. } => {
                (Kind::Held, "look why the host ended, then upload the module again to have it tried once more")
            }
            Error::NotTried => {
                (Kind::Held, "upload the module again to have it tried, or start the host without --paused")
            }
            Error::Unknown(_) => {
                (Kind::UnknownModule, "POST the module to /v1/modules; GET /v1/modules lists what is there")
            }
            Error::Compiling(_) => (Kind::ModuleCompiling, "GET /v1/modules/{digest} until its state is ready"),
            Error::Refused { why, .. } => {
                return Self::from((**why).clone()).saying(detail);
            }
            Error::WrongKind { .. } => {
                (Kind::WrongKind, "a version takes one projector as its module, and upcasters as its upcasters")
            }
            Error::Engine(_) | Error::Store { .. } => {
                tracing::error!(%error, "the module store failed");
                (Kind::ModuleStoreFailed, "the host's output names the cause")
            }
        };
        Self::new(kind, detail).hint(hint)
    }
}
