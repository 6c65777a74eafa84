/** What pages are made of: answers of the API, tables, moments, what is empty, loading or failed. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { ask, live } from "../api.js";
import { html } from "../html.js";
import { absolute, relative } from "../settings.js";
import { worded } from "./states.js";

export function Moment({ at, plain }) {
  if (!at) return html`<span class="faint">–</span>`;
  return html`<time datetime=${at} title=${absolute(at)}>
    ${plain ? absolute(at) : html`${relative(at)} <span class="faint">${absolute(at)}</span>`}
  </time>`;
}

/** Draws a page anew once a second: countdowns and ages go on by themselves. */
export function useClock() {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    const timer = setInterval(tick, 1_000);
    return () => clearInterval(timer);
  }, []);
}

/** Draws a page anew when the connection changes. */
export function useLive() {
  const [, tick] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    live.watchers.add(tick);
    return () => live.watchers.delete(tick);
  }, []);
  return live;
}

/**
 * What the API says at a path, fetched anew when a view of it changes.
 * @param {string} path @param {string[]} views
 * @returns {{data: any, problem: Problem | null, reload: () => void}}
 */
export function useAnswer(path, views) {
  const [found, set] = useState({ path: "", data: null, problem: null });
  const [again, reload] = useReducer((n) => n + 1, 0);
  const waiting = useRef(0);
  useEffect(() => {
    const stop = new AbortController();
    ask(path, { signal: stop.signal })
      .then((data) => {
        if (data.as_of !== undefined) live.standing(data.as_of);
        set({ path, data, problem: null });
      })
      .catch((problem) => {
        if (stop.signal.aborted) return;
        if (problem.status === 0) live.lost();
        // What was shown stays, with a word that it is old, where only the connection is away.
        const transient = problem.status === 0 || problem.status === 503 || problem.status === 429;
        set((before) =>
          transient && before.path === path && before.data
            ? before
            : { path, data: null, problem },
        );
      });
    return () => stop.abort();
  }, [path, again]);
  useEffect(() => {
    const end = live.follow(views, () => {
      clearTimeout(waiting.current);
      waiting.current = setTimeout(reload, 150); // several rows change at once
    });
    return () => {
      clearTimeout(waiting.current);
      end();
    };
  }, [path, views.join(" ")]);
  const current = found.path === path;
  return { data: current ? found.data : null, problem: current ? found.problem : null, reload };
}

/** Loading, failed and forbidden look different, and each says the next step. top: it is the page. */
export function Whole({ answer, what, top, children }) {
  const heading = top ? "h1" : "h2";
  const { data, problem, reload } = answer;
  if (problem) {
    const kind = problem.status === 403 ? "forbidden" : problem.status === 404 ? "absent" : "failed";
    return html`<section class="notice ${kind}" role="alert">
      <${heading}>${{ forbidden: "Not for you", absent: "Not there", failed: "Not available" }[kind]}</${heading}>
      <p>${problem.message} ${problem.remedy}</p>
      <button onClick=${reload}>Try again</button>
    </section>`;
  }
  if (!data) return html`<p class="notice loading" role="status">Loading ${what}…</p>`;
  return children(data);
}

export function Empty({ children }) {
  return html`<p class="notice empty">${children}</p>`;
}

/**
 * A table: heads are [title, cell of a row, class]; `by` is what names a row, `to` where it leads, or
 * null; `anchor` is the part of an address behind # that leads to a row.
 */
export function Table({ caption, heads, rows, by, to, id, anchor }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Table: ${caption}`}>
    <table data-rows=${id}>
      <caption class="hidden">${caption}</caption>
      <thead>
        <tr>${heads.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr>
      </thead>
      <tbody>${rows.map((row, n) => html`<${Row} key=${by ? by(row) : n} row=${row} heads=${heads} to=${to?.(row)}
        id=${anchor?.(row) || undefined} />`)}</tbody>
    </table>
  </div>`;
}

function Row({ row, heads, to, id }) {
  const linked = id !== undefined && location.hash === `#${encodeURIComponent(id)}`;
  const own = { id, class: linked ? "linked" : undefined, ref: linked ? show : undefined };
  const cells = heads.map(([, cell, kind], n) => html`<td class=${kind}>
    ${n === 0 && to ? html`<a href=${to} data-row>${cell(row)}</a>` : cell(row)}
  </td>`);
  return to ? html`<tr ...${own}>${cells}</tr>` : html`<tr ...${own} tabindex="-1" data-row>${cells}</tr>`;
}

/** @param {Element | null} row */
function show(row) {
  row?.scrollIntoView({ block: "center" });
}

/** Facts of one thing: names and what they are; those that are not there are left out. */
export function Facts({ of }) {
  const known = of.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return html`<dl class="facts">${known.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** A page of one thing, below the list that it is in. crumb: the list's name and address. */
export function Detail({ answer, what, crumb: [name, to], children }) {
  return html`<${Whole} answer=${answer} what=${what} top>${({ item }) => html`
    <p class="crumb"><a href=${to}>${name}</a></p>
    ${children(item)}
  `}</${Whole}>`;
}

/** A part of a page under a heading that names it. */
export function Section({ id, title, children }) {
  return html`<section aria-labelledby=${id}><h2 id=${id}>${title}</h2>${children}</section>`;
}

/** A form's choice that stands in the address. */
export function Choice({ label, name, value, options, all, change }) {
  return html`<label>${label}
    <select name=${name} value=${value} onChange=${(event) => change(name, event.target.value)}>
      ${all !== undefined && html`<option value=${all} selected=${value === all}>all</option>`}
      ${options.map((one) => html`<option value=${one} selected=${one === value}>
        ${worded(one)}
      </option>`)}
    </select>
  </label>`;
}

/** A number with four digits. @param {number | null} value */
export function shown(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-4)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
}

/** A share as a percentage. @param {number | null} value */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${shown(value * 100)} %`;
}

/** A count with its thousands. @param {number | null} value */
export function whole(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}
