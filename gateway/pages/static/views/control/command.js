/** Why, by whom, what happened, what can I do? */

import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../../api.js";
import { html } from "../../html.js";
import { address } from "../../navigation.js";
import { Detail, Facts, Moment, Section, Whole, percent, useAnswer, useClock } from "../../parts/basics.js";
import { Bar } from "../../parts/charts.js";
import { Evidence } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";

const OVER = new Set(["COMPLETED", "FAILED", "REFUSED", "TIMED_OUT", "REJECTED", "EXPIRED", "CANCELLED",
  "SUPERSEDED", "STALE", "COMPENSATED", "COMPENSATION_FAILED"]);

export function Command({ parts: [id] }) {
  useClock();
  const path = address("/api/v1/commands", id);
  const answer = useAnswer(path, ["commands"]);
  const history = useAnswer(`${path}/history?limit=200`, ["commands"]);
  return html`<${Detail} answer=${answer} what="the command" crumb=${["Commands", "/ui/commands"]}>${(item) => html`
    <h1>${worded(item.order)} <span class="name">${item.target}</span></h1>
    <${Said} item=${item} />
    <${Actions} item=${item} path=${path} reload=${answer.reload} />
    <${Facts} of=${facts(item)} />
    <${Section} id="life" title="What happened">
      <${Whole} answer=${history} what="its life">${(page) => html`<${Life} steps=${page.items} />`}</${Whole}>
    </${Section}>
    <${Issued} path=${path} key=${item.digest} />
  `}</${Detail}>`;
}

/** The sentence first, and what it waits for. */
export function Said({ item }) {
  return html`<p class="lead"><${State} of=${item.phase} /> ${item.reason}</p>
    ${item.waits_for && html`<p>It waits because ${item.waits_for}.</p>`}
    ${item.detail && html`<p>${item.reporter ? `${item.reporter}: ` : ""}${item.detail}</p>`}`;
}

function facts(item) {
  const command = (id) => id && html`<a href=${address("/ui/commands", id)}>${id}</a>`;
  return [
    ["Model", html`<a href=${address("/ui/models", item.subject)}>${item.subject}</a>`],
    ["Experiment", item.experiment_id && html`<a
      href=${address("/ui/experiments", item.subject, item.experiment_id)}>${item.experiment_id}</a>`],
    ["Variant", item.variant],
    ["Version", item.model_version],
    ["Attempt", item.attempts_max ? `${item.attempt} of at most ${item.attempts_max}` : item.attempt],
    ["Progress", item.progress !== null && html`<${Bar} value=${item.progress} reach=${1} tone="run" label=${percent(item.progress)} /> ${percent(item.progress)}`],
    ["Priority", item.priority !== "UNKNOWN" && worded(item.priority)],
    ["Against failure", item.failure_id && html`<a href=${address("/ui/failures", item.failure_id)}>${item.failure_id}</a>`],
    ["Asked by", item.requested_by || "mendstream"],
    ["Approved by", item.approved_by],
    ["Issued", html`<${Moment} at=${item.issued_at} />`],
    ["Due", item.due_at && html`<${Moment} at=${item.due_at} />`],
    ["Until", !OVER.has(item.phase) && html`<${Moment} at=${item.expires_at} />`],
    ["Undone by", command(item.undone_by)],
    ["Undoes", command(item.compensates)],
    ["Command", html`<code>${item.command_id}</code>`],
    ["Decision", html`<a href=${address("/ui/decisions", item.decision_id)}><code>${item.decision_id}</code></a>`],
    ["Content", html`<code>${item.digest}</code>`],
  ];
}

function Life({ steps }) {
  if (steps.length === 0) return html`<p class="faint">It began before what is kept of steps.</p>`;
  return html`<ol class="life">${steps.map((step) => html`<li key=${step.event_id}>
    <${State} of=${step.after} />
    <span>${worded(step.event)} by <strong>${step.by}</strong>${step.attempt > 1 ? `, attempt ${step.attempt}` : ""}</span>
    <span class="faint"><${Moment} at=${step.moved_at} plain /></span>
    ${step.detail && html`<p>${step.detail}</p>`}
  </li>`)}</ol>`;
}

/** What is issued: its content, and the records that it rests on. */
export function Issued({ path, whole }) {
  const answer = useAnswer(`${path}/content`, []);
  if (answer.problem?.status === 404) return null;
  return html`<${Section} id="evidence" title="Evidence">
    <${Whole} answer=${answer} what="what is issued">${({ item }) => html`
      ${whole && html`<${Content} command=${item.command} />`}
      <${Evidence} of=${item.command.evidence || []} nothing="It rests on no record: a person asked for it." />`}
    </${Whole}>
  </${Section}>`;
}

/** What may be done, and why not: nothing is offered that would be refused for a reason known here. */
export function Actions({ item, path, reload, begun }) {
  const [open, setOpen] = useState(null);
  const [told, setTold] = useState(null);
  const done = (message) => {
    setOpen(null);
    setTold(message);
    reload();
  };
  const opened = (name) => {
    begun?.();
    setOpen(name);
  };
  const button = (name, title, kind) => {
    const { allowed, reason } = item.actions[name];
    return html`<button class=${kind} disabled=${!allowed} title=${reason} data-approve=${name === "approve" || null}
      aria-describedby=${allowed ? null : `why-${name}`} onClick=${() => opened(name)}>${title}</button>
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
        ? `Done: the command is ${worded(phase)}.`
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
      <h2 id="asked">${verb}: ${worded(item.order)} ${item.target}</h2>
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
  const rows = Object.entries(command).filter(([name]) =>
    name !== "evidence" && name !== "fencing_token" && !name.endsWith("_at"));
  return html`<${Facts} of=${rows.map(([name, value]) => [
    name.replaceAll("_", " "),
    value !== null && typeof value === "object" ? JSON.stringify(value) : value === true ? "yes" : value,
  ])} />`;
}
