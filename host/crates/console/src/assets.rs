//! Assets: styles and scripts of the pages, as they are in the program. `assets/README.md` says whose they are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

pub struct Asset {
    pub name: &'static str,
    pub kind: &'static str,
    pub bytes: &'static [u8],
    /// Changes with the bytes, so that what a browser has may be kept for ever.
    pub mark: String,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

static ALL: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |name, kind, bytes: &'static [u8]| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Asset { name, kind, bytes, mark: format!("{:016x}", hasher.finish()) }
    };
    vec![
        asset("console.css", CSS, include_bytes!("../assets/console.css")),
        asset("console.js", JAVASCRIPT, include_bytes!("../assets/console.js")),
        asset("chart.js", JAVASCRIPT, include_bytes!("../assets/chart.js")),
        asset("htmx.min.js", JAVASCRIPT, include_bytes!("../assets/htmx.min.js")),
        asset("uplot.min.js", JAVASCRIPT, include_bytes!("../assets/uplot.min.js")),
        asset("uplot.min.css", CSS, include_bytes!("../assets/uplot.min.css")),
        asset("mark.svg", "image/svg+xml", include_bytes!("../assets/mark.svg")),
    ]
});

pub fn asset(name: &str) -> Option<&'static Asset> {
    ALL.iter().find(|asset| asset.name == name)
}

/// Where an asset is.
pub fn address(name: &str) -> String {
    let mark = asset(name).map(|asset| asset.mark.as_str()).unwrap_or_default();
    format!("/console/assets/{name}?{mark}")
}
