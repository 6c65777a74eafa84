/** The table of pages: which address shows what. Those with a name stand in the menu, and `g` with their
 * key leads there. */

import { html } from "./html.js";
import { ListPage } from "./parts/lists.js";
import { COMMANDS, DECISIONS, EXPERIMENTS, FAILURES } from "./parts/rows.js";
import { Approvals } from "./views/control/approvals.js";
import { Command } from "./views/control/command.js";
import { Policies } from "./views/control/policies.js";
import { Alerts } from "./views/findings/alerts.js";
import { Decision } from "./views/findings/decision.js";
import { Failure } from "./views/findings/failure.js";
import { Pattern, Patterns } from "./views/findings/patterns.js";
import { Insights, Lessons } from "./views/learning/lessons.js";
import { Agent, Trust } from "./views/learning/trust.js";
import { Experiment } from "./views/models/experiment.js";
import { Model, Models } from "./views/models/model.js";
import { Events } from "./views/overview/events.js";
import { Now } from "./views/overview/now.js";
import { Search } from "./views/overview/search.js";
import { System } from "./views/overview/system.js";

const list = (of) => ({ query }) => html`<${ListPage} of=${of} query=${query} />`;

export const PAGES = [
  { path: "/ui/now", page: Now, name: "Now", key: "n" },
  { path: "/ui/approvals", page: Approvals, name: "Approvals", key: "a" },
  { path: "/ui/commands", page: list(COMMANDS), name: "Commands", key: "c" },
  { path: "/ui/commands/:id", page: Command },
  { path: "/ui/experiments", page: list(EXPERIMENTS), name: "Experiments", key: "e" },
  { path: "/ui/experiments/:subject/:id", page: Experiment },
  { path: "/ui/models", page: Models, name: "Models", key: "m" },
  { path: "/ui/models/:subject", page: Model },
  { path: "/ui/decisions", page: list(DECISIONS), name: "Decisions", key: "d" },
  { path: "/ui/decisions/:id", page: Decision },
  { path: "/ui/failures", page: list(FAILURES), name: "Failures", key: "f" },
  { path: "/ui/failures/:id", page: Failure },
  { path: "/ui/failure-patterns", page: Patterns, name: "Failure patterns", key: "p" },
  { path: "/ui/failure-patterns/:pattern", page: Pattern },
  { path: "/ui/alerts", page: Alerts, name: "Alerts", key: "r" },
  { path: "/ui/trust", page: Trust, name: "Trust", key: "t" },
  { path: "/ui/trust/:agent", page: Agent },
  { path: "/ui/lessons", page: Lessons, name: "Lessons", key: "l" },
  { path: "/ui/insights", page: Insights, name: "Insights", key: "i" },
  { path: "/ui/events", page: Events, name: "Events", key: "v" },
  { path: "/ui/policies", page: Policies, name: "Policies", key: "o" },
  { path: "/ui/system", page: System, name: "System", key: "s" },
  { path: "/ui/search", page: Search },
];

export const MENU = PAGES.filter(({ name }) => name);

/** The page of an address and the names in it; null where there is none. @param {string} path */
export function pageAt(path) {
  const given = path.replace(/\/$/, "").split("/");
  for (const { path: pattern, page } of PAGES) {
    const wanted = pattern.split("/");
    const fits = wanted.length === given.length
      && wanted.every((part, n) => part === given[n] || (part.startsWith(":") && given[n] !== ""));
    if (fits) {
      const parts = given.filter((_, n) => wanted[n].startsWith(":")).map(decodeURIComponent);
      return { page, parts };
    }
  }
  return null;
}
