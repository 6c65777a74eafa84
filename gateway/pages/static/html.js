/** Templates without a build step: htm bound to Preact. Names from producers are text nodes alone. */

import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
