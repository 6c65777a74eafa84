/** What is live, and is it worse than its reference? */

import { html } from "../../html.js";
import { address, segment } from "../../navigation.js";
import { Detail, Empty, Facts, Moment, Section, Table, Whole, percent, shown, useAnswer, whole } from "../../parts/basics.js";
import { Bar } from "../../parts/charts.js";
import { Extract, ListPage } from "../../parts/lists.js";
import { COMMANDS, EXPERIMENTS, FAILURES } from "../../parts/rows.js";
import { State, worded } from "../../parts/states.js";

const MODELS = {
  title: "Models",
  path: "/api/v1/subjects",
  views: ["subjects"],
  by: (row) => row.subject,
  to: (row) => address("/ui/models", row.subject),
  heads: [
    ["Model", (row) => (row.subject === "*" ? "everything" : row.subject)],
    ["State", (row) => html`<${State} of=${row.frozen_by ? "FROZEN" : "FREE"} />`],
    ["Frozen by", (row) => row.frozen_by || "–"],
    ["Experiments", (row) => whole(row.experiments), "number"],
    ["Proved gains", (row) => whole(row.discoveries), "number"],
    ["False gains, of the bound", (row) => spent(row), "number"],
  ],
  empty: html`No model is known yet. One begins with its first record: <code>mendstream publish FILE</code>.`,
};

/** How much of the bound of false discoveries is spent; older rows do not say. */
function spent({ spent: part }) {
  return part < 0 ? "–" : percent(part);
}

export function Models({ query }) {
  return html`<${ListPage} of=${MODELS} query=${query} />`;
}

export function Model({ parts: [subject] }) {
  const path = address(MODELS.path, subject);
  const answer = useAnswer(path, MODELS.views);
  const named = `subject=${segment(subject)}`;
  return html`<${Detail} answer=${answer} what="the model" crumb=${[MODELS.title, "/ui/models"]}>${(item) => html`
    <h1>${item.subject}</h1>
    <p class="lead"><${State} of=${item.frozen_by ? "FROZEN" : "FREE"} />
      ${item.frozen_by ? ` ${item.frozen_by} left it to people` : " automation acts as far as policies let it"}</p>
    <${Service} named=${named} />
    <${Metrics} path=${path} />
    <${Unusual} path=${path} />
    ${[
      [EXPERIMENTS, html`No experiment yet. <code>mendstream spec apply FILE</code> begins one, or its first result.`],
      [COMMANDS, "No command yet: nothing was found that asks for one, and nobody gave one."],
      [FAILURES, "No failure in the last 30 days."],
    ].map(([of, empty]) => html`<${Extract} key=${of.title} id=${of.title.toLowerCase()} title=${of.title} of=${of}
      path=${`${of.path}?${named}`} all=${`/ui/${of.title.toLowerCase()}?${named}`} empty=${empty} />`)}
    <${Section} id="bounds" title="Bounds">
      <${Facts} of=${[
        ["Experiments", whole(item.experiments)],
        ["Proved gains", whole(item.discoveries)],
        ["False gains, of the bound", spent(item)],
        ["Orders by target", Object.entries(item.orders).map(([target, count]) => `${target} ${count}`).join(", ")],
        ["Not vouched for since", item.new_since >= 0 && html`<${Moment} at=${new Date(item.new_since).toISOString()} />`],
      ]} />
    </${Section}>
  `}</${Detail}>`;
}

/** What serves, and how it came to. */
function Service({ named }) {
  const answer = useAnswer(`/api/v1/targets?${named}`, ["commands"]);
  return html`<${Section} id="service" title="In service">
    <${Whole} answer=${answer} what="what serves">${(page) => page.items.length === 0
      ? html`<${Empty}>No deployment or rollback of it was completed here, so nothing is known of what serves.</${Empty}>`
      : page.items.map((one) => html`<${Target} key=${one.target} one=${one} />`)}
    </${Whole}>
  </${Section}>`;
}

