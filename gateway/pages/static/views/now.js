/** What burns, what waits for me, is this screen true? */

import { html } from "../html.js";
import { Empty, Moment, State, Table, Whole, useAnswer, useClock } from "../parts.js";

export function Now() {
  useClock();
  const answer = useAnswer("/api/v1/now", ["commands", "alerts", "experiments"]);
  return html`<h1>Now</h1>
    <${Whole} answer=${answer} what="the front page">${(now) => html`<${Front} now=${now} />`}</${Whole}>`;
}

function Front({ now }) {
  const commands = now.command_counts;
  const tiles = [
    ["Alerts", now.alert_counts.RAISED || 0, "#alerts", "bad"],
    ["Wait for approval", commands.PENDING_APPROVAL || 0, "/ui/commands?phase=PENDING_APPROVAL", "wait"],
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
    <section aria-labelledby="waits">
      <h2 id="waits">Waits for a person</h2>
      ${now.pending.length === 0
        ? html`<${Empty}>Nothing waits for approval.</${Empty}>`
        : html`<${Table} caption="Commands that wait for approval" id="pending" rows=${now.pending}
            to=${(row) => `/ui/commands/${row.command_id}`}
            heads=${[
              ["What", (row) => `${row.order.toLowerCase()} ${row.target}`],
              ["Why", (row) => row.reason, "wide"],
              ["Until", (row) => html`<${Moment} at=${row.expires_at} />`],
            ]} />`}
    </section>
    <section aria-labelledby="alerts">
      <h2 id="alerts">Alerts</h2>
      ${now.alerts.length === 0
        ? html`<${Empty}>No rule is broken.</${Empty}>`
        : html`<${Table} caption="Alerts that were raised" id="alerts"
            rows=${now.alerts.map((row) => ({ ...row, key: `${row.rule}|${row.key}`, about: row.key }))}
            heads=${[
              ["Severity", (row) => html`<${State} of=${row.severity || "RAISED"} />`],
              ["About", (row) => row.about],
              ["What", (row) => row.message || row.rule, "wide"],
              ["Since", (row) => html`<${Moment} at=${row.raised_at} />`],
            ]} />`}
    </section>
    ${now.retrying.length > 0 && html`<section aria-labelledby="again">
      <h2 id="again">Tried again</h2>
      <${Table} caption="Commands that are tried again" id="retrying" rows=${now.retrying}
        to=${(row) => `/ui/commands/${row.command_id}`}
        heads=${[
          ["What", (row) => `${row.order.toLowerCase()} ${row.target}`],
          ["Attempt", (row) => row.attempt],
          ["Why", (row) => row.detail || row.reason, "wide"],
          ["Next", (row) => html`<${Moment} at=${row.due_at} />`],
        ]} />
    </section>`}`;
}
