/** The error that a promise rejects with. Fails when it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('value' in outcome) throw new Error(`expected a rejection, got ${JSON.stringify(outcome.value)}`);
  if (outcome.error instanceof Error) return outcome.error;
  throw new Error(`rejected with something that is no Error: ${String(outcome.error)}`);
}
