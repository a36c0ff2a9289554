//! Projects in JavaScript and TypeScript. Both have the same templates: TypeScript has types besides.

use serde_json::json;

use super::parts::{Kind, Made, Project};

/// What editors know of TypeScript without it: that types are checked, and nothing is written.
const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "strict": true,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "allowImportingTsExtensions": true,
    "noEmit": true
  },
  "include": ["src", "test"]
}
"#;

/// A template: the guest, its types, what they are called, its test.
fn template(kind: Kind) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        Kind::Projector => (
            include_str!("../templates/javascript/projector.txt"),
            include_str!("../templates/javascript/projector.types.txt"),
            "<OrderPlaced>",
            include_str!("../templates/javascript/projector.test.txt"),
        ),
        Kind::Upcaster => (
            include_str!("../templates/javascript/upcaster.txt"),
            "",
            "",
            include_str!("../templates/javascript/upcaster.test.txt"),
        ),
        Kind::Decider => (
            include_str!("../templates/javascript/decider.txt"),
            include_str!("../templates/javascript/decider.types.txt"),
            "<Order>",
            include_str!("../templates/javascript/decider.test.txt"),
        ),
    }
}

pub fn made(project: &Project<'_>, is_typed: bool) -> Made {
    let Project { name, kind, sdk } = *project;
    let (guest, types, of, test) = template(kind);
    let (types, of) = if is_typed { (types, of) } else { ("", "") };
    let extension = if is_typed { "ts" } else { "js" };
    let (file, source) = (format!("{name}.{extension}"), format!("src/{name}.{extension}"));
    let sdk = sdk.map_or_else(|| "guest-sdk/javascript".to_owned(), |sdk| sdk.display().to_string());
    let manifest = json!({
        "name": name,
        "version": "0.1.0",
        "private": true,
        "type": "module",
        "main": source,
        "scripts": {"build": "kinora build", "test": "kinora-guest test"},
        "dependencies": {"kinora-sdk": format!("file:{sdk}")},
    });
    let guest = guest.replace("TYPES\n", &format!("{types}\n")).replace("OF({", &format!("{of}({{"));
    let mut files = vec![
        ("package.json".to_owned(), format!("{manifest:#}\n")),
        // The SDK is copied, and not linked to: what it is built with stands beside it.
        (".npmrc".to_owned(), "install-links=true\n".to_owned()),
        (source.clone(), guest.replace("NAME", name)),
        (format!("test/{name}.test.{extension}"), test.replace("FILE", &file)),
        (".gitignore".to_owned(), format!("/node_modules\n/{name}.wasm\n")),
    ];
    if is_typed {
        files.push(("tsconfig.json".to_owned(), TSCONFIG.to_owned()));
    }
    Made { files, source, test: vec!["npm test"] }
}
