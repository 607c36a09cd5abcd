/**
 * The announcement that many links were made whose keys somebody chose: mappers forget which keys they know
 * to be unknown. One message for each new link would be far more work for all of them.
 *
 * No key of a link has such characters. A mapper of 0.1.0 forgets a link of this name, which does not exist;
 * it may remember for 5 s that a new link is unknown.
 */
export const LINKS_APPEARED = '!links';
