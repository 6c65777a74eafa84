/** Has this happened before, and what helped? */

import { html } from "../../html.js";
import { address, segment } from "../../navigation.js";
import { Detail, Empty, Facts, Moment, Section, Table, percent, shown, useAnswer, whole } from "../../parts/basics.js";
import { Bar, Series } from "../../parts/charts.js";
import { Extract, ListPage } from "../../parts/lists.js";
import { FAILURES } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";

const PATTERNS = {
  title: "Failure patterns",
  path: "/api/v1/failure-patterns",
  views: ["patterns"],
  by: (row) => row.pattern,
  to: (row) => address("/ui/failure-patterns", row.pattern),
  filters: [
    { name: "status", label: "Status", options: ["EMERGING", "CONFIRMED", "DORMANT", "RESOLVED"] },
    { name: "sort", label: "First", options: ["month", "week", "loss", "last_at"], usual: "month", must: true },
  ],
  heads: [
    ["Pattern", (row) => row.pattern],
    ["Status", (row) => html`<${State} of=${row.status} />`],
    ["Day", (row) => whole(row.day), "number"],
    ["Week", (row) => whole(row.week), "number"],
    ["Month", (row) => whole(row.month), "number"],
    ["Mean loss", (row) => percent(row.loss), "number"],
    ["Models", (row) => row.subjects.join(", "), "wide"],
    ["Last", (row) => html`<${Moment} at=${row.last_at} />`],
  ],
  empty: html`No pattern fits this filter. One emerges once failures of a kind come again.`,
};

const SIGNALS = {
  title: "Signals",
  views: ["patterns"],
  by: (row) => row.signal,
  heads: [
    ["Signal", (row) => row.signal],
    ["Seen", (row) => whole(row.seen), "number"],
    ["What followed", (row) => row.followers.map((one) => `→ ${one.pattern} (${one.followed} times, ${lead(one)} later)`).join(", ") || "–", "wide"],
    ["Last", (row) => html`<${Moment} at=${row.last_at} />`],
  ],
};

/** How long the failure came after the signal, in whole minutes. */
function lead({ lead_ms: ms }) {
  return `${Math.round(ms / 60_000)} min`;
}

export function Patterns({ query }) {
  return html`<${ListPage} of=${PATTERNS} query=${query} />
    <${Extract} id="signals" title="What came before failures" of=${SIGNALS} path="/api/v1/signals"
      all="/api/v1/signals?format=csv" empty="No signal was seen before a failure yet." />`;
}

export function Pattern({ parts: [name] }) {
  const answer = useAnswer(address(PATTERNS.path, name), PATTERNS.views);
  return html`<${Detail} answer=${answer} what="the pattern" crumb=${[PATTERNS.title, "/ui/failure-patterns"]}>${(item) => html`
    <h1>${item.pattern}</h1>
    <p class="lead"><${State} of=${item.status} /> ${whole(item.total)} failures, mean loss ${percent(item.loss)}</p>
    <${Facts} of=${[
      ["Part of", item.parent && html`<a href=${address("/ui/failure-patterns", item.parent)}>${item.parent}</a>`],
      ["First", html`<${Moment} at=${item.first_at} />`],
      ["Last", html`<${Moment} at=${item.last_at} />`],
      ["Helped last", item.helped_at && html`<${Moment} at=${item.helped_at} />`],
      ["Models", item.subjects.join(", ")],
    ]} />
    <${Section} id="days" title="The last 30 days">
      ${item.buckets.length === 0
        ? html`<${Empty}>No failure of it in the last 30 days.</${Empty}>`
        : html`<${Series} columns caption="Failures in six hours" what="Failures" text=${whole}
            points=${item.buckets.map(({ start, count }) => ({ at: start, value: count }))} />`}
    </${Section}>
    <${Section} id="actions" title="What was tried">
      ${item.actions.length === 0
        ? html`<${Empty}>Nothing was tried yet whose effect is known.</${Empty}>`
        : html`<${Table} caption="What was tried" rows=${item.actions} heads=${[
            ["Action", (row) => worded(row.action)],
            ["Tried", (row) => whole(row.tried), "number"],
            ["Helped, weighed", (row) => shown(row.helped), "number"],
            ["Failed, weighed", (row) => shown(row.failed), "number"],
            ["Drawn", (row) => html`<${Bar} value=${row.helped} reach=${row.helped + row.failed} tone="good"
              label=${`helped ${shown(row.helped)}, failed ${shown(row.failed)}`} />`],
          ]} />`}
    </${Section}>
    <${Section} id="precursors" title="What came before it">
      ${item.precursors.length === 0
        ? html`<${Empty}>No signal is known to come before it.</${Empty}>`
        : html`<${Table} caption="What came before it" rows=${item.precursors} heads=${[
            ["Signal", (row) => row.signal],
            ["Followed by it", (row) => percent(row.rate), "number"],
            ["Times", (row) => whole(row.followed), "number"],
            ["Lead", lead, "number"],
          ]} />`}
    </${Section}>
    <${Extract} id="failures" title="Failures of it" of=${FAILURES} path=${`${FAILURES.path}?pattern=${segment(item.pattern)}`}
      all=${`/ui/failures?pattern=${segment(item.pattern)}`} empty="None in the last 30 days." />
  `}</${Detail}>`;
}
