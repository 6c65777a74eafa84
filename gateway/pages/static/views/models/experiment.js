/** Is the harm real, since when, what did we do? */

import { html } from "../../html.js";
import { address, segment } from "../../navigation.js";
import { Detail, Empty, Facts, Moment, Section, Table, shown, useAnswer, whole } from "../../parts/basics.js";
import { Interval, span } from "../../parts/charts.js";
import { Extract } from "../../parts/lists.js";
import { DECISIONS } from "../../parts/rows.js";
import { State } from "../../parts/states.js";
import { Running } from "./running.js";

export function Experiment({ parts: [subject, id] }) {
  const answer = useAnswer(address("/api/v1/experiments", subject, id), ["experiments"]);
  const found = `subject=${segment(subject)}&experiment_id=${segment(id)}`;
  return html`<${Detail} answer=${answer} what="the experiment" crumb=${["Experiments", "/ui/experiments"]}>${(item) => html`
    <h1><span class="name">${item.subject}</span> ${item.experiment_id}</h1>
    <p class="lead"><${State} of=${item.status} /> ${item.treatments.join(", ") || "every arm"} against ${item.control}</p>
    <${Health} item=${item} />
    ${metrics(item).map((metric) => html`<${Metric} key=${metric} item=${item} metric=${metric} />`)}
    ${item.arms.length === 0 && html`<${Empty}>No result has come yet. <code>mendstream publish FILE</code> sends
      results; <code>mendstream watch dead-letters</code> says what was refused.</${Empty}>`}
    <${Ramp} steps=${item.share_steps} />
    <${Extract} id="decided" title="What was decided" of=${DECISIONS} path=${`${DECISIONS.path}?${found}`}
      all=${`/ui/decisions?${found}`} empty=${html`Nothing was decided in the last 30 days.${" "}
        <code>mendstream why ${subject}/${id}</code> says what would end that.`} />
    <${Section} id="terms" title="Terms">
      <${Facts} of=${[
        ["Model", html`<a href=${address("/ui/models", item.subject)}>${item.subject}</a>`],
        ["Alpha", item.alpha],
        ["Least units", item.min_count],
        ["Environment", item.environment],
        ["Begun", html`<${Moment} at=${item.begun_at} />`],
        ["Candidate", item.candidate_version],
        ["Baseline", item.baseline_version],
      ]} />
    </${Section}>
  `}</${Detail}>`;
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
    <${Table} caption=${`Arms of ${metric}`} rows=${arms} by=${(arm) => arm.key} heads=${[
      ["Arm", (arm) => arm.variant + (arm.segment ? ` in ${arm.segment}` : "") + (arm.variant === item.control ? " (control)" : "")],
      ["State", (arm) => arm.variant === item.control ? "–" : html`<${State} of=${arm.state} />`],
      ["Units", (arm) => whole(arm.count), "number"],
      ["Counted", (arm) => whole(arm.hits), "number"],
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
