import { Socket } from 'node:net';
import { expect } from 'chai';
import { StoreUnavailableError } from '../../../db/store-errors.ts';
import { Follow } from '../../../mapper/following/follow.ts';
import type { Gates } from '../../../mapper/following/gates.ts';
import { LinkGates, type LinkGatesOptions } from '../../../mapper/gates/link-gates.ts';
import { PasswordGate } from '../../../mapper/gates/password-gate.ts';
import { Refusals } from '../../../mapper/redirect/refusals.ts';
import type { Visit } from '../../../mapper/redirect/visit.ts';
import { monotonicMs } from '../../../runtime/clock.ts';

const LINK = { longUrl: 'https://example.com/', expiresAtMs: undefined, rules: { maxVisits: 1 }, state: 'a' };

function visit(link: Visit['link'] = LINK): Visit {
  const head = { head: '', headStart: 0, header: () => undefined };
  const request = { method: 'GET', query: undefined, peer: new Socket(), ...head };
  return { key: 'abc12345', link, isPreview: false, request, typedPassword: 'open sesame' };
}

describe('the time that one visitor waits', () => {
  it('has one deadline for all gates, also when the link changes again and again', async () => {
    let nowMs = 0;
    const deadlines: number[] = [];
    const pass = async (untilMs: number): Promise<void> => {
      deadlines.push(untilMs);
      nowMs += 5_000;
      return Promise.resolve();
    };
    const locked = { ...LINK, rules: { ...LINK.rules, passwordHash: 'b' } };
    const gates: Gates = {
      checkPassword: async (_visit, _hash, untilMs) => pass(untilMs).then(() => undefined),
      takeVisit: async (_visit, untilMs) => pass(untilMs).then(() => 'changed'),
      findNow: async () => Promise.resolve(locked),
      findChanged: async () => Promise.resolve(locked),
    };
    const follow = new Follow({
      refusals: new Refusals(undefined),
      gates,
      findCountry: () => undefined,
      countryHeader: undefined,
      publicUrl: 'https://go.example',
      maxLocationBytes: 4_096,
      nowMs: Date.now,
      now: () => nowMs,
    });
    const error: unknown = await Promise.resolve(follow.answer(visit(locked))).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(StoreUnavailableError);
    expect(deadlines).to.deep.equal([12_000, 12_000, 12_000]);
  });

  it('ends while a password is compared, with 503', async () => {
    const gates = new LinkGates({
      passwords: new PasswordGate({
        passwords: { matches: async () => new Promise<boolean>(() => undefined) },
        guesses: {
          begin: async () => Promise.resolve({ wrong: () => undefined, [Symbol.dispose]: () => undefined }),
        },
      }),
      guesserOf: () => undefined,
      now: monotonicMs,
    } as unknown as LinkGatesOptions);
    const refused = await gates.checkPassword(visit(), 'hash', monotonicMs() + 50);
    expect(refused).to.include({ result: 'locked' });
    expect(refused?.answer.status).to.equal(503);
    expect(refused?.answer.headers).to.include('Retry-After').and.include('2');
  });
});
