import { findStoredKey } from '../../db/keyspace/foreign-code.ts';
import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { Log } from '../../runtime/log.ts';
import type { Identity } from '../auth/identities.ts';
import { invalidFields, Problem, problemOf, type FieldError, type ProblemBody } from '../http/problem.ts';
import type { EachResult } from '../links/change-each.ts';
import type { IdentifyCaller } from '../links/access.ts';
import type { LinkPatch } from '../links/judge-change.ts';
import type { Announced, ChangeResult, OwnLinks } from '../links/own-links.ts';
import { LinkAnswers, type AnsweredLink } from './link-answers.ts';
import type { GivenPatch } from './link-patch.ts';
import { lagOf, settle, unknownLink } from './link-problems.ts';
import { callerOf } from './link-service.ts';

/** The most links that one request changes. */
export const MAX_CHANGES = 1_000;

export interface BulkChangesOptions {
  readonly own: OwnLinks;
  /** Checks what is left to check of a change. @throws Problem 422, 503 */
  readonly prepare: (patch: GivenPatch, ownerId: bigint) => Promise<LinkPatch>;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  readonly log: Log;
}

/** What became of one link of a request. */
export interface ChangedItem {
  readonly index: number;
  readonly unique_id: string;
  readonly status: number;
  readonly link?: AnsweredLink['body'];
  readonly problem?: ProblemBody;
  readonly warnings?: FieldError[];
}

/** Who asks for changes, asked again before each of them. @throws Problem 401, 403, 503 */
type Identify = () => Promise<Identity>;

type Settled =
  { readonly link: OwnLink; readonly announced: Announced | undefined } | { readonly problem: Problem };

/** Changes and deletes many links for one request. What happens to one does not matter to another. */
export class BulkChanges {
  readonly #options: BulkChangesOptions;
  readonly #answers: LinkAnswers;

  constructor(options: BulkChangesOptions) {
    this.#options = options;
    this.#answers = new LinkAnswers(options.own, options.publicUrl);
  }

  /** Makes the same change to links. @throws Problem 422 for a change that no link can have */
  async change(identify: Identify, keys: readonly string[], patch: GivenPatch): Promise<ChangedItem[]> {
    const prepared = await this.#prepare(patch, (await identify()).userId);
    const settled = await this.#each(keys, async (known) =>
      this.#options.own.changeAll(asCaller(identify), known, prepared),
    );
    const changed = settled.flatMap((one) => ('link' in one ? [one] : []));
    const bodies = await this.#answers.manyChanged(changed).catch(problemOf);
    let next = 0;
    return settled.map((one, index) => {
      const about = { index, unique_id: keys[index] ?? '' };
      if ('problem' in one) return { ...about, ...toFields(one.problem) };
      if (bodies instanceof Problem) return { ...about, ...toFields(bodies) };
      return { ...about, status: 200, link: bodies[next++] as AnsweredLink['body'] };
    });
  }

  async remove(identify: Identify, keys: readonly string[]): Promise<ChangedItem[]> {
    const settled = await this.#each(keys, async (known) =>
      this.#options.own.removeAll(asCaller(identify), known),
    );
    return settled.map((one, index) => {
      const about = { index, unique_id: keys[index] ?? '' };
      if ('problem' in one) return { ...about, ...toFields(one.problem) };
      const lag = lagOf(one.announced);
      return { ...about, status: 204, ...(lag !== undefined && { warnings: [lag] }) };
    });
  }

  async #prepare(patch: GivenPatch, ownerId: bigint): Promise<LinkPatch> {
    try {
      return await this.#options.prepare(patch, ownerId);
    } catch (error) {
      if (!(error instanceof Problem) || error.errors === undefined) throw error;
      throw invalidFields(error.errors.map(({ field, reason }) => ({ field: `set.${field}`, reason })));
    }
  }

  /** Leaves out texts that can be no key. */
  async #each(
    keys: readonly string[],
    work: (keys: readonly string[]) => Promise<EachResult<ChangeResult>[]>,
  ): Promise<Settled[]> {
    const stored = keys.map(findStoredKey);
    const known = stored.filter((key) => key !== undefined);
    const results = (await work(known)).values();
    return Promise.all(
      stored.map(async (key) => {
        if (key === undefined) return { problem: unknownLink() };
        return this.#settle(results.next().value as EachResult<ChangeResult>, key);
      }),
    );
  }

  async #settle(each: EachResult<ChangeResult>, key: string): Promise<Settled> {
    try {
      return await settle(async () => {
        if ('error' in each) throw each.error;
        return each.result;
      });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status === 500) this.#options.log.error({ error, key }, 'a change of many links failed');
      return { problem };
    }
  }
}

function asCaller(identify: Identify): IdentifyCaller {
  return async () => callerOf(await identify());
}

function toFields(problem: Problem): Pick<ChangedItem, 'status' | 'problem'> {
  return { status: problem.status, problem: problem.toJSON() };
}
