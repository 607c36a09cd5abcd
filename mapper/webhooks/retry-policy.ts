/** How long a delivery is tried again by default: a day. */
const DAY_MS = 86_400_000;
/** Pauses before the next attempts, where a delivery is tried again for a day. */
const PAUSES_OF_A_DAY_MS = [
  5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 14_400_000,
];
/** All later pauses. */
const LAST_PAUSE_OF_A_DAY_MS = 21_600_000;
/** A pause varies by a fifth, so that the deliveries of an hour without receiver do not come all at once. */
const SPREAD = 0.2;
/**
 * An event waits for its first attempt, so its webhook has failed for less than the time of its retries: by
 * this share of it, or by these ms.
 */
const FIRST_ATTEMPT = { share: 0.1, ms: 5_000 };

export interface FailedAttempt {
  /** How many attempts have failed, this one included. */
  readonly attempts: number;
  /** Since the event, in ms. */
  readonly ageMs: number;
  /** How long deliveries are tried again, in ms. The pauses are shares of it. */
  readonly retryMs: number;
  /** In [0, 1). */
  readonly random: number;
}

/**
 * The pause before the next attempt, in ms; undefined: the delivery is given up. Pauses grow, and the last
 * attempt is when the time is over. Pure.
 */
export function pauseAfter({ attempts, ageMs, retryMs, random }: FailedAttempt): number | undefined {
  const leftMs = retryMs - ageMs;
  if (leftMs <= 0) return undefined;
  const ofDay = PAUSES_OF_A_DAY_MS[attempts - 1] ?? LAST_PAUSE_OF_A_DAY_MS;
  const pauseMs = ofDay * (retryMs / DAY_MS) * (1 - SPREAD + 2 * SPREAD * random);
  return Math.min(leftMs, pauseMs);
}

/**
 * Since when a webhook must have failed without a success to be switched off, when one of its deliveries is
 * given up. Pure.
 */
export function switchedOffIfFailingSince(nowMs: number, retryMs: number): Date {
  return new Date(nowMs - retryMs + Math.max(FIRST_ATTEMPT.share * retryMs, FIRST_ATTEMPT.ms));
}
