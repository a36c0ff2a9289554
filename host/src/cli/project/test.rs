//! `kinora test`: the module of a project, run over fixtures in the sandbox of a host.

mod fixture;
mod host;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kinora_client::api::Kind;
use kinora_client::api::appends::ExpectedRevision;
use kinora_client::api::deciders::{DeployDecider, PromoteDecider};
use kinora_client::api::modules::{Manifest, OwnScope};
use kinora_client::api::queries::{Ask, AskList};
use kinora_client::api::rollouts::Deploy;
use kinora_client::api::versions::Promote;
use kinora_client::{Client, Error};
use kinora_types::Digest;
use serde_json::{Value, json};

use super::build::{self, Built};
use crate::cli::outcome::Faulted;
use crate::cli::output::{Output, clean};
use crate::cli::problems;
use crate::cli::rollouts::uploads::upload;
use crate::cli::rollouts::{deciders, deploy};
use fixture::{Emitted, Expected, Fixture, Given, Rows, Then, When};
use host::TemporaryHost;

/// Where the fixtures of a project are.
const FIXTURES: &str = "fixtures";

/// What is tested is called so on its temporary host.
const NAME: &str = "tested";

/// The stream of events that name none.
const STREAM: &str = "fixture-1";

/// Rows of a page.
const PAGE_ROWS: usize = 1_000;

/// Build the module of a project and run it over its fixtures: given events, then rows, or what is decided
///
/// Fixtures are the files fixtures/*.json of the project, such as `kinora new` makes. Each runs on a temporary host,
/// in the sandbox and with the checks that a deployed version has. Ends with 1 if a fixture fails. For example: kinora
/// test orders
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of the project
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Upcasters that it needs, in their order
    #[arg(long = "upcaster", value_name = "FILE")]
    upcasters: Vec<PathBuf>,
    /// Only fixtures with this in their names
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Not an error of the command, but something that a script wants to know.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} fixtures failed")]
pub struct FixturesFailed {
    failed: usize,
    all: usize,
}

pub async fn run(output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { folder, upcasters, only } = arguments;
    let fixtures = fixtures(&folder, only.as_deref())?;
    let Built { path, .. } = build::build(&folder, None)?;
    let bench = Bench::set_up(&path, &upcasters).await?;
    let mut failed = 0;
    for path in &fixtures {
        let outcome = match Fixture::read(path) {
            Ok(fixture) => bench.run(&fixture).await,
            Err(error) => Err(error),
        };
        failed += usize::from(!print(output, path, outcome)?);
        output.flush()?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(FixturesFailed { failed, all: fixtures.len() }.into()),
    }
}