function Target({ one }) {
  return html`<h3>${one.environment}: ${one.version || "not known"}</h3>
    ${one.gone.length > 0 && html`<p>Rolled back: ${one.gone.join(", ")}</p>`}
    <ol class="life">${one.moves.map((move) => html`<li key=${move.command_id}>
      ${move.command_id === one.command_id && html`<${State} of="SERVES" />`}
      <a href=${address("/ui/commands", move.command_id)}>${worded(move.order)} ${move.to_version || move.names.join(", ")}</a>
      ${move.dry_run && html`<span>a dry run</span>`}
      <span class="faint"><${Moment} at=${move.ordered_at} plain /></span>
    </li>`)}</ol>`;
}

/** Each version of each metric and segment beside its reference. */
function Metrics({ path }) {
  const answer = useAnswer(`${path}/metrics?limit=100`, ["metrics"]);
  return html`<${Section} id="metrics" title="Watched metrics">
    <${Whole} answer=${answer} what="metrics">${(page) => {
      const rows = page.items.flatMap((metric) => metric.versions.map((version) => ({ metric, version })));
      const unjudged = page.items.filter(({ unjudged }) => unjudged);
      return rows.length === 0
        ? html`<${Empty}>No live metric is watched. <code>mendstream publish FILE --to metrics</code> sends them.</${Empty}>`
        : html`${unjudged.map((row) => html`<p class="notice forbidden">${name(row)} is not judged: ${row.unjudged}</p>`)}
          <${Table} caption="Watched metrics" rows=${rows} by=${({ metric, version }) => `${name(metric)}|${version.model_version}`}
            heads=${METRIC_HEADS} />
          <p class="foot"><a href=${`${path}/metrics?format=csv`} download>All of them as CSV</a></p>`;
    }}</${Whole}>
  </${Section}>`;
}

function name(row) {
  return row.metric + (row.segment ? ` in ${row.segment}` : "");
}

const METRIC_HEADS = [
  ["Metric", ({ metric }) => name(metric)],
  ["Version", ({ version }) => version.model_version],
  ["State", ({ version }) => html`<${State} of=${version.state} />`],
  ["Units", ({ version }) => whole(version.count), "number"],
  ["Bad", ({ version }) => percent(version.share), "number"],
  ["Bad lately", ({ version }) => percent(version.window_share), "number"],
  ["Bad in the reference", ({ metric }) => percent(metric.reference_share), "number"],
  ["Drawn", ({ metric, version }) => html`<${Bar} value=${version.share} mark=${metric.reference_share}
    reach=${Math.max(version.share, metric.reference_share, 1e-9) * 1.25} tone=${version.state === "HARM" ? "bad" : "calm"}
    label=${`${percent(version.share)}, reference ${percent(metric.reference_share)}`} />`],
  ["log e", ({ version }) => shown(version.log_e), "number"],
  ["Seen", ({ version }) => html`<${Moment} at=${version.seen_at} />`],
];

/** What is unusual of the values, and what they are else. */
function Unusual({ path }) {
  const answer = useAnswer(`${path}/anomalies?limit=100`, ["metrics"]);
  return html`<${Section} id="unusual" title="Unusual values">
    <${Whole} answer=${answer} what="unusual values">${(page) => page.items.length === 0
      ? html`<${Empty}>No series of it is long enough to say what is usual.</${Empty}>`
      : html`<${Table} caption="Unusual values" rows=${page.items} by=${name} heads=${[
          ["Metric", name],
          ["Now", (row) => (row.pattern === "NONE" ? "usual" : html`<${State} of=${row.pattern} />`)],
          ["Since", (row) => html`<${Moment} at=${row.since} />`],
          ["Seen", (row) => (row.pattern === "NONE" ? "–" : shown(row.seen)), "number"],
          ["Usual would be", (row) => (row.pattern === "NONE" ? "–" : `${shown(row.expected_low)} to ${shown(row.expected_high)}`), "number"],
          ["Decimals of its chance", (row) => (row.pattern === "NONE" ? "–" : shown(row.surprise)), "number"],
          ["Level", (row) => shown(row.level), "number"],
          ["Level since", (row) => html`<${Moment} at=${row.level_since} />`],
          ["Told", (row) => whole(row.told), "number"],
        ]} />`}
    </${Whole}>
  </${Section}>`;
}
