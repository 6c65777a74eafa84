/** Which test hurts someone? */

import { html } from "../html.js";
import { Choice, Empty, Moment, State, Table, Whole, segment, shown } from "../parts.js";
import { Interval, span } from "./interval.js";
import { Foot, change, filtered, useList, whole } from "./lists.js";

const RANK = ["HARM", "SPLIT", "UNSTABLE", "MISSING", "GAIN", "WAIT", "OK", "UNKNOWN"];

/** The arm of which there is most to say: the worst state first, then the most evidence. */
export function foremost(arms) {
  const judged = arms.filter((arm) => arm.effect !== null || arm.state !== "UNKNOWN");
  return judged.sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state)
    || Math.max(b.log_e_harm, b.log_e_gain) - Math.max(a.log_e_harm, a.log_e_gain))[0];
}

export function Experiments({ query }) {
  const path = filtered("/api/v1/experiments", query, ["status", "subject"]);
  const list = useList(path, ["experiments"]);
  return html`<h1>Experiments</h1>
    <form class="filter" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} label="Status" name="status" value=${query.get("status") || ""} options=${["RUNNING", "STOPPED", "ENDED"]} change=${change} />
      <label>Subject
        <input name="subject" value=${query.get("subject") || ""} placeholder="tenant/line"
          onChange=${(event) => change("subject", event.target.value.trim())} />
      </label>
    </form>
    <${Whole} answer=${list.answer} what="experiments">${(page) => {
      const rows = whole(page.items, list.behind, (row) => `${row.subject}|${row.experiment_id}`)
        .map((row) => ({ ...row, key: `${row.subject}|${row.experiment_id}`, arm: foremost(row.arms) }));
      if (rows.length === 0) {
        return html`<${Empty}>No experiment fits this filter. One begins with its first result, or with
          <code>mendstream spec apply</code>.</${Empty}>`;
      }
      return html`<${Table} caption="Experiments" id="experiments" rows=${rows}
          to=${(row) => `/ui/experiments/${segment(row.subject)}/${segment(row.experiment_id)}`}
          heads=${[
            ["Experiment", (row) => `${row.subject} ${row.experiment_id}`],
            ["Status", (row) => html`<${State} of=${row.status} />`],
            ["Finding", (row) => row.arm ? html`<${State} of=${row.arm.state} />` : "–"],
            ["Of", (row) => row.arm ? `${row.arm.metric}, ${row.arm.variant}` : "–"],
            ["Effect", (row) => shown(row.arm?.effect), "number"],
            ["Interval", (row) => row.arm ? html`<${Interval} low=${row.arm.low} high=${row.arm.high}
              effect=${row.arm.effect} reach=${span([row.arm])} />` : null],
            ["Units still needed", (row) => shown(row.arm?.expected_more), "number"],
            ["Begun", (row) => html`<${Moment} at=${row.begun_at} />`],
          ]} />
        <${Foot} list=${list} path=${path} rows=${rows} />`;
    }}</${Whole}>`;
}
