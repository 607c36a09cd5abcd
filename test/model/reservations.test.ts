import { expect } from 'chai';
import { after, fateOf, nextStep, type Question } from '../../mapper/reservations/policy.ts';
import { IS_LONG } from '../long.ts';
import { readReadme } from './modelled.ts';
import {
  begin,
  faultOf,
  nameOf,
  questionOf,
  RULES,
  successors,
  type Bounds,
  type Rules,
  type State,
} from './reservations-model.ts';

interface Checked {
  readonly states: number;
  /** The property that does not hold, with the shortest way there. */
  readonly broken: string | undefined;
}

/** A request that is alone needs no more steps. */
const MOST_STEPS = 20;

/** Visits every state within the bounds, the nearest ones first. */
function check(question: Question, bounds: Bounds, rules: Rules = RULES): Checked {
  const first = begin(bounds);
  const seen = new Set([nameOf(first)]);
  let states: State[] = [first];
  while (states.length > 0) {
    const following: State[] = [];
    for (const state of states) {
      const broken = faultOf(state, question) ?? faultAlone(state, question, rules);
      if (broken !== undefined) return { states: seen.size, broken };
      for (const next of successors(state, question, rules)) {
        const name = nameOf(next);
        if (seen.has(name)) continue;
        seen.add(name);
        following.push(next);
      }
    }
    states = following;
  }
  return { states: seen.size, broken: undefined };
}

/** Why a new request would get no answer, or a wrong one, when nothing else happens any more. */
function faultAlone(state: State, question: Question, rules: Rules): string | undefined {
  if (state.requests.length > 0) return undefined;
  const { left } = begin({ requests: 1 });
  let alone: State = { ...state, left, late: [], pool: [...state.pool, 'k8', 'k9'] };
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const [next] = successors(alone, question, rules);
    if (next === undefined) return 'stuck';
    const fault = faultOf(next, question);
    if (fault !== undefined || next.requests.length === 0) return fault;
    alone = next;
  }
  return 'stuck';
}

/** The faults of each check. Together they cover all of them, up to three at a time. */
const CHECKS: Record<string, Bounds> = {
  'three requests and a deletion': { requests: 3, deletions: 1 },
  'three requests, a death and a recycled key': { requests: 3, deaths: 1, recyclings: 1 },
  'a death, a lost answer and a stolen key': { requests: 2, deaths: 1, cuts: 1, thefts: 1 },
  'an expiry, a deletion and a stolen key': { requests: 2, expiries: 1, deletions: 1, thefts: 1 },
  'three requests and an expiry': { requests: 3, expiries: 1 },
  'an expiry and a lost answer': { requests: 2, expiries: 1, cuts: 1 },
  'two lost answers and a deletion': { requests: 2, cuts: 2, deletions: 1 },
  'a server that is away, a lost answer and a stolen key': { requests: 2, outages: 1, cuts: 1, thefts: 1 },
  'a wrong refusal, a lost answer and a stolen key': { requests: 2, lies: 1, cuts: 1, thefts: 1 },
};

/** Some minutes. */
const LONG_CHECKS: Record<string, Bounds> = {
  'three requests, a deletion and a stolen key': { requests: 3, deletions: 1, thefts: 1 },
  'a death, two lost answers and a stolen key': { requests: 2, deaths: 1, cuts: 2, thefts: 1 },
  'an expiry, a deletion, a lost answer and a stolen key': {
    requests: 2,
    expiries: 1,
    deletions: 1,
    cuts: 1,
    thefts: 1,
  },
  'three requests, an expiry, a deletion and a stolen key': {
    requests: 3,
    expiries: 1,
    deletions: 1,
    thefts: 1,
  },
};

const QUESTIONS: Record<string, Question> = {
  find_if_exists: questionOf('dedupe'),
  'find_if_exists with an alias': questionOf('dedupe', 'chosen'),
  'Idempotency-Key': questionOf('idempotency'),
  'Idempotency-Key with an alias': questionOf('idempotency', 'chosen'),
};

const DEDUPE = questionOf('dedupe');
const KEYED = questionOf('idempotency');

/** A removed rule, the property that must then break, and the bounds that show it. */
const MUTANTS: readonly (readonly [
  rule: string,
  property: string,
  question: Question,
  bounds: Bounds,
  mutant: Partial<Rules>,
])[] = [
  [
    'a reservation is replaced only if it has the request id that was read',
    'twoLinks',
    KEYED,
    { requests: 2, thefts: 1 },
    { hasCondition: false },
  ],
  ['there is one reservation for each hash', 'twoLinks', KEYED, { requests: 2 }, { hasPrimaryKey: false }],
  [
    'everybody binds with the request id of the reservation',
    'anothersLink',
    KEYED,
    { requests: 1 },
    { bindsWith: (_, nextId) => nextId },
  ],
  [
    'a link without an answer keeps its key',
    'twoLinks',
    KEYED,
    { requests: 1, cuts: 1 },
    { afterCutBind: { did: 'look', link: 'others' } },
  ],
  [
    'a refused INSERT is no proof that the key is another’s',
    'twoLinks',
    KEYED,
    { requests: 1, lies: 1 },
    {
      after: (question, progress, finding) =>
        after(
          question,
          progress,
          finding.did === 'bind' && finding.outcome === 'taken' ? { did: 'look', link: 'others' } : finding,
        ),
    },
  ],
  [
    'a link that is followed no more is no answer to find_if_exists',
    'deadAnswer',
    DEDUPE,
    { requests: 2, deletions: 1 },
    {
      nextStep: (question, progress) =>
        nextStep(question, progress.link === 'over' ? { ...progress, link: 'living' } : progress),
    },
  ],
  [
    'a key of another request is not the answer',
    'anothersLink',
    DEDUPE,
    { requests: 1, thefts: 1 },
    {
      nextStep: (question, progress) =>
        nextStep(question, progress.link === 'others' ? { ...progress, link: 'living' } : progress),
    },
  ],
  [
    'a request id is written once',
    'twoLinks',
    KEYED,
    { requests: 2, expiries: 1, cuts: 1 },
    { nextStep: (question, progress) => nextStep(question, { ...progress, isWritten: false }) },
  ],
  [
    'a key that may be reserved is not given back',
    'givenBack',
    KEYED,
    { requests: 1, cuts: 1, outages: 1 },
    { fateOf: (progress) => fateOf({ ...progress, isWritten: false }) },
  ],
];

describe('reservations, model-checked', function () {
  this.timeout(600_000);
  const readme = readReadme();

  for (const [name, question] of Object.entries(QUESTIONS)) {
    for (const [what, bounds] of Object.entries(CHECKS)) {
      it(`${name}: one link with ${what}`, () => {
        const { states, broken } = check(question, bounds);
        expect(broken).to.equal(undefined);
        if (name === 'find_if_exists')
          expect(readme).to.include(`- ${what}: ${states.toLocaleString('en')} states`);
      });
    }
  }

  for (const [rule, property, question, bounds, mutant] of MUTANTS) {
    it(`breaks without a rule: ${rule} → ${property}`, () => {
      expect(check(question, bounds, { ...RULES, ...mutant }).broken).to.equal(property);
    });
  }

  if (!IS_LONG) return;
  for (const [name, question] of Object.entries(QUESTIONS)) {
    for (const [what, bounds] of Object.entries(LONG_CHECKS)) {
      it(`${name}: one link with ${what}`, () => {
        expect(check(question, bounds).broken).to.equal(undefined);
      });
    }
  }
});
