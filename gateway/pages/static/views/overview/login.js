/** Where a token becomes a cookie that no script reads. */

import { useState } from "preact/hooks";
import { ask } from "../../api.js";
import { html } from "../../html.js";

export function Login({ done }) {
  const [problem, setProblem] = useState(null);
  const enter = async (event) => {
    event.preventDefault();
    const token = event.target.token.value.trim();
    try {
      await ask("/api/v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
      setProblem(null);
      await done();
    } catch (error) {
      setProblem(error);
    }
  };
  return html`<main class="login">
    <h1>Mendstream</h1>
    <form onSubmit=${enter}>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" required autofocus />
      <button class="main">Log in</button>
    </form>
    <p class="faint">A token of your identity provider. It is kept in a cookie that no script reads, for
      as long as it holds.</p>
    ${problem && html`<p class="notice failed" role="alert">${problem.message} ${problem.remedy}</p>`}
  </main>`;
}
