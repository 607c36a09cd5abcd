import {
  formatIdentity,
  parseIdentity,
  whyForeign,
  type KeyspaceIdentity,
} from '../../runtime/config/keyspace-identity.ts';
import {
  ImpossibleValueError,
  parseArray,
  parseCount,
  parseText,
  type Source,
} from '../../runtime/stored-values.ts';
import { MismatchError } from '../store-errors.ts';
import { INCARNATION_KEY } from './redis-keys.ts';
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
  const [epoch, seq] = parseArray(fields, answerOf(source.store));
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

/** Anything that cannot be a claim mark counts as none: then every key may have been issued. */
export function parseMarks(reply: unknown, store: string): (number | undefined)[] {
  return parseArray(reply, answerOf(store)).map((text) => {
    const mark = Number(text);
    return text !== '' && Number.isSafeInteger(mark) && mark >= 0 ? mark : undefined;
  });
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

function parseIncarnation(value: unknown, store: string): string {
  return parseText(value, INCARNATION, { store, what: INCARNATION_KEY });
}

function answerOf(store: string): Source {
  return { store, what: 'the answer of a script' };
}

/**
 * Refuses a pool whose record of its keyspace is not ours. None is recorded: it is used.
 * @throws MismatchError
 */
export function refuseForeign(stored: unknown, ours: KeyspaceIdentity | undefined, store: string): void {
  if (ours === undefined || stored === null || stored === formatIdentity(ours)) return;
  throw foreign(store, typeof stored === 'string' ? stored : '', ours);
}

/** The refusals of lua/checks.lua, and values of another type, as errors of a store. */
export function translateRefusal(error: unknown, ours: KeyspaceIdentity | undefined, store: string): unknown {
  const reply = error instanceof Error ? error.cause : undefined;
  if (!(reply instanceof ReplyError)) return error;
  const [, text = ''] = /^\w+ (.*)$/s.exec(reply.message) ?? [];
  if (reply.code === 'FOREIGN' && ours !== undefined) return foreign(store, text, ours);
  if (reply.code === 'IMPOSSIBLE' || reply.code === 'WRONGTYPE') return new ImpossibleValueError(store, text);
  return error;
}

function foreign(store: string, stored: string, ours: KeyspaceIdentity): MismatchError {
  const reason = whyForeign(parseIdentity(stored), ours) ?? 'records its keyspace in another form';
  return new MismatchError(
    store,
    `its pool ${reason}. If KEYMILL_REDIS names a server of another cluster, give this cluster its own`,
  );
}
