//! `kinora query`: a row, rows by index, figures over them, or a query that the projector answers itself.

mod answers;

use jiff::Timestamp;
use kinora_client::api::queries::{Ask, AskList, AskPast, RowFormat};
use kinora_client::{Client, ListQuery, RowQuery};
use serde_json::value::RawValue;

use crate::cli::output::Output;

/// Ask a read model: for a row, a list of rows, figures over them, or a query that the projector answers itself
///
/// For example: kinora query ontime carriers UA;
/// kinora query ontime routes --filter flights=gte.5000 --order mean_arrival_delay.desc --limit 5;
/// kinora query ontime aircraft_flights --aggregate 'count,avg(arrival_delay)' --group origin;
/// kinora query ontime --named worst-routes --arguments '{"from":"2013-06-01","to":"2013-07-01"}'
#[derive(clap::Args)]
pub struct Arguments {
    /// The projection
    pub name: String,
    /// A table; without one, what can be asked
    table: Option<String>,
    /// The key of a row; without one, a list
    #[arg(conflicts_with = "ListArguments")]
    key: Option<String>,
    #[command(flatten)]
    list: ListArguments,
    #[command(flatten)]
    past: PastArguments,
    /// What the row was, the newest first, so many at most, in a table with a history
    #[arg(long, value_name = "ROWS", requires = "key", conflicts_with = "PastArguments")]
    versions: Option<usize>,
    /// A query that the projector answers itself
    #[arg(long, value_name = "QUERY", conflicts_with_all = ["table", "ListArguments", "PastArguments"])]
    named: Option<String>,
    /// Its arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "named")]
    arguments: Option<String>,
    #[command(flatten)]
    ask: AskArguments,
}

/// What a list can say.
#[derive(clap::Args)]
#[group(requires = "table")]
#[command(next_help_heading = "Lists")]
struct ListArguments {
    /// Rows of a list: field=operator.value, with eq, neq, gt, gte, lt, lte, in.(a,b), is.null, like.te*t, ilike.te*t,
    /// cs.{a,b}, each also after not.; or or=(a.eq.1,b.gt.2)
    #[arg(long = "filter", value_name = "FILTER", value_parser = filter)]
    filters: Vec<(String, String)>,
    /// The order of a list: fields, such as flights.desc,origin
    #[arg(long, value_name = "FIELDS")]
    order: Option<String>,
    /// Some fields of each row, such as flights,arrival_delays.p90
    #[arg(long, value_name = "FIELDS")]
    select: Option<String>,
    /// Read more than the budget of a query, for want of an index
    #[arg(long)]
    scan: bool,
    /// Rows of a list
    #[arg(long, value_name = "ROWS")]
    limit: Option<usize>,
    /// Go on where another list ended: as it was shown there
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// All rows of a list, page by page
    #[arg(long)]
    all: bool,
    /// Count all rows, whatever the limit
    #[arg(long)]
    count: bool,
    /// Figures instead of rows: count, sum(field), avg(field), min(field), max(field), percentile(field,90), each with
    /// a name before it if you like, such as late:percentile(delay,90)
    #[arg(long, value_name = "FIGURES")]
    aggregate: Option<String>,
    /// A figure for each of the values of these fields
    #[arg(long, value_name = "FIELDS", requires = "aggregate")]
    group: Option<String>,
    /// How often each value of these fields is there, each field for itself
    #[arg(long, value_name = "FIELDS")]
    facets: Option<String>,
    /// How the list is answered, instead of its rows
    #[arg(long)]
    explain: bool,
    /// As the host writes it
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// A moment of the past.
#[derive(clap::Args)]
#[group(requires = "table")]
struct PastArguments {
    /// As it was after this event, in a table with a history
    #[arg(long, value_name = "POSITION", conflicts_with = "at_time")]
    at_position: Option<u64>,
    /// As it was then, in a table with a history
    #[arg(long, value_name = "TIME")]
    at_time: Option<Timestamp>,
}

/// What every query can say.
#[derive(clap::Args)]
struct AskArguments {
    /// A version that is not live
    #[arg(long)]
    version: Option<u32>,
    /// Wait until this position has been applied
    #[arg(long, value_name = "POSITION")]
    min_position: Option<u64>,
    /// How long to wait for it, in seconds
    #[arg(long, value_name = "SECONDS", requires = "min_position")]
    timeout: Option<f64>,
    /// Take old rows, too, if the version stopped at a fault
    #[arg(long)]
    stale: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Comma-separated values under the names of the fields
    Csv,
    /// A JSON document a line
    Ndjson,
    /// One JSON document for a page
    Json,
}

fn filter(text: &str) -> Result<(String, String), String> {
    let parts =
        text.split_once('=').filter(|(field, rest)| !field.is_empty() && (rest.contains('.') || rest.starts_with('(')));
    let (field, rest) = parts.ok_or("a filter looks like flights=gte.100")?;
    Ok((field.to_owned(), rest.to_owned()))
}

impl AskArguments {
    fn ask(&self) -> Ask {
        let Self { version, min_position, timeout, stale } = *self;
        Ask { version, min_position, timeout, stale: stale.then_some(true) }
    }
}

impl PastArguments {
    fn past(&self) -> AskPast {
        AskPast { at_position: self.at_position, at_time: self.at_time.map(|time| time.to_string()) }
    }
}

impl ListArguments {
    fn query(self, ask: Ask, past: AskPast) -> ListQuery {
        let list = AskList {
            order: self.order,
            select: self.select,
            scan: self.scan.then_some(true),
            limit: self.limit,
            cursor: self.cursor,
            explain: self.explain.then_some(true),
            format: self.format.map(|format| match format {
                Format::Csv => RowFormat::Csv,
                Format::Ndjson => RowFormat::Ndjson,
                Format::Json => RowFormat::Json,
            }),
            aggregate: self.aggregate,
            group: self.group,
            facets: self.facets,
        };
        ListQuery { filters: self.filters, ask, past, list, count: self.count }
    }
}

pub async fn run(client: &Client, output: &mut Output, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { name, table, key, list, past, versions, named, arguments, ask } = arguments;
    let (ask, past) = (ask.ask(), past.past());
    if let Some(query) = &named {
        let answer = client.named::<Box<RawValue>>(&name, query, arguments.as_deref(), &ask).await?;
        answers::say_where_from(&answer);
        return output.json(answer.text());
    }
    let Some(table) = &table else {
        return answers::model(output, &client.read_model(&name, &ask).await?);
    };
    if let Some(key) = &key {
        let answer = client.row_text(&name, table, key, &RowQuery { ask, past, versions }).await?;
        return answers::row(output, &answer, versions.is_some());
    }
    let all = list.all;
    let mut query = list.query(ask, past);
    let is_of_rows = query.list.aggregate.is_none() && query.list.facets.is_none() && query.list.explain.is_none();
    if output.is_csv() && is_of_rows {
        query.list.format.get_or_insert(RowFormat::Csv);
    }
    let first = client.list_text(&name, table, &query).await?;
    answers::say_where_from(&first);
    match &query.list {
        list if list.explain.is_some() => answers::explanation(output, &first),
        list if list.format.is_some() => answers::pages_as_they_are(client, output, first, list, all).await,
        list if list.aggregate.is_some() || list.facets.is_some() => {
            answers::figures(output, &first, list.group.as_deref())
        }
        _ => answers::pages(client, output, first, all).await,
    }
}
