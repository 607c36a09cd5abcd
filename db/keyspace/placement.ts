import { crc32 } from 'node:zlib';
import { SLOT_COUNT } from '../../runtime/config/slots.ts';

/** The slot a link lies in: the same as `CRC32(unique_id) % 32` in SQL. */
export function slotOf(key: string): number {
  return crc32(key) % SLOT_COUNT;
}

/**
 * Which of `targets` pools a key goes to: by the upper half of the CRC, since with the bits that choose the slot
 * a pool would feed only the slots congruent to it (measured: 8 of 32).
 */
export function placementOf(key: string, targets: number): number {
  return (crc32(key) >>> 16) % targets;
}
