/** Which rules are broken, since when, and what did they say? */

import { html } from "../../html.js";
import { Moment, shown, whole } from "../../parts/basics.js";
import { ListPage } from "../../parts/lists.js";
import { State } from "../../parts/states.js";

export const ALERTS = {
  title: "Alerts",
  path: "/api/v1/alerts",
  views: ["alerts"],
  by: (row) => `${row.rule}|${row.key}|${row.about}`,
  to: (row) => row.ui_url,
  anchor: (row) => row.alert_id,
  filters: [
    { name: "state", label: "State", options: ["RAISED", "RESOLVED"], usual: "RAISED" },
    { name: "rule", label: "Rule" },
  ],
  heads: [
    ["About", (row) => row.key],
    ["State", (row) => html`<${State} of=${row.state} />`],
    ["Severity", (row) => (row.severity ? html`<${State} of=${row.severity} />` : "–")],
    ["What", (row) => row.message || row.rule, "wide"],
    ["Rule", (row) => row.rule],
    ["Value", (row) => shown(row.value), "number"],
    ["Threshold", (row) => shown(row.threshold), "number"],
    ["Held back since", (row) => whole(row.held), "number"],
    ["Since", (row) => html`<${Moment} at=${row.raised_at} />`],
  ],
  empty: html`No alert fits this filter: no rule is broken. <a href="/ui/alerts?state=ALL">Those that were resolved</a>
    are kept too.`,
};

export function Alerts({ query }) {
  return html`<${ListPage} of=${ALERTS} query=${query} />`;
}
