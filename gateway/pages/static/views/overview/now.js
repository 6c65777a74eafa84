/** What burns, what waits for me, is this screen true? */

import { html } from "../../html.js";
import { Empty, Moment, Section, Table, Whole, useAnswer, useClock } from "../../parts/basics.js";
import { COMMANDS } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";
import { ALERTS } from "../findings/alerts.js";

export function Now() {
  useClock();
  const answer = useAnswer("/api/v1/now", ["commands", "alerts", "experiments"]);
  return html`<h1>Now</h1>
    <${Whole} answer=${answer} what="the front page">${(now) => html`<${Front} now=${now} />`}</${Whole}>`;
}

function Front({ now }) {
  const commands = now.command_counts;
  const tiles = [
    ["Alerts", now.alert_counts.RAISED || 0, "/ui/alerts", "bad"],
    ["Wait for approval", commands.PENDING_APPROVAL || 0, "/ui/approvals", "wait"],
    ["Tried again", commands.RETRYING || 0, "/ui/commands?phase=RETRYING", "wait"],
    ["Issued, not answered", commands.ISSUED || 0, "/ui/commands?phase=ISSUED", "run"],
    ["In progress", commands.IN_PROGRESS || 0, "/ui/commands?phase=IN_PROGRESS", "run"],
    ["Failed", commands.FAILED || 0, "/ui/commands?phase=FAILED", "bad"],
    ["Experiments", now.experiment_counts.RUNNING || 0, "/ui/experiments?status=RUNNING", "run"],
  ];
  return html`
    <ul class="tiles">
      ${tiles.map(([name, count, to, tone]) => html`<li>
        <a href=${to} class=${count ? tone : "calm"}><strong>${count}</strong> ${name}</a>
      </li>`)}
    </ul>
    ${now.freezes.length > 0 && html`<section class="notice frozen" role="status">
      <h2>Left to people</h2>
      <ul>${now.freezes.map((row) => html`<li key=${row.subject}>
        <strong>${row.subject === "*" ? "everything" : row.subject}</strong>, frozen by ${row.frozen_by}
      </li>`)}</ul>
    </section>`}
    <${Section} id="waits" title="Waits for a person">
      ${now.pending.length === 0
        ? html`<${Empty}>Nothing waits for approval.</${Empty}>`
        : html`<${Orders} caption="Commands that wait for approval" rows=${now.pending} more=${[
            ["Why", (row) => row.reason, "wide"],
            ["Until", (row) => html`<${Moment} at=${row.expires_at} />`],
          ]} />`}
    </${Section}>
    <${Section} id="alerts" title="Alerts">
      ${now.alerts.length === 0
        ? html`<${Empty}>No rule is broken.</${Empty}>`
        : html`<${Table} caption="Alerts that were raised" rows=${now.alerts} by=${ALERTS.by} to=${ALERTS.to} heads=${[
            ["About", (row) => row.key],
            ["Severity", (row) => html`<${State} of=${row.severity || "RAISED"} />`],
            ["What", (row) => row.message || row.rule, "wide"],
            ["Since", (row) => html`<${Moment} at=${row.raised_at} />`],
          ]} />`}
    </${Section}>
    ${now.retrying.length > 0 && html`<${Section} id="again" title="Tried again">
      <${Orders} caption="Commands that are tried again" rows=${now.retrying} more=${[
        ["Attempt", (row) => row.attempt],
        ["Why", (row) => row.detail || row.reason, "wide"],
        ["Next", (row) => html`<${Moment} at=${row.due_at} />`],
      ]} />
    </${Section}>`}`;
}

function Orders({ caption, rows, more }) {
  return html`<${Table} caption=${caption} rows=${rows} by=${COMMANDS.by} to=${COMMANDS.to}
    heads=${[["What", (row) => `${worded(row.order)} ${row.target}`], ...more]} />`;
}
