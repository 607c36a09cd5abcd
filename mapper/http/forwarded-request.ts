import { findUnlimitedRequest, type Find } from './usual-request.ts';

const FORWARDED_FOR = /\r\nx-forwarded-for: ([^\r]*)/gi;

/** Finds a usual request with its `X-Forwarded-For`, on a proxy's connection. With several it is unusual. */
export const findForwardedRequest: Find = (text, start) => {
  const request = findUnlimitedRequest(text, start);
  if (request === undefined) return undefined;
  const head = text.slice(start, request.bodyStart);
  FORWARDED_FOR.lastIndex = 0;
  const forwardedFor = FORWARDED_FOR.exec(head)?.[1];
  if (forwardedFor !== undefined && FORWARDED_FOR.test(head)) return undefined;
  return { ...request, forwardedFor };
};
