/** Asks the API, and follows what changes. The pages know nothing that it does not say. */

const AT_LEAST = "Mendstream-At-Least";
const POLL_MS = 5_000;
const STALE_MS = 15_000;
// A socket may say ten things in a second; pages share subscriptions and keep them for a while.
const SPEAK_MAX = 8;
const SPEAK_MS = 1_200;
const LINGER_MS = 5_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** The highest position seen of each topic: no page goes back in time, whichever replica answers. */
const seen = new Map();

/** An answer that is an error, as the gateway tells it. */
export class Problem extends Error {
  /** @param {number} status @param {any} told */
  constructor(status, told) {
    super(told.detail || "The gateway does not answer.");
    this.status = status;
    this.reason = told.reason || "UNREACHABLE";
    this.remedy = told.remedy || "";
  }
}

/**
 * @param {string} path
 * @param {{method?: string, body?: any, headers?: Record<string, string>, signal?: AbortSignal}} [how]
 * @returns {Promise<any>}
 */
export async function ask(path, how = {}) {
  const { method = "GET", body, headers = {}, signal } = how;
  const given = { Accept: "application/json", ...headers };
  if (method === "GET" && seen.size) given[AT_LEAST] = [...seen.values()].join(",");
  if (body !== undefined) given["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: given,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 422 && told.reason === "BAD_POSITION" && seen.size) {
    seen.clear(); // of topics that were made anew
    return ask(path, how);
  }
  if (!answer.ok) throw new Problem(answer.status, told);
  if (method === "GET" && told.position) note(told.position);
  return told;
}

/** @param {string} position */
function note(position) {
  for (const piece of position.split(",")) {
    const at = piece.indexOf("@");
    if (at > 0) seen.set(piece.slice(0, at), piece);
  }
}

/**
 * One socket for all pages. `status`: "live", "polling" (the socket is away, answers are fetched) or
 * "offline" (nothing answers).
 */
class Live {
  constructor() {
    this.status = "polling";
    this.asOf = null;
    /** Who is told of a view; of each view there is one subscription. @type {Map<string, Set<(update: any) => void>>} */
    this.followed = new Map();
    /** When messages were sent lately. @type {number[]} */
    this.sent = [];
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    this.tries = 0;
    this.socket = null;
    setInterval(() => this.poll(), POLL_MS);
  }

  /** Whether what is shown may be older than it should be. */
  get stale() {
    return this.status === "offline" || (this.asOf !== null && Date.now() - this.asOf > STALE_MS);
  }

  open() {
    if (this.socket) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`, ["mendstream.v1"]);
    this.socket = socket;
    socket.onopen = () => {
      this.tries = 0;
      this.become("live");
      for (const view of this.followed.keys()) this.say("subscribe", view);
      this.refresh();
    };
    socket.onmessage = (event) => this.heard(JSON.parse(event.data));
    socket.onclose = (event) => {
      this.socket = null;
      if (this.status === "live") this.become("polling");
      if (event.code === 4401) return;
      const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
      setTimeout(() => this.open(), wait * (0.5 + Math.random()));
    };
  }

  /** @param {any} told */
  heard(told) {
    if (told.type === "update") for (const one of this.followed.get(told.id) || []) one(told);
    if (told.type === "resync") this.refresh();
    if (told.type === "lag") this.standing(told.as_of);
  }

  /** Takes note of how far an answer was. @param {string | null} asOf */
  standing(asOf) {
    this.asOf = asOf === null ? null : Date.parse(asOf);
    if (this.status === "offline") this.become(this.socket?.readyState === 1 ? "live" : "polling");
    this.tell();
  }

  lost() {
    this.become("offline");
  }

  /** @param {string} status */
  become(status) {
    this.status = status;
    this.tell();
  }

  tell() {
    for (const watcher of this.watchers) watcher();
  }

  refresh() {
    const all = new Set([...this.followed.values()].flatMap((told) => [...told]));
    for (const told of all) told(null);
  }

  poll() {
    if (this.status !== "live" && document.visibilityState === "visible") this.refresh();
    this.tell();
  }

  /**
   * Subscribes to a view, or no longer; later where that would be more than a socket may say.
   * @param {"subscribe" | "unsubscribe"} type @param {string} view
   */
  say(type, view) {
    const socket = this.socket;
    if (socket?.readyState !== 1) return; // all are subscribed to once it is open
    const now = Date.now();
    this.sent = this.sent.filter((at) => now - at < SPEAK_MS);
    if (this.sent.length >= SPEAK_MAX) {
      setTimeout(() => socket === this.socket && this.say(type, view), SPEAK_MS - (now - this.sent[0]));
      return;
    }
    this.sent.push(now);
    socket.send(JSON.stringify(type === "subscribe" ? { type, id: view, view } : { type, id: view }));
  }

  /**
   * Calls `told` with each update of a view, and with null where everything is to be fetched anew.
   * @param {string[]} views @param {(update: any) => void} told
   * @returns {() => void} what ends it
   */
  follow(views, told) {
    for (const view of views) {
      const known = this.followed.get(view);
      if (known) known.add(told);
      else {
        this.followed.set(view, new Set([told]));
        this.say("subscribe", view);
      }
    }
    return () => {
      for (const view of views) this.followed.get(view)?.delete(told);
      setTimeout(() => views.forEach((view) => this.leave(view)), LINGER_MS);
    };
  }

  /** Ends a subscription that nobody needs, as the next page may have. @param {string} view */
  leave(view) {
    if (this.followed.get(view)?.size !== 0) return;
    this.followed.delete(view);
    this.say("unsubscribe", view);
  }
}

export const live = new Live();
