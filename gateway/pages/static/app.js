/** Puts the pages together: which one an address means, the frame around it, the keyboard. */

import { render } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { Problem, ask, live } from "./api.js";
import { html } from "./html.js";
import { go } from "./navigation.js";
import { MENU, pageAt } from "./pages.js";
import { useClock, useLive } from "./parts/basics.js";
import { absolute, applyTheme, settings } from "./settings.js";
import { Login } from "./views/overview/login.js";

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
      <nav aria-label="Pages">
        ${MENU.map(({ name, path: to }) => html`<a href=${to} aria-current=${current(path, to)}>${name}</a>`)}
      </nav>
    </header>
    <main class=${stale ? "old" : ""} aria-busy=${stale}>${children}</main>
    ${help && html`<${Help} close=${() => setHelp(false)} />`}
  `;
}

/** What a menu says of a page: it is shown, or one below it is. */
function current(path, to) {
  return path === to ? "page" : path.startsWith(`${to}/`) ? "true" : null;
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
      ${MENU.map(({ name, key }) => html`<dt><kbd>g</kbd> then <kbd>${key}</kbd></dt><dd>${name}</dd>`)}
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
      const link = MENU.find(({ key }) => key === event.key);
      if (was === "g" && link) go(link.path);
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
  const rows = [...document.querySelectorAll("[data-row]")];
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
  const { page: Page, parts } = pageAt(path) || { page: Nowhere, parts: [] };
  return html`<${Frame} who=${who} path=${path}>
    <${Page} key=${path} parts=${parts} who=${who} query=${new URLSearchParams(location.search)} />
  </${Frame}>`;
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
