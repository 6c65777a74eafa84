/** How far may automation go, and who stopped it? */

import { useState } from "preact/hooks";
import { ask } from "../../api.js";
import { html } from "../../html.js";
import { address } from "../../navigation.js";
import { Empty, Facts, Section, Table, Whole, percent, useAnswer } from "../../parts/basics.js";
import { State, worded } from "../../parts/states.js";

const ORDERS = ["rollback", "deploy", "retrain", "improve"];

export function Policies({ who }) {
  const freezes = useAnswer("/api/v1/freezes", ["subjects"]);
  const policies = useAnswer("/api/v1/policies", []);
  const lacks = who.scopes.includes("order") ? "" : "the token does not name the scope order";
  return html`<h1>Policies and freezes</h1>
    <${Section} id="freezes" title="Left to people">
      <${Whole} answer=${freezes} what="freezes">${(page) => html`<${Freezes} rows=${page.items} lacks=${lacks} reload=${freezes.reload} />`}</${Whole}>
    </${Section}>
    <${Section} id="policies" title="Policies">
      <${Whole} answer=${policies} what="policies">${(page) => page.items.length === 0
        ? html`<${Empty}>No policy of yours: the built-in one is in force. <code>mendstream policy apply FILE</code>
            applies one.</${Empty}>`
        : html`${page.items.map((policy) => html`<${Policy} key=${policy.policy_id} policy=${policy} />`)}
            <p class="foot"><a href="/api/v1/policies?format=csv" download>All of them as CSV</a></p>`}
      </${Whole}>
    </${Section}>`;
}

function Freezes({ rows, lacks, reload }) {
  const [told, setTold] = useState("");
  const say = async (how, done) => {
    setTold("Waiting for the processor…");
    try {
      const answer = await how();
      setTold(answer.fate === "APPLIED" ? done : "Written, and no processor has taken it in yet. It will be as soon as one runs.");
      reload();
    } catch (error) {
      setTold(`${error.message} ${error.remedy}`);
    }
  };
  const headers = { Prefer: "wait=10" };
  const freeze = (event) => {
    event.preventDefault();
    const form = event.target;
    const body = { subject: form.subject.value.trim(), why: form.why.value };
    void say(() => ask("/api/v1/freezes", { method: "POST", body, headers }), `Frozen: ${body.subject}.`);
  };
  const release = (subject) =>
    say(() => ask(address("/api/v1/freezes", subject), { method: "DELETE", headers }), `Given back: ${subject}.`);
  return html`
    ${rows.length === 0
      ? html`<${Empty}>Nothing is frozen: automation acts as far as policies let it. Freeze a model below.</${Empty}>`
      : html`<${Table} caption="What is left to people" rows=${rows} by=${(row) => row.subject}
          heads=${[
            ["What", (row) => (row.subject === "*" ? "everything" : row.subject)],
            ["State", () => html`<${State} of="FROZEN" />`],
            ["By", (row) => row.frozen_by],
            ["Give back", (row) => html`<button disabled=${Boolean(lacks)} title=${lacks || `Let automation act on ${row.subject} again`}
              aria-label=${`Give ${row.subject} back`} onClick=${() => release(row.subject)}>Give back</button>`],
          ]} />`}
    <form class="filter" onSubmit=${freeze}>
      <label>Model, tenant as acme/*, or *<input name="subject" required maxlength="512" /></label>
      <label>Why<input name="why" maxlength="512" /></label>
      <button class="main" disabled=${Boolean(lacks)} title=${lacks}>Freeze</button>
      ${lacks && html`<span class="faint">${lacks}</span>`}
    </form>
    <p class="told" role="status" aria-live="polite">${told}</p>`;
}

/** One policy: how far each order goes by itself, and its exceptions. */
function Policy({ policy }) {
  return html`<article class="card">
    <h3>${policy.policy_id} <span class="faint">for ${policy.subjects.join(", ")}</span></h3>
    <${Table} caption=${`Autonomy by ${policy.policy_id}`} rows=${matrix(policy)} heads=${[
      ["Order", (row) => row.order],
      ["Where", (row) => row.where],
      ["Autonomy", (row) => html`<${State} of=${row.autonomy} />`],
    ]} />
    <${Facts} of=${[
      ["Alpha", policy.alpha],
      ["Least units", policy.min_count],
      ["Failure from", percent(policy.failure_threshold)],
      ["Commands an hour", policy.commands_per_hour],
      ["Models at once", percent(policy.subjects_share)],
      ["Approvers", policy.approvers.map(({ name, order }) => (order ? `${name} (${worded(order)})` : name)).join(", ")],
      ["Alert rules", policy.alerts.map(({ name }) => name).join(", ")],
      ["Deploys need", policy.deploy_needs.join(", ")],
      ["Whole days before a deployment", policy.deploy_after_days],
    ]} />
  </article>`;
}

/** The exceptions first: the first that fits goes before the level of the order. */
function matrix(policy) {
  const exceptions = policy.autonomies.map(({ autonomy, order, rule, environment }) => ({
    autonomy,
    order: order ? worded(order) : "any",
    where: [environment || "everywhere", rule && `where ${rule}`].filter(Boolean).join(", "),
  }));
  return [...exceptions, ...ORDERS.map((order) => ({ order, where: "otherwise", autonomy: policy[order] }))];
}
