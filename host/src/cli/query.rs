//! `kinora query`: a row, rows by index, or a query that the projector answers itself.

use crate::cli::answers::{Row, Rows};
use crate::cli::client::{Answer, Client, next_page, with_parameters};
use crate::cli::output::{Fields, Output, cell, note, rows_table, table};

/// Ask a read model
///
/// For example: kinora query ontime carriers UA;
/// kinora query ontime routes --filter flights=gte.5000 --order mean_arrival_delay.desc --limit 5;
/// kinora query ontime --named worst-routes --arguments '{"from":"2013-06-01","to":"2013-07-01"}'
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    name: String,
    /// A table; without one, what can be asked
    table: Option<String>,
    /// The key of a row; without one, a list
    key: Option<String>,
    /// Rows of a list: field=operator.value, with eq, neq, gt, gte, lt, lte, in.(a,b), is.null, like.te*t, ilike.te*t,
    /// cs.{a,b}, each also after not.; or or=(a.eq.1,b.gt.2)
    #[arg(long = "filter", value_name = "FILTER", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// The order of a list: fields, such as flights.desc,origin
    #[arg(long)]
    order: Option<String>,
    /// Some fields of each row, such as flights,arrival_delays.p90
    #[arg(long)]
    select: Option<String>,
    /// Read more than the budget of a query, for want of an index
    #[arg(long)]
    scan: bool,
    /// Rows of a list
    #[arg(long)]
    limit: Option<usize>,
    /// All rows of a list, page by page
    #[arg(long)]
    all: bool,
    /// A query that the projector answers itself
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["table", "filters", "order", "select", "scan", "limit", "all"])]
    named: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "named")]
    arguments: Option<String>,
    /// A version that is not live
    #[arg(long)]
    version: Option<u64>,
    /// Wait until this position has been applied
    #[arg(long, value_name = "POSITION")]
    min_position: Option<u64>,
    /// How long to wait for it, in seconds
    #[arg(long, value_name = "SECONDS", requires = "min_position")]
    timeout: Option<f64>,
}

fn filter(text: &str) -> Result<(String, String), String> {
    let parts =
        text.split_once('=').filter(|(field, rest)| !field.is_empty() && (rest.contains('.') || rest.starts_with('(')));
    let (field, rest) = parts.ok_or("a filter looks like flights=gte.100")?;
    Ok((field.to_owned(), rest.to_owned()))
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let mut segments = vec!["v1", "read-models", &arguments.name];
    let mut parameters: Vec<(&str, String)> = Vec::new();
    parameters.extend(arguments.version.map(|version| ("version", version.to_string())));
    parameters.extend(arguments.min_position.map(|position| ("min_position", position.to_string())));
    parameters.extend(arguments.timeout.map(|seconds| ("timeout", seconds.to_string())));
    if let Some(query) = &arguments.named {
        segments.extend(["queries", query]);
        parameters.extend(arguments.arguments.clone().map(|json| ("arguments", json)));
        let answer = client.get(with_parameters(client.url(&segments)?, parameters)).await?;
        say_where_from(&answer);
        return output.json(answer.text());
    }
    let Some(table) = &arguments.table else {
        return describe(client, output, &segments, parameters).await;
    };
    segments.push(table);
    if let Some(key) = &arguments.key {
        segments.extend(key.split('/'));
        let answer = client.get(with_parameters(client.url(&segments)?, parameters)).await?;
        say_where_from(&answer);
        return if output.is_json() { output.json(answer.text()) } else { row(output, &answer.parse()?) };
    }
    parameters.extend(arguments.filters.iter().map(|(field, rest)| (field.as_str(), rest.clone())));
    parameters.extend(arguments.order.clone().map(|order| ("order", order)));
    parameters.extend(arguments.select.clone().map(|select| ("select", select)));
    parameters.extend(arguments.scan.then(|| ("scan", "true".to_owned())));
    parameters.extend(arguments.limit.map(|limit| ("limit", limit.to_string())));
    list(client, output, with_parameters(client.url(&segments)?, parameters), arguments.all).await
}

/// A row, a field each line.
fn row(output: &mut Output, row: &Fields) -> anyhow::Result<()> {
    let mut fields = table(&["field", "value"], &[]);
    for (name, value) in &row.0 {
        fields.add_row([name.clone(), cell(value)]);
    }
    output.table(&fields)
}

async fn list(client: &Client, output: &mut Output, url: reqwest::Url, all: bool) -> anyhow::Result<()> {
    let mut url = url;
    let mut first = true;
    loop {
        let answer = client.get(url.clone()).await?;
        if first {
            say_where_from(&answer);
        }
        first = false;
        let page: Rows = answer.parse()?;
        if output.is_json() {
            for row in &page.rows {
                output.json(row.get())?;
            }
        } else {
            print(output, &page)?;
        }
        match page.next {
            Some(next) if all => url = next_page(&url, &next),
            Some(_) => {
                note("there are more: --all, or a larger --limit");
                return Ok(());
            }
            None => return Ok(()),
        }
    }
}

fn print(output: &mut Output, page: &Rows) -> anyhow::Result<()> {
    let parse = |row: &serde_json::value::RawValue| -> anyhow::Result<(String, Fields)> {
        let row: Row = serde_json::from_str(row.get())?;
        Ok((cell(&row.key), serde_json::from_str(row.row.get())?))
    };
    let (keys, rows): (Vec<_>, Vec<_>) =
        page.rows.iter().map(|row| parse(row)).collect::<anyhow::Result<Vec<_>>>()?.into_iter().unzip();
    output.table(&rows_table(Some(&keys), &rows.iter().collect::<Vec<_>>()))
}

#[derive(serde::Deserialize)]
struct Model {
    tables: Vec<Table>,
    queries: Vec<Named>,
}

#[derive(serde::Deserialize)]
struct Table {
    name: String,
    key: String,
    indexes: Vec<Index>,
}

#[derive(serde::Deserialize)]
struct Index {
    name: String,
    paths: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
    description: String,
}

/// What can be asked.
async fn describe(
    client: &Client,
    output: &mut Output,
    segments: &[&str],
    parameters: Vec<(&str, String)>,
) -> anyhow::Result<()> {
    let answer = client.get(with_parameters(client.url(segments)?, parameters)).await?;
    say_where_from(&answer);
    if output.is_json() {
        return output.json(answer.text());
    }
    let model: Model = answer.parse()?;
    let mut tables = table(&["table", "key", "indexes"], &[]);
    for table in model.tables {
        let indexes = table.indexes.iter().map(|index| format!("{}({})", index.name, index.paths.join(", ")));
        tables.add_row([table.name, table.key, indexes.collect::<Vec<_>>().join(", ")]);
    }
    output.table(&tables)?;
    for query in model.queries {
        output.line(format_args!("\nquery {}: {}", query.name, query.description))?;
    }
    Ok(())
}

fn say_where_from(answer: &Answer) {
    if let Some(version) = answer.header("kinora-version") {
        let position = answer.header("kinora-position").unwrap_or("none");
        note(format_args!("version {version} at position {position}"));
    }
}
