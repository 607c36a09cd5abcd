import type { Reservation, ReservedLink } from '../../db/reservations/reservation.ts';
import {
  after,
  fateOf,
  nextStep,
  START,
  stateOfLink,
  type Finding,
  type Progress,
  type Question,
  type Step,
} from '../../mapper/reservations/policy.ts';

/** How often each thing may happen. `requests` begin one after another or together; the others are faults. */
export interface Bounds {
  readonly requests: number;
  /** Processes that die. */
  readonly deaths?: number;
  /** Writes without an answer: carried out, or later, or never. */
  readonly cuts?: number;
  /** A server that does not answer, so that a step does not happen, and the request fails. */
  readonly outages?: number;
  /** The reservation expires. It may then be pruned at any time. */
  readonly expiries?: number;
  /** The link is deleted. */
  readonly deletions?: number;
  /** Another request binds a key that nobody has bound: an alias that spells it, or a recycled key. */
  readonly thefts?: number;
  /** Keys that are in no link go back to the pool, although a process or a reservation has them. */
  readonly recyclings?: number;
  /** A row that is bound for the first time is called taken, because it meets an equal one. */
  readonly lies?: number;
}

/** What the model takes from the code, so that a mutant can replace a part of it. */
export interface Rules {
  readonly nextStep: typeof nextStep;
  readonly after: typeof after;
  readonly fateOf: typeof fateOf;
  /** Whether a reservation is replaced only if it still has the request id that was read. */
  readonly hasCondition: boolean;
  /** Whether there is one reservation for each hash. */
  readonly hasPrimaryKey: boolean;
  /** The request id with which a link is bound. */
  readonly bindsWith: (link: ReservedLink, nextId: string) => string;
  /** What a process concludes from a link whose INSERT has no answer. undefined: it fails. */
  readonly afterCutBind: Finding | undefined;
}

export const RULES: Rules = {
  nextStep,
  after,
  fateOf,
  hasCondition: true,
  hasPrimaryKey: true,
  bindsWith: ({ requestId }) => requestId,
  afterCutBind: undefined,
};

interface BoundLink {
  readonly requestId: string;
  readonly isOver: boolean;
}

interface LateWrite {
  readonly step: Step & { readonly link: ReservedLink };
}

interface Request {
  readonly progress: Progress;
  /** How often the answer had changed when it began. */
  readonly beganIn: number;
  /** Request ids whose links were over then. */
  readonly overBefore: readonly string[];
}

/** A state of the world. */
export interface State {
  readonly left: Required<Bounds>;
  readonly reservation: Reservation | undefined;
  readonly links: Readonly<Record<string, BoundLink>>;
  readonly pool: readonly string[];
  readonly requests: readonly Request[];
  readonly late: readonly LateWrite[];
  /** Names for request ids that are not used yet. */
  readonly ids: number;
  /** How often the reservation has expired, or its link died: requests before and after may differ. */
  readonly changes: number;
  /** In which of these the request ids were written. */
  readonly writtenIn: Readonly<Record<string, number>>;
  /** Whether the links asked for would be over at their beginning: then nobody may reserve one. */
  readonly isTooLate: boolean;
  /** Request ids whose links are over from their beginning. */
  readonly dead: readonly string[];
  /** The answers to requests that began and ended between two changes. */
  readonly answers: Readonly<Record<number, string>>;
  readonly firsts: readonly string[];
  /** A property that does not hold. */
  readonly broken: string | undefined;
}

const LONG_URL = 'https://example.com/';
const FINGERPRINT = '01';
const CREATED_AT = new Date(0);
const KEYS = ['k1', 'k2', 'k3', 'k4'];

export function begin(bounds: Bounds): State {
  const none = {
    deaths: 0,
    cuts: 0,
    outages: 0,
    expiries: 0,
    deletions: 0,
    thefts: 0,
    recyclings: 0,
    lies: 0,
  };
  return {
    left: { ...none, ...bounds },
    reservation: undefined,
    links: {},
    pool: KEYS,
    requests: [],
    late: [],
    ids: 0,
    changes: 0,
    isTooLate: false,
    writtenIn: {},
    dead: [],
    answers: {},
    firsts: [],
    broken: undefined,
  };
}