/// The fixtures of a project, by name.
fn fixtures(folder: &Path, only: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let dir = folder.join(FIXTURES);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten() {
        let path = entry.with_context(|| format!("cannot look into {}", dir.display()))?.path();
        let is_wanted =
            only.is_none_or(|text| path.file_name().is_some_and(|name| name.to_string_lossy().contains(text)));
        if is_wanted && path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    if found.is_empty() {
        let which = only.map_or_else(String::new, |text| format!(" with {text:?} in its name"));
        bail!(
            "there is no fixture{which} in {}: write one, such as {}",
            dir.display(),
            r#"{"given":[{"type":"OrderPlaced","data":{}}],"rows":{"TABLE":{"KEY":{}}}}"#
        );
    }
    found.sort();
    Ok(found)
}

/// Says how a fixture went; gives whether it passed.
fn print(output: &mut Output, path: &Path, outcome: anyhow::Result<Vec<String>>) -> anyhow::Result<bool> {
    let (differences, error) = match outcome {
        Ok(differences) => (differences, None),
        Err(error) => (Vec::new(), Some(problems::told(&error, None))),
    };
    let passed = differences.is_empty() && error.is_none();
    if output.is_json() {
        let line = json!({"fixture": path, "passed": passed, "differences": differences, "error": error});
        output.line(line)?;
        return Ok(passed);
    }
    let how = if passed { "passed" } else { "failed" };
    output.line(format_args!("{how}  {}", path.display()))?;
    differences.iter().try_for_each(|line| output.line(format_args!("  {line}")))?;
    error.iter().flat_map(|error| error.lines()).try_for_each(|line| output.line(format_args!("  {line}")))?;
    Ok(passed)
}

/// What fixtures run on: a data folder with the modules compiled. Each of them gets a copy with a host of its own, so
/// that all begin with the first event of an empty log.
struct Bench {
    dir: tempfile::TempDir,
    module: Digest,
    upcasters: Vec<Digest>,
    manifest: Manifest,
}

impl Bench {
    async fn set_up(module: &Path, upcasters: &[PathBuf]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("no temporary folder can be made")?;
        let host = TemporaryHost::start(&dir.path().join("compiled"))?;
        let module = upload(&host.client, module).await?.into_value();
        let mut chain = Vec::new();
        for upcaster in upcasters {
            chain.push(upload(&host.client, upcaster).await?.digest);
        }
        let manifest = module.manifest.context("the module does not say what it is")?;
        if matches!(manifest, Manifest::Upcaster(_)) {
            bail!(
                "an upcaster has no fixtures of its own: test it with its language's tests, or name it with \
                 --upcaster where a projector is tested"
            );
        }
        Ok(Self { dir, module: module.digest, upcasters: chain, manifest })
    }

    /// Gives what differs: lines with `-` are expected, those with `+` are what came.
    async fn run(&self, fixture: &Fixture) -> anyhow::Result<Vec<String>> {
        let data = tempfile::tempdir_in(self.dir.path())?;
        copy(&self.dir.path().join("compiled"), data.path())?;
        let host = TemporaryHost::start(data.path())?;
        match (&self.manifest, &fixture.expected) {
            (Manifest::Projector(_), Expected::Rows(rows)) => {
                append(&host.client, &fixture.given, STREAM, None).await?;
                let found = self.project(&host.client, rows).await?;
                Ok(different_rows(rows, &found))
            }
            (Manifest::Decider(decider), Expected::Decision { when, then }) => {
                let (stream, tag) = match &decider.scope {
                    OwnScope::Category(category) => (format!("{category}-{}", when.aggregate), None),
                    OwnScope::Tag(prefix) => (STREAM.to_owned(), Some(format!("{prefix}:{}", when.aggregate))),
                };
                append(&host.client, &fixture.given, &stream, tag).await?;
                let found = self.decide(&host.client, when).await?;
                Ok(different_lines(&lines(then), &lines(&found)))
            }
            (Manifest::Projector(_), _) => bail!("the module is a projector: the fixture has to say `rows`"),
            _ => bail!("the module is a decider: the fixture has to say `when`, and `then` or `rejected`"),
        }
    }

    /// All rows of the tables that are asked for.
    async fn project(&self, client: &Client, wanted: &Rows) -> anyhow::Result<Rows> {
        let deploy =
            Deploy { upcasters: self.upcasters.clone(), promote: Promote::WhenReady, ..Deploy::new(self.module) };
        let version = deploy::wait(client, client.deploy(NAME, &deploy).await?).await?.into_value();
        if let Some(fault) = version.fault {
            return Err(Faulted { projection: version.projection, version: version.version, fault }.into());
        }
        let mut found = Rows::new();
        for table in wanted.keys() {
            let list = AskList { limit: Some(PAGE_ROWS), ..AskList::default() };
            let mut page = Some(client.rows(NAME, table, &[], &list, &Ask::default()).await?);
            let rows = found.entry(table.clone()).or_default();
            while let Some(these) = page {
                for row in &these.rows {
                    rows.insert(row.key.clone(), serde_json::from_str(row.row.get())?);
                }
                page = client.next(&these).await?;
            }
        }
        Ok(found)
    }

    async fn decide(&self, client: &Client, when: &When) -> anyhow::Result<Then> {
        let deploy = DeployDecider { module: self.module, upcasters: self.upcasters.clone(), owns: false };
        let version = deciders::deployed(client, NAME, &deploy).await?;
        client.promote_decider(NAME, &PromoteDecider { version, ..PromoteDecider::default() }).await?;
        match client.decide_dry(NAME, &when.aggregate, &when.command, when.data.to_string()).await {
            Ok(decided) => {
                let events = decided.events.iter().map(|event| {
                    let data = serde_json::from_str(event.data.get())?;
                    Ok(Emitted { kind: event.kind.clone(), schema: event.schema, data })
                });
                Ok(Then::Events(events.collect::<anyhow::Result<_>>()?))
            }
            Err(Error::Refused(problem)) if Kind::named(problem.slug()) == Some(Kind::CommandRejected) => {
                Ok(Then::Rejected(problem.more.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Appends events in their order. Those that say nothing else are of `stream`, and have `tag`.
async fn append(client: &Client, given: &[Given], stream: &str, tag: Option<String>) -> anyhow::Result<()> {
    for (number, event) in (1..).zip(given) {
        let mut new = event.event()?;
        if event.stream.is_none() && new.tags.is_empty() {
            new.tags.extend(tag.clone());
        }
        let stream = event.stream.as_deref().unwrap_or(stream);
        let appended = client.append(stream, ExpectedRevision::Any, &[new]).await;
        appended.with_context(|| format!("event {number} of the fixture"))?;
    }
    Ok(())
}

fn different_rows(expected: &Rows, found: &Rows) -> Vec<String> {
    let flat = |rows: &Rows| -> BTreeMap<(String, String), Value> {
        let of = |(table, rows): (&String, &BTreeMap<String, Value>)| {
            rows.iter().map(|(key, row)| ((table.clone(), key.clone()), row.clone())).collect::<Vec<_>>()
        };
        rows.iter().flat_map(of).collect()
    };
    let (expected, found) = (flat(expected), flat(found));
    let mut keys: Vec<_> = expected.keys().chain(found.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut lines = Vec::new();
    for of in keys {
        let (table, key) = of;
        let line = |sign: char, row: &Value| format!("{sign} {} {}: {row}", clean(table), clean(key));
        let (wanted, there) = (expected.get(of), found.get(of));
        if wanted != there {
            lines.extend(wanted.map(|row| line('-', row)));
            lines.extend(there.map(|row| line('+', row)));
        }
    }
    lines
}

/// What is decided, a line each event.
fn lines(then: &Then) -> Vec<String> {
    match then {
        Then::Rejected(code) => vec![format!("rejected: {}", clean(code))],
        Then::Events(events) if events.is_empty() => vec!["unchanged".to_owned()],
        Then::Events(events) => events
            .iter()
            .map(|event| format!("{} schema {}: {}", clean(&event.kind), event.schema, event.data))
            .collect(),
    }
}

fn different_lines(expected: &[String], found: &[String]) -> Vec<String> {
    if expected == found {
        return Vec::new();
    }
    let signed = |sign: char, lines: &[String]| lines.iter().map(|line| format!("{sign} {line}")).collect::<Vec<_>>();
    [signed('-', expected), signed('+', found)].concat()
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("cannot copy to {}", target.display()))?;
        }
    }
    Ok(())
}
