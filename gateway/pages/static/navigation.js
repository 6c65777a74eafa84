/** Goes to addresses of these pages without loading them anew: what a page shows stands in its address. */

/** @param {string} to */
export function go(to, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", to);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Changes one part of the query in the address. @param {string} name @param {string} value */
export function change(name, value) {
  const query = new URLSearchParams(location.search);
  if (value) query.set(name, value);
  else query.delete(name);
  const text = query.toString();
  go(text ? `${location.pathname}?${text}` : location.pathname);
}

/** A name as one part of a path. @param {string} part */
export function segment(part) {
  return encodeURIComponent(part);
}

/** The address of a page of the API or of these, whose parts are names. */
export function address(path, ...parts) {
  return [path, ...parts.map(segment)].join("/");
}
