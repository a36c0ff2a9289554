//! Projects in Python.

use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::parts::{Kind, Made, Project, type_name};

/// A template: the guest, what it is called in its file, its test.
fn template(kind: Kind, type_name: &str) -> (&'static str, String, &'static str) {
    match kind {
        Kind::Projector => (
            include_str!("../templates/python/projector.txt"),
            type_name.to_owned(),
            include_str!("../templates/python/projector.test.txt"),
        ),
        Kind::Upcaster => (
            include_str!("../templates/python/upcaster.txt"),
            "upcaster".to_owned(),
            include_str!("../templates/python/upcaster.test.txt"),
        ),
        Kind::Decider => (
            include_str!("../templates/python/decider.txt"),
            "decider".to_owned(),
            include_str!("../templates/python/decider.test.txt"),
        ),
    }
}

pub fn made(project: &Project<'_>) -> Made {
    let Project { name, kind, sdk } = *project;
    let (module, type_name) = (name.replace('-', "_"), type_name(name));
    let (guest, called, test) = template(kind, &type_name);
    let filled = |text: &str| text.replace("MODULE", &module).replace("TYPE", &type_name).replace("NAME", name);
    let source = format!("src/{module}.py");
    let sdk = sdk.map_or_else(|| "guest-sdk/python".to_owned(), |sdk| sdk.display().to_string());
    let files = vec![
        ("pyproject.toml".to_owned(), manifest(name, &format!("{module}:{called}"), &sdk).to_string()),
        (source.clone(), filled(guest)),
        (format!("tests/test_{module}.py"), filled(test)),
        (".gitignore".to_owned(), format!("/.venv\n/{name}.wasm\n__pycache__\n*.egg-info\n")),
    ];
    Made { files, source, test: vec![".venv/bin/pytest"] }
}

fn manifest(name: &str, guest: &str, sdk: &str) -> DocumentMut {
    let mut document = DocumentMut::new();
    let mut project = Table::new();
    project.insert("name", value(name));
    project.insert("version", value("0.1.0"));
    project.insert("requires-python", value(">=3.11"));
    document.insert("project", Item::Table(project));
    let mut kinora = Table::new();
    kinora.insert("guest", value(guest));
    kinora.insert("sdk", value(sdk));
    let mut options = Table::new();
    options.insert("pythonpath", value(Array::from_iter(["src"])));
    options.insert("testpaths", value(Array::from_iter(["tests"])));
    let mut pytest = Table::new();
    pytest.set_implicit(true);
    pytest.insert("ini_options", Item::Table(options));
    let mut tool = Table::new();
    tool.set_implicit(true);
    tool.insert("kinora", Item::Table(kinora));
    tool.insert("pytest", Item::Table(pytest));
    document.insert("tool", Item::Table(tool));
    document
}
