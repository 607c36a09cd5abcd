import { faultOf, type Fault } from '../reasons.ts';
import type { FindValue } from './format.ts';

/** Why a link of our own export must not be made again. */
export function refuseOwn(find: FindValue): Fault | undefined {
  if (String(find('haspassword')) === 'true')
    return faultOf('protected-link', 'password', 'the link has a password, which an export does not contain');
  if (find('deletedat') !== undefined) return faultOf('banned-link', 'deleted_at', 'the link is deleted');
  if (isImage(find('image')))
    return faultOf('image-link', 'image', 'the link is an image: post its picture to POST /images');
  return find('blocked') === undefined
    ? undefined
    : faultOf('banned-link', 'blocked', 'an administrator has blocked the link');
}

/** The type of its content, in CSV, or more in JSON. Files of others may have columns of this name. */
function isImage(value: unknown): boolean {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : value;
  return typeof type === 'string' && /^image\/(?:jpeg|png|gif|webp|avif)$/.test(type);
}
