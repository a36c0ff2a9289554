//! The catalog: what a host remembers of its projections, in `projections.json`, which is replaced as a whole. Its
//! replacement is the moment at which a promotion happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kinora_types::{Incarnation, Lineage, Position, Progress};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::record::projection::ProjectionRecord;

/// The layout of this file. Another one is refused, never guessed at.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    /// The life of the log in which it was written last; none: the first one.
    #[serde(default)]
    incarnation: Option<Uuid>,
    projections: BTreeMap<String, ProjectionRecord>,
}

pub struct Catalog {
    path: PathBuf,
    incarnation: Incarnation,
    pub projections: BTreeMap<String, ProjectionRecord>,
}

impl Catalog {
    /// What it says of events that the log does not have any more is left out.
    pub fn open(path: &Path, lineage: &Lineage) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: path.display().to_string(), cause };
        let projections = match std::fs::read(path) {
            Ok(bytes) => {
                let file: File = kinora_files::unseal(&bytes).map_err(|cause| failed(cause.to_string()))?;
                if file.format != FORMAT {
                    return Err(failed(format!("its format is {}, this program knows {FORMAT}", file.format)));
                }
                let of = file.incarnation.map_or(lineage.first(), Incarnation);
                let mut projections = file.projections;
                forget(&mut projections, lineage.shares(of).unwrap_or_default());
                projections
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(cause) => return Err(failed(cause.to_string())),
        };
        Ok(Self { path: path.to_owned(), incarnation: lineage.current(), projections })
    }

    /// Replaces the record of a projection on disk, and gives the catalog as it is then.
    pub fn with(&self, name: &str, changed: ProjectionRecord) -> Result<Self, Error> {
        let failed = |cause: String| Error::Catalog { path: self.path.display().to_string(), cause };
        let mut projections = self.projections.clone();
        projections.insert(name.to_owned(), changed);
        let file = File { format: FORMAT, incarnation: Some(self.incarnation.0), projections };
        let bytes = kinora_files::seal(&file).map_err(|cause| failed(cause.to_string()))?;
        kinora_files::write_durably(&self.path, &bytes).map_err(|cause| failed(cause.to_string()))?;
        Ok(Self { path: self.path.clone(), incarnation: self.incarnation, projections: file.projections })
    }
}

/// Events behind those that are shared are others now: nobody has said that these may be skipped.
fn forget(projections: &mut BTreeMap<String, ProjectionRecord>, shared: Progress) {
    for (name, projection) in projections {
        for (version, record) in &mut projection.versions {
            let before = record.skipped.len();
            record.skipped.retain(|skipped| shared.includes(Position(skipped.position)));
            let forgotten = before - record.skipped.len();
            if forgotten > 0 {
                tracing::warn!(
                    projection = name,
                    version,
                    forgotten,
                    "the log was restored or repaired, and has other events where some were to be skipped"
                );
            }
        }
    }
}
