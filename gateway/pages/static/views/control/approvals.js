/** What must I judge, and by when? The queue, and the one that is looked at, whole. */

import { html } from "../../html.js";
import { address, go, segment } from "../../navigation.js";
import { Empty, Moment, Table, Whole, useAnswer, useClock } from "../../parts/basics.js";
import { Extract } from "../../parts/lists.js";
import { COMMANDS } from "../../parts/rows.js";
import { worded } from "../../parts/states.js";
import { Actions, Issued, Said } from "./command.js";

const QUEUE = `${COMMANDS.path}?phase=PENDING_APPROVAL&limit=100`;
const place = (id) => `/ui/approvals?item=${segment(id)}`;

export function Approvals({ query }) {
  useClock();
  const queue = useAnswer(QUEUE, ["commands"]);
  return html`<h1>Approvals</h1>
    <${Whole} answer=${queue} what="what waits">${(page) => html`<${Desk} page=${page} chosen=${query.get("item")} />`}</${Whole}>`;
}

function Desk({ page, chosen }) {
  const rows = [...page.items].sort((a, b) => Date.parse(a.expires_at) - Date.parse(b.expires_at));
  const id = chosen || rows[0]?.command_id;
  return html`
    ${rows.length === 0
      ? html`<${Empty}>Nothing waits for approval. What a policy leaves to people comes here by itself;${" "}
          <a href="/ui/policies">policies</a> say what that is.</${Empty}>`
      : html`<${Table} caption="Commands that wait for approval" rows=${rows} by=${COMMANDS.by} to=${(row) => place(row.command_id)}
          heads=${[
            ["What", (row) => `${worded(row.order)} ${row.target}`],
            ["Until", (row) => html`<${Moment} at=${row.expires_at} />`],
            ["Asked by", (row) => row.requested_by || "mendstream"],
            ["Priority", (row) => (row.priority === "UNKNOWN" ? "–" : worded(row.priority))],
            ["Why", (row) => row.reason, "wide"],
          ]} />
        <p class="foot"><span>${rows.length} shown</span>
          ${page.next && html`<a href="/ui/commands?phase=PENDING_APPROVAL">All of them</a>`}
          <a href=${`${QUEUE}&format=csv`} download>All of them as CSV</a></p>`}
    ${id && html`<${Item} key=${id} id=${id} at=${rows.findIndex((row) => row.command_id === id)} rows=${rows} />`}`;
}

/** One item: what changes, what it rests on, and what such orders came to before. */
function Item({ id, at, rows }) {
  const path = address("/api/v1/commands", id);
  const answer = useAnswer(path, ["commands"]);
  const stay = () => go(place(id), true); // what was judged stays on the screen when it leaves the queue
  const before = rows[at - 1];
  const after = rows[at + 1];
  return html`<${Whole} answer=${answer} what="the command">${({ item }) => html`
    <article class="card" aria-labelledby="item">
      <h2 id="item">${worded(item.order)} ${item.target} ${at >= 0 && html`<span class="faint">${at + 1} of ${rows.length}</span>`}</h2>
      <${Said} item=${item} />
      <${Actions} item=${item} path=${path} reload=${answer.reload} begun=${stay} />
      <p class="foot">
        ${before && html`<a href=${place(before.command_id)} rel="prev">Before</a>`}
        ${after && html`<a href=${place(after.command_id)} rel="next">After</a>`}
        <a href=${address("/ui/commands", id)}>Its whole life</a>
      </p>
      <${Issued} path=${path} whole key=${item.digest} />
      <${Extract} id="before" title="What such orders came to" of=${COMMANDS}
        path=${`${COMMANDS.path}?order=${item.order}&subject=${segment(item.subject)}`}
        all=${`/ui/commands?order=${item.order}&subject=${segment(item.subject)}`}
        empty="No such order was given before." />
    </article>`}</${Whole}>`;
}
