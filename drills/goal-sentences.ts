import { QUICK_MS, type Goals } from './check/goals.ts';

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;
const ms = (time: number): string => `${time.toLocaleString('en-US')} ms`;

/** One entry per goal, so that a new goal does not compile without its sentence. */
const SENTENCES: Readonly<Record<keyof Goals, (bound: number, goals: Goals) => string>> = {
  failedShortens: (count) => (count === 0 ? 'no shorten fails' : `at most ${count} shortens fail`),
  failedRedirects: (count) => (count === 0 ? 'no redirect fails' : `at most ${count} redirects fail`),
  unownedP50Ms: (time) => `unowned p50 ≤ ${ms(time)}`,
  unownedMaxMs: (time) => (time === 0 ? 'no shard is unowned' : `unowned max ≤ ${ms(time)}`),
  deadMaxMs: (time) => `fault to next holder ≤ ${ms(time)}`,
  unavailableMs: (time) => `acknowledgements pause for at most ${ms(time)}`,
  ackedShare: (share, { graceMs = 1_000 }) =>
    `≥ ${percent(share)} of shortens acknowledged ` +
    (graceMs === 0 ? 'during the fault' : `after the first ${ms(graceMs)} of the fault`),
  decay: (share) =>
    `the share of acknowledged shortens falls by at most ${percent(share)} from the first 15 s to the last 15 s`,
  redirectShare: (share) =>
    share === 1
      ? 'every redirect succeeds during the fault'
      : `≥ ${percent(share)} of redirects succeed during the fault`,
  graceMs: (time) =>
    time === 0
      ? 'shares and refusals are counted from the first moment of the fault'
      : `shares and refusals are counted from ${ms(time)} after the fault began`,
  refusedP99Ms: (time) => `shortens are refused with Retry-After, p99 ≤ ${ms(time)}`,
  refusedMaxMs: (time) => `no shorten is refused after more than ${ms(time)}`,
  backWithinMs: (time) => `every shorten is acknowledged again ≤ ${ms(time)} after healing`,
  redirectRefusedMs: (time) =>
    `redirects of slots that are down are refused in < ${ms(time)}; redirects of other slots, and those answered before, succeed`,
  redirectsSlowedBy: (factor) => `p99 of redirects ≤ ${factor} × that without a fault, or < ${ms(QUICK_MS)}`,
  imageRefusedMaxMs: (time) => `requests for images are refused after at most ${ms(time)}, and some are`,
  imagesBackWithinMs: (time) => `none is refused later than ${ms(time)} after healing`,
  strandedBounded: () => 'the killed mapper strands at most its reserve and the keys in flight',
};

/** What a drill with these goals must show, each goal as a short sentence. */
export function goalSentences(goals: Goals): string[] {
  return (Object.keys(SENTENCES) as (keyof Goals)[])
    .filter((name) => goals[name] !== undefined)
    .map((name) => SENTENCES[name](Number(goals[name]), goals));
}
