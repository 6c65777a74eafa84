/** Small pictures of numbers, which stand beside them or in a table below. */

import { html } from "../html.js";
import { Moment, Table, shown, whole } from "./basics.js";

const WIDTH = 160;
const HEIGHT = 18;

/** How far an axis must reach for the intervals of these arms. */
export function span(arms) {
  const ends = arms.flatMap((arm) => [arm.low, arm.high, arm.effect]);
  const sizes = ends.filter((end) => end !== null && Number.isFinite(end)).map(Math.abs);
  return Math.max(...sizes, 1e-12) * 1.1;
}

/** An interval on an axis with zero in its middle. */
export function Interval({ low, high, effect, reach }) {
  if (low === null || high === null) return html`<span class="faint">not yet</span>`;
  const at = (value) => Math.max(1, Math.min(WIDTH - 1, WIDTH / 2 + (value / reach) * (WIDTH / 2)));
  const tone = low > 0 || high < 0 ? "sure" : "unsure";
  return html`<${Picture} kind=${`interval ${tone}`} label=${`${shown(low)} to ${shown(high)}`}>
    <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    <line class="zero" x1=${WIDTH / 2} x2=${WIDTH / 2} y1="1" y2=${HEIGHT - 1} />
    <line class="bar" x1=${at(low)} x2=${at(high)} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    ${effect !== null && html`<circle class="dot" cx=${at(effect)} cy=${HEIGHT / 2} r="3.5" />`}
  </${Picture}>`;
}

/**
 * A number as a bar from 0 to `reach`; mark: what it is compared with, low: the end of a whisker.
 */
export function Bar({ value, reach, mark, low, tone = "calm", label }) {
  if (value === null || value === undefined) return html`<span class="faint">not yet</span>`;
  const at = (number) => Math.max(0, Math.min(WIDTH, (number / (reach || 1)) * WIDTH));
  return html`<${Picture} kind=${`measure ${tone}`} label=${label}>
    <rect class="axis" x="0" y="4" width=${WIDTH} height="10" rx="2" />
    <rect class="bar" x="0" y="4" width=${at(value)} height="10" rx="2" />
    ${low !== undefined && low !== null && html`<line class="whisker" x1=${at(low)} x2=${at(value)} y1="9" y2="9" />`}
    ${mark !== undefined && mark !== null && html`<line class="mark" x1=${at(mark)} x2=${at(mark)} y1="1" y2="17" />`}
  </${Picture}>`;
}

function Picture({ kind, label, children }) {
  return html`<svg class=${kind} width=${WIDTH} height=${HEIGHT} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
    role="img" aria-label=${label}>${children}</svg>`;
}

const LONG = 720;
const HIGH = 120;

/**
 * Values over time as columns, or as a line from 0 to `reach`, with the table of them.
 * points: of {at, value}, the oldest first. text: how a value is written.
 */
export function Series({ caption, what, points, reach, columns, text = shown }) {
  const known = points.filter(({ value }) => value !== null && Number.isFinite(value));
  if (known.length === 0) return null;
  const most = reach || Math.max(...known.map(({ value }) => value), 1e-12);
  const [from, to] = [Date.parse(known[0].at), Date.parse(known.at(-1).at)];
  const width = LONG / Math.max(known.length, 2);
  const x = ({ at }) => (to === from ? 0 : ((Date.parse(at) - from) / (to - from)) * (LONG - width)) + width / 2;
  const y = ({ value }) => HIGH - (Math.max(0, Math.min(most, value)) / most) * (HIGH - 4);
  const last = known.at(-1);
  return html`<figure class="series">
    <figcaption>${caption}: ${text(last.value)} <span class="faint">of at most ${text(most)}</span></figcaption>
    <svg viewBox=${`0 0 ${LONG} ${HIGH}`} preserveAspectRatio="none" role="img"
      aria-label=${`${caption}, ${known.length} points, the last ${text(last.value)}`}>
      <line class="axis" x1="0" x2=${LONG} y1=${HIGH} y2=${HIGH} />
      ${columns
        ? known.map((one) => html`<rect class="column" x=${x(one) - width * 0.4} y=${y(one)} width=${width * 0.8} height=${HIGH - y(one)} />`)
        : html`<polyline class="line" points=${known.map((one) => `${x(one)},${y(one)}`).join(" ")} />`}
    </svg>
    <details><summary>As a table</summary>
      <${Table} caption=${caption} rows=${known} by=${({ at }) => at} heads=${[
        ["When", (one) => html`<${Moment} at=${one.at} plain />`],
        [what, (one) => text(one.value), "number"],
      ]} />
    </details>
  </figure>`;
}

/**
 * Counts over time as columns of several parts, with the table of them.
 * parts: of [field, name, tone], the lowest first. at: the field with the moment. more: further heads of the table.
 */
export function Stacked({ caption, parts, points, at, more = [] }) {
  const sum = (one) => parts.reduce((total, [name]) => total + one[name], 0);
  const most = Math.max(...points.map(sum));
  const width = LONG / Math.max(points.length, 1);
  const column = (one, n) => {
    let top = HIGH;
    return parts.filter(([name]) => one[name] > 0).map(([name, , tone]) => {
      const high = (one[name] / most) * (HIGH - 4);
      top -= high;
      return html`<rect class=${tone} x=${(n + 0.1) * width} y=${top} width=${0.8 * width} height=${high} />`;
    });
  };
  const total = (name) => points.reduce((all, one) => all + one[name], 0);
  const told = parts.map(([name, title]) => `${title} ${total(name)}`).join(", ");
  return html`<figure class="series stacked">
    <figcaption>${caption}: ${parts.map(([name, title, tone]) => html`<span class=${`key ${tone}`}>${title} ${whole(total(name))}</span> `)}
      <span class="faint">at most ${whole(most)} a day</span></figcaption>
    <svg viewBox=${`0 0 ${LONG} ${HIGH}`} preserveAspectRatio="none" role="img" aria-label=${`${caption}: ${told}`}
      data-points=${points.length}>
      <line class="axis" x1="0" x2=${LONG} y1=${HIGH} y2=${HIGH} />
      ${points.map(column)}
    </svg>
    <details><summary>As a table</summary>
      <${Table} caption=${caption} rows=${points} by=${(one) => one[at]} heads=${[
        ["When", (one) => html`<${Moment} at=${one[at]} plain />`],
        ...parts.map(([name, title]) => [title, (one) => whole(one[name]), "number"]),
        ...more,
      ]} />
    </details>
  </figure>`;
}
