/** Of each state a sign and a tone beside its word: colour alone tells nobody anything. */

import { html } from "../html.js";

const [BAD, WAIT, RUN, GOOD, CALM] = ["bad", "wait", "run", "good", "calm"];

const STATES = {
  // phases of commands
  PENDING_APPROVAL: ["◔", WAIT],
  PROPOSED: ["◔", WAIT],
  ISSUED: ["▸", RUN],
  ACKNOWLEDGED: ["▸", RUN],
  IN_PROGRESS: ["▸", RUN],
  RETRYING: ["↻", WAIT],
  COMPENSATING: ["↶", WAIT],
  COMPLETED: ["✓", GOOD],
  COMPENSATED: ["↶", CALM],
  FAILED: ["✕", BAD],
  REFUSED: ["✕", BAD],
  TIMED_OUT: ["✕", BAD],
  COMPENSATION_FAILED: ["✕", BAD],
  REJECTED: ["–", CALM],
  EXPIRED: ["–", CALM],
  CANCELLED: ["–", CALM],
  SUPERSEDED: ["–", CALM],
  STALE: ["–", CALM],
  // verdicts and findings
  HARM: ["▼", BAD],
  GAIN: ["▲", GOOD],
  SPLIT: ["⚠", BAD],
  DRIFT: ["▼", BAD],
  MIX_SHIFT: ["⚠", WAIT],
  IGNORED_SPEC: ["⚠", WAIT],
  UNSTABLE: ["⚠", WAIT],
  MISSING: ["?", WAIT],
  FAILURE: ["✕", BAD],
  ANOMALY: ["⚡", WAIT],
  REQUEST: ["☞", RUN],
  WAIT: ["…", CALM],
  OK: ["·", CALM],
  // outcomes of decisions
  AWAITING_APPROVAL: ["◔", WAIT],
  AWAITING_ADMISSION: ["◔", WAIT],
  OBSERVED: ["◌", CALM],
  HELD: ["‖", WAIT],
  // experiments
  RUNNING: ["▸", RUN],
  STOPPED: ["■", CALM],
  ENDED: ["■", CALM],
  // alerts and severities
  RAISED: ["●", BAD],
  RESOLVED: ["✓", GOOD],
  CRITICAL: ["●", BAD],
  HIGH: ["●", BAD],
  MEDIUM: ["◐", WAIT],
  LOW: ["○", CALM],
  INFO: ["○", CALM],
  // failure patterns and lessons
  EMERGING: ["◔", WAIT],
  CONFIRMED: ["●", RUN],
  DORMANT: ["◌", CALM],
  CANDIDATE: ["◔", WAIT],
  DROPPED: ["–", CALM],
  // agents
  DECLINING: ["▼", BAD],
  STABLE: ["▬", CALM],
  IMPROVING: ["▲", GOOD],
  DISABLED: ["✕", BAD],
  NORMAL: ["·", CALM],
  WEAK: ["▼", BAD],
  MODERATE: ["◐", WAIT],
  STRONG: ["▲", GOOD],
  VERY_STRONG: ["▲", GOOD],
  // unusual values
  SPIKE: ["▲", WAIT],
  DIP: ["▼", WAIT],
  LEVEL: ["⤒", WAIT],
  SPREAD: ["↕", WAIT],
  FLAT: ["▬", WAIT],
  SEASON: ["◷", WAIT],
  // autonomy, freezes, processors
  AUTO: ["▸", RUN],
  APPROVE: ["◔", WAIT],
  PROPOSE: ["☞", WAIT],
  OBSERVE: ["◌", CALM],
  FROZEN: ["❄", RUN],
  FREE: ["▸", CALM],
  SERVES: ["✓", GOOD],
  FRESH: ["✓", GOOD],
  LATE: ["✕", BAD],
};

export function State({ of, tone }) {
  const [sign, usual] = STATES[of] || ["·", CALM];
  return html`<span class="state ${tone || usual}"><span aria-hidden="true">${sign}</span> ${worded(of)}</span>`;
}

/** A word of the API as people write it. @param {string} word */
export function worded(word) {
  return String(word).toLowerCase().replaceAll("_", " ");
}
