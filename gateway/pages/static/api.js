/** Asks the API, and follows what changes. The pages know nothing that it does not say. */

const AT_LEAST = "Mendstream-At-Least";
const POLL_MS = 5_000;
const STALE_MS = 15_000;
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
    /** @type {Map<string, {view: string, told: (update: any) => void}>} */
    this.followed = new Map();
    /** @type {Set<() => void>} */
    this.watchers = new Set();
    this.tries = 0;
    this.number = 0;
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
      for (const [id, one] of this.followed) this.subscribe(id, one.view);
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
    if (told.type === "update") this.followed.get(told.id)?.told(told);
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
    for (const one of this.followed.values()) one.told(null);
  }

  poll() {
    if (this.status !== "live" && document.visibilityState === "visible") this.refresh();
    this.tell();
  }

  /** @param {string} id @param {string} view */
  subscribe(id, view) {
    if (this.socket?.readyState === 1) {
      this.socket.send(JSON.stringify({ type: "subscribe", id, view }));
    }
  }

  /**
   * Calls `told` with each update of a view, and with null where everything is to be fetched anew.
   * @param {string[]} views @param {(update: any) => void} told
   * @returns {() => void} what ends it
   */
  follow(views, told) {
    const ids = views.map((view) => {
      const id = `${view}-${this.number++}`;
      this.followed.set(id, { view, told });
      this.subscribe(id, view);
      return id;
    });
    return () => {
      for (const id of ids) {
        this.followed.delete(id);
        if (this.socket?.readyState === 1) {
          this.socket.send(JSON.stringify({ type: "unsubscribe", id }));
        }
      }
    };
  }
}

export const live = new Live();
