/** The error that a promise rejects with. Undefined when it does not reject. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** The error with which a promise is rejected without waiting for anything; undefined if it is not yet. */
export async function errorOfThisTurn(call: Promise<unknown>): Promise<unknown> {
  let error: unknown;
  call.catch((reason: unknown) => (error = reason));
  await new Promise((resolve) => setImmediate(resolve));
  return error;
}
