/** Why, by whom, what happened, what can I do? */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../api.js";
import { html } from "../html.js";
import { Moment, State, Table, Whole, segment, shown, useAnswer, useClock } from "../parts.js";

const OVER = new Set(["COMPLETED", "FAILED", "REFUSED", "TIMED_OUT", "REJECTED", "EXPIRED", "CANCELLED",
  "SUPERSEDED", "STALE", "COMPENSATED", "COMPENSATION_FAILED"]);

export function Command({ parts: [id] }) {
  useClock();
  const path = `/api/v1/commands/${segment(id)}`;
  const answer = useAnswer(path, ["commands"]);
  const history = useAnswer(`${path}/history?limit=200`, ["commands"]);
  return html`<${Whole} answer=${answer} what="the command" top>${({ item }) => html`
    <p class="crumb"><a href="/ui/commands">Commands</a></p>
    <h1>${item.order.toLowerCase()} <span class="name">${item.target}</span></h1>
    <p class="lead"><${State} of=${item.phase} /> ${item.reason}</p>
    ${item.waits_for && html`<p>It waits because ${item.waits_for}.</p>`}
    ${item.detail && html`<p>${item.reporter ? `${item.reporter}: ` : ""}${item.detail}</p>`}
    <${Actions} item=${item} path=${path} reload=${answer.reload} />
    <dl class="facts">
      <${Fact} name="Subject">${item.subject}</${Fact}>
      <${Fact} name="Experiment">${item.experiment_id && html`<a
        href=${`/ui/experiments/${segment(item.subject)}/${segment(item.experiment_id)}`}>${item.experiment_id}</a>`}</${Fact}>
      <${Fact} name="Variant">${item.variant}</${Fact}>
      <${Fact} name="Version">${item.model_version}</${Fact}>
      <${Fact} name="Attempt">${item.attempt}</${Fact}>
      <${Fact} name="Asked by">${item.requested_by || "mendstream"}</${Fact}>
      <${Fact} name="Approved by">${item.approved_by}</${Fact}>
      <${Fact} name="Issued"><${Moment} at=${item.issued_at} /></${Fact}>
      <${Fact} name="Due">${item.due_at && html`<${Moment} at=${item.due_at} />`}</${Fact}>
      <${Fact} name="Until">${!OVER.has(item.phase) && html`<${Moment} at=${item.expires_at} />`}</${Fact}>
      <${Fact} name="Undone by">${item.undone_by && html`<a href=${`/ui/commands/${segment(item.undone_by)}`}>${item.undone_by}</a>`}</${Fact}>
      <${Fact} name="Undoes">${item.compensates && html`<a href=${`/ui/commands/${segment(item.compensates)}`}>${item.compensates}</a>`}</${Fact}>
      <${Fact} name="Command"><code>${item.command_id}</code></${Fact}>
      <${Fact} name="Decision"><code>${item.decision_id}</code></${Fact}>
      <${Fact} name="Content"><code>${item.digest}</code></${Fact}>
    </dl>
    <section aria-labelledby="life">
      <h2 id="life">What happened</h2>
      <${Whole} answer=${history} what="its life">${(page) => html`<${Life} steps=${page.items} />`}</${Whole}>
    </section>
    <${Evidence} path=${path} key=${item.digest} />
  `}</${Whole}>`;
}

function Fact({ name, children }) {
  const empty = [children].flat().every((one) => one === null || one === undefined || one === "" || one === false);
  return empty ? null : html`<dt>${name}</dt><dd>${children}</dd>`;
}

function Life({ steps }) {
  if (steps.length === 0) return html`<p class="faint">It began before what is kept of steps.</p>`;
  return html`<ol class="life">${steps.map((step) => html`<li key=${step.event_id}>
    <${State} of=${step.after} />
    <span>${step.event.toLowerCase().replaceAll("_", " ")} by <strong>${step.by}</strong>${step.attempt > 1 ? `, attempt ${step.attempt}` : ""}</span>
    <span class="faint"><${Moment} at=${step.moved_at} plain /></span>
    ${step.detail && html`<p>${step.detail}</p>`}
  </li>`)}</ol>`;
}

