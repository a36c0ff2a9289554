//! Pages, by their addresses.

mod commands;
mod confirm;
mod deploy;
mod difference;
mod entrance;
mod events;
mod fault;
mod find;
mod models;
mod modules;
mod overview;
mod projection;
mod system;
mod version;

use kinora_api::{Kind, Problem};
use percent_encoding::percent_decode_str;

use crate::docs;
use crate::operation::{DeciderOperation, Operation};
use crate::shell::Page;
use crate::visit::{Reply, Visit};

pub use commands::address::{home as decider_home, version as decider_version};
pub use commands::{Came, Tried};
pub use deploy::Of;
pub use entrance::sign_in;

/// What the visitor asks to see.
pub async fn page(visit: &Visit<'_>) -> Reply {
    let parts: Vec<String> = visit.path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let page = match parts.as_slice() {
        [] => overview::page(visit).await,
        ["find"] => find::page(visit).await,
        ["find.json"] => return find::json(visit).await,
        ["deploy"] => deploy::page(visit).await,
        ["docs", id @ ..] => docs::page(visit, &id.join("/")),
        ["events"] => events::list(visit).await,
        ["events", position] => events::one(visit, position).await,
        ["read-models"] => models::list(visit).await,
        ["read-models", name] => models::one(visit, name).await,
        ["read-models", name, table] => models::table::page(visit, name, table).await,
        ["read-models", name, table, "row"] => models::row::page(visit, name, table).await,
        ["commands"] => commands::list(visit).await,
        ["commands", name] => commands::one(visit, name).await,
        ["commands", name, "versions", number, rest @ ..] => of_decider(visit, name, number, rest).await,
        ["modules"] => modules::list(visit).await,
        ["modules", digest] => modules::one(visit, digest).await,
        ["system"] => system::page(visit).await,
        ["projections", name] => projection::page(visit, name).await,
        ["projections", name, "difference"] => difference::page(visit, name).await,
        ["projections", name, "difference", "row"] => difference::row(visit, name).await,
        ["projections", name, "versions", number, rest @ ..] => of_version(visit, name, number, rest).await,
        _ => Err(nothing(visit)),
    };
    page.unwrap_or_else(|problem| Page::problem("", &problem)).reply(visit)
}

async fn of_version(visit: &Visit<'_>, name: &str, number: &str, rest: &[&str]) -> Result<Page, Problem> {
    let number = number.parse().map_err(|_| nothing(visit))?;
    match rest {
        [] => version::page(visit, name, number).await,
        ["fault"] => fault::page(visit, name, number).await,
        [operation] => match Operation::named(operation) {
            Some(operation) => confirm::page(visit, name, number, operation).await,
            None => Err(nothing(visit)),
        },
        _ => Err(nothing(visit)),
    }
}

async fn of_decider(visit: &Visit<'_>, name: &str, number: &str, rest: &[&str]) -> Result<Page, Problem> {
    let number = number.parse().map_err(|_| nothing(visit))?;
    match rest {
        [] => commands::version::page(visit, name, number).await,
        [operation] => match DeciderOperation::named(operation) {
            Some(operation) => commands::confirm::page(visit, name, number, operation).await,
            None => Err(nothing(visit)),
        },
        _ => Err(nothing(visit)),
    }
}

/// A refusal, as a page.
pub fn refused(visit: &Visit<'_>, problem: &Problem) -> Reply {
    Page::problem("", problem).reply(visit)
}

/// The same form again, with what the host said to it.
pub async fn confirm_again(visit: &Visit<'_>, name: &str, number: u32, operation: Operation, said: &Problem) -> Reply {
    let page = confirm::again(visit, name, number, operation, Some(said)).await;
    page.unwrap_or_else(|_| Page::problem("", said)).reply(visit)
}

pub async fn deploy_again(visit: &Visit<'_>, said: &Problem) -> Reply {
    deploy::again(visit, Some(said)).await.unwrap_or_else(|_| Page::problem("", said)).reply(visit)
}

pub async fn confirm_decider_again(
    visit: &Visit<'_>,
    name: &str,
    number: u32,
    operation: DeciderOperation,
    said: &Problem,
) -> Reply {
    let page = commands::confirm::again(visit, name, number, operation, Some(said)).await;
    page.unwrap_or_else(|_| Page::problem("", said)).reply(visit)
}

/// The page of a decider, with what came of one of its forms.
pub async fn decided(visit: &Visit<'_>, name: &str, came: Came) -> Reply {
    let page = commands::after(visit, name, Some(came)).await;
    page.unwrap_or_else(|problem| Page::problem("", &problem)).reply(visit)
}

fn nothing(visit: &Visit<'_>) -> Problem {
    let detail = format!("there is no page at /console{}", visit.path);
    Problem { hint: Some("the rooms are listed above".into()), ..Problem::new(Kind::UnknownRoute, detail) }
}

pub fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}
