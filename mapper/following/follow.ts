import { UnknownRulesError } from '../../db/urls/link-rules.ts';
import { Problem } from '../http/problem.ts';
import { prepareFor, wantsPage } from '../http/problem-page.ts';
import type { Refusals } from '../redirect/refusals.ts';
import type { VisitAnswer, Visits } from '../redirect/visit.ts';
import type { GatedVisit, Gates } from './gates.ts';
import { judgeVisit, type Outcome, type Verdict } from './judge-visit.ts';
import { previewAnswer } from './preview.ts';
import { redirectAnswer, silentAnswer, varyOf } from './visit-answer.ts';
import { visitorOf, type FindCountry } from './visitor.ts';

export interface FollowOptions {
  readonly refusals: Refusals;
  /** Undefined: links with a password or a number of visits are refused, as links with unknown rules are. */
  readonly gates?: Gates | undefined;
  readonly findCountry: FindCountry;
  /** The header in which proxies say the country of a visitor, as it is written in `Vary`. */
  readonly countryHeader: string | undefined;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** The longest `Location` with a forwarded query. */
  readonly maxLocationBytes: number;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** Follows links with rules, and shows previews: asks the policy, then the gates, then answers. */
export class Follow implements Visits {
  readonly #options: FollowOptions;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  answer(visit: GatedVisit): VisitAnswer | Promise<VisitAnswer> {
    const { findCountry, nowMs, maxLocationBytes } = this.#options;
    const visitor = visitorOf(visit.request, visit.isPreview, findCountry);
    const verdict = judgeVisit(visit.link, visitor, { nowMs: nowMs(), maxLocationBytes });
    const { passwordHash, takesVisit } = verdict;
    if (passwordHash === undefined && !takesVisit) return this.#answerFor(visit, verdict);
    return this.#passGates(visit, verdict);
  }

  async #passGates(visit: GatedVisit, verdict: Verdict): Promise<VisitAnswer> {
    const { gates } = this.#options;
    if (gates === undefined) throw new UnknownRulesError(visit.key);
    const { passwordHash, takesVisit, outcome } = verdict;
    const refused = passwordHash && (await gates.checkPassword(visit, passwordHash));
    if (refused !== undefined && refused !== '') return refused;
    // Only a redirect uses up a visit, and nothing can fail behind it.
    const used = takesVisit && outcome.kind === 'redirect' ? await gates.takeVisit(visit) : undefined;
    return used ?? this.#answerFor(visit, verdict);
  }

  #answerFor(visit: GatedVisit, { outcome, isExpired }: Verdict): VisitAnswer {
    const { refusals, countryHeader } = this.#options;
    const { link, request } = visit;
    const { rules = {} } = link;
    switch (outcome.kind) {
      case 'refused':
        return { result: outcome.why, answer: refusals.of(outcome.why, request) };
      case 'redirect':
        return {
          result: isExpired ? 'expired' : 'found',
          answer: redirectAnswer(outcome, rules, countryHeader),
        };
      case 'too-long':
        return { result: 'too-long', answer: prepareFor(request, new Problem('location-too-long')) };
      case 'preview':
        return this.#preview(visit, outcome);
      case 'silent':
        return { result: 'previewed', answer: silentAnswer() };
      case 'not-now':
        break;
    }
    return { result: 'not-followed', answer: prepareFor(request, new Problem('not-prefetched')) };
  }

  #preview(
    { key, link, request, isPreview }: GatedVisit,
    outcome: Outcome & { kind: 'preview' },
  ): VisitAnswer {
    const { publicUrl, countryHeader } = this.#options;
    const { rules = {} } = link;
    const { location } = outcome;
    const varying = location === undefined ? [] : varyOf(rules, countryHeader);
    // Bots that make previews read pages, whatever they accept.
    const isForPeople = !isPreview || wantsPage(request.header('accept'));
    const preview = { key, shortUrl: `${publicUrl}/${key}`, location, rules, varying };
    return { result: 'previewed', answer: previewAnswer(preview, isForPeople) };
  }
}
