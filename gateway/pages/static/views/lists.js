/** Lists of a filter that stands in the address: pages, new rows, export. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "../api.js";
import { go } from "../app.js";
import { html } from "../html.js";
import { useAnswer } from "../parts.js";

/** The address of a list with its filter. @param {string} path @param {URLSearchParams} query */
export function filtered(path, query, names) {
  const chosen = new URLSearchParams();
  for (const name of names) if (query.get(name)) chosen.set(name, query.get(name));
  const text = chosen.toString();
  return text ? `${path}?${text}` : path;
}

/** Changes one part of the filter in the address. */
export function change(name, value) {
  const query = new URLSearchParams(location.search);
  if (value) query.set(name, value);
  else query.delete(name);
  const text = query.toString();
  go(text ? `${location.pathname}?${text}` : location.pathname);
}

/** The first page of a list, kept up to date, and what was fetched behind it. */
export function useList(path, views) {
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

export function Foot({ list, path, rows }) {
  const join = path.includes("?") ? "&" : "?";
  return html`<p class="foot">
    <span>${rows.length} shown</span>
    ${list.next && html`<button onClick=${list.fetchMore}>Show more</button>`}
    <a href=${`${path}${join}format=csv`} download>All of them as CSV</a>
  </p>`;
}

/** Rows without those that a later page repeats. */
export function whole(first, behind, key) {
  const known = new Set(first.map(key));
  return [...first, ...behind.filter((row) => !known.has(key(row)))];
}
