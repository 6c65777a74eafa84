/** What failed, for what cause, what does it cost, and what may help? */

import { html } from "../../html.js";
import { address } from "../../navigation.js";
import { Detail, Empty, Facts, Moment, Section, Table, percent, shown, useAnswer } from "../../parts/basics.js";
import { Bar } from "../../parts/charts.js";
import { Evidence } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";

export function Failure({ parts: [id] }) {
  const answer = useAnswer(address("/api/v1/failures", id), []);
  return html`<${Detail} answer=${answer} what="the failure" crumb=${["Failures", "/ui/failures"]}>${(item) => html`
    <h1>${item.metric} <span class="name">${item.subject}</span></h1>
    <p class="lead"><${State} of=${item.severity} /> ${item.risk}</p>
    ${item.mitigation && html`<p>${item.mitigation}</p>`}
    <${Facts} of=${[
      ["Loss", percent(item.loss)],
      ["Loss a day", `${shown(item.impact.loss_per_day)}: ${item.impact.formula}`],
      ["With", Object.entries(item.impact.inputs).map(([name, value]) => `${name} = ${shown(value)}`).join(", ")],
      ["Kinds", item.types.map(worded).join(", ")],
      ["Version", item.model_version],
      ["Variant", item.variant],
      ["Pattern", item.pattern && html`<a href=${address("/ui/failure-patterns", item.pattern)}>${item.pattern}</a>`],
      ["Model", html`<a href=${address("/ui/models", item.subject)}>${item.subject}</a>`],
      ["Decision", html`<a href=${address("/ui/decisions", item.decision_id)}><code>${item.decision_id}</code></a>`],
      ["When", html`<${Moment} at=${item.analysed_at} />`],
    ]} />
    <${Section} id="causes" title="Causes"><${Causes} of=${item.causes} /></${Section}>
    <${Section} id="changes" title="What changed"><${Changes} of=${item.changes} /></${Section}>
    <${Section} id="hypotheses" title="What may help"><${Hypotheses} of=${item.hypotheses} /></${Section}>
    <${Section} id="evidence" title="Evidence">
      <${Evidence} of=${item.evidence} nothing="It rests on no record of this log." />
    </${Section}>
  `}</${Detail}>`;
}

/** A waterfall: what each cause explains of the loss. */
function Causes({ of }) {
  if (of.length === 0) return html`<${Empty}>No part of the traffic explains it: the loss is spread over all of it.</${Empty}>`;
  return html`<${Table} caption="Causes" rows=${of} heads=${[
    ["Cause", (row) => `${worded(row.kind)} ${row.name}`],
    ["Share of the loss", (row) => percent(row.share), "number"],
    ["Drawn", (row) => html`<${Bar} value=${row.share} reach=${1} tone="bad" label=${percent(row.share)} />`],
    ["Evidence", (row) => row.evidence, "wide"],
  ]} />`;
}

/** A sign says nothing about good or bad: what is worse is said in a word. */
function Changes({ of }) {
  if (of.length === 0) return html`<${Empty}>No other metric is known of these versions.</${Empty}>`;
  return html`<${Table} caption="What changed" rows=${of} heads=${[
    ["Metric", (row) => row.metric],
    ["Before, or winner", (row) => shown(row.winner), "number"],
    ["Now, or loser", (row) => shown(row.loser), "number"],
    ["Change", (row) => (row.percent === null ? "–" : `${shown(row.percent)} %`), "number"],
    ["Is that bad", (row) => html`<${State} of=${row.failing ? "FAILURE" : "OK"} />`],
  ]} />`;
}

function Hypotheses({ of }) {
  if (of.length === 0) return html`<${Empty}>Nothing is known that helped in such a case.</${Empty}>`;
  return html`<${Table} caption="What may help" rows=${of} heads=${[
    ["Strategy", (row) => row.strategy],
    ["Why", (row) => row.text, "wide"],
    ["Expected gain", (row) => shown(row.expected_gain), "number"],
    ["Expected cost", (row) => shown(row.expected_cost), "number"],
  ]} />`;
}
