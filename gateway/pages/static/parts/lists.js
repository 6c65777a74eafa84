/** Lists of a filter that stands in the address: pages, what comes new, export. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "../api.js";
import { html } from "../html.js";
import { change } from "../navigation.js";
import { Choice, Empty, Section, Table, Whole, useAnswer, useClock } from "./basics.js";

const ALL = "ALL";

/**
 * A page that is a list.
 *
 * of: title; path of the API; views, which it follows; filters, of {name, label, options, usual}: with
 * options a choice, else a text; `usual`: what is shown unless something is chosen, `must`: something is; by, heads, to and
 * anchor, as of a table; empty, what to do where nothing fits.
 */
export function ListPage({ of, query, children }) {
  return html`<h1>${of.title}</h1>${children}<${List} of=${of} query=${query} />`;
}

export function List({ of, query }) {
  useClock();
  const path = filtered(of, query);
  const list = useList(path, of.views);
  return html`
    ${of.filters?.length > 0 && html`<${Filters} of=${of} query=${query} />`}
    <${Whole} answer=${list.answer} what=${of.title.toLowerCase()}>${(page) => {
      const rows = together(page.items, list.behind, of.by);
      return rows.length === 0
        ? html`<${Empty}>${of.empty}</${Empty}>`
        : html`<${Table} caption=${of.title} rows=${rows} by=${of.by} heads=${of.heads} to=${of.to} anchor=${of.anchor} />
            <${Foot} list=${list} path=${path} rows=${rows} />`;
    }}</${Whole}>`;
}

/** The first rows of a list on the page of something else, with the way to all of them. */
export function Extract({ of, id, title, path, all, empty }) {
  const answer = useAnswer(`${path}${path.includes("?") ? "&" : "?"}limit=10`, of.views);
  return html`<${Section} id=${id} title=${title}>
    <${Whole} answer=${answer} what=${title.toLowerCase()}>${(page) => page.items.length === 0
      ? html`<${Empty}>${empty}</${Empty}>`
      : html`<${Table} caption=${title} rows=${page.items} by=${of.by} heads=${of.heads} to=${of.to} />
          ${page.next && html`<p class="foot"><a href=${all}>All of them</a></p>`}`}
    </${Whole}>
  </${Section}>`;
}

function Filters({ of, query }) {
  return html`<form class="filter" onSubmit=${(event) => event.preventDefault()}>
    ${of.filters.map(({ name, label, options, usual, must, hint }) =>
      options
        ? html`<${Choice} label=${label} name=${name} value=${query.get(name) || usual || ""} options=${options}
            all=${must ? undefined : usual ? ALL : ""} change=${change} />`
        : html`<label>${label}
            <input name=${name} value=${query.get(name) || ""} placeholder=${hint || ""}
              onChange=${(event) => change(name, event.target.value.trim())} />
          </label>`)}
  </form>`;
}

/** The address of a list with its filter. */
function filtered(of, query) {
  const chosen = new URLSearchParams();
  for (const { name, usual } of of.filters || []) {
    const value = query.get(name) || usual;
    if (value && value !== ALL) chosen.set(name, value);
  }
  const text = chosen.toString();
  return text ? `${of.path}?${text}` : of.path;
}

/** The first page of a list, kept up to date, and what was fetched behind it. */
function useList(path, views) {
  const answer = useAnswer(path, views);
  const [more, setMore] = useState({ path, items: [], next: undefined });
  useEffect(() => setMore({ path, items: [], next: undefined }), [path]);
  const own = more.path === path ? more : { items: [], next: undefined };
  const next = own.next === undefined ? answer.data?.next : own.next;
  const fetchMore = async () => {
    const join = path.includes("?") ? "&" : "?";
    const page = await ask(`${path}${join}after=${encodeURIComponent(next)}`);
    setMore({ path, items: [...own.items, ...page.items], next: page.next });
  };
  return { answer, behind: own.items, next, fetchMore };
}

function Foot({ list, path, rows }) {
  const join = path.includes("?") ? "&" : "?";
  return html`<p class="foot">
    <span>${rows.length} shown</span>
    ${list.next && html`<button onClick=${list.fetchMore}>Show more</button>`}
    <a href=${`${path}${join}format=csv`} download>All of them as CSV</a>
  </p>`;
}

/** Rows without those that a later page repeats. */
function together(first, behind, by) {
  const known = new Set(first.map(by));
  return [...first, ...behind.filter((row) => !known.has(by(row)))];
}
