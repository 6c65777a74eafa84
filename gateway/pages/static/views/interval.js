/** An interval on an axis with zero in its middle; its numbers stand beside it in the table. */

import { html } from "../html.js";
import { shown } from "../parts.js";

const WIDTH = 160;
const HEIGHT = 18;

/** How far an axis must reach for the intervals of these arms. */
export function span(arms) {
  const ends = arms.flatMap((arm) => [arm.low, arm.high, arm.effect]);
  const sizes = ends.filter((end) => end !== null && Number.isFinite(end)).map(Math.abs);
  return Math.max(...sizes, 1e-12) * 1.1;
}

export function Interval({ low, high, effect, reach }) {
  if (low === null || high === null) return html`<span class="faint">not yet</span>`;
  const at = (value) => Math.max(1, Math.min(WIDTH - 1, WIDTH / 2 + (value / reach) * (WIDTH / 2)));
  const tone = low > 0 || high < 0 ? "sure" : "unsure";
  return html`<svg class=${`interval ${tone}`} width=${WIDTH} height=${HEIGHT} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
      role="img" aria-label=${`${shown(low)} to ${shown(high)}`}>
    <line class="axis" x1="0" x2=${WIDTH} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    <line class="zero" x1=${WIDTH / 2} x2=${WIDTH / 2} y1="1" y2=${HEIGHT - 1} />
    <line class="bar" x1=${at(low)} x2=${at(high)} y1=${HEIGHT / 2} y2=${HEIGHT / 2} />
    ${effect !== null && html`<circle class="dot" cx=${at(effect)} cy=${HEIGHT / 2} r="3.5" />`}
  </svg>`;
}
