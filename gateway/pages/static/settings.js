/** What a person chose of how pages look: time zone and theme, kept in this browser; the time zone also
 * stands in addresses, so that a link shows a colleague the same. */

const asked = new URLSearchParams(location.search).get("tz");
if (asked === "utc" || asked === "local") localStorage.setItem("tz", asked);

export const settings = {
  get zone() {
    return localStorage.getItem("tz") === "local" ? "local" : "utc";
  },
  set zone(value) {
    localStorage.setItem("tz", value);
  },
  get theme() {
    return localStorage.getItem("theme") || "auto";
  },
  set theme(value) {
    localStorage.setItem("theme", value);
    applyTheme();
  },
};

export function applyTheme() {
  const theme = settings.theme;
  if (theme === "auto") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.setAttribute("data-theme", theme);
}

const pad = (number, digits = 2) => String(number).padStart(digits, "0");

/** A moment in the zone that was chosen, always with the zone's name. @param {string} iso */
export function absolute(iso) {
  const at = new Date(iso);
  if (settings.zone === "utc") return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  const offset = -at.getTimezoneOffset();
  const sign = offset < 0 ? "-" : "+";
  const size = Math.abs(offset);
  return `${day} ${time} ${sign}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** How long ago, or in how long. @param {string} iso */
export function relative(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const size = Math.abs(seconds);
  const units = [
    [60, "s", 1],
    [3600, "min", 60],
    [86400, "h", 3600],
    [Infinity, "d", 86400],
  ];
  const [, unit, by] = units.find(([most]) => size < most);
  const told = `${Math.floor(size / by)} ${unit}`;
  return seconds < 0 ? `${told} ago` : `in ${told}`;
}
