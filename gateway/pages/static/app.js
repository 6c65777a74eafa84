/** Puts the pages together: which one an address means, the frame around it, the keyboard. */

import { render } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { Problem, ask, live } from "./api.js";
import { html } from "./html.js";
import { useClock, useLive } from "./parts.js";
import { absolute, applyTheme, settings } from "./settings.js";
import { Command } from "./views/command.js";
import { Commands } from "./views/commands.js";
import { Experiment } from "./views/experiment.js";
import { Experiments } from "./views/experiments.js";
import { Login } from "./views/login.js";
import { Now } from "./views/now.js";
import { Search } from "./views/search.js";

const PAGES = [
  [/^\/ui\/now$/, Now],
  [/^\/ui\/commands$/, Commands],
  [/^\/ui\/commands\/([^/]+)$/, Command],
  [/^\/ui\/experiments$/, Experiments],
  [/^\/ui\/experiments\/([^/]+)\/([^/]+)$/, Experiment],
  [/^\/ui\/search$/, Search],
];
const LINKS = [
  ["Now", "/ui/now", "n"],
  ["Commands", "/ui/commands", "c"],
  ["Experiments", "/ui/experiments", "e"],
];

/** Goes to an address of these pages without loading them anew. @param {string} to */
export function go(to, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
}

function Chip() {
  useClock();
  const { status, stale, asOf } = useLive();
  const since = asOf === null ? "unknown" : absolute(new Date(asOf).toISOString());
  const [sign, word] = stale
    ? ["○", `stale since ${since}`]
    : status === "live"
      ? ["●", "live"]
      : ["◐", "polling"];
  const kind = stale ? "stale" : status;
  return html`<span class="chip ${kind}" role="status" data-status=${kind}>
    <span aria-hidden="true">${sign}</span> ${word}
  </span>`;
}

function Frame({ who, path, children }) {
  const [help, setHelp] = useState(false);
  const { stale } = useLive();
  useClock();
  useKeys(setHelp);
  return html`
    ${!who.authenticated &&
    html`<p class="banner" role="alert">
      No authentication: whoever reaches this port on this machine may order and approve.
    </p>`}
    <header>
      <a class="mark" href="/ui/now">Mendstream</a>
      <nav aria-label="Pages">
        ${LINKS.map(
          ([name, to]) => html`<a href=${to} aria-current=${path === to ? "page" : null}>${name}</a>`,
        )}
      </nav>
      <form class="search" role="search" action="/ui/search" onSubmit=${searched}>
        <label class="hidden" for="q">Search</label>
        <input id="q" name="q" type="search" placeholder="Search ( / )" minlength="3" required />
      </form>
      <${Chip} />
      <button onClick=${turnZone} title="Time zone of all moments">
        ${settings.zone === "utc" ? "UTC" : "Local time"}
      </button>
      <button onClick=${turnTheme} title="Light or dark">Theme: ${settings.theme}</button>
      ${who.authenticated && html`<button onClick=${logout} title=${`Log ${who.name} out`}>
        ${who.name}
      </button>`}
    </header>
    <main class=${stale ? "old" : ""} aria-busy=${stale}>${children}</main>
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  `;
}

function Help({ close }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${close} aria-labelledby="keys">
    <h2 id="keys">Keys</h2>
    <dl class="facts">
      <dt><kbd>j</kbd> <kbd>k</kbd></dt><dd>next and previous row</dd>
      <dt><kbd>Enter</kbd></dt><dd>open the row</dd>
      <dt><kbd>a</kbd></dt><dd>of a command that waits: look at what is to be approved</dd>
      <dt><kbd>/</kbd></dt><dd>search</dd>
      <dt><kbd>g</kbd> then <kbd>n</kbd> <kbd>c</kbd> <kbd>e</kbd></dt>
      <dd>Now, Commands, Experiments</dd>
      <dt><kbd>?</kbd></dt><dd>this</dd>
    </dl>
    <form method="dialog"><button autofocus>Close</button></form>
  </dialog>`;
}

function useKeys(setHelp) {
  useEffect(() => {
    let before = "";
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, select, textarea, dialog")) {
        if (event.key === "Escape" && event.target.id === "q") event.target.blur();
        return;
      }
      const was = before;
      before = event.key;
      const link = LINKS.find(([, , key]) => key === event.key);
      if (was === "g" && link) go(link[1]);
      else if (event.key === "/") {
        event.preventDefault();
        document.getElementById("q").focus();
      } else if (event.key === "?") setHelp(true);
      else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
      else if (event.key === "a") document.querySelector("[data-approve]:enabled")?.click();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Moves the focus among the rows that are shown. @param {number} by */
function step(by) {
  const rows = [...document.querySelectorAll("a[data-row]")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

function searched(event) {
  event.preventDefault();
  event.target.q.blur(); // so that keys are keys again
  go(`/ui/search?q=${encodeURIComponent(event.target.q.value)}`);
}

function turnZone() {
  settings.zone = settings.zone === "utc" ? "local" : "utc";
  const query = new URLSearchParams(location.search);
  query.set("tz", settings.zone);
  go(`${location.pathname}?${query}`, true);
}

function turnTheme() {
  settings.theme = { auto: "dark", dark: "light", light: "auto" }[settings.theme];
  dispatchEvent(new PopStateEvent("popstate"));
}

async function logout() {
  await ask("/api/v1/session", { method: "DELETE" });
  location.reload();
}

function App() {
  const [, turn] = useReducer((n) => n + 1, 0);
  const [who, setWho] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    addEventListener("popstate", turn);
    return () => removeEventListener("popstate", turn);
  }, []);
  const login = () =>
    ask("/api/v1/whoami")
      .then((told) => {
        setWho(told);
        live.open();
      })
      .catch(setProblem);
  useEffect(() => void login(), []);
  if (!who && problem instanceof Problem && problem.status === 401) {
    return html`<${Login} done=${login} />`;
  }
  if (!who && problem) {
    return html`<main><section class="notice failed" role="alert">
      <h1>Not available</h1><p>${problem.message} ${problem.remedy}</p>
    </section></main>`;
  }
  if (!who) return html`<main><p class="notice loading" role="status">Loading…</p></main>`;
  const path = location.pathname;
  const [Page, parts] = found(path);
  return html`<${Frame} who=${who} path=${path}>
    <${Page} key=${path} parts=${parts} who=${who} query=${new URLSearchParams(location.search)} />
  </${Frame}>`;
}

function found(path) {
  for (const [pattern, Page] of PAGES) {
    const match = pattern.exec(path.replace(/\/$/, ""));
    if (match) return [Page, match.slice(1).map(decodeURIComponent)];
  }
  return [Nowhere, []];
}

function Nowhere() {
  return html`<section class="notice absent"><h1>There is no such page</h1>
    <p><a href="/ui/now">Go to the front page.</a></p></section>`;
}

/** Links of these pages are followed without loading them anew. */
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/ui/']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  scrollTo(0, 0);
});

applyTheme();
render(html`<${App} />`, document.body);
