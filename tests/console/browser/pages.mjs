// The pages that are looked at one by one.
export const PAGES = [
  "/console/", "/console/find?q=counts", "/console/deploy", "/console/events", "/console/events/0",
  "/console/read-models", "/console/read-models/counts", "/console/read-models/counts/counts?facets=n",
  "/console/read-models/counts/counts/row?key=s03", "/console/read-models/counts/counts?aggregate=count,sum(n)&group=n&field=n&operator=gte&value=2&scan=true",
  "/console/commands", "/console/commands/bank?id=1", "/console/commands/bank/versions/1",
  "/console/commands/bank/versions/2", "/console/commands/bank/versions/2/promote", "/console/deploy?kind=decider",
  "/console/modules", "/console/system", "/console/projections/counts", "/console/projections/counts/versions/2",
  "/console/projections/counts/versions/2/promote", "/console/projections/counts/difference",
  "/console/projections/counts/difference/row?from=1&to=2&table=counts&key=s03",
  "/console/projections/stopped/versions/1/fault", "/console/nothing",
];
