/** Which advice pays, and did learning run? */

import { html } from "../../html.js";
import { address } from "../../navigation.js";
import { Empty, Facts, Moment, Section, Whole, percent, shown, useAnswer, whole } from "../../parts/basics.js";
import { Bar, Series } from "../../parts/charts.js";
import { List, ListPage } from "../../parts/lists.js";
import { State, worded } from "../../parts/states.js";

const LESSONS = {
  title: "Lessons",
  path: "/api/v1/learning/patterns",
  views: ["cycles"],
  by: (row) => `${row.tenant}|${row.category}|${row.pattern_name}`,
  filters: [
    { name: "category", label: "Category", options: ["CONSENSUS", "EXPERT", "HIGH_CONFIDENCE"] },
    { name: "status", label: "Status", options: ["CANDIDATE", "CONFIRMED", "DROPPED"] },
    { name: "sort", label: "First", options: ["approved", "outcomes"], usual: "approved", must: true },
  ],
  heads: [
    ["Lesson", (row) => row.pattern_name],
    ["Status", (row) => html`<${State} of=${row.status} />`],
    ["Category", (row) => worded(row.category)],
    ["Success", (row) => percent(row.success_rate), "number"],
    ["95 % above", (row) => percent(row.confidence), "number"],
    ["Drawn", (row) => html`<${Bar} value=${row.success_rate} reach=${1} low=${row.confidence} tone="good"
      label=${`${percent(row.success_rate)}, with 95 % above ${percent(row.confidence)}`} />`],
    ["Agents", (row) => html`<${Agents} of=${row.agents} />`, "wide"],
    ["Outcomes", (row) => whole(row.outcomes), "number"],
    ["Predicted", (row) => whole(row.predicted), "number"],
    ["Right", (row) => shown(row.correct), "number"],
    ["Tenant", (row) => row.tenant],
    ["First seen", (row) => html`<${Moment} at=${row.first_seen} />`],
    ["Last confirmed", (row) => html`<${Moment} at=${row.last_confirmed} />`],
    ["Last outcome", (row) => html`<${Moment} at=${row.touched_at} />`],
  ],
  empty: html`No lesson fits this filter. A lesson needs recommendations whose outcomes are known:${" "}
    <code>mendstream recommend</code>, then <code>mendstream outcome</code>.`,
};

/** Whose recommendations were of a lesson's kind, the latest first, each with the way to it. */
function Agents({ of }) {
  if (of.length === 0) return html`<span class="faint">–</span>`;
  return of.toReversed().map((agent, n) => html`${n > 0 && ", "}<a href=${address("/ui/trust", agent)}>${agent}</a>`);
}

export function Lessons({ query }) {
  return html`<${ListPage} of=${LESSONS} query=${query} />`;
}

const CYCLES = {
  title: "Learning cycles",
  path: "/api/v1/learning/cycles",
  views: ["cycles"],
  by: (row) => row.cycle_id,
  heads: [
    ["Cycle", (row) => `${row.tenant} ${row.number}`],
    ["When", (row) => html`<${Moment} at=${row.cycled_at} />`],
    ["Outcomes", (row) => whole(row.outcomes), "number"],
    ["Approved", (row) => percent(row.approval_rate), "number"],
    ["Accuracy", (row) => percent(row.accuracy), "number"],
    ["Coverage", (row) => percent(row.coverage), "number"],
    ["Confirmed", (row) => row.confirmed.join(", ") || "–", "wide"],
    ["Dropped", (row) => row.dropped.join(", ") || "–"],
    ["Insights", (row) => row.insights.join(" ") || "–", "wide"],
  ],
  empty: html`No cycle in the last 30 days. One runs after 100 new outcomes, and each night where there is any.`,
};

export function Insights({ query }) {
  const status = useAnswer("/api/v1/learning/status", ["cycles"]);
  return html`<h1>Insights</h1>
    <${Whole} answer=${status} what="what was learned">${(page) => page.items.length === 0
      ? html`<${Empty}>Nothing was learned yet: it begins with the first recommendation.${" "}
          <code>mendstream recommend --help</code> says how to send one.</${Empty}>`
      : page.items.map((row) => html`<${Tenant} key=${row.tenant} row=${row} />`)}
    </${Whole}>
    <${Section} id="cycles" title="Cycles"><${List} of=${CYCLES} query=${query} /></${Section}>`;
}

/** How learning stands of one tenant. */
function Tenant({ row }) {
  const last = row.last_cycle;
  return html`<article class="card">
    <h2>${row.tenant}</h2>
    ${!row.enabled && html`<p class="notice forbidden">Learning is switched off: <code>MENDSTREAM_LEARNING_ENABLED=true</code>
      switches it on. What comes is taken in and changes nothing.</p>`}
    <${Facts} of=${[
      ["Last cycle", row.cycled_at ? html`<${Moment} at=${row.cycled_at} />` : "none yet"],
      ["Cycles", whole(row.cycles)],
      ["Recommendations", whole(row.tracked)],
      ["Outcomes", whole(row.outcomes)],
      ["New since the cycle", whole(row.fresh)],
      ["Believed", last && whole(last.believed)],
      ["Candidates", last && whole(last.candidates)],
      ["Trend", last && html`<${State} of=${last.trend} />`],
      ["Agents that decline", row.declining.join(", ")],
    ]} />
    ${last && last.insights.length > 0 && html`<ul>${last.insights.map((one) => html`<li>${one}</li>`)}</ul>`}
    ${row.accuracies.length > 0 && html`<p class="faint">Accuracy of the last cycles: ${row.accuracies.map(percent).join(", ")}</p>`}
  </article>`;
}
