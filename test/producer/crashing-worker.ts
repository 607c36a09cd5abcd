/**
 * A worker that dies before it is ready, or (with CRASH_AFTER_READY) right after: for the supervisor's tests.
 */
process.on('message', () => {
  if (process.env['CRASH_AFTER_READY'] === '1') process.send?.({ kind: 'ready' });
  setImmediate(() => process.exit(3));
});
