/** What an effect looked like as units came: the running interval as a band, and its numbers. */

import { html } from "../../html.js";
import { address, segment } from "../../navigation.js";
import { Moment, Table, shown, useAnswer, whole } from "../../parts/basics.js";

const WIDTH = 640;
const HEIGHT = 180;
const PAGE = 500;

/** The chart of one arm. @param {{subject: string, experiment: string, metric: string, variant: string}} of */
export function Running({ subject, experiment, metric, variant }) {
  const arm = `metric=${segment(metric)}&variant=${segment(variant)}&limit=${PAGE}`;
  const path = `${address("/api/v1/experiments", subject, experiment)}/points?${arm}`;
  const { data } = useAnswer(path, ["experiments"]);
  const points = (data?.items ?? []).filter((point) => point.running_low !== null && point.running_high !== null);
  if (points.length < 2) return null;
  const id = `points-${metric}-${variant}`;
  const last = points[points.length - 1];
  return html`<figure class="running">
    <figcaption>${metric} of ${variant} over ${whole(units(last))} units</figcaption>
    <${Band} points=${points} details=${id} />
    <details id=${id}><summary>The numbers of the chart</summary>
      <${Table} caption=${`Points of ${metric} of ${variant}`} id=${`table-${id}`} rows=${points} by=${(point) => point.offset} heads=${[
        ["When", (point) => html`<${Moment} at=${point.at} />`],
        ["Units", (point) => whole(units(point)), "number"],
        ["Effect", (point) => shown(point.effect), "number"],
        ["Running interval", (point) => `${shown(point.running_low)} to ${shown(point.running_high)}`, "number"],
        ["log e of harm", (point) => shown(point.log_e_harm), "number"],
        ["log e of gain", (point) => shown(point.log_e_gain), "number"],
        ["Offset", (point) => point.offset, "number"],
      ]} />
    </details>
  </figure>`;
}

const units = (point) => point.count + point.control_count;

function Band({ points, details }) {
  const from = Math.log2(units(points[0]));
  const across = Math.log2(units(points[points.length - 1])) - from || 1;
  const ends = points.flatMap((point) => [point.running_low, point.running_high, point.effect ?? 0, 0]);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const x = (point) => ((Math.log2(units(point)) - from) / across) * WIDTH;
  const y = (value) => HEIGHT - ((value - least) / (most - least || 1)) * HEIGHT;
  const line = (name) => points.filter((point) => point[name] !== null).map((point) => `${x(point)},${y(point[name])}`).join(" ");
  const back = [...points].reverse().map((point) => `${x(point)},${y(point.running_low)}`).join(" ");
  const last = points[points.length - 1];
  const told = `The effect is between ${shown(last.running_low)} and ${shown(last.running_high)} after ${units(last)} units`;
  return html`<svg class="band" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${told} aria-details=${details}
      data-points=${points.length}>
    <polygon class="between" points=${`${line("running_high")} ${back}`} />
    <line class="zero" x1="0" x2=${WIDTH} y1=${y(0)} y2=${y(0)} />
    <polyline class="effect" points=${line("effect")} />
  </svg>`;
}
