/** What pages are made of: states by word, sign and colour, tables, moments, what is empty or failed. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { Problem, ask, live } from "./api.js";
import { html } from "./html.js";
import { absolute, relative } from "./settings.js";

/** Of each state a sign and a tone: colour alone tells nobody anything. */
const STATES = {
  PENDING_APPROVAL: ["◔", "wait"],
  PROPOSED: ["◔", "wait"],
  ISSUED: ["▸", "run"],
  ACKNOWLEDGED: ["▸", "run"],
  IN_PROGRESS: ["▸", "run"],
  RETRYING: ["↻", "wait"],
  COMPENSATING: ["↶", "wait"],
  COMPLETED: ["✓", "good"],
  COMPENSATED: ["↶", "calm"],
  FAILED: ["✕", "bad"],
  REFUSED: ["✕", "bad"],
  TIMED_OUT: ["✕", "bad"],
  COMPENSATION_FAILED: ["✕", "bad"],
  REJECTED: ["–", "calm"],
  EXPIRED: ["–", "calm"],
  CANCELLED: ["–", "calm"],
  SUPERSEDED: ["–", "calm"],
  STALE: ["–", "calm"],
  HARM: ["▼", "bad"],
  GAIN: ["▲", "good"],
  SPLIT: ["⚠", "bad"],
  UNSTABLE: ["⚠", "wait"],
  MISSING: ["?", "wait"],
  WAIT: ["…", "calm"],
  OK: ["·", "calm"],
  RUNNING: ["▸", "run"],
  STOPPED: ["■", "calm"],
  ENDED: ["■", "calm"],
  RAISED: ["●", "bad"],
  CRITICAL: ["●", "bad"],
  HIGH: ["●", "bad"],
  MEDIUM: ["◐", "wait"],
  LOW: ["○", "calm"],
  INFO: ["○", "calm"],
};

export function State({ of }) {
  const [sign, tone] = STATES[of] || ["·", "calm"];
  const word = String(of).toLowerCase().replaceAll("_", " ");
  return html`<span class="state ${tone}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

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
 * A table: heads are [title, cell of a row, class]; `to` is where a row leads.
 */
export function Table({ caption, heads, rows, to, id }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table data-rows=${id}>
      <caption class="hidden">${caption}</caption>
      <thead>
        <tr>${heads.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr key=${row.key || row.command_id || row.decision_id}>
            ${heads.map(
              ([, cell, kind], n) => html`<td class=${kind}>
                ${n === 0 && to
                  ? html`<a href=${to(row)} data-row>${cell(row)}</a>`
                  : cell(row)}
              </td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A form's choice that stands in the address. */
export function Choice({ label, name, value, options, change }) {
  return html`<label>${label}
    <select name=${name} value=${value} onChange=${(event) => change(name, event.target.value)}>
      <option value="">all</option>
      ${options.map((one) => html`<option value=${one} selected=${one === value}>
        ${one.toLowerCase().replaceAll("_", " ")}
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

/** Only addresses that lead to a page of the web become links. @param {string} path */
export function segment(path) {
  return encodeURIComponent(path);
}
