//! Acts: what forms ask for, done by the API, and where that leads.

use kinora_api::commands::Decided;
use kinora_api::deciders::Decider;
use kinora_api::headers::{IDEMPOTENCY_KEY, REASON};
use kinora_api::modules::{Module, ModuleKind};
use kinora_api::projections::Projection;
use kinora_api::{Kind, Problem};
use serde_json::{Value, json};

use crate::ask::{Answer, Ask, part, with};
use crate::operation::{DeciderOperation, Operation};
use crate::pages::{self, Came, Of, Tried, decoded};
use crate::visit::{Reply, Visit};

/// Does what the form of a page asks for. Whether it is a form of this console has been looked at.
pub async fn act(visit: &Visit<'_>, form: &[(String, String)]) -> Reply {
    let parts: Vec<String> = visit.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["projections", name, "versions", number, operation] => match (number.parse(), Operation::named(operation)) {
            (Ok(number), Some(operation)) => change(visit, form, name, number, operation).await,
            _ => pages::page(visit).await,
        },
        ["commands", name, "versions", number, operation] => {
            match (number.parse(), DeciderOperation::named(operation)) {
                (Ok(number), Some(operation)) => change_decider(visit, form, name, number, operation).await,
                _ => pages::page(visit).await,
            }
        }
        ["deploy"] => match Of::named(field(form, "kind")) {
            Of::Projection => deploy(visit, form).await,
            Of::Decider => deploy_decider(visit, form).await,
        },
        ["commands", name] => command(visit, form, name).await,
        ["commands", name, "audit"] => audit(visit, name).await,
        _ => pages::page(visit).await,
    }
}

/// Leads on from an upload: the module is chosen in the form that deploys.
pub async fn uploaded(visit: &Visit<'_>, answer: Answer) -> Reply {
    let module: Module = match answer.read() {
        Ok(module) => module,
        Err(problem) => return pages::deploy_again(visit, &problem).await,
    };
    let digest = module.digest.to_string();
    let kept = visit.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (chosen, kind) = match module.kind {
        ModuleKind::Upcaster => (("upcaster", digest.as_str()), None),
        ModuleKind::Decider => (("module", digest.as_str()), Some(("kind", Of::Decider.word()))),
        ModuleKind::Projector => (("module", digest.as_str()), Some(("kind", Of::Projection.word()))),
    };
    let kept = kept.filter(|(name, _)| kind.is_none_or(|_| !["module", "kind"].contains(name)));
    Reply::SeeOther(with("/console/deploy", &kept.chain([chosen]).chain(kind).collect::<Vec<_>>()))
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = form.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
    found.filter(|value| !value.is_empty())
}

/// With the key of the form, so that one that is sent twice is done once, and with its reason.
fn signed(mut ask: Ask, form: &[(String, String)]) -> Ask {
    for (name, header) in [("key", IDEMPOTENCY_KEY), ("reason", REASON)] {
        if let Some(value) = field(form, name) {
            ask = ask.header(header, value);
        }
    }
    ask
}

async fn change(visit: &Visit<'_>, form: &[(String, String)], name: &str, number: u32, operation: Operation) -> Reply {
    let body = operation.body(|wanted| field(form, wanted).map(str::to_owned));
    let ask = signed(Ask::post(operation.path(name, number), body), form);
    match visit.ask(ask).await.read::<Projection>() {
        Ok(_) => {
            let home = format!("/console/projections/{}", part(name));
            Reply::SeeOther(with(&home, &[("done", operation.name())]))
        }
        Err(problem) => pages::confirm_again(visit, name, number, operation, &problem).await,
    }
}

async fn change_decider(
    visit: &Visit<'_>,
    form: &[(String, String)],
    name: &str,
    number: u32,
    operation: DeciderOperation,
) -> Reply {
    let body = operation.body(number, |wanted| field(form, wanted).map(str::to_owned));
    let ask = signed(Ask::post(operation.path(name), body), form);
    match visit.ask(ask).await.read::<Decider>() {
        Ok(_) => Reply::SeeOther(with(&pages::decider_home(name), &[("done", operation.name())])),
        Err(problem) => pages::confirm_decider_again(visit, name, number, operation, &problem).await,
    }
}

fn upcasters(form: &[(String, String)]) -> Vec<&String> {
    form.iter().filter(|(name, _)| name == "upcaster").map(|(_, value)| value).collect()
}

async fn deploy(visit: &Visit<'_>, form: &[(String, String)]) -> Reply {
    let name = field(form, "name").unwrap_or_default();
    let body = json!({
        "module": field(form, "module").unwrap_or_default(),
        "upcasters": upcasters(form),
        "promote": field(form, "promote").unwrap_or("manual"),
        "gates": {"reviewed": field(form, "reviewed").is_some()},
    });
    let ask = signed(Ask::post(format!("/v1/projections/{}/versions", part(name)), body), form);
    match visit.ask(ask).await.read::<Value>() {
        Ok(deployed) => {
            let home = format!("/console/projections/{}", part(name));
            Reply::SeeOther(match deployed.get("version").and_then(Value::as_u64) {
                Some(version) => format!("{home}/versions/{version}"),
                None => home,
            })
        }
        Err(problem) => pages::deploy_again(visit, &problem).await,
    }
}

async fn deploy_decider(visit: &Visit<'_>, form: &[(String, String)]) -> Reply {
    let name = field(form, "name").unwrap_or_default();
    let body = json!({
        "module": field(form, "module").unwrap_or_default(),
        "upcasters": upcasters(form),
        "owns": field(form, "owns").is_some(),
    });
    let ask = signed(Ask::post(format!("/v1/deciders/{}/versions", part(name)), body), form);
    match visit.ask(ask).await.read::<Decider>() {
        Ok(decider) => {
            let home = pages::decider_home(name);
            let newest = decider.versions.iter().map(|version| version.version).max();
            Reply::SeeOther(newest.map_or(home, |version| pages::decider_version(name, version)))
        }
        Err(problem) => pages::deploy_again(visit, &problem).await,
    }
}

async fn command(visit: &Visit<'_>, form: &[(String, String)], name: &str) -> Reply {
    let text = |wanted: &str| field(form, wanted).unwrap_or_default().to_owned();
    let (id, command, data, dry_run) = (text("id"), text("command"), text("data"), field(form, "dry").is_some());
    let answer = match serde_json::from_str::<Value>(&data) {
        Ok(body) => {
            let path = format!("/v1/deciders/{}/{}/{}", part(name), part(&id), part(&command));
            let path = if dry_run { format!("{path}?dry_run=true") } else { path };
            let ask = Ask::post(path, body);
            let ask = if dry_run { ask } else { signed(ask, form) };
            visit.ask(ask).await.read::<Decided>()
        }
        Err(cause) => Err(Problem::new(Kind::InvalidJson, format!("the data is not JSON: {cause}"))),
    };
    pages::decided(visit, name, Came::Command(Tried { id, command, data, dry_run, answer })).await
}

async fn audit(visit: &Visit<'_>, name: &str) -> Reply {
    let asked = Ask::post(format!("/v1/deciders/{}/audit", part(name)), json!({}));
    let report = visit.ask(asked).await.read();
    pages::decided(visit, name, Came::Audit(report)).await
}