/** All states that can follow. */
export function successors(state: State, question: Question, rules: Rules): State[] {
  return [
    ...state.requests.flatMap((_, index) => stepsOf(state, index, question, rules)),
    ...state.late.flatMap((_, index) => landings(state, index, question, rules)),
    ...events(state, question),
  ];
}

/** A name that two states share only if they are equal. */
export function nameOf(state: State): string {
  const { left, reservation, links, pool, requests, late, changes, writtenIn, dead, answers, firsts } = state;
  return JSON.stringify([
    Object.values(left),
    nameOfReservation(reservation),
    links,
    pool,
    requests.map(({ progress, beganIn, overBefore }) => [
      nameOfReservation(progress.reservation),
      progress.link,
      progress.candidate && [progress.candidate.key, progress.candidate.requestId],
      progress.isWritten,
      beganIn,
      overBefore,
    ]),
    late.map(({ step }) => [step.do, step.link.key, step.link.requestId, 'before' in step && step.before]),
    changes,
    state.isTooLate,
    writtenIn,
    dead,
    answers,
    firsts,
    state.broken,
  ]);
}

function nameOfReservation(reservation: Progress['reservation']): unknown {
  return typeof reservation === 'object'
    ? [reservation.key, reservation.requestId, reservation.isExpired]
    : reservation;
}

/** What a request does next, with all that can happen to it. */
function stepsOf(state: State, index: number, question: Question, rules: Rules): State[] {
  const request = state.requests[index] as Request;
  const { progress } = request;
  const step = rules.nextStep(question, progress);
  if (step.do === 'end') return [answered(state, index, step.end, question, rules)];
  const gone = state.left.deaths > 0 ? [without(spend(state, 'deaths'), index)] : [];
  if (state.left.outages > 0 && step.do !== 'let-go')
    gone.push(finish(spend(state, 'outages'), index, rules));
  const goOn = (next: State, finding: Finding): State =>
    withProgress(next, index, rules.after(question, progress, finding));
  switch (step.do) {
    case 'read':
      return [...gone, goOn(state, { did: 'read', reservation: state.reservation })];
    case 'choose': {
      const [key, ...pool] = question.alias === undefined ? state.pool : [question.alias, ...state.pool];
      // No key, or an expiry in the past: the request fails.
      if (key === undefined || state.isTooLate) return [...gone, finish(state, index, rules)];
      const candidate = { key, requestId: `r${state.ids}`, createdAt: CREATED_AT };
      const next = { ...state, pool, ids: state.ids + 1 };
      return [...gone, goOn(next, { did: 'choose', candidate })];
    }
    case 'insert':
    case 'replace': {
      const done = write(state, step, question, rules);
      const known = goOn(done.state, { did: step.do, outcome: done.isWritten });
      if (state.left.cuts === 0) return [...gone, known];
      const unknown = { did: step.do, outcome: 'unknown' } as const;
      const cut = spend(state, 'cuts');
      return [
        ...gone,
        known,
        goOn(spend(done.state, 'cuts'), unknown),
        goOn({ ...cut, late: [...cut.late, { step }] }, unknown),
      ];
    }
    case 'look': {
      const bound = state.links[step.link.key];
      const link = stateOfLink(bound && { ...bound, longUrl: LONG_URL, isChanged: false }, step.link, {
        longUrl: LONG_URL,
        isOwned: false,
      });
      return [...gone, goOn(state, { did: 'look', link })];
    }
    case 'bind':
      return [...gone, ...bindings(state, index, step, question, rules)];
    case 'let-go':
      break;
  }
  return [...gone, goOn(letGo(state, step.fate, progress), { did: 'let-go' })];
}

