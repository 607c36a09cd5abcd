/** A worker for the supervisor's tests: dies before it is ready or, with CRASH_AFTER_READY, right after. */
process.on('message', () => {
  if (process.env['CRASH_AFTER_READY'] === '1') process.send?.({ kind: 'ready' });
  setImmediate(() => process.exit(3));
});
