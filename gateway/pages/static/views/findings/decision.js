/** What was decided, on what, and what came of it? */

import { html } from "../../html.js";
import { address, segment } from "../../navigation.js";
import { Detail, Facts, Moment, Section, useAnswer } from "../../parts/basics.js";
import { Extract } from "../../parts/lists.js";
import { COMMANDS, Evidence } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";

export function Decision({ parts: [id] }) {
  const answer = useAnswer(address("/api/v1/decisions", id), []);
  return html`<${Detail} answer=${answer} what="the decision" crumb=${["Decisions", "/ui/decisions"]}>${(item) => html`
    <h1>${worded(item.verdict)} <span class="name">${item.subject}</span></h1>
    <p class="lead"><${State} of=${item.verdict} /> ${item.reason}</p>
    <p>${item.order === "NONE" ? "No order" : worded(item.order)}: <${State} of=${item.outcome} /></p>
    <${Facts} of=${[
      ["Model", html`<a href=${address("/ui/models", item.subject)}>${item.subject}</a>`],
      ["Experiment", item.experiment_id && html`<a
        href=${address("/ui/experiments", item.subject, item.experiment_id)}>${item.experiment_id}</a>`],
      ["Variant", item.variant],
      ["Version", item.model_version],
      ["Metric", item.metric],
      ["Rule", item.rule],
      ["Policy", item.policy_id ? `${item.policy_id} ${item.policy_version}` : "the built-in one"],
      ["When", html`<${Moment} at=${item.decided_at} />`],
      ["Agents", `version ${item.agents}`],
      ["Decision", html`<code>${item.decision_id}</code>`],
      ["Replay it", html`<code>mendstream why ${item.decision_id}</code>`],
    ]} />
    <${Section} id="evidence" title="Evidence">
      <${Evidence} of=${item.evidence} nothing="It rests on no record: a person asked for it." />
    </${Section}>
    <${Extract} id="commands" title="What it ordered" of=${COMMANDS} path=${`${COMMANDS.path}?decision_id=${segment(id)}`}
      all="/ui/commands" empty="It ordered nothing, or the command has left the tables." />
  `}</${Detail}>`;
}
