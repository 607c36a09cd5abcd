import { parseJson } from '../runtime/json.ts';
import type { Node } from './session.ts';

/** What a process writes about itself into its lock. */
export interface LockInfo {
  /** Id of the producer. */
  readonly owner: string;
  readonly host: string;
  readonly pid: number;
}

/**
 * The holder of a lock, as far as its node can be read. A node that no process of ours wrote is `foreign`:
 * operators see it, producers do not touch it, and it is never an error.
 */
export interface LockHolder {
  readonly kind: 'ours' | 'foreign';
  readonly owner: string | null;
  readonly host: string | null;
  readonly pid: number | null;
  /** The session as written in the node. Decisions use `ephemeralOwner`. */
  readonly session: string | null;
  readonly since: string | null;
  readonly epoch: number | null;
  readonly nonce: string | null;
  /** 16 hex digits. Zeros for a persistent node, which only a person can have created. */
  readonly ephemeralOwner: string;
  readonly czxid: bigint;
  readonly raw: string;
}

/** The data of a lock node: readable JSON, because operators read it with zkCli. */
export function formatLock(
  info: LockInfo,
  session: string,
  since: string,
  nonce: string,
  epoch?: number,
): string {
  const { owner, host, pid } = info;
  return JSON.stringify({
    owner,
    host,
    pid,
    session,
    since,
    nonce,
    ...(epoch === undefined ? {} : { epoch }),
  });
}

export function parseLock({ data, stat }: Node): LockHolder {
  const { ephemeralOwner, czxid } = stat;
  const fields = parseObject(data);
  const owner = text(fields['owner']);
  const session = text(fields['session']);
  const nonce = text(fields['nonce']);
  const ours = owner !== null && nonce !== null && session === ephemeralOwner;
  return {
    kind: ours ? 'ours' : 'foreign',
    owner,
    host: text(fields['host']),
    pid: whole(fields['pid']),
    session,
    since: text(fields['since']),
    epoch: whole(fields['epoch']),
    nonce,
    ephemeralOwner,
    czxid,
    raw: data,
  };
}

function parseObject(json: string): Record<string, unknown> {
  const value = parseJson(json);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function whole(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}
