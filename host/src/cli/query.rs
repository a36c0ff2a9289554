//! `kinora query`: a row, rows by index, or a query that the projector answers itself.

use kinora_client::api::queries::{Ask, AskList, Row, RowPage};
use kinora_client::{Answer, Client};
use serde_json::value::RawValue;

use crate::cli::output::{Fields, Output, cell, clean, note, rows_table, table};

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
    #[arg(long, value_name = "QUERY")]
    #[arg(conflicts_with_all = ["table", "filters", "order", "select", "scan", "limit", "all"])]
    named: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "named")]
    arguments: Option<String>,
    /// A version that is not live
    #[arg(long)]
    version: Option<u32>,
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
    let name = arguments.name.as_str();
    let Arguments { version, min_position, timeout, .. } = arguments;
    let ask = Ask { version, min_position, timeout, stale: None };
    if let Some(query) = &arguments.named {
        let answer = client.named::<Box<RawValue>>(name, query, arguments.arguments.as_deref(), &ask).await?;
        say_where_from(&answer);
        return output.json(answer.text());
    }
    let Some(table) = &arguments.table else {
        return describe(client, output, name, &ask).await;
    };
    if let Some(key) = &arguments.key {
        let answer = client.row::<Box<RawValue>>(name, table, key, &ask).await?;
        say_where_from(&answer);
        let text = answer.text();
        return if output.is_json() { output.json(text) } else { row(output, &serde_json::from_str(text)?) };
    }
    let list = AskList {
        order: arguments.order,
        select: arguments.select,
        scan: arguments.scan.then_some(true),
        limit: arguments.limit,
        ..AskList::default()
    };
    let first = client.rows(name, table, &arguments.filters, &list, &ask).await?;
    say_where_from(&first);
    print_pages(client, output, first, arguments.all).await
}

/// A row, a field each line.
fn row(output: &mut Output, row: &Fields) -> anyhow::Result<()> {
    let mut fields = table(&["field", "value"], &[]);
    for (name, value) in &row.0 {
        fields.add_row([name.clone(), cell(value)]);
    }
    output.table(&fields)
}

async fn print_pages(client: &Client, output: &mut Output, first: Answer<RowPage>, all: bool) -> anyhow::Result<()> {
    let mut page = first;
    if !page.unknown_fields.is_empty() {
        note(format_args!("no row had {}, and nobody has declared it", page.unknown_fields.join(", ")));
    }
    loop {
        if output.is_json() {
            for row in &page.rows {
                output.json(&serde_json::to_string(row)?)?;
            }
        } else {
            print(output, &page)?;
        }
        if page.next.is_some() && !all {
            note("there are more: --all, or a larger --limit");
            return Ok(());
        }
        match client.next(&page).await? {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

fn print(output: &mut Output, page: &RowPage) -> anyhow::Result<()> {
    let parse =
        |row: &Row| -> anyhow::Result<(String, Fields)> { Ok((clean(&row.key), serde_json::from_str(row.row.get())?)) };
    let rows = page.rows.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    let (keys, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    output.table(&rows_table(Some(&keys), &rows.iter().collect::<Vec<_>>()))
}

/// What can be asked.
async fn describe(client: &Client, output: &mut Output, name: &str, ask: &Ask) -> anyhow::Result<()> {
    let answer = client.read_model(name, ask).await?;
    say_where_from(&answer);
    if output.is_json() {
        return output.json(answer.text());
    }
    let model = answer.into_value();
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

fn say_where_from<T>(answer: &Answer<T>) {
    if let Some(version) = answer.version() {
        let position = answer.position().map_or_else(|| "none".to_owned(), |position| position.to_string());
        note(format_args!("version {version} at position {position}"));
    }
}
