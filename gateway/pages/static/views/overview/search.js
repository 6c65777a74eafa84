/** Where is what holds this text? */

import { html } from "../../html.js";
import { segment } from "../../navigation.js";
import { Empty, Table, Whole, useAnswer } from "../../parts/basics.js";

export function Search({ query }) {
  const text = query.get("q") || "";
  const answer = useAnswer(`/api/v1/search?q=${segment(text)}`, []);
  return html`<h1>Search</h1>
    <${Whole} answer=${answer} what="what was found">${(page) =>
      page.items.length === 0
        ? html`<${Empty}>Nothing holds “${text}”. A search takes part of a name, an id or a sentence.</${Empty}>`
        : html`<${Table} caption="What was found" rows=${page.items}
            by=${(row) => `${row.kind}|${row.key}`} to=${(row) => row.ui_url} heads=${[
              ["Title", (row) => row.title, "wide"],
              ["Kind", (row) => row.kind],
              ["Subject", (row) => row.subject || "–"],
            ]} />`}
    </${Whole}>`;
}
