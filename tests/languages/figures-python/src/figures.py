"""Projector of all figures, as `figures` has it in Rust."""

from dataclasses import dataclass, field

from kinora_sdk import Distinct, Event, Histogram, Quantiles, Rows, Summary, Table, projector

EDGES = [-1.0, 0.0, 100.5]


@dataclass
class Figures:
    summary: Summary = field(default_factory=Summary)
    histogram: Histogram = field(default_factory=Histogram)
    quantiles: Quantiles = field(default_factory=Quantiles)
    distinct: Distinct = field(default_factory=Distinct)


@dataclass
class Text:
    text: str = ""


FIGURES = Table("figures", Figures, key="stream")
TEXTS = Table("texts", Text, key="stream")


@projector("figures", handles={"Measured": 1}, ignores=["*"], tables=[FIGURES, TEXTS])
class FiguresOfStreams:
    def apply(self, event: Event, rows: Rows) -> None:
        row = rows.entry(FIGURES, event.stream)
        for value in event.data["values"]:
            value = float(value)
            row.summary.add(value)
            row.histogram.add(value, EDGES)
            row.quantiles.add(value)
        for name in event.data["names"]:
            row.distinct.add(name)
        rows.put(TEXTS, event.stream, Text(FIGURES.codec.encode(row)))
