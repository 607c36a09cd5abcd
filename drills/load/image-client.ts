import { z } from 'zod';
import { parseJson } from '../../runtime/json.ts';
import { pause } from '../../runtime/retry.ts';
import type { ChangeOutcome, History, ShortenOutcome } from '../history/history.ts';
import type { Balancer, BalancedResult } from './balancer.ts';
import { numberOfPicture, pictureOf } from './pictures.ts';

export interface ImageClientOptions {
  readonly balancer: Balancer;
  readonly history: Pick<History, 'nowMs' | 'append'>;
  /** From it and a number each picture is made, so that two drills never share one. */
  readonly runId: string;
  /** An API key with the scope `links:write`. */
  readonly apiKey: string;
}

/** An image that was acknowledged. */
export interface AckedImage {
  readonly n: number;
  readonly key: string;
  readonly deleteToken: string;
}

const POST_TIMEOUT_MS = 20_000;
const TIMEOUT_MS = 10_000;
/** A mapper with a backlog answers 503 and is asked again for this long. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 250;
const MS = 1_000;
/** Statuses that say that nothing has changed. A 503 does not say so. */
const REFUSED: readonly number[] = [401, 403, 404, 405, 422];

const Made = z.object({ unique_id: z.string(), delete_token: z.string() });
const Problem = z.object({ detail: z.string() });

/** The requests of clients with images. Each is written into the history. */
export class ImageClient {
  readonly #options: ImageClientOptions;
  #posted = 0;

  constructor(options: ImageClientOptions) {
    this.#options = options;
  }

  /** Posts the next picture. Undefined when that was not acknowledged. */
  async post(): Promise<AckedImage | undefined> {
    const { balancer, history, runId, apiKey } = this.#options;
    const n = this.#posted++;
    const at = history.nowMs;
    const result = await balancer.send({
      method: 'POST',
      path: '/images',
      headers: { 'content-type': 'image/png', authorization: `Bearer ${apiKey}` },
      bytes: pictureOf(runId, n),
      timeoutMs: POST_TIMEOUT_MS,
    });
    const { outcome, image } = judgePost(result);
    history.append({
      op: 'image-post',
      at,
      ms: history.nowMs - at,
      n,
      outcome,
      ...(image !== undefined && { key: image.key }),
      ...traceOf(result),
      ...(outcome === 'refused' && { retryAfter: hasRetryAfter(result) }),
    });
    return image && { n, ...image };
  }

  /** Looks at an image through one mapper. False: the mapper takes no connection; nothing is written down. */
  async view({ key }: AckedImage, mapper: string): Promise<boolean> {
    const { history } = this.#options;
    const at = history.nowMs;
    const saw = await this.#look(key, mapper);
    if (saw === undefined) return false;
    history.append({ op: 'image-view', at, ms: history.nowMs - at, key, saw, via: mapper });
    return true;
  }

  /** Looks after all faults: again and again, until the mapper shows the image or says that there is none. */
  async viewAtLast({ key }: AckedImage, mapper: string): Promise<void> {
    const { history } = this.#options;
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = history.nowMs;
      const saw = (await this.#look(key, mapper)) ?? 'nothing';
      const isOver = (saw !== 'refused' && saw !== 'nothing') || performance.now() > deadline;
      if (isOver)
        history.append({ op: 'image-view', at, ms: history.nowMs - at, key, saw, via: mapper, isLast: true });
      if (isOver) return;
      await pause(PAUSE_MS);
    }
  }

  /** Deletes an image by its token. */
  async delete({ key, deleteToken }: AckedImage): Promise<ChangeOutcome> {
    const { balancer, history } = this.#options;
    const at = history.nowMs;
    const result = await balancer.send({
      method: 'DELETE',
      path: `/images/${key}`,
      headers: { 'x-delete-token': deleteToken },
      timeoutMs: POST_TIMEOUT_MS,
    });
    const outcome = outcomeOf(result);
    const lagMs = result.kind === 'answer' ? Number(result.headers['x-others-may-lag'] ?? 0) * MS : 0;
    history.append({
      op: 'image-delete',
      at,
      ms: history.nowMs - at,
      key,
      outcome,
      ...traceOf(result),
      ...(lagMs > 0 && { lagMs }),
    });
    return outcome;
  }

  get mappers(): string[] {
    return this.#options.balancer.backends.map(({ id }) => id);
  }

  /** Undefined: the mapper takes no connection. */
  async #look(key: string, mapper: string): Promise<number | string | undefined> {
    const { balancer } = this.#options;
    const path = `/images/${key}`;
    const result = await balancer.sendTo(mapper, { path, encoding: 'latin1', timeoutMs: TIMEOUT_MS });
    return result.kind === 'refused' ? undefined : this.#seen(result);
  }

  #seen(result: BalancedResult): number | string {
    if (result.kind !== 'answer') return 'nothing';
    if (result.status === 503) return 'refused';
    if (result.status === 410) return 'deleted';
    if (result.status !== 200) return String(result.status);
    const bytes = Buffer.from(result.body, 'latin1');
    return numberOfPicture(this.#options.runId, bytes) ?? 'other bytes';
  }
}

/** What a client may conclude from the answer to a picture that it has posted. */
export function judgePost(result: BalancedResult): {
  outcome: ShortenOutcome;
  image?: { key: string; deleteToken: string };
} {
  if (result.kind === 'timeout') return { outcome: 'unknown' };
  if (result.kind !== 'answer') return { outcome: 'failed' };
  if (result.status === 503) return { outcome: 'refused' };
  const made = result.status === 201 ? Made.safeParse(parseJson(result.body)).data : undefined;
  if (made === undefined) return { outcome: 'failed' };
  return { outcome: 'acked', image: { key: made.unique_id, deleteToken: made.delete_token } };
}

function outcomeOf(result: BalancedResult): ChangeOutcome {
  if (result.kind === 'refused') return 'refused';
  if (result.kind !== 'answer') return 'unknown';
  if (result.status >= 200 && result.status < 300) return 'acked';
  return REFUSED.includes(result.status) ? 'refused' : 'unknown';
}

function traceOf(result: BalancedResult): { via: string; status?: number; reason?: string } {
  const { via } = result;
  if (result.kind === 'timeout') return { via, reason: 'timeout' };
  if (result.kind !== 'answer') return { via, reason: result.reason };
  const reason = Problem.safeParse(parseJson(result.body)).data?.detail;
  return { via, status: result.status, ...(reason !== undefined && { reason }) };
}

function hasRetryAfter(result: BalancedResult): boolean {
  return result.kind === 'answer' && result.headers['retry-after'] !== undefined;
}
