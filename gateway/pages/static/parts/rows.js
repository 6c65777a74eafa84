/** What lists show of each kind of row, on their own pages and in extracts on others. */

import { html } from "../html.js";
import { address } from "../navigation.js";
import { Interval, span } from "./charts.js";
import { Moment, Table, percent, shown, whole } from "./basics.js";
import { State, worded } from "./states.js";

const SUBJECT = { name: "subject", label: "Model", hint: "tenant/line" };
const ORDERS = ["ROLLBACK", "DEPLOY", "RETRAIN", "IMPROVE"];

export const COMMANDS = {
  title: "Commands",
  path: "/api/v1/commands",
  views: ["commands"],
  by: (row) => row.command_id,
  to: (row) => address("/ui/commands", row.command_id),
  filters: [
    {
      name: "phase",
      label: "Phase",
      options: ["PENDING_APPROVAL", "ISSUED", "ACKNOWLEDGED", "IN_PROGRESS", "RETRYING", "COMPENSATING",
        "COMPLETED", "FAILED", "REFUSED", "TIMED_OUT", "REJECTED", "EXPIRED", "CANCELLED", "SUPERSEDED",
        "STALE", "COMPENSATED", "COMPENSATION_FAILED"],
    },
    { name: "order", label: "Order", options: ORDERS },
    SUBJECT,
    { name: "sort", label: "First", options: ["issued_at", "due_at"], usual: "issued_at", must: true },
  ],
  heads: [
    ["What", (row) => `${worded(row.order)} ${row.target}`],
    ["Phase", (row) => html`<${State} of=${row.phase} />`],
    ["Why", (row) => row.reason, "wide"],
    ["Attempt", (row) => row.attempt, "number"],
    ["Asked by", (row) => row.requested_by || "mendstream"],
    ["Issued", (row) => html`<${Moment} at=${row.issued_at} />`],
    ["Due", (row) => html`<${Moment} at=${row.due_at} />`],
  ],
  empty: html`No command fits this filter. A command comes of a decision, or of an order of yours:${" "}
    <code>mendstream deploy</code>, or <code>POST /api/v1/commands</code>.`,
};

export const DECISIONS = {
  title: "Decisions",
  path: "/api/v1/decisions",
  views: ["decisions"],
  by: (row) => row.decision_id,
  to: (row) => address("/ui/decisions", row.decision_id),
  filters: [
    {
      name: "verdict",
      label: "Verdict",
      options: ["HARM", "GAIN", "SPLIT", "DRIFT", "MIX_SHIFT", "IGNORED_SPEC", "UNSTABLE", "FAILURE",
        "REQUEST", "MISSING", "ENDED", "ANOMALY"],
    },
    { name: "order", label: "Order", options: ["NONE", ...ORDERS] },
    {
      name: "outcome",
      label: "Outcome",
      options: ["ISSUED", "AWAITING_APPROVAL", "AWAITING_ADMISSION", "PROPOSED", "OBSERVED", "HELD"],
    },
    SUBJECT,
    { name: "experiment_id", label: "Experiment" },
  ],
  heads: [
    ["What", (row) => `${row.subject}: ${worded(row.rule || row.verdict)}`],
    ["Verdict", (row) => html`<${State} of=${row.verdict} />`],
    ["Why", (row) => row.reason, "wide"],
    ["Order", (row) => (row.order === "NONE" ? "–" : worded(row.order))],
    ["Outcome", (row) => html`<${State} of=${row.outcome} />`],
    ["When", (row) => html`<${Moment} at=${row.decided_at} />`],
  ],
  empty: html`No decision of the last 30 days fits this filter. <code>mendstream watch decisions</code> reads
    older ones.`,
};

export const FAILURES = {
  title: "Failures",
  path: "/api/v1/failures",
  views: ["failures"],
  by: (row) => row.failure_id,
  to: (row) => address("/ui/failures", row.failure_id),
  filters: [
    { name: "severity", label: "Severity", options: ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"] },
    SUBJECT,
    { name: "pattern", label: "Pattern" },
  ],
  heads: [
    ["What", (row) => `${row.subject}: ${row.metric}`],
    ["Severity", (row) => html`<${State} of=${row.severity} />`],
    ["Cause that explains most", (row) => (row.causes[0] ? `${worded(row.causes[0].kind)} ${row.causes[0].name}` : "–"), "wide"],
    ["Loss", (row) => percent(row.loss), "number"],
    ["Loss a day", (row) => shown(row.impact.loss_per_day), "number"],
    ["Risk", (row) => row.risk, "wide"],
    ["When", (row) => html`<${Moment} at=${row.analysed_at} />`],
  ],
  empty: html`No failure of the last 30 days fits this filter. A failure is analysed where a harm or a drift is
    proved.`,
};

const RANK = ["HARM", "SPLIT", "UNSTABLE", "MISSING", "GAIN", "WAIT", "OK", "UNKNOWN"];

/** The arm of which there is most to say: the worst state first, then the most evidence. */
function foremost({ arms }) {
  const judged = arms.filter((arm) => arm.effect !== null || arm.state !== "UNKNOWN");
  return judged.sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state)
    || Math.max(b.log_e_harm, b.log_e_gain) - Math.max(a.log_e_harm, a.log_e_gain))[0];
}

const ofArm = (cell) => (row) => {
  const arm = foremost(row);
  return arm ? cell(arm) : "–";
};

export const EXPERIMENTS = {
  title: "Experiments",
  path: "/api/v1/experiments",
  views: ["experiments"],
  by: (row) => `${row.subject}|${row.experiment_id}`,
  to: (row) => address("/ui/experiments", row.subject, row.experiment_id),
  filters: [{ name: "status", label: "Status", options: ["RUNNING", "STOPPED", "ENDED"] }, SUBJECT],
  heads: [
    ["Experiment", (row) => `${row.subject} ${row.experiment_id}`],
    ["Status", (row) => html`<${State} of=${row.status} />`],
    ["Finding", ofArm((arm) => html`<${State} of=${arm.state} />`)],
    ["Of", ofArm((arm) => `${arm.metric}, ${arm.variant}`)],
    ["Effect", ofArm((arm) => shown(arm.effect)), "number"],
    ["Interval", ofArm((arm) => html`<${Interval} low=${arm.low} high=${arm.high} effect=${arm.effect} reach=${span([arm])} />`)],
    ["Units still needed", ofArm((arm) => shown(arm.expected_more)), "number"],
    ["Begun", (row) => html`<${Moment} at=${row.begun_at} />`],
  ],
  empty: html`No experiment fits this filter. One begins with its first result, or with${" "}
    <code>mendstream spec apply</code>.`,
};

/** The records that something rests on. */
export function Evidence({ of, nothing }) {
  if (of.length === 0) return html`<p class="faint">${nothing}</p>`;
  return html`<${Table} caption="Evidence" rows=${of} heads=${[
    ["Metric", (row) => row.metric + (row.segment ? ` in ${row.segment}` : "")],
    ["Estimate", (row) => shown(row.estimate), "number"],
    ["Interval", (row) => `${shown(row.low)} to ${shown(row.high)}`, "number"],
    ["log e", (row) => shown(row.log_e), "number"],
    ["Kind", (row) => worded(row.evidence_kind)],
    ["Records", (row) => whole(row.count), "number"],
    ["Where", (row) => html`<code>${row.topic}/${row.partition} ${row.first_offset}–${row.last_offset}</code>`],
  ]} />`;
}
