import { openCounterMarks } from '../../../db/counter/counter-marks.ts';
import type { Keyspace } from '../../../db/keyspace/key.ts';
import type { StoresConfig } from '../../../runtime/config/stores.ts';
import type { Inquiry } from './ask.ts';

/** The counter in the output of `status`. */
export interface CounterEntry {
  /** How many ids mappers have reserved; null when the users database does not answer. */
  readonly reserved: number | null;
  /** How many ids there are. */
  readonly capacity: number;
}

/** Undefined where keys come from the pools. */
export async function readCounter(
  inquiry: Inquiry,
  { keySource, usersDb }: StoresConfig,
  { maxId: capacity }: Keyspace,
): Promise<CounterEntry | undefined> {
  if (keySource === 'pools' || usersDb === undefined) return undefined;
  const reserved = await inquiry.ask('users', async () => {
    const marks = openCounterMarks(usersDb, { connections: 1 });
    try {
      return await marks.read();
    } finally {
      await marks.close();
    }
  });
  return { reserved: reserved ?? null, capacity };
}
