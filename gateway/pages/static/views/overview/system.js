/** Is Mendstream itself well? */

import { html } from "../../html.js";
import { Empty, Moment, Section, Table, Whole, shown, useAnswer, useClock, whole } from "../../parts/basics.js";
import { Bar } from "../../parts/charts.js";
import { List } from "../../parts/lists.js";
import { State } from "../../parts/states.js";

const STALE_MS = 15_000;

const LETTERS = {
  title: "Refused records",
  path: "/api/v1/dead-letters",
  views: ["events"],
  by: (row) => `${row.topic}/${row.partition}/${row.offset}`,
  heads: [
    ["Where", (row) => html`<code>${row.topic}/${row.partition}/${row.offset}</code>`],
    ["Reason", (row) => row.reason],
    ["Sentence", (row) => row.sentence || html`<span class="faint">for an admin of all tenants</span>`, "wide"],
    ["When", (row) => html`<${Moment} at=${row.refused_at} />`],
  ],
  empty: html`Nothing was refused.`,
};

export function System({ query }) {
  useClock();
  const answer = useAnswer("/api/v1/system", ["events"]);
  return html`<h1>System</h1>
    <${Section} id="partitions" title="Partitions">
      <${Whole} answer=${answer} what="partitions">${(system) => html`<${Partitions} system=${system} />`}</${Whole}>
    </${Section}>
    <${Section} id="letters" title="Refused records"><${List} of=${LETTERS} query=${query} /></${Section}>`;
}

function Partitions({ system }) {
  if (system.partitions.length === 0) {
    return html`<${Empty}>No processor has written to this Kafka yet: <code>mendstream processor</code> starts one.</${Empty}>`;
  }
  return html`<${Table} caption="Partitions" rows=${system.partitions} by=${(row) => row.partition} heads=${[
      ["Partition", (row) => row.partition, "number"],
      ["State", (row) => html`<${State} of=${row.stale ? "LATE" : "FRESH"} />`],
      ["Clock", (row) => html`<${Moment} at=${row.as_of} />`],
      ["Age, s", (row) => shown(row.age_ms / 1000), "number"],
      ["Drawn", (row) => html`<${Bar} value=${row.age_ms} reach=${STALE_MS} tone=${row.stale ? "bad" : "good"}
        label=${`${shown(row.age_ms / 1000)} s`} />`],
      ["Transactions", (row) => whole(row.transactions), "number"],
      ["Applied", (row) => whole(row.applied), "number"],
      ["Duplicates", (row) => whole(row.duplicates), "number"],
      ["Refused", (row) => whole(row.dead_letters), "number"],
      ["Rows", (row) => whole(row.rows), "number"],
      ["Agents", (row) => row.agents],
    ]} />
    <p class="foot">${system.partitions.length} of ${system.partitions_configured} partitions</p>`;
}
