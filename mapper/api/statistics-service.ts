import type { OwnLink } from '../../db/own-links/own-link.ts';
import type { Identity } from '../auth/identities.ts';
import { invalidFields, Problem } from '../http/problem.ts';
import type { OwnLinks } from '../links/own-links.ts';
import { NoTurnError, Turns } from '../links/turns.ts';
import { BY, resolveQuestion, TOO_MANY_ITEMS, type By, type Question } from '../statistics/question.ts';
import type { Asking, ChartsQuestion, ClickStatistics, Statistics } from '../statistics/statistics.ts';
import { ask, requireKey, unknownLink } from './link-problems.ts';
import { callerOf } from './link-service.ts';
import {
  toBody,
  toCharts,
  toMostFollowed,
  type ChartsBody,
  type OverviewChartsBody,
  type StatisticsBody,
} from './statistics-answers.ts';
import type { ChartsQuery, StatisticsQuery } from './statistics-fields.ts';

export interface StatisticsServiceOptions {
  readonly own: Pick<OwnLinks, 'find'>;
  readonly statistics: Statistics;
  /** Origin of short URLs, without a slash at the end. */
  readonly publicUrl: string;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

const VALUES = BY.filter((by): by is Exclude<By, 'time'> => by !== 'time');

/**
 * Enough for all charts of a page. Each may keep a urls server busy for some seconds, so an owner gets few
 * answers at a time: another one must not wait for all of his.
 */
const TURNS = { maxWaiting: 100, maxOfKey: 20, atOnce: 3, waitMs: 8_000 };

/** Answers questions about clicks. Every method throws Problem 422 for a question without sense, and 503. */
export class StatisticsService {
  readonly #options: StatisticsServiceOptions;
  readonly #turns = new Turns(TURNS);

  constructor(options: StatisticsServiceOptions) {
    this.#options = options;
  }

  /** @throws Problem 404 for a link that does not exist or is another's */
  async ofLink(identity: Identity, key: string, query: StatisticsQuery): Promise<StatisticsBody> {
    const { statistics } = this.#options;
    requireKey(key);
    const question = this.#resolve(query);
    const answer = await this.#askOfLink(identity, key, async (link) => statistics.ofLink(link, question));
    return toBody(question, answer);
  }

  /** All own links together. */
  async ofOwner(
    identity: Identity,
    query: StatisticsQuery,
  ): Promise<StatisticsBody & { most_followed: ReturnType<typeof toMostFollowed> }> {
    const { statistics, publicUrl } = this.#options;
    const question = this.#resolve(query);
    const answer = await this.#ask(identity, async () => statistics.ofOwner(identity.userId, question));
    return {
      ...toBody(question, answer),
      most_followed: toMostFollowed(answer.mostFollowed, publicUrl),
    };
  }

  /** All charts of the page of a link. @throws Problem 404, as {@link ofLink} */
  async chartsOfLink(identity: Identity, key: string, query: ChartsQuery): Promise<ChartsBody> {
    const { statistics } = this.#options;
    requireKey(key);
    const question = this.#resolveCharts(query);
    const answer = await this.#askOfLink(identity, key, async (link) =>
      statistics.chartsOfLink(link, question),
    );
    return toCharts(question, answer);
  }

  /** All charts of all own links together. */
  async chartsOfOwner(identity: Identity, query: ChartsQuery): Promise<OverviewChartsBody> {
    const { statistics, publicUrl } = this.#options;
    const question = this.#resolveCharts(query);
    const answer = await this.#ask(identity, async () => statistics.chartsOfOwner(identity.userId, question));
    return {
      ...toCharts(question, answer),
      most_followed: toMostFollowed(answer.mostFollowed, publicUrl),
    };
  }

  #resolveCharts({ only, ...query }: ChartsQuery): ChartsQuestion {
    const dimensions = only === undefined ? VALUES : [only];
    const [first] = dimensions;
    return {
      time: this.#resolve({ ...query, by: 'time' }),
      // The period is the same for all values.
      values: this.#resolve({ ...query, by: first ?? 'time' }),
      dimensions,
    };
  }

  #resolve(query: StatisticsQuery): Question {
    const resolved = resolveQuestion(query, this.#options.nowMs());
    if ('error' in resolved) throw invalidFields([resolved.error]);
    return resolved.question;
  }

  async #askOfLink<T extends ClickStatistics>(
    identity: Identity,
    key: string,
    work: (link: OwnLink) => Promise<Asking<T>>,
  ): Promise<T> {
    return this.#ask(identity, async () => {
      const link = await this.#options.own.find(callerOf(identity), key);
      if (link === undefined) throw unknownLink();
      return work(link);
    });
  }

  async #ask<T extends ClickStatistics>({ userId }: Identity, work: () => Promise<Asking<T>>): Promise<T> {
    try {
      const answer = await this.#turns.take(String(userId), async () => ask(work));
      if ('tooMany' in answer) throw invalidFields([{ field: 'unit', reason: TOO_MANY_ITEMS }]);
      return answer;
    } catch (error) {
      if (!(error instanceof NoTurnError)) throw error;
      throw new Problem('overloaded', { detail: `Your other questions come first: ${error.message}.` });
    }
  }
}
