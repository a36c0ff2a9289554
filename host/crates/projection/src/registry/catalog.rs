//! The catalog: what a host remembers of its projections, in `projections.json`, which is replaced as a whole. Its
//! replacement is the moment at which a promotion happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::projection::ProjectionRecord;

/// The layout of this file. Another one is refused, never guessed at.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    projections: BTreeMap<String, ProjectionRecord>,
}

pub struct Catalog {
    path: PathBuf,
    pub projections: BTreeMap<String, ProjectionRecord>,
}

impl Catalog {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: path.display().to_string(), cause };
        let projections = match std::fs::read(path) {
            Ok(bytes) => {
                let file: File = serde_json::from_slice(&bytes).map_err(|cause| failed(cause.to_string()))?;
                if file.format != FORMAT {
                    return Err(failed(format!("its format is {}, this program knows {FORMAT}", file.format)));
                }
                file.projections
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(cause) => return Err(failed(cause.to_string())),
        };
        Ok(Self { path: path.to_owned(), projections })
    }

    /// Replaces the record of a projection on disk, and gives the catalog as it is then.
    pub fn with(&self, name: &str, changed: ProjectionRecord) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: self.path.display().to_string(), cause };
        let mut projections = self.projections.clone();
        projections.insert(name.to_owned(), changed);
        let file = File { format: FORMAT, projections };
        let bytes = serde_json::to_vec_pretty(&file).map_err(|cause| failed(cause.to_string()))?;
        kinora_files::write_durably(&self.path, &bytes).map_err(|cause| failed(cause.to_string()))?;
        Ok(Self { path: self.path.clone(), projections: file.projections })
    }
}
