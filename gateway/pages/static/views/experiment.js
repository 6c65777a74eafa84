/** Is the harm real, since when, what did we do? */

import { html } from "../html.js";
import { Empty, Moment, State, Table, Whole, segment, shown, useAnswer } from "../parts.js";
import { Interval, span } from "./interval.js";
import { Running } from "./running.js";

export function Experiment({ parts: [subject, id] }) {
  const answer = useAnswer(`/api/v1/experiments/${segment(subject)}/${segment(id)}`, ["experiments"]);
  const found = `subject=${segment(subject)}&experiment_id=${segment(id)}`;
  const decisions = useAnswer(`/api/v1/decisions?${found}`, ["decisions"]);
  return html`<${Whole} answer=${answer} what="the experiment" top>${({ item }) => html`
    <p class="crumb"><a href="/ui/experiments">Experiments</a></p>
    <h1><span class="name">${item.subject}</span> ${item.experiment_id}</h1>
    <p class="lead"><${State} of=${item.status} /> ${item.treatments.join(", ") || "every arm"} against ${item.control}</p>
    <${Health} item=${item} />
    ${metrics(item).map((metric) => html`<${Metric} key=${metric} item=${item} metric=${metric} />`)}
    ${item.arms.length === 0 && html`<${Empty}>No result has come yet.</${Empty}>`}
    <${Ramp} steps=${item.share_steps} />
    <section aria-labelledby="decided">
      <h2 id="decided">What was decided</h2>
      <${Whole} answer=${decisions} what="decisions">${(page) => page.items.length === 0
        ? html`<${Empty}>Nothing was decided in the last 30 days.</${Empty}>`
        : html`<${Table} caption="Decisions" id="decisions" rows=${page.items} heads=${[
            ["When", (row) => html`<${Moment} at=${row.decided_at} />`],
            ["Verdict", (row) => html`<${State} of=${row.verdict} />`],
            ["Why", (row) => row.reason, "wide"],
            ["Outcome", (row) => row.command_id
              ? html`<a href=${`/ui/commands/${segment(row.command_id)}`}>${row.outcome.toLowerCase().replaceAll("_", " ")}</a>`
              : row.outcome.toLowerCase().replaceAll("_", " ")],
          ]} />`}
      </${Whole}>
    </section>
    <section aria-labelledby="terms">
      <h2 id="terms">Terms</h2>
      <dl class="facts">
        <dt>Alpha</dt><dd>${item.alpha}</dd>
        <dt>Least units</dt><dd>${item.min_count}</dd>
        <dt>Environment</dt><dd>${item.environment}</dd>
        <dt>Begun</dt><dd><${Moment} at=${item.begun_at} /></dd>
        ${item.candidate_version && html`<dt>Candidate</dt><dd>${item.candidate_version}</dd>`}
        ${item.baseline_version && html`<dt>Baseline</dt><dd>${item.baseline_version}</dd>`}
      </dl>
    </section>
  `}</${Whole}>`;
}

/** Health before numbers. */
function Health({ item }) {
  const states = new Set(item.arms.map((arm) => arm.state));
  const told = [];
  if (item.split_offset >= 0) told.push("The split of the units is not as planned: something loses or doubles them, so no deployment follows from this.");
  if (states.has("UNSTABLE")) told.push("The effect itself drifts: what holds at one time does not hold at another.");
  if (states.has("MISSING")) told.push("Data is missing: what misses it is not judged.");
  for (const lack of item.lacks) told.push(`Missing: ${lack.kind.toLowerCase()} ${lack.name}.`);
  if (told.length === 0) return null;
  return html`<section class="notice failed" role="status"><h2>Health</h2><ul>${told.map((one) => html`<li>${one}</li>`)}</ul></section>`;
}

function metrics(item) {
  const named = item.metrics.map((metric) => metric.name);
  return [...new Set([...named, ...item.arms.map((arm) => arm.metric)])]
    .filter((name) => item.arms.some((arm) => arm.metric === name));
}

function Metric({ item, metric }) {
  const spec = item.metrics.find((one) => one.name === metric);
  const arms = item.arms.filter((arm) => arm.metric === metric && arm.step === null)
    .map((arm) => ({ ...arm, key: `${arm.variant}|${arm.segment || ""}` }))
    .sort((a, b) => (a.segment || "").localeCompare(b.segment || "") || a.variant.localeCompare(b.variant));
  const reach = span(arms);
  const bound = spec ? ` ${spec.role.toLowerCase()}, ${spec.direction.toLowerCase().replaceAll("_", " ")}` : "";
  return html`<section>
    <h2>${metric}<span class="faint">${bound}</span></h2>
    <${Table} caption=${`Arms of ${metric}`} id=${`arms-${metric}`} rows=${arms} heads=${[
      ["Arm", (arm) => arm.variant + (arm.segment ? ` in ${arm.segment}` : "") + (arm.variant === item.control ? " (control)" : "")],
      ["State", (arm) => arm.variant === item.control ? "–" : html`<${State} of=${arm.state} />`],
      ["Units", (arm) => arm.count.toLocaleString("en"), "number"],
      ["Counted", (arm) => arm.hits.toLocaleString("en"), "number"],
      ["Sum", (arm) => shown(arm.sum), "number"],
      ["Effect", (arm) => shown(arm.effect), "number"],
      ["Interval", (arm) => arm.low === null ? "–" : `${shown(arm.low)} to ${shown(arm.high)}`, "number"],
      ["Drawn", (arm) => arm.variant === item.control ? null : html`<${Interval} low=${arm.low} high=${arm.high} effect=${arm.effect} reach=${reach} />`],
      ["log e of harm", (arm) => shown(arm.log_e_harm), "number"],
      ["log e of gain", (arm) => shown(arm.log_e_gain), "number"],
      ["Units still needed", (arm) => shown(arm.expected_more), "number"],
    ]} />
    ${arms.filter((arm) => arm.segment === null && arm.variant !== item.control).map((arm) => html`
      <${Running} key=${arm.variant} subject=${item.subject} experiment=${item.experiment_id} metric=${metric} variant=${arm.variant} />`)}
  </section>`;
}

/** Where the ramp is, and what comes next. */
function Ramp({ steps }) {
  if (steps.length < 2) return null;
  return html`<section aria-labelledby="ramp"><h2 id="ramp">Ramp</h2>
    <ol class="life">${steps.map((step, n) => html`<li key=${n}>
      <span>${step.shares.map((one) => `${one.variant} ${Math.round(one.share * 1000) / 10} %`).join(", ")}</span>
      <span class="faint">${step.from ? html`<${Moment} at=${step.from} plain />` : "from the beginning"}</span>
    </li>`)}</ol></section>`;
}
