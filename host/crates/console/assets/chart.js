// Charts over time, by uPlot: the rates of a projection's versions since the page was opened.
"use strict";

addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector("#rates");
  if (!place) return;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const times = [], rates = new Map();
  let plot = null, last = null;
  const colours = ["--accent", "--good", "--warn", "--bad", "--quiet"];
  const draw = () => {
    // Of one moment alone there is no line, and no scale.
    if (times.length < 2) return;
    const names = [...rates.keys()];
    const data = [times, ...names.map((name) => rates.get(name))];
    if (plot && plot.series.length === data.length) { plot.setData(data); return; }
    plot?.destroy();
    const axis = { stroke: style("--quiet"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false } };
    plot = new uPlot({
      width: place.clientWidth - 20, height: 190, cursor: { y: false },
      axes: [axis, { ...axis, size: 70, values: (_, all) => all.map((value) => value.toLocaleString("en")) }],
      // A minute at least.
      scales: { x: { range: (_, low, high) => [Math.min(low, high - 60), high] }, y: { range: (_, low, high) => [0, Math.max(10, high * 1.1)] } },
      series: [{}, ...names.map((name, nth) => ({
        label: `version ${name}, events/s`, stroke: style(colours[nth % colours.length]), width: 2, points: { show: false },
      }))],
    }, data, place);
  };
  const take = () => {
    if (!last) return;
    times.push(Date.now() / 1000);
    for (const version of last.versions.filter((one) => !["retired", "aborted"].includes(one.state))) {
      if (!rates.has(version.version)) rates.set(version.version, Array(times.length - 1).fill(null));
      rates.get(version.version).push(version.events_per_second);
    }
    for (const all of rates.values()) while (all.length < times.length) all.push(null);
    if (times.length > 900) { times.shift(); for (const all of rates.values()) all.shift(); }
    draw();
  };
  const source = new EventSource(place.dataset.stream);
  source.addEventListener("status", (event) => { const first = !last; last = JSON.parse(event.data); if (first) take(); });
  setInterval(take, 1000);
  addEventListener("resize", () => plot?.setSize({ width: place.clientWidth - 20, height: 190 }));
});
