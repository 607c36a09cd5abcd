import {
  formatIdentity,
  parseIdentity,
  whyForeign,
  type KeyspaceIdentity,
  type StoredIdentity,
} from '../../runtime/config/keyspace-identity.ts';
import {
  ImpossibleValueError,
  parseArray,
  parseCount,
  parseText,
  showValue,
  type Source,
} from '../../runtime/stored-values.ts';
import { MismatchError } from '../store-errors.ts';
import { COUNTER_KEY, INCARNATION_KEY, KEYSPACE_KEY, POOL_KEY } from './redis-keys.ts';
import { ReplyError } from './redis.ts';

/** The answers of a pool, from what the driver returns to types. Everything throws ImpossibleValueError. */

export interface DeliveryReply {
  readonly result: 'ok' | 'duplicate' | 'fenced' | 'gap';
  /** As stored after the call. */
  readonly epoch: number;
  readonly seq: number;
  readonly level: number;
}

export interface ProducerState {
  readonly epoch: number;
  readonly seq: number;
  readonly incarnation: string | undefined;
}

export interface RaiseReply extends ProducerState {
  readonly result: 'ok' | 'fenced';
  readonly incarnation: string;
  readonly level: number;
}

/** The producer state that a reply describes: the store, and the name of the hash. */
interface StateSource {
  readonly store: string;
  readonly state: string;
}

const RESULTS = ['ok', 'duplicate', 'fenced', 'gap'] as const;
/** The column that records a loss holds 64 characters of ASCII. */
const INCARNATION = /^[\x21-\x7e]{1,64}$/;

export function parseDelivery(reply: unknown, source: StateSource): DeliveryReply {
  const [result, epoch, seq, level] = parseArray(reply, answerOf(source.store));
  const known = RESULTS.find((candidate) => candidate === result);
  if (known === undefined) throw new ImpossibleValueError(source.store, 'a delivery has an unknown result');
  return { result: known, ...parseState(epoch, seq, source), level: parseLevel(level, source.store) };
}

export function parseRaise(reply: unknown, source: StateSource): RaiseReply {
  const [result, epoch, seq, incarnation, level] = parseArray(reply, answerOf(source.store));
  return {
    result: result === 'ok' ? 'ok' : 'fenced',
    ...parseState(epoch, seq, source),
    incarnation: parseIncarnation(incarnation, source.store),
    level: parseLevel(level, source.store),
  };
}

export function parseProducerState(
  fields: unknown,
  incarnation: unknown,
  source: StateSource,
): ProducerState {
  const [epoch, seq, claimedTo] = parseArray(fields, answerOf(source.store));
  parseMark(claimedTo, source);
  return {
    ...parseState(epoch, seq, source),
    incarnation: incarnation === null ? undefined : parseIncarnation(incarnation, source.store),
  };
}

export function parseTake(reply: unknown, store: string): { keys: string[]; level: number } {
  const [level, ...keys] = parseArray(reply, answerOf(store));
  return { keys: parseKeys(keys, store), level: parseLevel(level, store) };
}

/** Texts; whether each is a key is judged where it is used. */
export function parseKeys(reply: unknown, store: string): string[] {
  return parseArray(reply, answerOf(store)).map(String);
}

/** @param states the names of the hashes, in the order of the reply */
export function parseMarks(reply: unknown, states: readonly string[], store: string): (number | undefined)[] {
  const marks = parseArray(reply, answerOf(store));
  return states.map((state, index) =>
    marks[index] === '' ? undefined : parseMark(marks[index], { store, state }),
  );
}

export function parseLevel(reply: unknown, store: string): number {
  return parseCount(reply, { store, what: 'the level of its pool' });
}

function parseState(
  epoch: unknown,
  seq: unknown,
  { store, state }: StateSource,
): Record<'epoch' | 'seq', number> {
  return {
    epoch: parseCount(epoch, { store, what: `epoch of ${state}` }),
    seq: parseCount(seq, { store, what: `seq of ${state}` }),
  };
}

function parseMark(value: unknown, { store, state }: StateSource): number {
  return parseCount(value, { store, what: `claimed_to of ${state}` });
}

function parseIncarnation(value: unknown, store: string): string {
  return parseText(value, INCARNATION, { store, what: INCARNATION_KEY });
}

function answerOf(store: string): Source {
  return { store, what: 'the answer of a script' };
}

/**
 * Refuses a pool whose record of its keyspace is not ours. None is recorded: it is used.
 * @throws MismatchError; ImpossibleValueError when it is no record of ours at all
 */
export function refuseForeign(stored: unknown, ours: KeyspaceIdentity | undefined, store: string): void {
  if (ours === undefined || stored === null || stored === formatIdentity(ours)) return;
  throw foreign(store, typeof stored === 'string' ? stored : '', ours);
}

/** The refusals of lua/checks.lua, as errors of a store. */
export function translateRefusal(error: unknown, ours: KeyspaceIdentity | undefined, store: string): unknown {
  const reply = replyOf(error);
  const [, text = ''] = /^\w+ (.*)$/s.exec(reply?.message ?? '') ?? [];
  if (reply?.code === 'FOREIGN' && ours !== undefined) return foreign(store, text, ours);
  if (reply?.code === 'IMPOSSIBLE') return new ImpossibleValueError(store, text);
  return error;
}

/** Whether a command found a key of another type than it works on. Redis does not say which key. */
export function isWrongType(error: unknown): boolean {
  return replyOf(error)?.code === 'WRONGTYPE';
}

/** @param types what Redis says about the type of each key, `none` of a missing one */
export function wrongType(types: ReadonlyMap<string, unknown>, store: string): ImpossibleValueError {
  for (const [key, type] of types) {
    const expected = typeOf(key);
    if (type !== 'none' && type !== expected)
      return new ImpossibleValueError(store, `${key} is of the type ${String(type)}, not ${expected}`);
  }
  return new ImpossibleValueError(store, `one of ${[...types.keys()].join(', ')} was of another type`);
}

const STRINGS: ReadonlySet<string> = new Set([COUNTER_KEY, INCARNATION_KEY, KEYSPACE_KEY]);

function typeOf(key: string): string {
  if (key === POOL_KEY) return 'list';
  return STRINGS.has(key) ? 'string' : 'hash';
}

function replyOf(error: unknown): ReplyError | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof ReplyError ? cause : undefined;
}

/** Whether somebody has recorded a keyspace at all. */
function isComplete({ key_length: length, region_bits: bits, fingerprint }: StoredIdentity): boolean {
  return typeof length === 'number' && typeof bits === 'number' && typeof fingerprint === 'string';
}

function foreign(
  store: string,
  stored: string,
  ours: KeyspaceIdentity,
): MismatchError | ImpossibleValueError {
  const identity = parseIdentity(stored);
  const reason = isComplete(identity) ? whyForeign(identity, ours) : undefined;
  if (reason === undefined) {
    const expected = `like ${formatIdentity(ours)}, which is ours`;
    return new ImpossibleValueError(store, `${KEYSPACE_KEY} is ${showValue(stored)}, not ${expected}`);
  }
  return new MismatchError(
    store,
    `its pool ${reason}. If KEYMILL_REDIS names a server of another cluster, give this cluster its own`,
  );
}
