/** Whom can I believe tonight, and who is getting worse? */

import { html } from "../../html.js";
import { address } from "../../navigation.js";
import { Detail, Empty, Facts, Moment, Section, percent, shown, useAnswer, whole } from "../../parts/basics.js";
import { Bar, Series } from "../../parts/charts.js";
import { ListPage } from "../../parts/lists.js";
import { State, worded } from "../../parts/states.js";

/** Below 0.3 the built-in rule raises an alert; from 0.6 on trust is strong. */
function strength(overall) {
  return overall < 0.3 ? "WEAK" : overall < 0.6 ? "MIDDLING" : "STRONG";
}
const TONES = { WEAK: "bad", MIDDLING: "wait", STRONG: "good" };

function Measure({ row }) {
  return html`<${Bar} value=${row.overall} reach=${1} mark=${row.workspace_average} low=${row.lower} tone=${TONES[strength(row.overall)]}
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
    ["Trust", (row) => html`<${State} of=${strength(row.overall)} />`],
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

export function Agent({ parts: [id] }) {
  const answer = useAnswer(address(TRUST.path, id), TRUST.views);
  return html`<${Detail} answer=${answer} what="the agent" crumb=${[TRUST.title, "/ui/trust"]}>${(item) => html`
    <h1>${item.agent_id}</h1>
    <p class="lead"><${State} of=${strength(item.overall)} /> <${State} of=${item.trend} /> ${worded(item.kind)}</p>
    <${Section} id="levels" title="The last seven days">
      ${item.levels.length === 0
        ? html`<${Empty}>No level is known yet: the first comes with the first outcome.</${Empty}>`
        : html`<${Series} caption="Trust, every six hours" what="Overall" reach=${1}
            points=${item.levels.map(({ start, overall }) => ({ at: start, value: overall }))} />`}
    </${Section}>
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
