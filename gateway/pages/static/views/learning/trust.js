/** Whom can I believe tonight, and who is getting worse? */

import { html } from "../../html.js";
import { address, change } from "../../navigation.js";
import { Choice, Detail, Empty, Facts, Moment, Section, Whole, percent, shown, useAnswer, whole } from "../../parts/basics.js";
import { Bar, Series, Stacked } from "../../parts/charts.js";
import { ListPage } from "../../parts/lists.js";
import { State, worded } from "../../parts/states.js";

/** Of the words that the API has for trust: weak raises an alert of the built-in rule. */
const TONES = { weak: "bad", moderate: "wait", strong: "good", very_strong: "good" };

function Measure({ row }) {
  return html`<${Bar} value=${row.overall} reach=${1} mark=${row.workspace_average} low=${row.lower} tone=${TONES[row.strength]}
    label=${`${shown(row.overall)}, mean of the tenant ${shown(row.workspace_average)}`} />`;
}

export const TRUST = {
  title: "Trust",
  path: "/api/v1/learning/trust",
  views: ["trust"],
  by: (row) => row.agent_id,
  to: (row) => address("/ui/trust", row.agent_id),
  filters: [
    { name: "kind", label: "Kind", options: ["RECOMMENDER", "DETECTOR", "DEPLOYER", "MODEL_VERSION", "PLAYBOOK"] },
    { name: "priority", label: "Priority", options: ["DISABLED", "LOW", "NORMAL", "CRITICAL"] },
    { name: "trend", label: "Trend", options: ["DECLINING", "STABLE", "IMPROVING"] },
    { name: "sort", label: "First", options: ["overall", "slope", "boost"], usual: "slope", must: true },
  ],
  heads: [
    ["Agent", (row) => row.agent_id],
    ["Trust", (row) => html`<${State} of=${row.strength.toUpperCase()} />`],
    ["Overall", (row) => shown(row.overall), "number"],
    ["Drawn", (row) => html`<${Measure} row=${row} />`],
    ["Trend", (row) => html`<${State} of=${row.trend} />`],
    ["A week", (row) => shown(row.slope), "number"],
    ["Approved", (row) => percent(row.approval_rate), "number"],
    ["Outcomes", (row) => whole(row.outcomes), "number"],
    ["Priority", (row) => html`<${State} of=${row.priority} tone=${row.priority === "CRITICAL" ? "run" : ""} />`],
  ],
  empty: html`No agent fits this filter. An agent is known with its first recommendation:${" "}
    <code>mendstream recommend</code>.`,
};

export function Trust({ query }) {
  return html`<${ListPage} of=${TRUST} query=${query} />`;
}

const WINDOWS = ["7", "30", "90", "400"];
const JUDGED = [["approved", "Approved", "good"], ["partial", "In part", "wait"], ["rejected", "Rejected", "bad"]];

/** What an agent recommended in a window of days that stands in the address, and how it was judged. */
function Days({ id, query }) {
  const window = WINDOWS.includes(query.get("window")) ? query.get("window") : "30";
  const path = address("/api/v1/learning/agents", id);
  const answer = useAnswer(`${path}/metrics?window=${window}`, ["trust"]);
  return html`<${Section} id="days" title="Day by day">
    <form class="filter" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="Days" name="window" value=${window} options=${WINDOWS} change=${change} />
    </form>
    <${Whole} answer=${answer} what="the days of the agent">${({ item }) => html`
      <${Facts} of=${[
        ["Recommended", whole(item.total)],
        ["Approved", `${whole(item.approved)}, ${percent(item.approval_rate)} of what was judged`],
        ["In part", whole(item.partial)],
        ["Rejected", whole(item.rejected)],
        ["Mean confidence", shown(item.avg_confidence)],
        ["Mean quality", shown(item.avg_quality)],
      ]} />
      <${Stacked} caption=${`Outcomes of the last ${item.window} days`} parts=${JUDGED} points=${item.series} at="day"
        more=${[
          ["Recommended", (one) => whole(one.tracked), "number"],
          ["Approved of judged", (one) => percent(one.approval_rate), "number"],
          ["Mean confidence", (one) => shown(one.avg_confidence), "number"],
          ["Mean quality", (one) => shown(one.avg_quality), "number"],
        ]} />
      <${Series} caption="Approved of what was judged" what="Approved" reach=${1} text=${percent}
        points=${item.series.map((one) => ({ at: one.day, value: one.approval_rate }))} />
      <${Series} caption="Mean quality" what="Quality" reach=${1}
        points=${item.series.map((one) => ({ at: one.day, value: one.avg_quality }))} />
      <p class="foot"><a href=${`${path}/days?format=csv`} download>Every day that is kept, as CSV</a></p>
    `}</${Whole}>
  </${Section}>`;
}

export function Agent({ parts: [id], query }) {
  const answer = useAnswer(address(TRUST.path, id), TRUST.views);
  return html`<${Detail} answer=${answer} what="the agent" crumb=${[TRUST.title, "/ui/trust"]}>${(item) => html`
    <h1>${item.agent_id}</h1>
    <p class="lead"><${State} of=${item.strength.toUpperCase()} /> <${State} of=${item.trend} /> ${worded(item.kind)}</p>
    <${Section} id="levels" title="The last seven days">
      ${item.levels.length === 0
        ? html`<${Empty}>No level is known yet: the first comes with the first outcome.</${Empty}>`
        : html`<${Series} caption="Trust, every six hours" what="Overall" reach=${1}
            points=${item.levels.map(({ start, overall }) => ({ at: start, value: overall }))} />`}
    </${Section}>
    <${Days} id=${id} query=${query} />
    <${Section} id="numbers" title="What it is made of">
      <${Facts} of=${[
        ["Overall", shown(item.overall)],
        ["Mean of the tenant", shown(item.workspace_average)],
        ["Accuracy", `${shown(item.accuracy)}, with 95 % above ${shown(item.lower)}`],
        ["Consistency", shown(item.consistency)],
        ["Timeliness", shown(item.timeliness)],
        ["Reliability", shown(item.reliability)],
        ["A week", shown(item.slope)],
        ["Boost", shown(item.boost)],
        ["Priority", html`<${State} of=${item.priority} tone=${item.priority === "CRITICAL" ? "run" : ""} />`],
        ["Approved", `${whole(item.approved)} of ${whole(item.outcomes)}, ${percent(item.approval_rate)}`],
        ["In part", whole(item.partial)],
        ["Rejected", whole(item.rejected)],
        ["Begun by", item.initialised_by],
        ["Last change", html`<${Moment} at=${item.updated_at} />`],
      ]} />
    </${Section}>
  `}</${Detail}>`;
}
