//! The file of a plan: which projections and deciders a host is to have, made of which modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kinora_client::api::projections::OnFault;
use kinora_client::api::rollouts::Gates;
use kinora_client::api::versions::Promote;
use kinora_types::Digest;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default, rename = "projection")]
    pub projections: BTreeMap<String, Projection>,
    #[serde(default, rename = "decider")]
    pub deciders: BTreeMap<String, Decider>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// A file, from the folder of this one, or the digest of a module that the host has.
    pub module: String,
    #[serde(default)]
    pub upcasters: Vec<String>,
    #[serde(default)]
    pub promote: Promote,
    /// Those of the next version.
    #[serde(default)]
    pub gates: Gates,
    /// Nothing: it stays as it is.
    pub retain: Option<Retain>,
    pub on_fault: Option<OnFault>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decider {
    pub module: String,
    #[serde(default)]
    pub upcasters: Vec<String>,
    #[serde(default)]
    pub owns: bool,
    #[serde(default)]
    pub promote: Promote,
}

/// Versions on standby to keep: a number, or `"all"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Retain(pub Option<u32>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Text(String),
}

impl TryFrom<Written> for Retain {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(versions) => Ok(Self(Some(versions))),
            Written::Text(text) if text == "all" => Ok(Self(None)),
            Written::Text(text) => Err(format!("{text:?}: it is a number, or \"all\"")),
        }
    }
}

/// A module as the file names it.
#[derive(Clone, Debug)]
pub struct Named {
    pub digest: Digest,
    /// Where its bytes are; none, where the host has it.
    pub path: Option<PathBuf>,
}

impl File {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: Self = toml_edit::de::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?;
        if file.projections.is_empty() && file.deciders.is_empty() {
            bail!("{} names nothing: add [projection.NAME] with module = \"FILE\"", path.display());
        }
        Ok(file)
    }
}

/// The module that is meant: a file beside the plan, or a digest.
pub fn named(plan: &Path, text: &str) -> anyhow::Result<Named> {
    let path = plan.parent().unwrap_or(Path::new(".")).join(text);
    if path.is_file() {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(Named { digest: Digest::of(&bytes), path: Some(path) });
    }
    let digest = text.parse().ok();
    let digest =
        digest.with_context(|| format!("there is no file {}, and it is no digest of a module", path.display()));
    Ok(Named { digest: digest?, path: None })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_is_wanted_and_nothing_that_nobody_knows() {
        let read = toml_edit::de::from_str::<File>;
        let file = read(
            "[projection.sales]\nmodule = \"sales.wasm\"\npromote = \"when_ready\"\nretain = \"all\"\n\
             [projection.sales.gates]\nmax_lag = 5\n[decider.orders]\nmodule = \"orders.wasm\"\nowns = true\n",
        );
        let file = file.unwrap();
        let sales = file.projections.get("sales").unwrap();
        assert_eq!((sales.promote, sales.retain, sales.gates.max_lag), (Promote::WhenReady, Some(Retain(None)), 5));
        assert!(file.deciders.get("orders").unwrap().owns);
        for wrong in ["[projection.a]\n", "[projection.a]\nmodule = \"a\"\nretain = \"some\"\n", "[projections.a]\n"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
