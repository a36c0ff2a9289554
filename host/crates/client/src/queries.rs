//! Queries: rows, lists, figures, named queries. Each answer says which version gave it, and from which position.

use kinora_api::queries::{
    Ask, AskList, AskNamed, AskPast, AskRow, Explanation, ReadModel, RowPage, RowVersions, Statistics,
};
use reqwest::Url;
use serde::de::DeserializeOwned;

use crate::address::with_parameters;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;

/// All that can be said of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowQuery {
    pub ask: Ask,
    pub past: AskPast,
    /// What the row was, the newest first, so many at most.
    pub versions: Option<usize>,
}

/// All that can be said of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListQuery {
    /// Fields, each with `operator.value`, such as `("flights", "gte.100")`.
    pub filters: Vec<(String, String)>,
    pub ask: Ask,
    pub past: AskPast,
    pub list: AskList,
    /// Whether all rows are counted.
    pub count: bool,
}

impl Client {
    /// A row, or what it was, as the text that the host wrote.
    pub async fn row_text(&self, name: &str, table: &str, key: &str, query: &RowQuery) -> Result<Answer<()>, Error> {
        let url = with_parameters(self.address_of_row(name, table, key)?, &query.ask)?;
        let row = AskRow { versions: query.versions };
        self.get_text(with_parameters(with_parameters(url, &query.past)?, &row)?, None).await
    }

    /// What a list answers, as the text that the host wrote: rows as JSON, lines or CSV, figures, or a plan.
    pub async fn list_text(&self, name: &str, table: &str, query: &ListQuery) -> Result<Answer<()>, Error> {
        let ListQuery { filters, ask, past, list, count } = query;
        let url = with_parameters(self.url(&["v1", "read-models", name, table])?, ask)?;
        let url = with_parameters(with_parameters(with_parameters(url, past)?, filters)?, list)?;
        self.get_text(url, count.then_some(("prefer", "count=exact"))).await
    }

    /// What can be asked of a read model.
    pub async fn read_model(&self, name: &str, ask: &Ask) -> Result<Answer<ReadModel>, Error> {
        self.get(with_parameters(self.url(&["v1", "read-models", name])?, ask)?).await
    }

    /// A row; `unknown-row` if it is not there. A key may have slashes.
    pub async fn row<T: DeserializeOwned>(
        &self,
        name: &str,
        table: &str,
        key: &str,
        ask: &Ask,
    ) -> Result<Answer<T>, Error> {
        self.get(with_parameters(self.address_of_row(name, table, key)?, ask)?).await
    }

    /// A row as it was, of a table with a history.
    pub async fn past_row<T: DeserializeOwned>(
        &self,
        name: &str,
        table: &str,
        key: &str,
        past: &AskPast,
    ) -> Result<Answer<T>, Error> {
        self.get(with_parameters(self.address_of_row(name, table, key)?, past)?).await
    }

    /// What a row was, the newest first.
    pub async fn row_versions(
        &self,
        name: &str,
        table: &str,
        key: &str,
        versions: usize,
    ) -> Result<Answer<RowVersions>, Error> {
        let ask = AskRow { versions: Some(versions) };
        self.get(with_parameters(self.address_of_row(name, table, key)?, &ask)?).await
    }

    /// A page of rows. Filters are a field and `operator.value`, such as `("flights", "gte.100")`.
    pub async fn rows(
        &self,
        name: &str,
        table: &str,
        filters: &[(String, String)],
        list: &AskList,
        ask: &Ask,
    ) -> Result<Answer<RowPage>, Error> {
        self.list(name, table, filters, list, ask).await
    }

    /// Figures over rows: what `aggregate`, `group` and `facets` ask for.
    pub async fn statistics(
        &self,
        name: &str,
        table: &str,
        filters: &[(String, String)],
        list: &AskList,
        ask: &Ask,
    ) -> Result<Answer<Statistics>, Error> {
        self.list(name, table, filters, list, ask).await
    }

    /// How a list is, or would be, answered.
    pub async fn explain(
        &self,
        name: &str,
        table: &str,
        filters: &[(String, String)],
        list: &AskList,
        ask: &Ask,
    ) -> Result<Answer<Explanation>, Error> {
        let list = AskList { explain: Some(true), ..list.clone() };
        self.list(name, table, filters, &list, ask).await
    }

    /// A query that the projector answers itself; its arguments are a JSON object.
    pub async fn named<T: DeserializeOwned>(
        &self,
        name: &str,
        query: &str,
        arguments: Option<&str>,
        ask: &Ask,
    ) -> Result<Answer<T>, Error> {
        let named = AskNamed { arguments: arguments.map(str::to_owned) };
        let url = self.url(&["v1", "read-models", name, "queries", query])?;
        self.get(with_parameters(with_parameters(url, ask)?, &named)?).await
    }

    async fn list<T: DeserializeOwned>(
        &self,
        name: &str,
        table: &str,
        filters: &[(String, String)],
        list: &AskList,
        ask: &Ask,
    ) -> Result<Answer<T>, Error> {
        let url = with_parameters(self.url(&["v1", "read-models", name, table])?, ask)?;
        self.get(with_parameters(with_parameters(url, &filters)?, list)?).await
    }

    fn address_of_row(&self, name: &str, table: &str, key: &str) -> Result<Url, Error> {
        let segments = ["v1", "read-models", name, table].into_iter().chain(key.split('/'));
        self.url(&segments.collect::<Vec<_>>())
    }
}
