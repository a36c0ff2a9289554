//! Verifications: digests of rows, and what a replay has shown.

use kinora_api::verifications as api;
use kinora_projection as projection;
use kinora_readmodel::RowDifference;

pub fn rows_digest(digest: projection::RowsDigest) -> api::RowsDigest {
    api::RowsDigest {
        projection: digest.projection,
        version: digest.version,
        identity: digest.identity,
        position: digest.position,
        rows_digest: digest.rows_digest,
    }
}

pub fn verified(verified: projection::Verified) -> api::Verified {
    let rows = verified.rows;
    api::Verified {
        projection: rows.projection,
        version: rows.version,
        identity: rows.identity,
        position: rows.position,
        rows_digest: rows.rows_digest,
        agrees: verified.agrees,
        events: verified.events,
        difference: verified.difference.map(|found| api::Divergence {
            position: found.position,
            event_type: found.event_type,
            schema: found.schema,
            row: found.row.map(row),
            ways: found.ways,
            fault: found.fault,
        }),
        took_ms: verified.took_ms,
    }
}

fn row(row: RowDifference) -> api::RowDifference {
    api::RowDifference { table: row.table, key: row.key, one: row.one, other: row.other }
}
