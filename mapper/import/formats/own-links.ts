import { faultOf, type Fault } from '../reasons.ts';
import type { FindValue } from './format.ts';

/** Why a link of our own export must not be made again. */
export function refuseOwn(find: FindValue): Fault | undefined {
  if (String(find('haspassword')) === 'true')
    return faultOf('protected-link', 'password', 'the link has a password, which an export does not contain');
  if (find('deletedat') !== undefined) return faultOf('banned-link', 'deleted_at', 'the link is deleted');
  return find('blocked') === undefined
    ? undefined
    : faultOf('banned-link', 'blocked', 'an administrator has blocked the link');
}
