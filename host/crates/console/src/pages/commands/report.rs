//! Report: recorded commands that were decided again, in a line or as a whole.

use kinora_api::deciders::DecisionReport;
use maud::{Markup, html};

use crate::parts::number;

/// Those that came to something else than they had come to.
fn otherwise(report: &DecisionReport) -> u64 {
    report.different + report.rejected + report.unchanged + report.unknown
}

pub fn line(report: Option<&DecisionReport>) -> Markup {
    html! {
        @match report {
            None => "–",
            Some(report) => {
                (number(report.same)) " of " (number(report.commands)) " the same"
                @if otherwise(report) > 0 { ", " strong { (number(otherwise(report))) " otherwise" } }
            }
        }
    }
}

/// With examples of what differs.
pub fn whole(report: &DecisionReport) -> Markup {
    let rejections = &report.rejections;
    html! {
        dl.pairs {
            div { dt { "Folded" } dd { (number(report.events)) " events of " (number(report.aggregates))
                " aggregates" } }
            div { dt { "Recorded commands" } dd { (line(Some(report))) } }
            @for (what, count) in [("With other events", report.different), ("Rejected now", report.rejected),
                ("Of no effect now", report.unchanged), ("Not known any more", report.unknown)] {
                @if count > 0 { div { dt { (what) } dd { (number(count)) } } }
            }
            @if rejections.commands > 0 {
                div { dt { "Rejected lately" } dd { (number(rejections.same)) " of " (number(rejections.commands))
                    " rejected as they were"
                    @if rejections.accepted > 0 { ", " strong { (number(rejections.accepted)) " accepted now" } } } }
            }
        }
        @if !report.samples.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Commands that come to something else" { table {
                thead { tr { th { "Command" } th { "Aggregate" } th { "Then" } th { "Now" } } }
                tbody { @for sample in &report.samples {
                    tr {
                        td { (sample.name) }
                        td { (sample.aggregate) }
                        td.was {
                            @match &sample.was_rejected {
                                Some(code) => { "rejected: " code { (code) } },
                                None => a href=(format!("/console/events/{}", sample.position)) { "event "
                                    (number(sample.position)) },
                            }
                        }
                        td.is { (sample.now) }
                    }
                } }
            } }
        }
    }
}
