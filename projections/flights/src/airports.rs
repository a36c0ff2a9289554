//! The time zones of the airports in the data, by the IANA names of both.

/// `None` for an airport that is not in the data.
pub fn zone(airport: &str) -> Option<&'static str> {
    Some(match airport {
        "ANC" => "America/Anchorage",
        "AUS" | "BHM" | "BNA" | "DFW" | "DSM" | "HOU" | "IAH" | "MCI" | "MDW" | "MEM" | "MKE" | "MSN" | "MSP"
        | "MSY" | "OKC" | "OMA" | "ORD" | "SAT" | "STL" | "TUL" | "XNA" => "America/Chicago",
        "ABQ" | "BZN" | "DEN" | "EGE" | "HDN" | "JAC" | "MTJ" | "SLC" => "America/Denver",
        "DTW" | "GRR" | "TVC" => "America/Detroit",
        "IND" | "SBN" => "America/Indiana/Indianapolis",
        "SDF" => "America/Kentucky/Louisville",
        "BUR" | "LAS" | "LAX" | "LGB" | "OAK" | "PDX" | "PSP" | "SAN" | "SEA" | "SFO" | "SJC" | "SMF" | "SNA" => {
            "America/Los_Angeles"
        }
        "ACK" | "ALB" | "ATL" | "AVL" | "BDL" | "BGR" | "BOS" | "BTV" | "BUF" | "BWI" | "CAE" | "CAK" | "CHO"
        | "CHS" | "CLE" | "CLT" | "CMH" | "CRW" | "CVG" | "DAY" | "DCA" | "EWR" | "EYW" | "FLL" | "GSO" | "GSP"
        | "IAD" | "ILM" | "JAX" | "JFK" | "LEX" | "LGA" | "MCO" | "MHT" | "MIA" | "MVY" | "MYR" | "ORF" | "PBI"
        | "PHL" | "PIT" | "PVD" | "PWM" | "RDU" | "RIC" | "ROC" | "RSW" | "SAV" | "SRQ" | "SYR" | "TPA" | "TYS" => {
            "America/New_York"
        }
        "PHX" => "America/Phoenix",
        "BQN" | "PSE" | "SJU" => "America/Puerto_Rico",
        "STT" => "America/St_Thomas",
        "HNL" => "Pacific/Honolulu",
        _ => return None,
    })
}
