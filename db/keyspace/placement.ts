import { SLOT_COUNT } from '../../runtime/config/slots.ts';
import { crc32 } from './crc32.ts';

/** The slot of a link, the same as `CRC32(unique_id) % 32` in SQL. */
export function slotOf(key: string): number {
  return crc32(key) % SLOT_COUNT;
}

/**
 * The index of the pool, among `targets`, that a key goes to. Uses the upper half of the CRC: the lower bits
 * choose the slot, and with them a pool would feed only the slots congruent to it (measured: 8 of 32).
 */
export function placementOf(key: string, targets: number): number {
  return (crc32(key) >>> 16) % targets;
}
