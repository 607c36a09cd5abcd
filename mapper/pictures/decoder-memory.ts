/** What a mapper needs beside its decoder, with the files that the system counts as its memory. */
const MAPPER_BYTES = 512 * 2 ** 20;

/**
 * How much memory the decoder may have, so that it ends before the system ends its container, and with it the
 * mapper.
 * @param container the limit of the container in bytes; 0: there is none
 */
export function decoderMemory(wanted: number, container: number): number {
  if (container === 0) return wanted;
  return Math.min(wanted, Math.max(container - MAPPER_BYTES, container / 4));
}