function bindings(
  state: State,
  index: number,
  step: Step & { readonly do: 'bind' },
  question: Question,
  rules: Rules,
): State[] {
  const { progress } = state.requests[index] as Request;
  const goOn = (next: State, finding: Finding): State =>
    withProgress(next, index, rules.after(question, progress, finding));
  const done = bind(state, step.link, rules);
  const found = [goOn(done.state, { did: 'bind', outcome: done.outcome })];
  if (state.left.lies > 0 && state.links[step.link.key] === undefined)
    found.push(goOn(spend(done.state, 'lies'), { did: 'bind', outcome: 'taken' }));
  if (state.left.cuts > 0) {
    const fail = (next: State): State =>
      rules.afterCutBind === undefined ? finish(next, index, rules) : goOn(next, rules.afterCutBind);
    const cut = spend(state, 'cuts');
    found.push(fail(spend(done.state, 'cuts')), fail({ ...cut, late: [...cut.late, { step }] }));
  }
  return found;
}

/** A write whose sender has gone on without its answer is carried out. */
function landings(state: State, index: number, question: Question, rules: Rules): State[] {
  const { step } = state.late[index] as LateWrite;
  const rest = { ...state, late: state.late.toSpliced(index, 1) };
  if (step.do === 'bind') return [bind(rest, step.link, rules).state];
  return [write(rest, step, question, rules).state];
}

function write(
  state: State,
  step: Step & { readonly link: ReservedLink },
  question: Question,
  rules: Rules,
): { state: State; isWritten: boolean } {
  const { reservation } = state;
  const isPossible =
    step.do === 'replace'
      ? reservation !== undefined && (!rules.hasCondition || reservation.requestId === step.before)
      : reservation === undefined || !rules.hasPrimaryKey;
  if (!isPossible) return { state, isWritten: false };
  const { fingerprint } = question;
  const { requestId } = step.link;
  return {
    isWritten: true,
    state: {
      ...state,
      reservation: { ...step.link, fingerprint, isExpired: false },
      writtenIn: { ...state.writtenIn, [requestId]: state.changes },
    },
  };
}

function bind(state: State, link: ReservedLink, rules: Rules): { state: State; outcome: 'bound' | 'taken' } {
  const requestId = rules.bindsWith(link, `r${state.ids}`);
  const bound = state.links[link.key];
  if (bound !== undefined) return { state, outcome: bound.requestId === requestId ? 'bound' : 'taken' };
  const links = { ...state.links, [link.key]: { requestId, isOver: state.dead.includes(requestId) } };
  const ids = requestId === link.requestId ? state.ids : state.ids + 1;
  return { state: { ...state, links, ids }, outcome: 'bound' };
}

function events(state: State, question: Question): State[] {
  const { left, reservation, links, pool } = state;
  const found: State[] = [];
  if (left.requests > 0) {
    const overBefore = Object.values(links).flatMap(({ requestId, isOver }) => (isOver ? [requestId] : []));
    const request = { progress: START, beganIn: state.changes, overBefore };
    found.push({ ...spend(state, 'requests'), requests: [...state.requests, request] });
  }
  if (reservation?.isExpired === true) found.push({ ...state, reservation: undefined });
  if (left.expiries > 0 && reservation?.isExpired === false) {
    const expired = spend(state, 'expiries');
    const next = { ...expired, changes: state.changes + 1, reservation: { ...reservation, isExpired: true } };
    // A reservation of `find_if_exists` expires with its link.
    found.push(question.kind === 'dedupe' ? withOver({ ...next, isTooLate: true }, reservation) : next);
  }
  const ours = Object.entries(links).find(([, { requestId, isOver }]) => !isOver && requestId !== 'other');
  if (left.deletions > 0 && ours !== undefined) {
    const [key, { requestId }] = ours;
    const next = spend(state, 'deletions');
    found.push(
      question.kind === 'dedupe'
        ? withOver({ ...next, changes: state.changes + 1 }, { key, requestId })
        : { ...next, links: { ...links, [key]: { requestId, isOver: true } } },
    );
  }
  const free = [question.alias, ...KEYS].filter((key) => key !== undefined && links[key] === undefined);
  for (const key of free as string[]) {
    if (left.thefts > 0 && (key === question.alias || !pool.includes(key)))
      found.push({
        ...spend(state, 'thefts'),
        links: { ...links, [key]: { requestId: 'other', isOver: false } },
      });
    if (left.recyclings > 0 && key !== question.alias && !pool.includes(key))
      found.push({ ...spend(state, 'recyclings'), pool: [key, ...pool] });
  }
  return found;
}

