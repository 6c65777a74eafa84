/** What is happening right now? */

import { html } from "../../html.js";
import { change } from "../../navigation.js";
import { Moment } from "../../parts/basics.js";
import { ListPage } from "../../parts/lists.js";
import { State } from "../../parts/states.js";

const EVENTS = {
  title: "Events",
  path: "/api/v1/events",
  views: ["events"],
  by: (row) => `${row.kind}|${row.key}`,
  to: (row) => row.ui_url,
  filters: [{ name: "kind", label: "Kind", options: ["decision", "step", "failure", "alert", "cycle"] }],
  heads: [
    ["About", (row) => row.about || row.key],
    ["Kind", (row) => row.kind],
    ["State", (row) => (row.state ? html`<${State} of=${row.state} />` : "–")],
    ["What", (row) => row.text, "wide"],
    ["When", (row) => html`<${Moment} at=${row.at} />`],
  ],
  empty: html`Nothing of this kind happened in the last 30 days. <code>mendstream demo</code> shows what it looks like.`,
};

export function Events({ query }) {
  const paused = query.get("paused") === "yes";
  return html`<${ListPage} of=${paused ? { ...EVENTS, views: [] } : EVENTS} query=${query}>
    <p><button aria-pressed=${paused} onClick=${() => change("paused", paused ? "" : "yes")}>
      ${paused ? "Paused: go on" : "Pause"}</button></p>
  </${ListPage}>`;
}
