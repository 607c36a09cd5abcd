/**
 * How much a client wants a kind of answer: the greatest weight (RFC 9110, 12.4.2) of the ranges in `Accept`
 * that are of this kind, from 0 to 1; 0: it names none.
 * @param accept the header
 * @param kind matches a range in small letters, without blanks
 */
export function acceptedWeight(accept: string, kind: RegExp): number {
  const weights = accept
    .toLowerCase()
    .split(',')
    .map((range) => range.replaceAll(/[ \t]/g, ''))
    .filter((range) => kind.test(range))
    .map((range) => Number(/;q=([^;]*)/.exec(range)?.[1] ?? 1));
  return Math.max(0, ...weights.filter((weight) => weight <= 1));
}
