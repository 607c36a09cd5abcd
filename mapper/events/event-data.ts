import { parseLinkInEvent } from '../../db/own-links/link-in-event.ts';
import { toWholeLink } from '../shorten/whole-link.ts';
import type { ClickedLink } from './clicked-events.ts';

/**
 * The `data` of an event, for its receiver: the whole link as the API shows it. Of clicks, the links that
 * were followed, and what was counted.
 * @param event its name
 * @param body as it is stored
 * @param publicUrl origin of short URLs, without a slash at the end
 */
export function toEventData(event: string, body: string, publicUrl: string): object {
  if (event === 'link.clicked') {
    const links = (JSON.parse(body) as ClickedLink[]).map(({ unique_id: key, ...counted }) => ({
      unique_id: key,
      short_url: `${publicUrl}/${key}`,
      ...counted,
    }));
    return { links };
  }
  const { link, clicks } = parseLinkInEvent(body);
  return toWholeLink(link, `${publicUrl}/${link.key}`, clicks);
}
