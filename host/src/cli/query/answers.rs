//! Answers of queries, as people read them.

use std::collections::BTreeMap;

use kinora_client::api::queries::{AskList, FacetValue, ReadModel, Row, RowFormat, RowPage, RowVersions};
use kinora_client::{Answer, Client};
use serde::Deserialize;

use crate::cli::output::{Fields, Output, cell, clean, note, rows_table, table};

/// A row, a field each line, or what it was.
pub fn row(output: &mut Output, answer: &Answer<()>, versions: bool) -> anyhow::Result<()> {
    say_where_from(answer);
    if output.is_json() {
        return output.json(answer.text());
    }
    if !versions {
        return fields(output, &serde_json::from_str(answer.text())?);
    }
    let mut found = table(&["position", "row"], &[0]);
    for version in serde_json::from_str::<RowVersions>(answer.text())?.versions {
        let position = version.position.map_or_else(|| "none".to_owned(), |position| position.to_string());
        found.add_row([position, version.row.map_or_else(|| "(deleted)".to_owned(), |row| clean(row.get()))]);
    }
    output.table(&found)
}

fn fields(output: &mut Output, row: &Fields) -> anyhow::Result<()> {
    let mut fields = table(&["field", "value"], &[]);
    for (name, value) in &row.0 {
        fields.add_row([clean(name), cell(value)]);
    }
    output.table(&fields)
}

/// The pages of a list, the first or all of them.
pub async fn pages(client: &Client, output: &mut Output, first: Answer<()>, all: bool) -> anyhow::Result<()> {
    let mut page = first;
    loop {
        let rows: RowPage = serde_json::from_str(page.text())?;
        if output.is_json() {
            for row in &rows.rows {
                output.json(&serde_json::to_string(row)?)?;
            }
        } else {
            print(output, &rows)?;
        }
        if let Some(count) = rows.count {
            note(format_args!("{count} rows in all"));
        }
        match next(client, &page, all).await? {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

/// The pages of a list as the host wrote them. The names of columns stand above the first one only.
pub async fn pages_as_they_are(
    client: &Client,
    output: &mut Output,
    first: Answer<()>,
    list: &AskList,
    all: bool,
) -> anyhow::Result<()> {
    let mut page = first;
    let mut known: Option<String> = None;
    loop {
        let text = page.text();
        let columns = text.lines().next().filter(|_| list.format == Some(RowFormat::Csv)).map(str::to_owned);
        let repeated = columns.is_some() && known == columns;
        let rows = if repeated { text.split_once('\n').map_or("", |(_, rows)| rows) } else { text };
        output.raw(rows.as_bytes())?;
        if !rows.is_empty() && !rows.ends_with('\n') {
            output.raw(b"\n")?;
        }
        known = columns.or(known);
        match next(client, &page, all).await? {
            Some(next) => page = next,
            None => return Ok(()),
        }
    }
}

/// The next page, if it is wanted; if not, how to get it.
async fn next(client: &Client, page: &Answer<()>, all: bool) -> anyhow::Result<Option<Answer<()>>> {
    if all {
        return Ok(client.next_text(page).await?);
    }
    if let Some(cursor) = page.next_cursor() {
        note(format_args!("there are more: --all, a larger --limit, or --cursor {cursor}"));
    }
    Ok(None)
}

fn print(output: &mut Output, page: &RowPage) -> anyhow::Result<()> {
    let parse =
        |row: &Row| -> anyhow::Result<(String, Fields)> { Ok((clean(&row.key), serde_json::from_str(row.row.get())?)) };
    let rows = page.rows.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    let (keys, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    output.table(&rows_table(Some(&keys), &rows.iter().collect::<Vec<_>>()))
}

/// Figures, with their fields in the order in which the host wrote them.
#[derive(Deserialize)]
struct Figures {
    groups: Option<Vec<Fields>>,
    facets: Option<BTreeMap<String, Vec<FacetValue>>>,
}

/// Figures, a group each line, and how often each value is there.
pub fn figures(output: &mut Output, answer: &Answer<()>, group: Option<&str>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let Figures { groups, facets } = serde_json::from_str(answer.text())?;
    let by: Vec<&str> = group.into_iter().flat_map(|fields| fields.split(',')).collect();
    // What a group is comes before its figures.
    let place = |name: &str| by.iter().position(|field| *field == name).unwrap_or(by.len());
    let groups = groups.map(|mut groups| {
        groups.iter_mut().for_each(|group| group.0.sort_by_key(|(name, _)| place(name)));
        groups
    });
    if let Some(groups) = &groups {
        output.table(&rows_table(None, &groups.iter().collect::<Vec<_>>()))?;
    }
    for (number, (field, values)) in facets.iter().flatten().enumerate() {
        if number > 0 || groups.is_some() {
            output.line("")?;
        }
        let mut found = table(&[&clean(field), "count"], &[1]);
        for FacetValue { value, count } in values {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            found.add_row([clean(&value), count.to_string()]);
        }
        output.table(&found)?;
    }
    Ok(())
}

/// How a list is answered.
pub fn explanation(output: &mut Output, answer: &Answer<()>) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(answer.text());
    }
    let plan: Fields = serde_json::from_str(answer.text())?;
    let mut found = table(&["plan", ""], &[]);
    for (name, value) in &plan.0 {
        found.add_row([clean(&name.replace('_', " ")), cell(value)]);
    }
    output.table(&found)
}

/// What can be asked.
pub fn model(output: &mut Output, answer: &Answer<ReadModel>) -> anyhow::Result<()> {
    say_where_from(answer);
    if output.is_json() {
        return output.json(answer.text());
    }
    let mut tables = table(&["table", "key", "indexes"], &[]);
    for table in &answer.tables {
        let indexes = table.indexes.iter().map(|index| format!("{}({})", index.name, index.paths.join(", ")));
        tables.add_row([clean(&table.name), clean(&table.key), indexes.collect::<Vec<_>>().join(", ")]);
    }
    output.table(&tables)?;
    for query in &answer.queries {
        output.line(format_args!("\nquery {}: {}", query.name, query.description))?;
    }
    Ok(())
}

/// Which version gave an answer, and whether it is old.
pub fn say_where_from<T>(answer: &Answer<T>) {
    if let Some(version) = answer.version() {
        let position = answer.position().map_or_else(|| "none".to_owned(), |position| position.to_string());
        note(format_args!("version {version} at position {position}"));
    }
    let unknown = answer.unknown_fields();
    if !unknown.is_empty() {
        note(format_args!("no row had {}, and the table does not declare its fields", unknown.join(", ")));
    }
    if let Some(warning) = answer.warning() {
        // `110 kinora "stale: ..."`: a number, who says it, and what is said.
        let said = warning.split_once('"').map_or(warning, |(_, said)| said.trim_end_matches('"'));
        note(format_args!("warning: {said}"));
    }
}
