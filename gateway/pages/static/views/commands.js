/** What is under way, late, failed? */

import { html } from "../html.js";
import { Choice, Empty, Moment, State, Table, Whole, useClock } from "../parts.js";
import { Foot, change, filtered, useList, whole } from "./lists.js";

const PHASES = ["PENDING_APPROVAL", "ISSUED", "ACKNOWLEDGED", "IN_PROGRESS", "RETRYING", "COMPENSATING",
  "COMPLETED", "FAILED", "REFUSED", "TIMED_OUT", "REJECTED", "EXPIRED", "CANCELLED", "SUPERSEDED",
  "STALE", "COMPENSATED", "COMPENSATION_FAILED"];
const ORDERS = ["ROLLBACK", "DEPLOY", "RETRAIN", "IMPROVE"];

export function Commands({ query }) {
  useClock();
  const path = filtered("/api/v1/commands", query, ["phase", "order", "subject", "sort"]);
  const list = useList(path, ["commands"]);
  return html`<h1>Commands</h1>
    <form class="filter" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="Phase" name="phase" value=${query.get("phase") || ""} options=${PHASES} change=${change} />
      <${Choice} label="Order" name="order" value=${query.get("order") || ""} options=${ORDERS} change=${change} />
      <label>Subject
        <input name="subject" value=${query.get("subject") || ""} placeholder="tenant/line"
          onChange=${(event) => change("subject", event.target.value.trim())} />
      </label>
    </form>
    <${Whole} answer=${list.answer} what="commands">${(page) => {
      const rows = whole(page.items, list.behind, (row) => row.command_id);
      if (rows.length === 0) {
        return html`<${Empty}>No command fits this filter. A command comes of a decision, or of an order of
          yours: <code>mendstream deploy</code>, or <code>POST /api/v1/commands</code>.</${Empty}>`;
      }
      return html`<${Table} caption="Commands" id="commands" rows=${rows}
          to=${(row) => `/ui/commands/${row.command_id}`}
          heads=${[
            ["What", (row) => `${row.order.toLowerCase()} ${row.target}`],
            ["Phase", (row) => html`<${State} of=${row.phase} />`],
            ["Why", (row) => row.reason, "wide"],
            ["Attempt", (row) => row.attempt, "number"],
            ["Asked by", (row) => row.requested_by || "mendstream"],
            ["Issued", (row) => html`<${Moment} at=${row.issued_at} />`],
            ["Due", (row) => html`<${Moment} at=${row.due_at} />`],
          ]} />
        <${Foot} list=${list} path=${path} rows=${rows} />`;
    }}</${Whole}>`;
}