function withOver(state: State, { key, requestId }: { key: string; requestId: string }): State {
  const bound = state.links[key];
  const dead = [...state.dead, requestId];
  if (bound?.requestId !== requestId) return { ...state, dead };
  return { ...state, dead, links: { ...state.links, [key]: { requestId, isOver: true } } };
}

function answered(
  state: State,
  index: number,
  end: Extract<Step, { do: 'end' }>['end'],
  question: Question,
  rules: Rules,
): State {
  const { beganIn, overBefore } = state.requests[index] as Request;
  const done = finish(state, index, rules);
  if (end.answer === 'taken') {
    const link = question.alias === undefined ? undefined : state.links[question.alias];
    const isOurs = link !== undefined && link.requestId !== 'other' && beganIn === state.changes;
    const isRight = link !== undefined && (!isOurs || question.kind === 'idempotency' || link.isOver);
    return isRight ? done : { ...done, broken: 'wronglyTaken' };
  }
  if (end.answer === 'other-body') return { ...done, broken: 'otherBody' };
  const { key, requestId } = end.link;
  const firsts = end.isFirst ? [...state.firsts, requestId] : state.firsts;
  const before = state.answers[beganIn];
  const isComparable = beganIn === state.changes;
  const next = {
    ...done,
    firsts,
    answers: isComparable ? { ...state.answers, [beganIn]: requestId } : state.answers,
  };
  if (state.links[key]?.requestId !== requestId) return { ...next, broken: 'anothersLink' };
  if (isComparable && before !== undefined && before !== requestId)
    return { ...next, broken: 'differentAnswers' };
  if (new Set(firsts).size < firsts.length) return { ...next, broken: 'twoFirsts' };
  if (question.kind === 'dedupe' && overBefore.includes(requestId)) return { ...next, broken: 'deadAnswer' };
  return next;
}

/** The properties of a state, whoever made it. */
export function faultOf(state: State, question: Question): string | undefined {
  if (state.broken !== undefined) return state.broken;
  const ours = Object.values(state.links).filter(({ requestId }) => requestId !== 'other');
  if (question.kind === 'dedupe')
    return ours.filter(({ isOver }) => !isOver).length > 1 ? 'twoLinks' : undefined;
  const windows = ours.map(({ requestId }) => state.writtenIn[requestId]);
  return new Set(windows).size < windows.length ? 'twoLinks' : undefined;
}

function finish(state: State, index: number, rules: Rules): State {
  const { progress } = state.requests[index] as Request;
  return without(letGo(state, rules.fateOf(progress), progress), index);
}

function letGo(state: State, fate: ReturnType<typeof fateOf>, { candidate }: Progress): State {
  if (fate !== 'unused' || candidate === undefined || !KEYS.includes(candidate.key)) return state;
  const isWritten =
    state.reservation?.requestId === candidate.requestId ||
    state.late.some(({ step }) => step.link.requestId === candidate.requestId);
  const pool = [candidate.key, ...state.pool.filter((key) => key !== candidate.key)];
  return { ...state, pool, broken: isWritten ? 'givenBack' : state.broken };
}

function without(state: State, index: number): State {
  return { ...state, requests: state.requests.toSpliced(index, 1) };
}

function withProgress(state: State, index: number, progress: Progress): State {
  const request = { ...(state.requests[index] as Request), progress };
  return { ...state, requests: state.requests.with(index, request) };
}

function spend(state: State, what: keyof Bounds): State {
  return { ...state, left: { ...state.left, [what]: state.left[what] - 1 } };
}

export function questionOf(kind: Question['kind'], alias?: string): Question {
  return { kind, fingerprint: FINGERPRINT, alias };
}