function Evidence({ path }) {
  const answer = useAnswer(`${path}/content`, []);
  if (answer.problem?.status === 404) return null;
  return html`<section aria-labelledby="evidence">
    <h2 id="evidence">Evidence</h2>
    <${Whole} answer=${answer} what="what is issued">${({ item }) => {
      const rows = (item.command.evidence || []).map((one, n) => ({ ...one, key: n }));
      return rows.length === 0
        ? html`<p class="faint">It rests on no record: a person asked for it.</p>`
        : html`<${Table} caption="Evidence" id="evidence" rows=${rows} heads=${[
            ["Metric", (row) => row.metric + (row.segment ? ` in ${row.segment}` : "")],
            ["Estimate", (row) => shown(row.estimate), "number"],
            ["Interval", (row) => `${shown(row.low)} to ${shown(row.high)}`, "number"],
            ["log e", (row) => shown(row.log_e), "number"],
            ["Kind", (row) => row.evidence_kind.toLowerCase().replaceAll("_", " ")],
            ["Records", (row) => row.count, "number"],
            ["Where", (row) => html`<code>${row.topic}/${row.partition} ${row.first_offset}–${row.last_offset}</code>`],
          ]} />`;
    }}</${Whole}>
  </section>`;
}

/** What may be done, and why not: nothing is offered that would be refused for a reason known here. */
function Actions({ item, path, reload }) {
  const [open, setOpen] = useState(null);
  const [told, setTold] = useState(null);
  const done = (message) => {
    setOpen(null);
    setTold(message);
    reload();
  };
  const button = (name, title, kind) => {
    const { allowed, reason } = item.actions[name];
    return html`<button class=${kind} disabled=${!allowed} title=${reason} data-approve=${name === "approve" || null}
      aria-describedby=${allowed ? null : `why-${name}`} onClick=${() => setOpen(name)}>${title}</button>
      ${!allowed && html`<span id=${`why-${name}`} class="faint why">${reason}</span>`}`;
  };
  const pending = item.phase === "PENDING_APPROVAL";
  return html`<div class="actions">
    ${pending && button("approve", "Approve…", "main")}
    ${pending && button("reject", "Reject…", "")}
    ${(item.actions.cancel.allowed || pending) && button("cancel", "Cancel…", "")}
  </div>
  <p class="told" role="status" aria-live="polite">${told}</p>
  ${open && html`<${Dialog} name=${open} item=${item} path=${path} done=${done} close=${() => setOpen(null)} />`}`;
}

function Dialog({ name, item, path, done, close }) {
  const dialog = useRef(null);
  const [content, setContent] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const look = () =>
    name === "cancel"
      ? Promise.resolve()
      : ask(`${path}/content`).then((told) => setContent(told.item)).catch(setProblem);
  useEffect(() => {
    dialog.current.showModal();
    void look();
  }, []);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const text = event.target.comment.value;
    const [to, body] = name === "cancel"
      ? [`${path}/cancel`, { why: text }]
      : [`${path}/review`, { verdict: name === "approve" ? "APPROVE" : "REJECT", comment: text }];
    const headers = { Prefer: "wait=10", ...(content && { "If-Match": `"${content.digest}"` }) };
    try {
      const answer = await ask(to, { method: "POST", body, headers });
      const phase = answer.command?.phase;
      done(answer.fate === "APPLIED" && phase
        ? `Done: the command is ${phase.toLowerCase().replaceAll("_", " ")}.`
        : "Written, and no processor has taken it in yet. It will be as soon as one runs.");
    } catch (error) {
      setProblem(error);
      setBusy(false);
      if (error.status === 412) await look();
    }
  };
  const verb = { approve: "Approve", reject: "Reject", cancel: "Cancel" }[name];
  const ready = name === "cancel" || content !== null;
  return html`<dialog ref=${dialog} onClose=${close} aria-labelledby="asked">
    <form onSubmit=${send}>
      <h2 id="asked">${verb}: ${item.order.toLowerCase()} ${item.target}</h2>
      <p>${item.reason}</p>
      ${content && html`<details open><summary>What is issued, <code>${content.digest.slice(0, 12)}…</code></summary>
        <${Content} command=${content.command} /></details>`}
      ${name === "cancel" && html`<p>What waits is dropped. A deployment or rollback that was done is undone.</p>`}
      <label for="comment">Why, in a sentence</label>
      <textarea id="comment" name="comment" rows="2" maxlength="512"></textarea>
      ${problem && html`<p class="notice failed" role="alert">${problem.message} ${problem.remedy}</p>`}
      <p class="buttons">
        <button type="submit" class="main" disabled=${busy || !ready} data-confirm>${busy ? "Waiting for the processor…" : verb}</button>
        <button type="button" onClick=${() => dialog.current.close()}>Back</button>
      </p>
    </form>
  </dialog>`;
}

function Content({ command }) {
  const rows = Object.entries(command).filter(([name, value]) =>
    value !== null && value !== "" && name !== "evidence" && name !== "fencing_token" && !name.endsWith("_at"));
  return html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name.replaceAll("_", " ")}</dt>
    <dd>${typeof value === "object" ? JSON.stringify(value) : String(value)}</dd>`)}</dl>`;
}
