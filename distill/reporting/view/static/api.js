// Asks the server that the page came from.

export class Refusal extends Error {}

export async function ask(question, parameters = new URLSearchParams(), signal = undefined) {
  const answer = await fetch(`api/${question}?${parameters}`, { signal });
  const data = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Refusal(data.error ?? `the server answered ${answer.status}`);
  return data;
}

// A question of which only the newest answer counts: asking again drops the one before.
export function latest(question) {
  let before = null;
  return async (parameters) => {
    before?.abort();
    before = new AbortController();
    try {
      return await ask(question, parameters, before.signal);
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    }
  };
}
