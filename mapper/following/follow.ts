import { StoreUnavailableError } from '../../db/store-errors.ts';
import type { ImageFacts } from '../../db/urls/image-facts.ts';
import { UnknownRulesError } from '../../db/urls/link-rules.ts';
import type { CacheEntry } from '../cache/link-cache.ts';
import { Problem } from '../http/problem.ts';
import type { PreparedAnswer } from '../http/plain-answer.ts';
import { prepareFor, wantsPage } from '../http/problem-page.ts';
import type { Refusals } from '../redirect/refusals.ts';
import type { Visit, VisitAnswer, Visits } from '../redirect/visit.ts';
import type { Gates } from './gates.ts';
import { judgeVisit, type Outcome, type Verdict } from './judge-visit.ts';
import { previewAnswer } from './preview.ts';
import { redirectAnswer, silentAnswer, varyOf } from './visit-answer.ts';
import { visitorOf, type FindCountry } from './visitor.ts';

export interface FollowOptions {
  readonly refusals: Refusals;
  /** Undefined: links with a password or a number of visits are refused, as links with unknown rules are. */
  readonly gates?: Gates | undefined;
  readonly findCountry: FindCountry;
  /** Undefined: this mapper has no images. */
  readonly images?: ImagePages | undefined;
  /** The header in which proxies say the country of a visitor, as it is written in `Vary`. */
  readonly countryHeader: string | undefined;
  /** Origin of short links, without a slash at the end. */
  readonly publicUrl: string;
  /** The longest `Location` with a forwarded query. */
  readonly maxLocationBytes: number;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** What visitors get of a link that is a picture, in `mapper/views`. */
export interface ImagePages {
  /** The address of the picture itself. */
  urlOf(key: string): string;
  /** A page with the picture, for everybody. Never rejects because of a store. */
  page(visit: Visit, image: ImageFacts): Promise<PreparedAnswer>;
}

/**
 * For all that one visitor waits for. Our haproxy gives 15 s to an answer, and before that the link may have
 * to be read.
 */
const WAIT_MS = 12_000;
/** How often a link may change while one visitor waits. */
const MAX_CHANGES = 8;

/** Follows links with rules, and shows previews: asks the policy, then the gates, then answers. */
export class Follow implements Visits {
  readonly #options: FollowOptions;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  answer(visit: Visit): VisitAnswer | Promise<VisitAnswer> {
    const verdict = this.#judge(visit);
    return isOpen(verdict) ? this.#answerFor(visit, verdict) : this.#passGates(visit, verdict);
  }

  #judge(visit: Visit): Verdict {
    const { findCountry, nowMs, maxLocationBytes } = this.#options;
    const visitor = visitorOf(visit.request, visit.isPreview, findCountry);
    return judgeVisit(visit.link, visitor, { nowMs: nowMs(), maxLocationBytes });
  }

  /**
   * A visitor who waits is judged again by the link as it is after that, so nobody follows what an owner had
   * replaced meanwhile.
   */
  async #passGates(visit: Visit, verdict: Verdict): Promise<VisitAnswer> {
    const { gates, refusals, now } = this.#options;
    if (gates === undefined) throw new UnknownRulesError(visit.key);
    const untilMs = now() + WAIT_MS;
    let [current, judged] = [visit, verdict];
    /** The hash of the password that the visitor has shown. */
    let shown: string | undefined;
    for (let changes = 0; changes < MAX_CHANGES; changes += 1) {
      const gate = gateBefore(judged, shown);
      if (gate === undefined) return this.#answerFor(current, judged);
      if (now() >= untilMs) throw new StoreUnavailableError(visit.key, 'its visitor has waited too long');
      let link: CacheEntry;
      if (gate.kind === 'password') {
        const refused = await gates.checkPassword(current, gate.hash, untilMs);
        if (refused !== undefined) return refused;
        shown = gate.hash;
        link = await gates.findNow(visit.key);
      } else {
        const taken = await gates.takeVisit(current, untilMs);
        if (taken === undefined) return this.#answerFor(current, judged);
        if (taken !== 'changed') return taken;
        link = await gates.findChanged(visit.key);
      }
      if (link === 'unknown') return { result: 'unknown', answer: refusals.of('unknown', visit.request) };
      current = { ...visit, link };
      judged = this.#judge(current);
    }
    throw new StoreUnavailableError(visit.key, 'it changes again and again');
  }

  #answerFor(visit: Visit, { outcome, isExpired }: Verdict): VisitAnswer | Promise<VisitAnswer> {
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
      case 'image':
        return this.#showImage(visit, outcome.image);
      case 'silent':
        return { result: 'previewed', answer: silentAnswer() };
      case 'not-now':
        break;
    }
    return { result: 'not-followed', answer: prepareFor(request, new Problem('not-prefetched')) };
  }

  /** A preview says what the link is, and shows no picture. */
  #showImage(visit: Visit, image: ImageFacts): VisitAnswer | Promise<VisitAnswer> {
    const { images } = this.#options;
    if (images === undefined)
      return { result: 'unknown', answer: prepareFor(visit.request, new Problem('no-images')) };
    if (visit.isPreview) return this.#preview(visit, { kind: 'preview', location: images.urlOf(visit.key) });
    return images.page(visit, image).then((answer) => ({ result: 'shown', answer }));
  }

  #preview({ key, link, request, isPreview }: Visit, outcome: Outcome & { kind: 'preview' }): VisitAnswer {
    const { publicUrl, countryHeader } = this.#options;
    const { rules = {} } = link;
    // An image leads nowhere. What people may want to see is the picture.
    const location = rules.image === undefined ? outcome.location : `${publicUrl}/images/${key}`;
    const varying = [
      isPreview ? 'Accept' : 'User-Agent',
      ...(location === undefined ? [] : varyOf(rules, countryHeader)),
    ];
    // Bots that make previews read pages, whatever they accept.
    const isForPeople = !isPreview || wantsPage(request.header('accept'));
    const preview = { key, shortUrl: `${publicUrl}/${key}`, location, rules, varying };
    return { result: 'previewed', answer: previewAnswer(preview, isForPeople) };
  }
}

function isOpen({ passwordHash, takesVisit }: Verdict): boolean {
  return passwordHash === undefined && !takesVisit;
}

/** @returns what the visitor must pass next; undefined: nothing */
function gateBefore(
  { passwordHash, takesVisit, outcome }: Verdict,
  shown: string | undefined,
): { readonly kind: 'password'; readonly hash: string } | { readonly kind: 'visits' } | undefined {
  if (passwordHash !== undefined && passwordHash !== shown) return { kind: 'password', hash: passwordHash };
  // Only a redirect uses up a visit, and nothing can fail behind it.
  return takesVisit && outcome.kind === 'redirect' ? { kind: 'visits' } : undefined;
}
